"""One fold of an evaluation of a model that is fitted to all series at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.evaluation.fold_fit import FoldFit
from relu_forecast.forecasting.evaluation.intervals import Calibration
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.forecasting.failures import locate_errors
from relu_forecast.validation import Array


@dataclass(frozen=True)
class SeriesFold:
    """What a pooled fold may see of one series."""

    arrays: SeriesArrays
    """Up to the last cutoff of the fold, what is known ahead to the end of its forecasts."""
    fold: Fold


@dataclass(frozen=True, kw_only=True)
class PooledFoldFit(FoldFit):
    """One fold of all series.

    Forecasts of the result, and half-widths, are those of the series one after another.
    """

    series: Mapping[Hashable, SeriesFold]
    """By identifier."""

    @property
    def data(self) -> tuple[Any, ...]:
        return tuple((str(name), one.arrays.values, one.arrays.past, one.arrays.future,
                      one.arrays.skips, one.fold) for name, one in self.series.items())

    def fit(self, warm_start: WarmStarts) -> dict[Hashable, Any]:
        histories = {name: one.arrays.history(one.fold.fit_start, one.fold.fit_stop)
                     for name, one in self.series.items()}
        return self.model.train_pooled(histories, self.horizon, warm_start)

    def forecast(self, fitted: Mapping[Hashable, Any]) -> Array:
        return np.concatenate([self._forecast(name, fitted[name]) for name in self.series])

    def _forecast(self, name: Hashable, state: Any) -> Array:
        """Return the forecasts of one series, (C, H)."""
        arrays, fold = self.series[name].arrays, self.series[name].fold
        past = arrays.past_at(fold.cutoffs, fold.fit_stop, self.model.lookback, self.horizon)
        with locate_errors(f"series {name}"):
            return forecast_checked(self.model, state, past, self.horizon)

    def calibrate(self, fitted: Mapping[Hashable, Any],
                  calibration: Calibration) -> tuple[Array, WarmStarts]:
        parts = {name: calibration.part(self.model, one.arrays, one.fold, self.horizon)
                 for name, one in self.series.items()}
        early = self.model.train_pooled({name: part.history for name, part in parts.items()},
                                        self.horizon, self.warm_starts.calibrating)
        widths = [calibration.half_widths(part, part.errors(early[name]), fitted[name])
                  for name, part in parts.items()]
        return np.concatenate(widths), self.warm_start_of(early)

    def warm_start_of(self, fitted: Mapping[Hashable, Any]) -> WarmStarts:
        return self.model.warm_start_of(next(iter(fitted.values())))


def check_aligned(folds: Mapping[Hashable, tuple[Fold, ...]]) -> None:
    """Refuse series with different numbers of cutoffs: one fit serves all of them."""
    counts = {sum(len(fold.cutoffs) for fold in own) for own in folds.values()}
    if len(counts) > 1:
        raise InvalidArgumentError(
            "n_windows", "given for a model of all series, which must have as many cutoffs each",
            f"series with {min(counts)} to {max(counts)} cutoffs", f"Pass n_windows={min(counts)}.")
