"""What every forecaster shares: data in, walk forward, frames out."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from relu_forecast import storage
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import (
    Covariates,
    ForecastingModel,
    WarmStarts,
    forecast_checked,
    locate_errors,
    unfinished,
    warn_unfinished,
)
from relu_forecast.forecasting.data.history import History, Past, Samples
from relu_forecast.forecasting.data.panel import Columns, Panel, Reading
from relu_forecast.forecasting.data.reading import extend_panel, read_ahead, read_panel
from relu_forecast.forecasting.evaluation.intervals import Calibration, Calibrator
from relu_forecast.forecasting.evaluation.splits import Fold, Walk
from relu_forecast.forecasting.evaluation.walk_forward import (
    Expedition,
    check_n_jobs,
    shortest_fit,
    walk_forward,
)
from relu_forecast.forecasting.models.storing import declare_forecaster
from relu_forecast.validation import check_positive_int

_F = TypeVar("_F", bound="Forecaster")


class Forecaster(BaseEstimator, ABC):
    """Base class of forecasters: one model per series, fitted on its samples alone.

    The parameters follow scikit-learn: ``__init__`` stores them, `fit` checks them, and
    ``get_params``, ``set_params`` and ``sklearn.base.clone`` work. A subclass gives ``alias``,
    the column of its forecasts, and works on arrays: `train` turns a `History` into a
    picklable state, `forecast` a state and a `Past` into forecasts, and neither keeps
    anything.

    Attributes
    ----------
    models_ : dict
        After `fit`: the fitted state of each series, by its identifier.
    panel_ : Panel
        After `fit`: the series that were fitted.
    """

    alias: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        declare_forecaster(cls)

    @property
    @abstractmethod
    def lookback(self) -> int:
        """Samples that a forecast looks back on, L >= 1."""

    @property
    def covariates(self) -> Covariates:
        """Columns beside the target that it uses."""
        return Covariates()

    @property
    def accepts_warm_start(self) -> bool:
        """Whether a fit makes use of a start."""
        return False

    @abstractmethod
    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> Any:
        """Return the state that fitting gives, for forecasts of up to ``horizon`` steps."""

    def warm_start_of(self, state: Any) -> WarmStarts:
        """Return what a later fit can start from."""
        return ()

    @abstractmethod
    def forecast(self, state: Any, past: Past, h: int) -> npt.NDArray[np.float64]:
        """Return the ``h`` samples after each of C cutoffs, shape (C, h)."""

    def min_length(self, h: int) -> int:
        """Return how many samples fitting and forecasting ``h`` steps need."""
        return self.lookback

    def check_parameters(self) -> None:
        """Refuse parameters that are out of range, before any work is done."""
        if not isinstance(self.alias, str) or not self.alias:
            raise InvalidTypeError(
                "alias", "a non-empty string", repr(self.alias), "Name the forecast column.")

    def check_storable(self) -> None:
        """Refuse, before any work is done, what `save` would refuse after a fit.

        Raises
        ------
        InvalidTypeError
            If a part cannot be kept as data: a function, or an object of a class that neither
            declares how it is kept nor is an estimator of scikit-learn.
        """
        storage.check_storable(clone(self))

    def check_state(self, state: Any, n_samples: int) -> None:
        """Refuse a state from a file that `train` cannot have returned.

        Parameters
        ----------
        state : object
            Plain data, or an object of a class that declares how it is kept.
        n_samples : int
            Of the series that it was fitted to.

        Raises
        ------
        ValueError
            If `forecast` could not do with it, or do harm: it is of another type or shape, or
            contradicts the parameters.
        """

    def fit(
        self: _F,
        data: Any,
        *,
        freq: Any = None,
        missing: str = "error",
        n_jobs: int | None = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
    ) -> _F:
        """Fit one model to each series.

        Parameters
        ----------
        data : array_like (n,), pandas.Series or pandas.DataFrame
            One series; or a long DataFrame of one or many, with a row per sample. An array has
            times 0, 1, 2, ...; a Series has its index as times.
        freq : None, number, str, pandas.Timedelta or pandas offset, optional
            Time between samples. None infers it; a given one must agree with the time stamps.
        missing : {"error", "interpolate"}, default "error"
            Refuse missing values; or fill them on the line between their neighbours, and at
            the end of what is known with the last observed value.
        n_jobs : int, optional
            Joblib workers over series. The fits do not depend on it.
        id_col, time_col, target_col : str
            Column names, of ``data`` and of the forecasts.

        Returns
        -------
        Forecaster
            Itself, fitted.

        Raises
        ------
        InvalidArgumentError
            If a parameter is out of range, or the data is unusable: see `read_panel`; or a
            series is too short, or constant where the model has to standardise it.
        ForecastError
            If the fit of a series fails in any other way.
        """
        reading = self._reading(freq, missing, id_col, time_col, target_col)
        panel = read_panel(data, reading)
        panel.columns.check_free(self.alias, "alias")
        self.models_ = self._fit_panel(panel, {}, n_jobs)
        self.panel_ = panel
        self.calibrations_: dict[tuple[Hashable, int], Any] = {}
        return self

    def update(self: _F, new_data: Any, *, n_jobs: int | None = None) -> _F:
        """Append the samples that followed, and fit again, starting from what was fitted.

        Parameters
        ----------
        new_data : array_like (n,), pandas.Series or pandas.DataFrame
            As for `fit`, from the time on at which each series ended. Series of which there is
            nothing new stay as they are.
        n_jobs : int, optional
            As for `fit`.

        Returns
        -------
        Forecaster
            Itself, fitted to all samples. Penalties that ``fit`` chose stay.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            If the data is unusable, does not begin where a series ended, or holds a series
            that was not fitted.
        ForecastError
            If a fit fails in any other way.
        """
        check_is_fitted(self)
        before: Panel = self.panel_
        panel = extend_panel(before, new_data)
        grown = replace(panel, series=tuple(
            new for old, new in zip(before.series, panel.series, strict=True)
            if len(new) > len(old)))
        starts = {series.unique_id: self.warm_start_of(self.models_[series.unique_id])
                  for series in grown.series}
        self.models_ = self.models_ | self._fit_panel(grown, starts, n_jobs)
        self.panel_, self.calibrations_ = panel, {}
        return self

    def predict(
        self,
        h: int,
        *,
        level: Any = None,
        intervals: Any = "split",
        future: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Forecast the ``h`` samples that follow the end of each fitted series.

        Parameters
        ----------
        h : int
            Samples to forecast.
        level : float or list of float, optional
            Percentages of the samples that prediction intervals should cover. The first call
            fits once more, to all but a calibration part at the end of each series.
        intervals : {"split", "adaptive"} or ConformalIntervals, default "split"
            How intervals are made.
        future : pandas.DataFrame, optional
            The columns that the model knows ahead, at the times that are forecast: identifier,
            time and these columns.

        Returns
        -------
        pandas.DataFrame, ``h`` rows per series
            Identifier, time, and the forecasts in the column ``alias``, in the unit of the
            data; for each level the bounds, ``<alias>-lo-<level>`` and ``<alias>-hi-<level>``;
            sorted by identifier and time.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            If an argument is out of range, or a series is too short for it.
        ForecastError
            If a forecast fails or diverges.
        """
        check_is_fitted(self)
        h = check_positive_int(h, "h", "Pass how many samples to forecast, >= 1.")
        calibration = Calibration.of(level, intervals)
        panel: Panel = self.panel_
        self._check_lengths(panel, h, calibration)
        times = [series.clock.after(h) for series in panel.series]
        ahead = read_ahead(panel, future, times, self.covariates.future)
        columns: dict[str, Any] = {}
        for series, known in zip(panel.series, ahead, strict=True):
            samples = series.samples(self.covariates, known)
            with locate_errors(f"series {series.unique_id}"):
                forecasts = self._forecast(series.unique_id, samples, h, calibration)
            for name, values in forecasts.items():
                columns.setdefault(name, []).append(values)
        return panel.long_frame(times, columns)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted forecaster to a file, as data that `load` reads back.

        The file has all that `predict` and `update` need, the series included. It is replaced
        as a whole: if writing breaks off, a former file stays as it was.

        Parameters
        ----------
        path : str or path
            A file in an existing folder.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidTypeError
            If a part cannot be kept as data, see `check_storable`; nothing is written then.
        InvalidArgumentError
            If the folder does not exist, or parameters have been changed since `fit`.
        """
        check_is_fitted(self)
        storage.save(self, path)

    @classmethod
    def load(cls: type[_F], path: str | os.PathLike[str]) -> _F:
        """Read a forecaster that `save` wrote; no code in the file is run.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Forecaster
            Fitted, with the very forecasts of the one that was saved. Networks are on the device
            that their regressor asks for, if there is one, else on the CPU.

        Raises
        ------
        InvalidArgumentError
            If the file does not exist, is damaged, is of a newer version, or holds a forecaster
            of another class, or one whose module has not been imported.
        """
        forecaster = storage.load(path)
        if not isinstance(forecaster, cls):
            raise InvalidArgumentError(
                "path", f"a file of a {cls.__name__}",
                f"{str(path)!r}, of a {type(forecaster).__name__}",
                "Use relu_forecast.load_forecaster, which reads them all.")
        return forecaster

    def cross_validation(
        self,
        data: Any,
        h: int,
        *,
        n_windows: int | None = None,
        step_size: int | None = None,
        input_size: int | None = None,
        gap: int = 0,
        refit: bool | int = True,
        level: Any = None,
        intervals: Any = "split",
        n_jobs: int | None = None,
        verbose: bool = False,
        checkpoint: Any = None,
        freq: Any = None,
        missing: str = "error",
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
    ) -> pd.DataFrame:
        """Walk forward through each series: fit on the past, forecast ``h`` samples, step on.

        The forecaster itself is not changed. A cutoff is the time of the last sample that a
        forecast knows. The last window ends with the series.

        Parameters
        ----------
        data : array_like (n,), pandas.Series or pandas.DataFrame
            As for `fit`.
        h : int
            Samples to forecast from each cutoff.
        n_windows : int, optional
            Cutoffs per series. None takes as many as leave at least the first half of the
            series, and ``input_size`` samples, to the first fit.
        step_size : int, optional
            Samples between cutoffs; None means ``h``.
        input_size : int, optional
            Train on a sliding window of this many samples; None trains on an expanding one,
            all samples up to the cutoff.
        gap : int, default 0
            Samples left out between the cutoff and the first one that is forecast.
        refit : bool or int, default True
            Fit at every cutoff, only at the first one (False), or at every ``refit``-th one.
            A cutoff without a fit of its own still forecasts from all samples up to it. Fits
            after the first start from an earlier one, and keep the penalties that it chose.
        level, intervals
            As for `predict`. Every fit comes with one for its calibration part. Where cutoffs
            share a fit, split intervals stay as they were at the fit; adaptive ones learn from
            every sample up to the cutoff.
        n_jobs : int, optional
            Joblib workers over series and fits. The forecasts do not depend on it.
        verbose : bool, default False
            Show progress on stderr, if it is a terminal.
        checkpoint : str or path, optional
            A file that keeps each fit's forecasts once they are done. After an interruption,
            the same call goes on where it was. Delete the file when it is no longer needed,
            or when the code of an estimator of your own has changed.
        freq, missing, id_col, time_col, target_col
            As for `fit`. A target that is missing stays missing in the result.

        Returns
        -------
        pandas.DataFrame, ``h`` rows per cutoff
            Identifier, time, ``"cutoff"``, target, the forecasts in the column ``alias``, and
            the bounds of intervals as in `predict`; sorted by identifier, cutoff and time.

        Raises
        ------
        InvalidArgumentError
            If a parameter is out of range, the data is unusable, or a series is too short.
        ForecastError
            If a fit or a forecast fails; the message names series and cutoff.
        """
        reading = self._reading(freq, missing, id_col, time_col, target_col)
        walk = Walk(h, n_windows, step_size, input_size, gap, refit)
        calibration = Calibration.of(level, intervals)
        expedition = Expedition(
            {self.alias: clone(self)}, read_panel(data, reading), walk, calibration)
        predictions, _ = walk_forward(
            expedition, n_jobs=n_jobs, verbose=verbose, checkpoint=checkpoint)
        return predictions

    def _reading(
        self, freq: Any, missing: str, id_col: str, time_col: str, target_col: str
    ) -> Reading:
        """Check the parameters, and return how data is read."""
        self.check_parameters()
        used = self.covariates
        columns = Columns(id_col, time_col, target_col)
        return Reading(columns, freq, missing, (*used.past, *used.future))

    def _fit_panel(
        self, panel: Panel, starts: dict[Hashable, WarmStarts], n_jobs: int | None
    ) -> dict[Hashable, Any]:
        """Return the states that fitting each series gives, by identifier."""
        self._check_lengths(panel, 1, None)
        check_n_jobs(n_jobs)
        model = clone(self)  # without what was fitted before: workers have no use for it
        fits = Parallel(n_jobs=n_jobs)(
            delayed(_fit_series)(
                model, series.samples(self.covariates), starts.get(series.unique_id, ()),
                f"series {series.unique_id}")
            for series in panel.series)
        warn_unfinished(self.alias, len(fits), [said for _, said in fits if said])
        return {series.unique_id: state
                for series, (state, _) in zip(panel.series, fits, strict=True)}

    def _forecast(
        self, unique_id: Hashable, samples: Samples, h: int, calibration: Calibration | None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Return the forecasts of one series, and the bounds of their intervals, (h,) each."""
        fold = Fold(0, len(samples), np.array([len(samples) - 1]))
        past = samples.past_at(fold.cutoffs, fold.fit_stop, self.lookback, h)
        state = self.models_[unique_id]
        forecasts = forecast_checked(self, state, past, h)[0]
        if calibration is None:
            return {self.alias: forecasts}
        calibrator = Calibrator(calibration, self, samples, fold, h)
        key = unique_id, calibrator.fit_stop
        if key not in self.calibrations_:
            self.calibrations_[key] = calibrator.fit(())
        widths = calibrator.half_widths(self.calibrations_[key], state)[0]
        return calibration.bounds(self.alias, forecasts, widths)

    def _check_lengths(self, panel: Panel, h: int, calibration: Calibration | None) -> None:
        """Refuse series that are too short to fit, to calibrate and to forecast ``h`` steps."""
        needed = shortest_fit(self, h, calibration)
        for series in panel.series:
            if len(series) < needed:
                raise InvalidArgumentError(
                    f"series {series.unique_id}",
                    f"at least {needed} samples long for {type(self).__name__} and h={h}",
                    f"{len(series)} samples",
                    "Supply more history, or use fewer lags, a shorter season or lower levels.")


def _fit_series(
    model: ForecastingModel, samples: Samples, start: WarmStarts, where: str
) -> tuple[Any, str]:
    """Return the state of one series, fitted in a worker, and what did not converge."""
    with locate_errors(where), unfinished() as messages:
        state = model.train(samples.history(0, len(samples)), 1, start)
    return state, "\n".join(f"{where}: {message}" for message in messages)


def load_forecaster(path: str | os.PathLike[str]) -> Forecaster:
    """Read a forecaster that `Forecaster.save` wrote, whatever its class; see `Forecaster.load`."""
    return Forecaster.load(path)
