"""One fold of an evaluation of a model that is fitted to all series at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.evaluation.checkpoint import digest_of
from relu_forecast.forecasting.evaluation.fold_fit import FoldResult, FoldWarmStarts
from relu_forecast.forecasting.evaluation.intervals import Calibration, CalibrationPart
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.forecasting.failures import collect_unconverged, locate_errors
from relu_forecast.storage import encode
from relu_forecast.training.interruption import interrupts_end_all
from relu_forecast.validation import Array


@dataclass(frozen=True)
class SeriesFold:
    """What a pooled fold may see of one series."""

    arrays: SeriesArrays
    """Up to the last cutoff of the fold, what is known ahead to the end of its forecasts."""
    fold: Fold


@dataclass(frozen=True)
class PooledFoldFit:
    """What the fits and forecasts of one fold of all series need to know, and no sample more.

    Forecasts of the result, and half-widths, are those of the series one after another.
    """

    model: ForecastingModel
    series: Mapping[Hashable, SeriesFold]
    """By identifier."""
    horizon: int
    """Steps ahead, from a cutoff to the end of its forecasts, H."""
    calibration: Calibration | None
    warm_starts: FoldWarmStarts
    """What an earlier fold left."""
    where: str
    """Which fold, for messages."""

    @property
    def digest(self) -> str:
        """A digest of all that decides the result."""
        known = [(str(name), one.arrays.values, one.arrays.past, one.arrays.future,
                  one.arrays.skips, one.fold) for name, one in self.series.items()]
        return digest_of(self.model, known, self.horizon, self.calibration,
                         encode(self.warm_starts))

    def run(self) -> FoldResult:
        """Fit, calibrate and forecast."""
        model, began = self.model, perf_counter()
        with interrupts_end_all(), collect_unconverged() as messages:
            histories = {name: one.arrays.history(one.fold.fit_start, one.fold.fit_stop)
                         for name, one in self.series.items()}
            states = model.train_pooled(histories, self.horizon, self.warm_starts.main)
            forecasts = [self._forecast(name, states[name]) for name in self.series]
            widths, calibrating = self._calibrate(states)
        some = next(iter(states.values()))
        warm_starts = FoldWarmStarts(model.warm_start_of(some), calibrating)
        return FoldResult(np.concatenate(forecasts), widths, warm_starts, perf_counter() - began,
                          "\n".join(messages))

    def _forecast(self, name: Hashable, state: Any) -> Array:
        """Return the forecasts of one series, (C, H)."""
        arrays, fold = self.series[name].arrays, self.series[name].fold
        past = arrays.past_at(fold.cutoffs, fold.fit_stop, self.model.lookback, self.horizon)
        with locate_errors(f"series {name}"):
            return forecast_checked(self.model, state, past, self.horizon)

    def _calibrate(self, states: Mapping[Hashable, Any]) -> tuple[Array | None, WarmStarts]:
        """Return half-widths of intervals, and what a later fit that calibrates can start from."""
        if self.calibration is None:
            return None, ()
        parts = {name: self._part(one, self.calibration) for name, one in self.series.items()}
        early = self.model.train_pooled({name: part.history for name, part in parts.items()},
                                        self.horizon, self.warm_starts.calibrating)
        widths = [self.calibration.half_widths(part, part.errors(early[name]), states[name])
                  for name, part in parts.items()]
        return np.concatenate(widths), self.model.warm_start_of(next(iter(early.values())))

    def _part(self, one: SeriesFold, calibration: Calibration) -> CalibrationPart:
        """Return the calibration part of a series."""
        size = calibration.size(
            self.model, one.fold.fit_stop - one.fold.fit_start, self.horizon)
        return CalibrationPart(self.model, one.arrays, one.fold, self.horizon, size)


def check_aligned(folds: Mapping[Hashable, tuple[Fold, ...]]) -> None:
    """Refuse series with different numbers of cutoffs: one fit serves all of them."""
    counts = {sum(len(fold.cutoffs) for fold in own) for own in folds.values()}
    if len(counts) > 1:
        raise InvalidArgumentError(
            "n_windows", "given for a model of all series, which must have as many cutoffs each",
            f"series with {min(counts)} to {max(counts)} cutoffs", f"Pass n_windows={min(counts)}.")
