"""Fits of all series of a panel, in parallel, and of their calibration parts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

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
from relu_forecast.forecasting.evaluation.walk_forward import check_n_jobs
from relu_forecast.forecasting.failures import (
    collect_unconverged,
    locate_errors,
    warn_unconverged,
)


@dataclass(frozen=True)
class SeriesFit:
    """What fitting one series gave."""

    state: Any
    """Of the fit that forecasts; None where only intervals were asked for."""
    errors: npt.NDArray[np.float64] | None
    """Shape (m, horizon). Absolute errors on the calibration part, if intervals were asked for."""
    unconverged: str
    """What was said of fits that did not converge; empty if all did."""


@dataclass(frozen=True)
class PanelFit:
    """How all series of a panel are fitted."""

    model: Any
    """Not fitted: workers have no use for what was fitted before."""
    panel: Panel
    horizon: int | None
    """Steps ahead that will be forecast; None where nobody said."""
    conformal: ConformalIntervals | None
    """How intervals are made, if they are."""

    def run(
        self, warm_starts: Mapping[Hashable, WarmStarts], n_jobs: int | None
    ) -> dict[Hashable, SeriesFit]:
        """Fit, and calibrate if intervals are asked for; return what came of it by identifier."""
        check_n_jobs(n_jobs)
        sizes = self._sizes()
        fits = Parallel(n_jobs=n_jobs)(
            delayed(_fit_series)(
                self.model, series.arrays(self.model.covariates), self.horizon or 1, size,
                warm_starts.get(series.unique_id, ()), f"series {series.unique_id}")
            for series, size in zip(self.panel.series, sizes, strict=True))
        self._warn(fits)
        return {series.unique_id: fit
                for series, fit in zip(self.panel.series, fits, strict=True)}

    def calibrate(self, n_jobs: int | None) -> dict[Hashable, npt.NDArray[np.float64]]:
        """Return the errors on the calibration part of each series, by identifier."""
        check_n_jobs(n_jobs)
        sizes = self._sizes()
        fits = Parallel(n_jobs=n_jobs)(
            delayed(_calibrate_series)(
                self.model, series.arrays(self.model.covariates), self.horizon, size,
                f"series {series.unique_id}")
            for series, size in zip(self.panel.series, sizes, strict=True))
        self._warn(fits)
        return {series.unique_id: fit.errors
                for series, fit in zip(self.panel.series, fits, strict=True)}

    def _sizes(self) -> list[int]:
        """Return the samples of the calibration part of each series; refuse those too short."""
        horizon = self.horizon or 1
        lengths = [len(series) for series in self.panel.series]
        sizes = [0 if self.conformal is None else
                 size_at_fit(self.conformal, self.model, length, horizon) for length in lengths]
        check_lengths(self.model, self.panel, horizon, sizes)
        return sizes

    def _warn(self, fits: list[SeriesFit]) -> None:
        """Warn of fits that did not converge."""
        said = [fit.unconverged for fit in fits if fit.unconverged]
        warn_unconverged(self.model.alias, len(fits), said)


def check_lengths(
    model: ForecastingModel, panel: Panel, h: int, held_out: list[int] | None = None
) -> None:
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


def _fit_series(
    model: ForecastingModel, arrays: SeriesArrays, horizon: int, held_out: int,
    warm_start: WarmStarts, where: str,
) -> SeriesFit:
    """Fit one series in a worker, and calibrate on ``held_out`` samples if there are any."""
    with locate_errors(where), collect_unconverged() as messages:
        state = model.train(arrays.history(0, len(arrays)), horizon, warm_start)
        errors = _errors(model, arrays, horizon, held_out) if held_out else None
    return SeriesFit(state, errors, "\n".join(f"{where}: {message}" for message in messages))


def _calibrate_series(
    model: ForecastingModel, arrays: SeriesArrays, horizon: int, held_out: int, where: str
) -> SeriesFit:
    """Calibrate on the last ``held_out`` samples of one series in a worker."""
    with locate_errors(where), collect_unconverged() as messages:
        errors = _errors(model, arrays, horizon, held_out)
    return SeriesFit(None, errors, "\n".join(f"{where}: {message}" for message in messages))


def _errors(
    model: ForecastingModel, arrays: SeriesArrays, horizon: int, held_out: int
) -> npt.NDArray[np.float64]:
    """Return the absolute errors on the last samples of a model fitted before them."""
    # No sample is known after the series, nor column: forecasts of that far are not judged.
    beyond = np.repeat(arrays.future[-1:], horizon, axis=0)
    arrays = replace(arrays, future=np.concatenate([arrays.future, beyond]))
    fold = Fold(0, len(arrays), np.array([len(arrays) - 1]))
    part = CalibrationPart(model, arrays, fold, horizon, held_out)
    return part.errors(part.fit(()))
