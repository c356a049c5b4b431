"""The part of `Forecaster` that writes fitted models as code that runs elsewhere."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from relu_forecast.compiled import WindowModel
from relu_forecast.forecasting.data.panel import TimeSeries
from relu_forecast.forecasting.evaluation.intervals import Calibration
from relu_forecast.forecasting.models.live import GoesLive
from relu_forecast.storage import write_file

if TYPE_CHECKING:
    from relu_forecast.export import Sizes
    from relu_forecast.export.c_source import DType


class Exports(GoesLive):
    """The part of `Forecaster` that writes what was fitted as C, ONNX or Python."""

    @abstractmethod
    def _calibration(self, level: Any, h: int) -> Calibration | None:
        """Return the levels of intervals; refuse what the fit was not calibrated for."""

    def export_c(self, path: str | os.PathLike[str], unique_id: Any = None, *,
                 n_steps: int | None = None, level: Any = None, dtype: DType = "double",
                 prefix: str = "forecast", learn: bool = True) -> Sizes:
        """Write what was fitted to a series as one header of C99.

        It has a ring buffer, allocates nothing, and needs no library but ``math.h``. Its comment
        says how it is used, and what it takes; with ``-D<PREFIX>_MAIN`` it is a program that reads
        samples from its input. Missing samples are filled as by `stream`.

        Parameters
        ----------
        path : str or path
            The file, which is replaced as a whole.
        unique_id, n_steps : optional
            As for `compiled`.
        level : float or list of float, optional
            Percentages of samples that intervals should cover, as for `predict`: their half-widths
            are constants.
        dtype : {"double", "float"}, default "double"
            Type of all numbers.
        prefix : str, default "forecast"
            Of all names of the header.
        learn : bool, default True
            Whether weights of a committee follow the errors, as they do in `stream`; else they stay
            as they are at the end of the fit.

        Returns
        -------
        Sizes
            Bytes of constants and memory, and multiply-adds a forecast.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            As `compiled`, and as `predict` for ``level``; or the prefix is no name of C.
        """
        from relu_forecast.export import c_header

        def header(model: WindowModel, about: list[str]) -> tuple[str, Sizes]:
            calibration, half_widths = self._calibration(level, model.n_steps), None
            if calibration is not None:
                errors = self.calibrations_[self._known_series(unique_id).unique_id]
                half_widths = calibration.half_widths_at_end(errors[:, : model.n_steps]).T
            return c_header(
                model, prefix=prefix, dtype=dtype, half_widths=half_widths, learn=learn,
                levels=() if calibration is None else calibration.levels, about=about)

        return self._exported(path, unique_id, n_steps, header)

    def export_numpy(self, path: str | os.PathLike[str], unique_id: Any = None, *,
                     n_steps: int | None = None) -> Sizes:
        """Write what was fitted to a series as one Python file that needs NumPy alone.

        It has a function ``forecast(window)``. Weights of a committee stay as they are at the end
        of the fit.

        Parameters
        ----------
        path : str or path
            The file, which is replaced as a whole.
        unique_id, n_steps : optional
            As for `compiled`.

        Returns
        -------
        Sizes
            Bytes of constants, and multiply-adds a forecast.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            As `compiled`.
        """
        from relu_forecast.export import numpy_module

        return self._exported(path, unique_id, n_steps, numpy_module)

    def export_onnx(self, path: str | os.PathLike[str], unique_id: Any = None, *,
                    n_steps: int | None = None) -> Sizes:
        """Write what was fitted to a series as a model of ONNX, in double precision.

        Its input ``window`` is (N, samples), the last samples of each of N windows, its output
        ``forecast`` (N, steps). Weights of a committee stay as they are at the end of the fit.

        Parameters
        ----------
        path : str or path
            The file, which is replaced as a whole.
        unique_id, n_steps : optional
            As for `compiled`.

        Returns
        -------
        Sizes
            Bytes of constants, and multiply-adds a forecast.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            As `compiled`.
        MissingPackageError
            The package onnx is not there: ``pip install 'relu_forecast[onnx]'``.
        """
        from relu_forecast.export import onnx_model

        return self._exported(path, unique_id, n_steps, onnx_model)

    def _exported(self, path: str | os.PathLike[str], unique_id: Any, n_steps: int | None,
                  export: Callable[[WindowModel, list[str]], tuple[str | bytes, Sizes]]) -> Sizes:
        """Write what ``export`` makes of what was fitted to a series; return what it takes."""
        model = self.compiled(unique_id, n_steps=n_steps)
        content, sizes = export(model, self._about(self._known_series(unique_id)))
        write_file(path, content)
        return sizes

    def _about(self, series: TimeSeries) -> list[str]:
        """Return what exported files say of where they come from."""
        certificate = getattr(getattr(self, "regressor_", None), "certificate_", None)
        about = [f"Forecasts of series {series.unique_id}, by relu_forecast {version()}: "
                 + " ".join(repr(self).split()),
                 f"Fitted to {series.n_fitted:,} samples, {series.times[0]} to"
                 f" {series.times[series.n_fitted - 1]}."]
        return about if certificate is None else [
            *about, f"Certificate of the network that counts most: {certificate}"]


def version() -> str:
    """Return the version of the package that is installed; nothing of a mere checkout."""
    try:
        return installed("relu_forecast")
    except PackageNotFoundError:
        return ""
