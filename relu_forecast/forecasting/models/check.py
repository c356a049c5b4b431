"""A check of whether a forecaster keeps the contract, for the package's own and anyone's."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.base import clone

from relu_forecast.exceptions import ContractError, InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel
from relu_forecast.forecasting.data.history import Covariates, Past, SeriesArrays
from relu_forecast.forecasting.data.panel import Columns, Panel, Reading
from relu_forecast.forecasting.data.reading import read_panel
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.validation import Array, check_positive_int

ROUNDING = 1e-9
"""Relative difference up to which forecasts count as equal."""
_CLOSE = 1e-5
"""The same of fits with equal weights, where a training may take another way."""
_WEIGHT = "weight of a check"
"""Column of weights."""


def check_forecaster(forecaster: Any, data: Any = None, *, h: int = 3) -> None:
    """Check that a forecaster keeps the contract of `ForecastingModel` and `Forecaster`.

    It is fitted, forecast with, updated, saved and loaded, on copies: the forecaster itself stays
    as it is.

    Parameters
    ----------
    forecaster : Forecaster
        Not fitted; with parameters that suit the data.
    data : pandas.DataFrame, optional
        Long, with the columns ``unique_id``, ``ds``, ``y`` and those that the forecaster uses;
        two series or more. None makes two waves with noise, of 60 samples each.
    h : int, default 3
        Samples to forecast.

    Raises
    ------
    ContractError
        At the first breach; the message says what was expected of which hook, and what came.
    InvalidArgumentError
        ``data`` or ``h`` serve no check: a series is too short, or ``h`` is no whole number >= 1.

    Examples
    --------
    >>> from relu_forecast import baselines, check_forecaster
    >>> check_forecaster(baselines.LinearAR(lags=4))
    """
    _check_parameters(forecaster)
    check_positive_int(h, "h")
    frame = _waves(forecaster.covariates) if data is None else data
    columns = Columns("unique_id", "ds", "y")
    panel = read_panel(frame, Reading(columns, covariates=forecaster.covariates.names))
    trial = _Trial(forecaster, frame, panel, h)
    _check_hooks(trial)
    _check_lengths(panel, forecaster, h)
    for check in (
            _check_shapes, _check_purity, _check_horizon, _check_leakage,
            _check_predict, _check_workers, _check_update, _check_storage, _check_short_series,
            _check_weights):
        check(trial)


@dataclass(frozen=True)
class _Trial:
    """A forecaster, the data that it is tried on, and the samples to forecast."""

    forecaster: Any
    frame: pd.DataFrame
    panel: Panel
    h: int

    @cached_property
    def arrays(self) -> SeriesArrays:
        """The first series."""
        return self.panel.series[0].arrays(self.forecaster.covariates)

    @property
    def fit_stop(self) -> int:
        """Where the training part of the first series ends."""
        return len(self.arrays) - 3 * self.h

    def train(self, model: Any, horizon: int) -> Any:
        """Return the state of a fit to the training part of the first series."""
        with _named("train", "it must fit a series of usual length"):
            return model.train(self.arrays.history(0, self.fit_stop), horizon, ())

    def past(self, cutoffs: list[int], h: int | None = None) -> Past:
        """Return what is known so many samples after the training part."""
        positions, h = np.array(cutoffs) + self.fit_stop - 1, h or self.h
        return self.arrays.past_at(positions, self.fit_stop, self.forecaster.lookback, h)

    def fitted(self, frame: pd.DataFrame, **options: Any) -> Forecaster:
        """Return a copy of the forecaster, fitted to data."""
        with _named("fit", "it must fit series that are long enough"):
            model: Forecaster = clone(self.forecaster).fit(frame, horizon=self.h, **options)
        return model

    @cached_property
    def usual(self) -> Forecaster:
        """A copy of the forecaster, fitted to all data but what comes after it."""
        return self.fitted(self.known)

    @cached_property
    def expected(self) -> Array:
        """What it predicts."""
        return self.forecasts(self.usual)

    @cached_property
    def walked(self) -> Array:
        """What a copy forecasts from the first of two cutoffs, see `_from_first_cutoff`."""
        return _from_first_cutoff(self, self.frame)

    @cached_property
    def known(self) -> pd.DataFrame:
        """All rows but the last 2 h of each series."""
        return self.frame[_places(self.frame, from_end=True) >= 2 * self.h]

    def table(self, model: Forecaster) -> pd.DataFrame:
        """Return what a fitted forecaster predicts."""
        uses = self.forecaster.covariates.future
        with _named("forecast", "it must forecast from the end of each series"):
            return model.predict(self.h, future=self.frame if uses else None)

    def forecasts(self, model: Forecaster) -> Array:
        """Return the forecasts of what it predicts."""
        return self.table(model)[model.alias].to_numpy()


def _require(condition: Any, hook: str, required: str, got: object) -> None:
    """Raise `ContractError` unless a condition holds."""
    if not condition:
        raise ContractError(hook, required, str(got))


@contextmanager
def _named(hook: str, required: str) -> Iterator[None]:
    """Turn an error within a hook into a `ContractError`."""
    try:
        yield
    except ContractError:
        raise
    except Exception as error:
        raise ContractError(hook, required, f"{type(error).__name__}: {error}") from error


def _require_same(first: Array, second: Array, hook: str, required: str,
                  tolerance: float = ROUNDING) -> None:
    """Raise `ContractError` unless forecasts are equal up to rounding."""
    scale = float(np.abs(first).max(initial=0.0))
    _require(first.shape == second.shape, hook, required, f"shapes {first.shape}, {second.shape}")
    apart = float(np.abs(first - second).max(initial=0.0))
    _require(apart <= tolerance * max(scale, 1e-300), hook, required,
             f"forecasts that differ by {apart:.3g}")


def _places(frame: pd.DataFrame, from_end: bool) -> pd.Series:
    """Return the place of each row in its series, from 0 on, counted from its start or its end."""
    rows = frame.groupby("unique_id", sort=False, observed=True)
    return rows.cumcount(ascending=not from_end)


def _waves(covariates: Covariates) -> pd.DataFrame:
    """Return two positive waves with noise, and the columns that a forecaster uses."""
    generator, n = np.random.default_rng(0), 60
    data = pd.DataFrame({
        "unique_id": np.repeat(["a", "b"], n), "ds": np.tile(np.arange(n), 2),
        "y": np.r_[10 + np.sin(np.arange(n) / 3), 20 + 4 * np.cos(np.arange(n) / 5)]
        + 0.3 * generator.normal(size=2 * n)})
    for name in covariates.names:
        data[name] = generator.normal(size=2 * n)
    return data


def _check_parameters(forecaster: Any) -> None:
    """Check that parameters are stored as they are, to be read, set and cloned by scikit-learn."""
    _require(isinstance(forecaster, Forecaster), "the class", "it must derive from Forecaster",
             type(forecaster).__name__)
    with _named("__init__", "it must store each argument, unchanged, under its own name"):
        parameters = forecaster.get_params(deep=False)
        cloned = clone(forecaster)
    _require(repr(cloned.get_params(deep=False)) == repr(parameters), "__init__",
             "a clone must have the same parameters", cloned.get_params(deep=False))
    with _named("set_params", "it must take what get_params returns"):
        cloned.set_params(**parameters)
    with _named("check_parameters", "it must accept the parameters of the forecaster"):
        cloned.check_parameters()
    _require(isinstance(forecaster, ForecastingModel), "the class",
             "it must have the methods of ForecastingModel", type(forecaster).__name__)


def _check_lengths(panel: Panel, forecaster: Forecaster, h: int) -> None:
    """Refuse series that are too short to fit, update and forecast from several cutoffs."""
    needed = forecaster.min_length(h) + 4 * h
    for series in panel.series:
        if len(series) < needed:
            raise InvalidArgumentError(
                f"data (series {series.unique_id})", f"of at least {needed} samples",
                f"{len(series)}", "Pass longer series, or a smaller h.")


def _check_hooks(trial: _Trial) -> None:
    """Check that what a forecaster says of itself is of the right kind."""
    model = trial.forecaster
    for hook, value in (("lookback", model.lookback), ("min_length", model.min_length(trial.h))):
        _require(isinstance(value, int | np.integer) and value >= 1, hook,
                 "it must be a whole number >= 1", repr(value))
    _require(model.min_length(trial.h) >= model.lookback, "min_length",
             "it must be at least lookback", model.min_length(trial.h))
    for hook in ("needs_horizon", "accepts_warm_start", "skips_missing", "accepts_weights"):
        value = getattr(model, hook)
        _require(isinstance(value, bool), hook, "it must be True or False", repr(value))


def _check_shapes(trial: _Trial) -> None:
    """Check that forecasts are (C, h) and finite, and each of its own cutoff alone."""
    model = clone(trial.forecaster)
    state, cutoffs = trial.train(model, trial.h), [0, 1, trial.h, 2 * trial.h - 1]
    alone = []
    for chosen in [[cutoff] for cutoff in cutoffs] + [cutoffs]:
        with _named("forecast", "it must forecast from one cutoff and from many"):
            found = model.forecast(state, trial.past(chosen), trial.h)
        wanted = (len(chosen), trial.h)
        _require(isinstance(found, np.ndarray) and found.shape == wanted, "forecast",
                 f"it must return an array of shape (C, h) = {wanted}",
                 f"{type(found).__name__} of shape {np.shape(found)}")
        _require(np.isfinite(found).all(), "forecast", "it must return finite numbers", found)
        alone.append(found)
    _require_same(np.concatenate(alone[:-1]), alone[-1], "forecast",
                  "a row must depend on its own cutoff alone, whichever others there are")
    with _named("forecast", "it must forecast fewer samples than horizon"):
        fewer = model.forecast(state, trial.past([0], 1), 1)
    _require_same(fewer, alone[0][:, :1], "forecast", "its first step must not depend on h")


def _check_purity(trial: _Trial) -> None:
    """Check that hooks change neither the forecaster nor the state, which must be picklable."""
    model = clone(trial.forecaster)
    before = joblib.hash(vars(model))
    state = trial.train(model, trial.h)
    _require(joblib.hash(vars(model)) == before, "train",
             "it must return what it learns, and keep nothing on the forecaster",
             ", ".join(vars(model)))
    with _named("train", "it must return a state that can be pickled, for worker processes"):
        pickled = pickle.loads(pickle.dumps(state))
    first = model.forecast(state, trial.past([0, 1]), trial.h)
    _require(joblib.hash(vars(model)) == before, "forecast",
             "it must keep nothing on the forecaster", ", ".join(vars(model)))
    _require_same(first, model.forecast(state, trial.past([0, 1]), trial.h), "forecast",
                  "it must not change the state: the same forecast twice must be the same")
    _require_same(first, model.forecast(pickled, trial.past([0, 1]), trial.h), "forecast",
                  "a pickled state must forecast as the state does")
    again = trial.train(model, trial.h)
    _require_same(first, model.forecast(again, trial.past([0, 1]), trial.h), "train",
                  "two fits to the same data must agree: give what is random a random_state")
    with _named("warm_start_of", "a later fit must be able to start from what it returns"):
        model.train(trial.arrays.history(0, trial.fit_stop + 1), trial.h,
                    model.warm_start_of(state))


def _check_horizon(trial: _Trial) -> None:
    """Check that a state forecasts any number of steps, unless the forecaster needs a horizon."""
    model = clone(trial.forecaster)
    if model.needs_horizon:
        if model.usual_horizon is not None:
            return
        try:
            clone(model).fit(trial.known)
        except InvalidArgumentError:
            return
        raise ContractError("needs_horizon", "fit must ask for the horizon", "a fit without one")
    short, full = trial.train(model, 1), trial.train(model, trial.h)
    required = "forecasts must not depend on the horizon of train, unless needs_horizon is True"
    with _named("forecast", required):
        first = model.forecast(short, trial.past([0]), trial.h)
    _require_same(first, model.forecast(full, trial.past([0]), trial.h), "train", required)


def _check_leakage(trial: _Trial) -> None:
    """Check that what comes after a cutoff changes no forecast from it."""
    late = _places(trial.frame, from_end=True) < trial.h + 1
    changed = trial.frame.assign(y=trial.frame["y"].where(~late, -7.0 * trial.frame["y"]))
    _require_same(trial.walked, _from_first_cutoff(trial, changed), "train and forecast",
                  "samples after a cutoff must not change the forecasts from it")


def _from_first_cutoff(trial: _Trial, frame: pd.DataFrame, weight_col: str | None = None) -> Array:
    """Return the forecasts from the first of two cutoffs, the last but h and h + 1 samples."""
    with _named("cross_validation", "it must walk forward over the data"):
        table = clone(trial.forecaster).cross_validation(
            frame, trial.h, n_windows=2, step_size=1, refit=False, weight_col=weight_col)
    cutoffs = table.groupby("unique_id", observed=True)["cutoff"]
    early = table["cutoff"] == cutoffs.transform("min")
    return np.asarray(table.loc[early, trial.forecaster.alias])


def _check_predict(trial: _Trial) -> None:
    """Check that tables have the right columns and rows, and that nothing is trained for them."""
    model = copy(trial.usual)

    def refuse(*arguments: Any) -> None:
        raise ContractError("predict", "nothing may be trained in predict", "a call of train")

    model.__dict__["train"] = refuse  # in front of the method
    table = trial.table(model)
    wanted = ["unique_id", "ds", model.alias]
    _require(list(table) == wanted, "predict", f"its columns must be {wanted}", list(table))
    count = trial.h * len(trial.panel.series)
    _require(len(table) == count, "predict", f"it must return {count} rows", len(table))


def _check_workers(trial: _Trial) -> None:
    """Check that forecasts depend neither on the number of workers nor on the order of series."""
    known = trial.known
    parts = [rows for _, rows in known.groupby("unique_id", sort=True, observed=True)]
    with joblib.parallel_config("threading"):  # that a state can go to a process is checked above
        threaded = trial.fitted(known, n_jobs=2)
    models = {"the number of workers": threaded,
              "the order of the series": trial.fitted(pd.concat(parts[::-1]))}
    for what, model in models.items():
        _require_same(trial.expected, trial.forecasts(model), "train",
                      f"forecasts must not depend on {what}")


def _check_update(trial: _Trial) -> None:
    """Check that an update is a fit to all samples, up to what a warm start changes."""
    known = trial.known
    last = _places(known, from_end=True) < trial.h
    model = trial.fitted(known[~last])
    with _named("train", "update must be able to fit again"):
        model.update(known[last])
    updated = trial.forecasts(model)
    if not model.accepts_warm_start:
        _require_same(updated, trial.expected, "train",
                      "an update must forecast as a fit to all samples does")


def _check_storage(trial: _Trial) -> None:
    """Check that a forecaster that was saved and loaded gives the very same forecasts."""
    model = trial.usual
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecaster"
        with _named("train", "it must return a state that can be saved: plain data, or objects"
                    " of classes that declare how they are kept"):
            model.save(path)
            loaded = type(model).load(path)
    same = np.array_equal(trial.forecasts(loaded), trial.expected)
    _require(same, "save and load", "forecasts must be the very same ones", "others")


def _check_short_series(trial: _Trial) -> None:
    """Check that a series of min_length is long enough, and that a shorter one is refused."""
    length = trial.forecaster.min_length(trial.h)
    places = _places(trial.frame, from_end=False)
    trial = replace(trial, frame=trial.frame.assign(ds=places))  # one sample may say no frequency
    with _named("min_length", f"{length} samples must be enough to fit and to forecast"):
        model = trial.fitted(trial.frame[places < length], freq=1)
        _require(np.isfinite(trial.forecasts(model)).all(), "min_length",
                 f"{length} samples must give finite forecasts", "others")
    try:
        clone(trial.forecaster).fit(trial.frame[places < length - 1], horizon=trial.h, freq=1)
    except InvalidArgumentError:
        return
    raise ContractError("min_length", f"{length - 1} samples must be refused", "a fit to them")


def _check_weights(trial: _Trial) -> None:
    """Check that equal weights change nothing, others do, and those after a cutoff do not."""
    if not trial.forecaster.accepts_weights:
        return
    count, late = len(trial.frame), _places(trial.frame, from_end=True) < trial.h + 1
    uneven = np.random.default_rng(0).uniform(0.01, 2.0, count) ** 3
    frames = [trial.frame.assign(**{_WEIGHT: weights}) for weights in (
        np.full(count, 1.0), uneven, np.where(late, 0.0, uneven))]
    equal, weighed, cut = (_from_first_cutoff(trial, frame, _WEIGHT) for frame in frames)
    _require_same(trial.walked, equal, "train", "equal weights must change nothing", _CLOSE)
    _require(not np.array_equal(trial.walked, weighed), "train",
             "uneven weights must matter where accepts_weights is True", "the same forecasts")
    _require_same(weighed, cut, "train and forecast",
                  "weights after a cutoff must not change the forecasts from it")
