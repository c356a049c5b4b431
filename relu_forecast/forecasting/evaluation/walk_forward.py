"""Walking forward through a series: fit on the past, forecast, step on, and repeat.

Fits that start from one another run in lanes: the first fit of a series, then lanes of
`LANE_LENGTH` folds, each of which starts from that first fit and goes on from fold to fold. The
lanes depend on the folds alone, so that results do not depend on how many run at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs

from relu_forecast.exceptions import ForecastError, InvalidArgumentError
from relu_forecast.forecasting.contract import (
    ForecastingModel,
    WarmStarts,
    forecast_checked,
    locate_errors,
    unfinished,
    warn_unfinished,
)
from relu_forecast.forecasting.data.history import Samples
from relu_forecast.forecasting.data.panel import Panel, TimeSeries
from relu_forecast.forecasting.evaluation.checkpoint import Arrays, Checkpoint, digest_of
from relu_forecast.forecasting.evaluation.intervals import Calibration, Calibrator
from relu_forecast.forecasting.evaluation.splits import Fold, Walk
from relu_forecast.validation import check_choice

_Array = npt.NDArray[np.float64]

LANE_LENGTH = 32
"""Folds, one after the other, that share a lane."""

_UNFINISHED = "unfinished"
"""Name of what was said, in UTF-8, of fits that did not converge."""
_MAIN, _CALIBRATING = "main.", "calibrating."
"""How the names of what a later fit, and a later fit that calibrates, can start from begin."""


@dataclass(frozen=True)
class Expedition:
    """Which models walk, how, and what they bring home.

    Attributes
    ----------
    models : dict of str to ForecastingModel
        By the column of their forecasts; left unchanged.
    panel : Panel
    walk : Walk
    calibration : Calibration or None
        Levels of the intervals.
    """

    models: Mapping[str, ForecastingModel]
    panel: Panel
    walk: Walk
    calibration: Calibration | None = None

    @property
    def shortest_fit(self) -> int:
        """Samples that each fit must have: what the most demanding model needs."""
        return max(shortest_fit(model, self.walk.reach, self.calibration)
                   for model in self.models.values())

    def folds(self, series: TimeSeries) -> tuple[Fold, ...]:
        """Return the folds of one series; an error names it."""
        with locate_errors(f"series {series.unique_id}"):
            return self.walk.folds(len(series), self.shortest_fit)

    def columns(self, alias: str) -> list[str]:
        """Return the columns that a model brings."""
        intervals = [] if self.calibration is None else self.calibration.columns(alias)
        return [alias, *intervals]


def shortest_fit(model: ForecastingModel, reach: int, calibration: Calibration | None) -> int:
    """Return how many samples a model must be fitted to."""
    if calibration is None:
        return model.min_length(reach)
    return calibration.shortest(model, reach)


def walk_forward(
    expedition: Expedition,
    *,
    n_jobs: int | None = None,
    verbose: bool = False,
    checkpoint: Any = None,
) -> tuple[pd.DataFrame, pd.Series]:
    """Fit and forecast at every cutoff of every series with every model.

    Parameters
    ----------
    expedition : Expedition
    n_jobs : int, optional
        Joblib workers over models, series and fits. The forecasts do not depend on it.
    verbose : bool, default False
        Show progress on stderr, if it is a terminal.
    checkpoint : str or path, optional
        A file that keeps every fold once it is done; what it holds is not computed again.

    Returns
    -------
    predictions : pandas.DataFrame
        Identifier, time, ``"cutoff"``, target and the columns of each model, sorted by
        identifier, cutoff and time.
    seconds : pandas.Series
        Fits and forecasts of each model, summed over workers.

    Raises
    ------
    ForecastError
        If a fit or a forecast fails; the message names the series and the cutoff.
    InvalidArgumentError
        The same, where what failed says which argument is wrong; or a series is too short.
    """
    _check_columns(expedition)
    check_n_jobs(n_jobs)
    tracks = [_Track(alias, series, expedition.folds(series))
              for alias in expedition.models for series in expedition.panel.series]
    total = sum(len(track.folds) for track in tracks)
    with _opened(checkpoint) as file, _progress(total, verbose) as advance:
        _Run(expedition, n_jobs, file, advance).walk(tracks)
    seconds = pd.Series(0.0, index=pd.Index(expedition.models, dtype=object), name="seconds")
    for track in tracks:
        seconds[track.alias] += sum(float(outcome["seconds"][0]) for outcome in track.outcomes)
    for alias in expedition.models:
        own = [(track.series, fold, outcome) for track in tracks if track.alias == alias
               for fold, outcome in zip(track.folds, track.outcomes, strict=True)]
        said = [f"{_where(series, fold)}: {outcome[_UNFINISHED].tobytes().decode()}"
                for series, fold, outcome in own if outcome[_UNFINISHED].size]
        warn_unfinished(alias, len(own), said)
    return _frame(expedition, tracks), seconds


@dataclass(frozen=True)
class _Track:
    """The folds of one model on one series, and what came of them."""

    alias: str
    series: TimeSeries
    folds: tuple[Fold, ...]
    found: dict[int, Arrays] = field(default_factory=dict)

    @property
    def outcomes(self) -> list[Arrays]:
        """What came of the folds, in their order."""
        return [self.found[number] for number in range(len(self.folds))]

    def rounds(self, starts_warm: bool) -> list[list[tuple[int, int | None]]]:
        """Return folds that may run at once, each with the fold that it starts from, if any."""
        count = len(self.folds)
        if not starts_warm:
            return [[(number, None) for number in range(count)]]
        heads = range(1, count, LANE_LENGTH)
        rounds: list[list[tuple[int, int | None]]] = [[(0, None)]]
        for place in range(min(LANE_LENGTH, count - 1)):
            rounds.append([(head + place, head + place - 1 if place else 0)
                           for head in heads if head + place < count])
        return rounds


@dataclass(frozen=True)
class _Task:
    """What one fit and its forecasts need to know, and no sample more."""

    model: ForecastingModel
    samples: Samples
    fold: Fold
    reach: int
    calibration: Calibration | None
    start: Arrays
    where: str

    @property
    def digest(self) -> str:
        """Of all that decides the outcome."""
        return digest_of(
            self.model, *vars(self.samples).values(), self.fold, self.reach, self.calibration,
            dict(self.start))

    def run(self) -> Arrays:
        """Fit, calibrate and forecast.

        Returns
        -------
        dict of str to ndarray
            ``"forecasts"`` (C, H), ``"half_widths"`` (C, H, L) where levels are wanted, the
            ``"seconds"`` that it took, what the next fold can start from, and, as characters,
            what was said of fits that did not converge.
        """
        began = perf_counter()
        with unfinished() as messages:
            outcome = self._outcome()
        said = "\n".join(messages)
        return {**outcome, _UNFINISHED: np.frombuffer(said.encode(), dtype=np.uint8),
                "seconds": np.array([perf_counter() - began])}

    def _outcome(self) -> dict[str, _Array]:
        """Return forecasts, half-widths, and what the next fold can start from."""
        model, fold = self.model, self.fold
        state = model.train(
            self.samples.history(fold.fit_start, fold.fit_stop), self.reach,
            _without(self.start, _MAIN))
        past = self.samples.past_at(
            fold.cutoffs, fold.fit_stop, model.lookback, self.reach)
        outcome = {"forecasts": forecast_checked(model, state, past, self.reach)}
        outcome |= _within(model.warm_start_of(state), _MAIN)
        if self.calibration is not None:
            calibrator = Calibrator(self.calibration, model, self.samples, fold, self.reach)
            calibrating = calibrator.fit(_without(self.start, _CALIBRATING))
            outcome["half_widths"] = calibrator.half_widths(calibrating, state)
            outcome |= _within(model.warm_start_of(calibrating), _CALIBRATING)
        return outcome


def _within(starts: WarmStarts, prefix: str) -> dict[str, _Array]:
    """Return the arrays of warm starts under names that begin with ``prefix``."""
    return {f"{prefix}{place}.{name}": array for place, start in enumerate(starts)
            for name, array in start.items()}


def _without(arrays: Arrays, prefix: str) -> WarmStarts:
    """Return the warm starts whose arrays have names that begin with ``prefix``."""
    starts: dict[int, dict[str, _Array]] = {}
    for name, array in arrays.items():
        if name.startswith(prefix):
            place, own = name.removeprefix(prefix).split(".")
            starts.setdefault(int(place), {})[own] = array
    return tuple(starts[place] for place in sorted(starts))


@dataclass(frozen=True)
class _Failure:
    """An error and its cause, which would get lost on the way from a worker."""

    error: Exception
    cause: BaseException | None


def _run_task(number: int, task: _Task) -> tuple[int, Arrays | _Failure]:
    """Run a task in a worker; return its error, as which of several is met first is chance."""
    try:
        with locate_errors(task.where):
            return number, task.run()
    except (ForecastError, InvalidArgumentError) as error:
        return number, _Failure(error, error.__cause__)


@dataclass(frozen=True)
class _Run:
    """One run of an expedition."""

    expedition: Expedition
    n_jobs: int | None
    file: Checkpoint | None
    advance: Callable[[], None]

    def walk(self, tracks: list[_Track]) -> None:
        """Run all folds, round by round."""
        rounds = [track.rounds(self.expedition.models[track.alias].accepts_warm_start)
                  for track in tracks]
        for number in range(max(map(len, rounds))):
            jobs = [_Job(track, fold, before)
                    for track, own in zip(tracks, rounds, strict=True)
                    for fold, before in (own[number] if number < len(own) else [])]
            digests = ["" if self.file is None else self._task(job).digest for job in jobs]
            self._run_round([(job, digest) for job, digest in zip(jobs, digests, strict=True)
                             if not self._recall(job, digest)])

    def _recall(self, job: _Job, digest: str) -> bool:
        """Take a fold from the checkpoint, if it is there."""
        known = None if self.file is None else self.file.get(digest)
        if known is not None:
            job.track.found[job.fold] = known
            self.advance()
        return known is not None

    def _run_round(self, jobs: list[tuple[_Job, str]]) -> None:
        """Run folds that do not wait for one another, and keep each as soon as it is done.

        Each comes with its digest, which is empty without a checkpoint.
        """
        alone = effective_n_jobs(self.n_jobs) == 1  # then a failure ends the run at once
        failures: dict[int, _Failure] = {}
        tasks = (delayed(_run_task)(number, self._task(job))
                 for number, (job, _) in enumerate(jobs))
        for number, outcome in _in_parallel(tasks, self.n_jobs):
            if isinstance(outcome, _Failure):
                failures[number] = outcome
                if alone:
                    break
            else:
                job, digest = jobs[number]
                self._keep(job, digest, outcome)
        if failures:
            first = failures[min(failures)]
            raise first.error from first.cause

    def _keep(self, job: _Job, digest: str, outcome: Arrays) -> None:
        """Take what came of a fold, and write it down."""
        if self.file is not None:
            self.file.put(digest, outcome)
        job.track.found[job.fold] = outcome
        self.advance()

    def _task(self, job: _Job) -> _Task:
        """Copy what a fold may see out of a series."""
        walk, track, fold = self.expedition.walk, job.track, job.track.folds[job.fold]
        model = self.expedition.models[track.alias]
        samples = track.series.samples(model.covariates)
        return _Task(
            model, samples.until(int(fold.cutoffs[-1]) + 1, walk.reach), fold, walk.reach,
            self.expedition.calibration, job.start, _where(track.series, fold))


@dataclass(frozen=True)
class _Job:
    """One fold of a track, and the fold that it starts from."""

    track: _Track
    fold: int
    before: int | None

    @property
    def start(self) -> Arrays:
        """What the fit starts from."""
        outcome = {} if self.before is None else self.track.found[self.before]
        return {name: array for name, array in outcome.items()
                if name.startswith((_MAIN, _CALIBRATING))}


def _where(series: TimeSeries, fold: Fold) -> str:
    """Name a fold for error messages."""
    ends = [str(series.times[position]) for position in fold.cutoffs[[0, -1]]]
    shown = f"cutoff {ends[0]}" if len(fold.cutoffs) == 1 else f"cutoffs {ends[0]} to {ends[1]}"
    return f"series {series.unique_id}, {shown}"


def _in_parallel(tasks: Iterable[Any], n_jobs: int | None) -> Iterable[Any]:
    """Run joblib tasks; yield results as they come, where the backend can."""
    try:
        return Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)  # type: ignore[no-any-return]
    except ValueError:  # raised before any task is taken
        return Parallel(n_jobs=n_jobs)(tasks)  # type: ignore[no-any-return]


def _check_columns(expedition: Expedition) -> None:
    """Refuse columns that would hide others, of the data or of other models."""
    names = [name for alias in expedition.models for name in expedition.columns(alias)]
    for name in names:
        expedition.panel.columns.check_free(name, "alias")
        if names.count(name) > 1:
            raise InvalidArgumentError(
                "models", "names that no interval of another model has", repr(name),
                "Rename the model.")


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse what joblib would not understand."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise InvalidArgumentError(
            "n_jobs", "a whole number other than 0, or None", repr(n_jobs),
            "Pass 2 for two workers, -1 for all cores.")


def _opened(path: Any) -> Checkpoint | nullcontext[None]:
    """Open a checkpoint, if one is wanted."""
    return nullcontext() if path is None else Checkpoint(path)


@contextmanager
def _progress(total: int, verbose: Any) -> Iterator[Callable[[], None]]:
    """Show a progress bar if a person can see it."""
    if not (check_choice(verbose, "verbose", (True, False)) and sys.stderr.isatty()):
        yield lambda: None
        return
    # Imported here: nobody else waits for it.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Walking forward", total=total)
        yield lambda: bar.advance(task)


def _frame(expedition: Expedition, tracks: list[_Track]) -> pd.DataFrame:
    """Lay forecasts (C, h) per track out as one long DataFrame."""
    panel, walk = expedition.panel, expedition.walk
    ahead = np.arange(walk.gap + 1, walk.reach + 1)
    cutoffs = [np.concatenate([fold.cutoffs for fold in expedition.folds(series)])
               for series in panel.series]
    targets = [(own[:, np.newaxis] + ahead).ravel() for own in cutoffs]
    pairs = list(zip(panel.series, cutoffs, targets, strict=True))
    columns: dict[str, Any] = {
        "cutoff": [series.times[own.repeat(walk.h)] for series, own, _ in pairs],
        panel.columns.target: [series.values[positions] for series, _, positions in pairs],
    }
    for track in tracks:
        for name, values in _columns_of(expedition, track).items():
            columns.setdefault(name, []).append(values.ravel())
    return panel.long_frame([series.times[positions] for series, _, positions in pairs], columns)


def _columns_of(expedition: Expedition, track: _Track) -> dict[str, _Array]:
    """Return forecasts and the bounds of their intervals, (C, h) each."""
    gap = expedition.walk.gap
    forecasts = np.concatenate([one["forecasts"] for one in track.outcomes])[:, gap:]
    if expedition.calibration is None:
        return {track.alias: forecasts}
    widths = np.concatenate([one["half_widths"] for one in track.outcomes])[:, gap:]
    return expedition.calibration.bounds(track.alias, forecasts, widths)
