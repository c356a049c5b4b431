"""Walk-forward evaluation: fit on the past, forecast, take the next cutoff, and repeat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed, effective_n_jobs

from relu_forecast.forecasting.contract import ForecastingModel
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.data.panel import TimeSeries
from relu_forecast.forecasting.evaluation.checkpoint import Checkpoint
from relu_forecast.forecasting.evaluation.fold_fit import (
    FoldFailure,
    FoldFit,
    FoldResult,
    FoldWarmStarts,
    SeriesFoldFit,
    run_fold,
)
from relu_forecast.forecasting.evaluation.plan import Evaluation, rounds_of_folds
from relu_forecast.forecasting.evaluation.pooled_fold import (
    PooledFoldFit,
    SeriesFold,
    check_aligned,
)
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.forecasting.failures import warn_unconverged
from relu_forecast.forecasting.parallel import as_they_come, progress
from relu_forecast.validation import Array, check_choice, check_n_jobs


def walk_forward(evaluation: Evaluation, *, n_jobs: int | None = None, verbose: bool = False,
                 checkpoint: Any = None) -> tuple[pd.DataFrame, pd.Series]:
    """Fit and forecast at every cutoff of every series with every model.

    See `Forecaster.cross_validation` for the other arguments, and for the predictions, which have
    the columns of all models. The second result is the time of fits and forecasts of each model,
    summed over workers.
    """
    check_n_jobs(n_jobs)
    folds = {series.unique_id: evaluation.folds(series) for series in evaluation.panel.series}
    runs = [run for alias in evaluation.models for run in _runs_of(evaluation, alias, folds)]
    total = sum(len(run.folds) for run in runs)
    opened = nullcontext() if checkpoint is None else Checkpoint(checkpoint)
    shown = check_choice(verbose, "verbose", (True, False))
    with opened as file, progress("Forecasting", total, wanted=shown) as advance:
        _Execution(n_jobs, file, advance).run_all(runs)
    seconds = pd.Series(0.0, index=pd.Index(evaluation.models, dtype=object), name="seconds")
    for run in runs:
        seconds[run.alias] += sum(result.seconds for result in run.ordered)
    for alias in evaluation.models:
        own = [run for run in runs if run.alias == alias]
        warn_unconverged(alias, sum(len(run.folds) for run in own),
                         [message for run in own for message in run.unconverged])
    return _frame(evaluation, folds, runs), seconds


def _runs_of(evaluation: Evaluation, alias: str,
             folds: Mapping[Hashable, tuple[Fold, ...]]) -> Sequence[_Run]:
    """Return the runs of a model: one for each series, or one for all where it pools them."""
    if not evaluation.models[alias].pools:
        return [_SeriesRun(evaluation, alias, folds[series.unique_id], series=series)
                for series in evaluation.panel.series]
    check_aligned(folds)
    return [_PooledRun(evaluation, alias, next(iter(folds.values())), by_series=folds)]


@dataclass(frozen=True, kw_only=True)
class _Run(ABC):
    """The folds of one model on one series, or on all, and what is known of them, by number."""

    evaluation: Evaluation = field(kw_only=False)
    alias: str = field(kw_only=False)
    folds: tuple[Fold, ...] = field(kw_only=False)
    results: dict[int, FoldResult] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    """By which a checkpoint knows the folds; empty without one."""

    @property
    def model(self) -> ForecastingModel:
        """The model, not fitted."""
        return self.evaluation.models[self.alias]

    @property
    def ordered(self) -> list[FoldResult]:
        """The results of all folds, in order of time."""
        return [self.results[number] for number in range(len(self.folds))]

    @property
    def unconverged(self) -> list[str]:
        """What was said of fits that did not converge, each with its series and cutoffs."""
        return [f"{self.where(number)}: {result.unconverged}"
                for number, result in enumerate(self.ordered) if result.unconverged]

    @abstractmethod
    def where(self, number: int) -> str:
        """Name a fold for error messages."""

    @abstractmethod
    def fit_of(self, number: int, before: int | None) -> FoldFit:
        """Copy what a fold may see out of the series; it starts from the fold ``before``."""

    @abstractmethod
    def columns(self) -> list[dict[str, Array]]:
        """Return forecasts and the bounds of their intervals of each series, (C, h) each."""

    def _of_any_fold(self, number: int, before: int | None) -> dict[str, Any]:
        """Return what `FoldFit` says of a fold that starts from the fold ``before``."""
        starts = FoldWarmStarts() if before is None else self.results[before].warm_starts
        return {"model": self.model, "horizon": self.evaluation.splits.reach,
                "calibration": self.evaluation.calibration, "warm_starts": starts,
                "where": self.where(number)}

    def _columns_of(self, forecasts: Sequence[Array],
                    half_widths: Sequence[Array]) -> dict[str, Array]:
        """Return forecasts and bounds of a series, given those of each fold."""
        gap, calibration = self.evaluation.splits.gap, self.evaluation.calibration
        joined = np.concatenate(forecasts)[:, gap:]
        if calibration is None:
            return {self.alias: joined}
        return calibration.bounds(self.alias, joined, np.concatenate(half_widths)[:, gap:])


@dataclass(frozen=True, kw_only=True)
class _SeriesRun(_Run):
    """The folds of one model on one series."""

    series: TimeSeries

    def where(self, number: int) -> str:
        return _where(self.series, self.folds[number])

    def fit_of(self, number: int, before: int | None) -> FoldFit:
        fold = self.folds[number]
        seen = self._arrays.until(int(fold.cutoffs[-1]) + 1, self.evaluation.splits.reach)
        return SeriesFoldFit(arrays=seen, fold=fold, **self._of_any_fold(number, before))

    def columns(self) -> list[dict[str, Array]]:
        widths = [result.half_widths for result in self.ordered if result.half_widths is not None]
        return [self._columns_of([result.forecasts for result in self.ordered], widths)]

    @cached_property
    def _arrays(self) -> SeriesArrays:
        """The whole series, of which folds get copies."""
        return self.series.arrays(self.model.covariates)


@dataclass(frozen=True, kw_only=True)
class _PooledRun(_Run):
    """The folds of one model on all series, each of which is cut at its own cutoffs."""

    by_series: Mapping[Hashable, tuple[Fold, ...]]
    """Folds of each series, as many of each."""

    def where(self, number: int) -> str:
        return f"all series, fold {number + 1} of {len(self.folds)}"

    def fit_of(self, number: int, before: int | None) -> PooledFoldFit:
        reach, seen = self.evaluation.splits.reach, {}
        for name, folds in self.by_series.items():
            stop = int(folds[number].cutoffs[-1]) + 1
            seen[name] = SeriesFold(self._arrays[name].until(stop, reach), folds[number])
        return PooledFoldFit(series=seen, **self._of_any_fold(number, before))

    def columns(self) -> list[dict[str, Array]]:
        count = len(self.by_series)
        forecasts = [np.split(result.forecasts, count) for result in self.ordered]
        widths = [np.split(result.half_widths, count) for result in self.ordered
                  if result.half_widths is not None]
        return [self._columns_of([own[place] for own in forecasts], [own[place] for own in widths])
                for place in range(count)]

    @cached_property
    def _arrays(self) -> dict[Hashable, SeriesArrays]:
        """The whole series, of which folds get copies."""
        return {series.unique_id: series.arrays(self.model.covariates)
                for series in self.evaluation.panel.series}


@dataclass(frozen=True)
class _Execution:
    """How folds are run: with how many workers, beside which checkpoint."""

    n_jobs: int | None
    file: Checkpoint | None
    advance: Callable[[], None]

    def run_all(self, runs: list[_Run]) -> None:
        """Run all folds, round by round."""
        rounds = [rounds_of_folds(len(run.folds), run.model.accepts_warm_start) for run in runs]
        for number in range(max(map(len, rounds))):
            self._run_round([
                (run, fold, before) for run, own in zip(runs, rounds, strict=True)
                for fold, before in (own[number] if number < len(own) else [])
                if not self._recall(run, fold, before)])

    def _recall(self, run: _Run, number: int, before: int | None) -> bool:
        """Take the result of a fold from the checkpoint, if it is there."""
        if self.file is None:
            return False
        run.digests[number] = run.fit_of(number, before).digest
        known = self.file.get(run.digests[number])
        if known is not None:
            run.results[number] = known
            self.advance()
        return known is not None

    def _run_round(self, waiting: list[tuple[_Run, int, int | None]]) -> None:
        """Run folds that do not depend on one another, and keep each as soon as it is done.

        Each is its run, its number, and that of the fold that it starts from.
        """
        alone = effective_n_jobs(self.n_jobs) == 1  # then a failure ends the run at once
        failures: dict[int, FoldFailure] = {}
        calls = (delayed(run_fold)(place, run.fit_of(number, before))
                 for place, (run, number, before) in enumerate(waiting))
        for place, outcome in as_they_come(
                calls, len(waiting), self.n_jobs, "generator_unordered"):
            if isinstance(outcome, FoldResult):
                run, number, _ = waiting[place]
                if self.file is not None:
                    self.file.put(run.digests[number], outcome)
                run.results[number] = outcome
                self.advance()
                continue
            failures[place] = outcome
            if alone:
                break
        if failures:
            first = failures[min(failures)]
            raise first.error from first.cause


def _where(series: TimeSeries, fold: Fold) -> str:
    """Name a fold for error messages."""
    ends = [str(series.times[position]) for position in fold.cutoffs[[0, -1]]]
    shown = f"cutoff {ends[0]}" if len(fold.cutoffs) == 1 else f"cutoffs {ends[0]} to {ends[1]}"
    return f"series {series.unique_id}, {shown}"


def _frame(evaluation: Evaluation, folds: Mapping[Hashable, tuple[Fold, ...]],
           runs: list[_Run]) -> pd.DataFrame:
    """Lay the forecasts of all runs out as one long DataFrame."""
    panel, splits = evaluation.panel, evaluation.splits
    ahead = np.arange(splits.gap + 1, splits.reach + 1)
    cutoffs = [np.concatenate([fold.cutoffs for fold in folds[series.unique_id]])
               for series in panel.series]
    targets = [(own[:, np.newaxis] + ahead).ravel() for own in cutoffs]
    rows = list(zip(panel.series, cutoffs, targets, strict=True))
    columns: dict[str, Any] = {
        "cutoff": [series.times[own.repeat(splits.h)] for series, own, _ in rows],
        panel.columns.target: [series.values[positions] for series, _, positions in rows],
    }
    for run in runs:
        for own_columns in run.columns():
            for name, values in own_columns.items():
                columns.setdefault(name, []).append(values.ravel())
    return panel.long_frame([series.times[positions] for series, _, positions in rows], columns)
