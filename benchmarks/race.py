"""Contestants take turns: every round runs each of them once, in the same order."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contestants import Contest, Contestant
from benchmarks.jobs import Job, Outcome, Settings, run

CLOSE = 1e-6
"""Relative gap, or relative distance from our objective, that counts as solved."""

Runner = Callable[[Job], Outcome]


@dataclass(frozen=True)
class Result:
    """What a contestant did in all rounds.

    Attributes
    ----------
    name : str
        Of the contestant.
    settings : mapping
        The rung that it ran on.
    last : Outcome
        Of the last round it ran in.
    seconds, cpu_seconds : list of float
        Of every round.
    is_met : bool
        Whether the goal is met, on the last rung if on none before.
    climb : list of dict
        The first round: settings, seconds, objective and gap on each rung tried.
    """

    name: str
    settings: Settings
    last: Outcome
    seconds: list[float]
    cpu_seconds: list[float]
    is_met: bool = True
    climb: list[dict[str, Any]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median wall time."""
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> float | None:
        """Median processor time, where there is any."""
        return statistics.median(self.cpu_seconds) if self.cpu_seconds else None

    def first_at(self, target: float) -> float | None:
        """Return the seconds after which the trace is at the target or below; None if never."""
        return next((seconds for seconds, value in self.last.trace if value <= target), None)


def race(
    contest: Contest, repeats: int, threads: int, runner: Runner = run,
    report: Callable[[str], None] = print,
) -> list[Result]:
    """Let the contestants take turns; those not installed, or failing, are left out of rounds."""
    results: dict[str, Result] = {}
    for turn in range(repeats):
        for contestant in contest.contestants:
            before = results.get(contestant.name)
            if turn >= contestant.most_runs or (before is not None and not before.last.is_ok):
                continue
            results[contestant.name] = _take_turn(
                contestant, before, _reference(contest, results), threads, runner)
            last = results[contestant.name]
            report(f"{contest.name}, {turn + 1}: {contestant.name}: {last.last.status}, "
                   f"{last.seconds[-1]:.3g} s")
    return list(results.values())


def _take_turn(
    contestant: Contestant, before: Result | None, reference: float | None, threads: int,
    runner: Runner,
) -> Result:
    """Run a contestant once more, or for the first time."""
    if before is None:
        return _climb(contestant, reference, threads, runner)
    outcome = runner(_job(contestant, before.settings, threads))
    return Result(before.name, before.settings, outcome, [*before.seconds, outcome.seconds],
                  [*before.cpu_seconds, *_known(outcome.cpu_seconds)], before.is_met,
                  before.climb)


def _climb(
    contestant: Contestant, reference: float | None, threads: int, runner: Runner
) -> Result:
    """Try the rungs until the goal is met; the last one tried counts."""
    climb: list[dict[str, Any]] = []
    settings, met = contestant.rungs[0], False
    outcome = Outcome("not installed: make peers", math.nan)
    for settings in contestant.rungs:
        job = _job(contestant, settings, threads)
        if not job.is_installed:
            break
        outcome = runner(job)
        climb.append({"settings": dict(settings), "status": outcome.status,
                      "seconds": outcome.seconds, "objective": outcome.objective,
                      "gap": outcome.gap})
        met = outcome.is_ok and is_met(contestant, outcome, reference)
        if met or not outcome.is_ok:
            break
    return Result(contestant.name, settings, outcome, [outcome.seconds],
                  _known(outcome.cpu_seconds), met, climb)


def is_met(contestant: Contestant, outcome: Outcome, reference: float | None) -> bool:
    """Tell whether an outcome is what a contestant goes for."""
    if contestant.goal == "gap":
        return outcome.gap is not None and outcome.gap <= CLOSE
    if contestant.goal == "objective":
        away = distance(outcome.objective, reference)
        return away is not None and away <= CLOSE
    return True


def distance(objective: float | None, reference: float | None) -> float | None:
    """Return ``objective / reference - 1``, None where either is missing."""
    if objective is None or reference is None:
        return None
    return objective / reference - 1


def _reference(contest: Contest, results: dict[str, Result]) -> float | None:
    """Return the objective of the first contestant, once it has run."""
    first = results.get(contest.contestants[0].name)
    return None if first is None else first.last.objective


def _job(contestant: Contestant, settings: Settings, threads: int) -> Job:
    """Return the job of a run."""
    return Job(contestant.adapter, contestant.spec, settings, threads, contestant.limit_s,
               contestant.environment)


def _known(value: float | None) -> list[float]:
    """Return a list of the value, empty for None."""
    return [] if value is None else [value]
