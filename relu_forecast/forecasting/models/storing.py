"""Forecasters in files: their parameters, and all that a fit learned."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from relu_forecast import storage
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel
from relu_forecast.forecasting.data.panel import Panel
from relu_forecast.forecasting.evaluation.intervals import ConformalIntervals
from relu_forecast.forecasting.models.fitting import check_lengths
from relu_forecast.storage import (
    TEXT,
    VALUE,
    Added,
    Array,
    Declaration,
    Fields,
    Many,
    Maybe,
    Named,
    Of,
    Whole,
)

_F = TypeVar("_F", bound="StorableForecaster")


class StorableForecaster(ForecastingModel, BaseEstimator):
    """The part of `Forecaster` that writes files and reads them.

    Subclasses need do nothing for states of plain data: None, numbers, text, arrays, and lists,
    tuples and dicts of these. States of other classes say how they are kept, see
    `relu_forecast.storage.stored`.
    """

    alias: str
    models_: dict[Hashable, Any]
    panel_: Panel
    horizon_: int | None
    intervals_: ConformalIntervals | None
    calibrations_: dict[Hashable, npt.NDArray[np.float64]]
    notes_: Mapping[str, str]
    """Texts that files keep beside what was fitted; here nothing is made of them. They say how
    `relu-forecast fit` was to read its file."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        storage.declare(cls, Declaration(lambda: _KINDS, _parts_of, _restored))

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

    def shared_part(self, states: Sequence[Any]) -> Any:
        """Return what all states have in common, for files to keep it once; by default nothing."""
        return None

    def own_part(self, state: Any) -> Any:
        """Return what a state has beside that; by default all of it."""
        return state

    def joined(self, shared: Any, own: Any) -> Any:
        """Return a state of its parts; a ValueError where they do not belong together."""
        if shared is not None:
            raise ValueError("it must have nothing in common with others")
        return own

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


def load_forecaster(path: str | os.PathLike[str]) -> Any:
    """Read a forecaster that `Forecaster.save` wrote, whatever its class.

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
        If the file does not exist, is no such file, is damaged or of a newer version; or if its
        class is not of this package, and its module has not been imported.

    Notes
    -----
    A file is read as data: no code of it is run.
    """
    return StorableForecaster.load(path)


_KINDS: Mapping[str, storage.Kind] = {"parameters": Named(VALUE), "fitted": Maybe(Fields({
    "panel": Of(Panel), "horizon": Maybe(Whole(1)), "shared": Added(VALUE), "models": Many(VALUE),
    "intervals": Maybe(Of(ConformalIntervals)),
    "calibrations": Many(Array((2,), finite=False))})),
    "notes": Added(Named(TEXT), {})}
"""Of parameters and of what was fitted; states are in the panel's order, less what they share."""


def _parts_of(forecaster: StorableForecaster) -> Mapping[str, Any]:
    """Return parameters and what was fitted, None where nothing was."""
    parameters = forecaster.get_params(deep=False)
    if not hasattr(forecaster, "panel_"):
        return {"parameters": parameters, "fitted": None, "notes": {}}
    names = [series.unique_id for series in forecaster.panel_.series]
    errors, states = forecaster.calibrations_, [forecaster.models_[name] for name in names]
    return {"parameters": parameters, "notes": forecaster.notes_, "fitted": {
        "panel": forecaster.panel_, "horizon": forecaster.horizon_,
        "shared": forecaster.shared_part(states),
        "models": [forecaster.own_part(state) for state in states],
        "intervals": forecaster.intervals_,
        "calibrations": [errors[name] for name in names if errors]}}


def _restored(kept: type[StorableForecaster], parts: dict[str, Any]) -> StorableForecaster:
    """Return a forecaster, after checks that all of it belongs together."""
    forecaster: StorableForecaster = storage.with_parameters(kept, parts["parameters"])
    forecaster.check_parameters()
    if parts["fitted"] is None:
        return forecaster
    panel, forecaster.horizon_, shared, own, forecaster.intervals_, errors = (
        parts["fitted"].values())
    _check_panel(forecaster, panel)
    if len(own) != len(panel.series):
        raise ValueError("there must be one model per series")
    models = []
    for i, (series, part) in enumerate(zip(panel.series, own, strict=True)):
        try:
            models.append(forecaster.joined(shared, part))
            forecaster.check_state(models[-1], series.n_fitted)
        except Exception as error:
            raise ValueError(f"models/{i}: {error}") from error
    # Only now: what a fit needs is known of parameters that agree with the states.
    check_lengths(forecaster, panel, forecaster.horizon_ or 1)
    _check_errors(forecaster, panel, errors)
    names = [series.unique_id for series in panel.series]
    forecaster.notes_ = dict(parts["notes"])
    forecaster.panel_, forecaster.models_ = panel, dict(zip(names, models, strict=True))
    forecaster.calibrations_ = dict(zip(names, errors, strict=False))
    return forecaster


def _check_panel(forecaster: StorableForecaster, panel: Panel) -> None:
    """Refuse series that the forecaster cannot have been fitted to."""
    used = forecaster.covariates
    if panel.reading.covariates != used.names:
        raise ValueError(f"the panel must be of columns {used.names}")
    panel.columns.check_free(forecaster.alias, "alias")
    for series in panel.series:
        series.arrays(used)
    if forecaster.needs_horizon and forecaster.horizon_ is None:
        raise ValueError("there must be a horizon")


def _check_errors(
    forecaster: StorableForecaster, panel: Panel, errors: list[npt.NDArray[np.float64]]
) -> None:
    """Refuse errors of calibration parts that intervals cannot be made of."""
    count = 0 if forecaster.intervals_ is None else len(panel.series)
    steps = {one.shape[1] for one in errors}
    if len(errors) != count or not steps <= {forecaster.horizon_}:
        raise ValueError("calibrations must be one per series, with errors for each step")
    if any((one < 0).any() or np.isinf(one).any() for one in errors):
        raise ValueError("calibrations must be absolute errors")
