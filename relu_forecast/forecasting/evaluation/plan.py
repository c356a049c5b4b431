"""What an evaluation does: which models, on which series, at which cutoffs, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel
from relu_forecast.forecasting.data.panel import Panel, TimeSeries
from relu_forecast.forecasting.evaluation.intervals import Calibration
from relu_forecast.forecasting.evaluation.splits import Fold, Splits
from relu_forecast.forecasting.failures import locate_errors

CHAIN_LENGTH = 32
"""Folds, one after the other, each of which starts warm from the one before."""


@dataclass(frozen=True)
class Evaluation:
    """Models that forecast the same cutoffs of the same series.

    A column of forecasts or intervals that hides a column of the data or of another model is
    refused.
    """

    models: Mapping[str, ForecastingModel]
    """By the column of their forecasts; left unchanged."""
    panel: Panel
    """The series."""
    splits: Splits
    """Where the cutoffs are, and which of them share a fit."""
    calibration: Calibration | None = None
    """Levels of the intervals, if any."""

    def __post_init__(self) -> None:
        names = [name for alias in self.models for name in self.columns(alias)]
        for name in names:
            self.panel.columns.check_free(name, "alias")
            if names.count(name) > 1:
                raise InvalidArgumentError("models", "names that no interval of another model has",
                                           repr(name), "Rename the model.")

    @cached_property
    def shortest_fit(self) -> int:
        """Samples that each fit must have: what the most demanding model needs."""
        reach = self.splits.reach
        if self.calibration is None:
            return max(model.min_length(reach) for model in self.models.values())
        return max(self.calibration.shortest(model, reach) for model in self.models.values())

    def folds(self, series: TimeSeries) -> tuple[Fold, ...]:
        """Return the folds of one series; an error names it."""
        with locate_errors(f"series {series.unique_id}"):
            return self.splits.folds(len(series), self.shortest_fit)

    def columns(self, alias: str) -> list[str]:
        """Return the columns of the forecasts and intervals of a model."""
        intervals = [] if self.calibration is None else self.calibration.columns(alias)
        return [alias, *intervals]


def rounds_of_folds(count: int, warm: bool) -> list[list[tuple[int, int | None]]]:
    """Return the folds of one series in rounds, the folds of a round being free to run at once.

    Each fold comes with the fold whose fit it starts from, if any. Warm fits run in chains: after
    the first fold come chains of `CHAIN_LENGTH` folds, each of which starts from the first fold,
    and goes on from fold to fold. The chains depend on the folds alone, so that forecasts do not
    depend on how many folds run at once.
    """
    if not warm:
        return [[(fold, None) for fold in range(count)]]
    heads = range(1, count, CHAIN_LENGTH)
    later: list[list[tuple[int, int | None]]] = [
        [(head + place, head + place - 1 if place else 0)
         for head in heads if head + place < count]
        for place in range(min(CHAIN_LENGTH, count - 1))]
    return [[(0, None)], *later]
