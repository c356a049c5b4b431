"""Fits of all series of a panel, in parallel, and of their calibration parts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import delayed

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.data.panel import Panel
from relu_forecast.forecasting.evaluation.intervals import (
    CalibrationPart,
    ConformalIntervals,
    size_at_fit,
)
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.forecasting.failures import collect_unconverged, locate_errors, warn_unconverged
from relu_forecast.forecasting.parallel import in_parallel
from relu_forecast.training.interruption import interrupts_end_all
from relu_forecast.validation import Array, check_n_jobs


@dataclass(frozen=True)
class SeriesFit:
    """What fitting one series gave."""

    state: Any
    """Of the fit that forecasts."""
    errors: Array | None
    """Shape (m, horizon). Absolute errors on the calibration part, if intervals were asked for."""
    unconverged: str
    """What was said of fits that did not converge; empty if all did."""


def errors_of(fits: Mapping[Hashable, SeriesFit]) -> dict[Hashable, Array]:
    """Return the errors on the calibration parts, by identifier; empty without intervals."""
    return {name: fit.errors for name, fit in fits.items() if fit.errors is not None}


def fit_panel(model: Any, panel: Panel, horizon: int | None, conformal: ConformalIntervals | None,
              n_jobs: int | None, warm_starts: Mapping[Hashable, WarmStarts],
              states: Mapping[Hashable, Any] | None = None) -> dict[Hashable, SeriesFit]:
    """Fit a model, itself not fitted, to each series, and calibrate where intervals are asked for.

    ``horizon`` is None where nobody said how many steps will be forecast. ``warm_starts`` are by
    identifier, as is the result. With ``states``, those of earlier fits, the models stay, and are
    calibrated alone.
    """
    check_n_jobs(n_jobs)
    steps = horizon or 1
    sizes = [0 if conformal is None else size_at_fit(conformal, model, len(series), steps)
             for series in panel.series]
    check_lengths(model, panel, steps, sizes)
    names = [series.unique_id for series in panel.series]
    if model.pools:
        fits = _fit_pool(model, panel, steps, sizes, warm_starts, states)
        warn_unconverged(
            model.alias, 1, [fit.unconverged for fit in fits.values() if fit.unconverged][:1])
        return fits
    calls = (
        delayed(_fit_series)(
            model, series.arrays(model.covariates), steps, size, warm_starts.get(name, ()),
            None if states is None else states[name], f"series {name}")
        for series, size, name in zip(panel.series, sizes, names, strict=True))
    results = in_parallel(calls, len(names), "Fitting series", n_jobs)
    said = [fit.unconverged for fit in results if fit.unconverged]
    warn_unconverged(model.alias, len(results), said)
    return dict(zip(names, results, strict=True))


def adopt_panel(model: ForecastingModel, panel: Panel,
                states: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    """Return the states of series of which some were not fitted, given those that were."""
    adopted, some = {}, next(iter(states.values()))
    for series in panel.series:
        name, arrays = series.unique_id, series.arrays(model.covariates)
        with locate_errors(f"series {name}"):
            if len(series) < model.lookback:
                raise InvalidArgumentError(
                    "data", f"at least {model.lookback} samples long to forecast from",
                    f"{len(series)} samples", "Supply more history.")
            known = states.get(name) if model.pools else None
            adopted[name] = model.adopt(
                some, arrays.history(0, len(arrays))) if known is None else known
    return adopted


def check_lengths(model: ForecastingModel, panel: Panel, h: int,
                  held_out: list[int] | None = None) -> None:
    """Refuse series that are too short to fit and to forecast ``h`` steps.

    ``held_out`` are the samples of the calibration part of each series.
    """
    needed = model.min_length(h)
    for series, size in zip(panel.series, held_out or [0] * len(panel.series), strict=True):
        if len(series) < needed + size:
            intervals = f" with {size} samples held out for intervals" if size else ""
            raise InvalidArgumentError(
                f"series {series.unique_id}",
                f"at least {needed + size} samples long for {type(model).__name__} and h={h}"
                + intervals, f"{len(series)} samples",
                "Supply more history, or use fewer lags, a shorter season or no intervals.")


def _fit_pool(model: ForecastingModel, panel: Panel, horizon: int, sizes: list[int],
              warm_starts: Mapping[Hashable, WarmStarts],
              states: Mapping[Hashable, Any] | None) -> dict[Hashable, SeriesFit]:
    """Fit all series at once, unless there are ``states``, and calibrate if wanted."""
    arrays = {series.unique_id: series.arrays(model.covariates) for series in panel.series}
    errors: dict[Hashable, Array] = {}
    with locate_errors("all series"), interrupts_end_all(), collect_unconverged() as messages:
        if states is None:
            histories = {name: own.history(0, len(own)) for name, own in arrays.items()}
            start = next(iter(warm_starts.values()), ())
            states = model.train_pooled(histories, horizon, start)
        if any(sizes):
            parts = {name: _calibration_part(model, own, horizon, size)
                     for (name, own), size in zip(arrays.items(), sizes, strict=True)}
            early = model.train_pooled(
                {name: part.history for name, part in parts.items()}, horizon, ())
            errors = {name: part.errors(early[name]) for name, part in parts.items()}
    said = "\n".join(f"all series: {message}" for message in messages)
    return {name: SeriesFit(states[name], errors.get(name), said) for name in arrays}


def _fit_series(model: ForecastingModel, arrays: SeriesArrays, horizon: int, held_out: int,
                warm_start: WarmStarts, state: Any, where: str) -> SeriesFit:
    """Fit one series in a worker, unless there is a ``state``, and calibrate if wanted."""
    errors = None
    with locate_errors(where), interrupts_end_all(), collect_unconverged() as messages:
        if state is None:
            state = model.train(arrays.history(0, len(arrays)), horizon, warm_start)
        if held_out:
            errors = _errors(model, state, arrays, horizon, held_out)
    return SeriesFit(state, errors, "\n".join(f"{where}: {message}" for message in messages))


def _errors(model: ForecastingModel, state: Any, arrays: SeriesArrays, horizon: int,
            held_out: int) -> Array:
    """Return the absolute errors on the last samples of a model that had not seen them."""
    part = _calibration_part(model, arrays, horizon, held_out)
    known = part.held_out(state)
    return part.errors(part.fit(())) if known is None else known


def _calibration_part(model: ForecastingModel, arrays: SeriesArrays, horizon: int,
                      held_out: int) -> CalibrationPart:
    """Return the last samples of a series, to be held out."""
    # No sample is known after the series, nor column: forecasts of that far are not judged.
    beyond = np.repeat(arrays.future[-1:], horizon, axis=0)
    arrays = replace(arrays, future=np.concatenate([arrays.future, beyond]))
    fold = Fold(0, len(arrays), np.array([len(arrays) - 1]))
    return CalibrationPart(model, arrays, fold, horizon, held_out)
