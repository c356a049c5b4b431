"""The tests that a sample goes through, of one channel or many, once there is something known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.streaming.alarms.arithmetic import (
    Arithmetic,
    Flags,
    ManyChannels,
    Numbers,
    OneChannel,
)
from relu_forecast.streaming.alarms.changes import Changes, replayed
from relu_forecast.streaming.alarms.episodes import Episodes, Gains, Threshold
from relu_forecast.streaming.alarms.parts import COUNT, NUMBER, PAST, STEPS, Part, foreign_state
from relu_forecast.streaming.alarms.reference import NORMAL_SCORES, Reference
from relu_forecast.streaming.alarms.scales import Scales
from relu_forecast.streaming.alarms.settings import REFERENCE_SIZE, TESTS, AlarmSettings
from relu_forecast.validation import Array

_QUICKER = 4
"""Times as fast as scores, usual sizes are followed: they drift more than scores do."""
_CAP = 1.2
"""Times its threshold that a cumulative sum is at most, so that alarms of it end."""
_PARTS: dict[str, type[Part]] = {"scales": Scales, "reference": Reference, "changes": Changes,
                                 "episodes": Episodes, **dict.fromkeys(TESTS, Threshold)}


class Outcome(NamedTuple):
    """What the tests say of a sample, of each channel."""

    score: Numbers
    p_value: Numbers
    alarm: Flags
    onset: Flags
    kind: Numbers


class Detector:
    """Three tests, their thresholds and what they rest on.

    ``point`` asks whether the error of the next step is too large, ``rise`` and ``fall`` whether
    scores, which are made of the errors of all steps, have been too large or too small for long.
    """

    __slots__ = ("_gains", "_numbers", "_parts", "_settings", "changes", "episodes", "reference",
                 "scales", "thresholds")

    def __init__(self, numbers: Arithmetic, settings: AlarmSettings, parts: Mapping[str, Any]
                 ) -> None:
        self._numbers = numbers
        self._settings = settings
        self._parts = parts
        self._gains = Gains.of(numbers, settings)
        self.scales: Scales = parts["scales"]
        self.reference: Reference = parts["reference"]
        self.changes: Changes = parts["changes"]
        self.episodes: Episodes = parts["episodes"]
        self.thresholds: tuple[Threshold, ...] = tuple(parts[name] for name in TESTS)

    @classmethod
    def start(cls, errors: Array, settings: AlarmSettings) -> Detector:
        """Return the detector of one channel for absolute errors (m, H), a row a sample.

        No row is NaN throughout, and no column; there are at least REFERENCE_SIZE rows.
        """
        scales = Scales.start(errors)
        near, scores = combined(ManyChannels(), scales.relative(errors))
        reference = Reference.start(scores)
        counts = REFERENCE_SIZE - np.searchsorted(np.sort(reference.scores), scores)
        changes, rise, fall = replayed(NORMAL_SCORES[counts])
        rate = settings.per_sample / len(TESTS)
        thresholds = {name: Threshold.start(statistics, rate)
                      for name, statistics in zip(TESTS, (near, rise, fall), strict=True)}
        return cls(OneChannel(), settings, {
            "scales": scales, "reference": reference, "changes": changes,
            "episodes": Episodes.none(), **thresholds})

    def step(self, errors: Array) -> Outcome:
        """Put the errors of a sample to the tests, (H,) or (N, H), then learn from them."""
        relative = self.scales.relative(errors)
        near, score = combined(self._numbers, relative)
        counts = self.reference.counts(score)
        point, rise, fall = self.thresholds
        self.changes.add(self.reference.normal_scores(counts),
                         _CAP * rise.level, _CAP * fall.level)
        over = (near > point.level, self.changes.rise > rise.level,
                self.changes.fall > fall.level)
        episodes = self.episodes
        onsets = episodes.observe(over, self.thresholds, self._gains, self._settings.hold)
        outcome = Outcome(score, self.reference.p_values(counts, score), episodes.left > 0, onsets,
                          episodes.kind)
        self._learn(relative, score)
        return outcome

    def _learn(self, relative: Array, score: Numbers) -> None:
        """Follow sizes and scores; not during an alarm, unless it lasts too long to be one."""
        lasted, patience = self.episodes.lasted, self._settings.patience
        lost = lasted == patience
        if self._numbers.any(lost):
            self.scales.forget(lost)
            self.changes.forget(lost)
        learning = (lasted == 0) | (lasted >= patience)
        self.scales.learn(relative, learning, self._settings.memory // _QUICKER)
        self.reference.learn(score, learning, self.scales.seen, self._settings.memory)

    def rows(self, which: npt.NDArray[np.intp]) -> Detector:
        """Return the detector of some of many channels, a copy."""
        return Detector(self._numbers, self._settings,
                        {name: part.rows(which) for name, part in self._parts.items()})

    def put(self, which: npt.NDArray[np.intp], detector: Detector) -> None:
        """Replace what is known of some of many channels."""
        for name, part in self._parts.items():
            part.put(which, detector._parts[name])

    @classmethod
    def joined(cls, detectors: Sequence[Detector]) -> Detector:
        """Return the detector of the channels of several, one after another."""
        return cls(ManyChannels(), detectors[0]._settings, {
            name: kind.joined([one._parts[name] for one in detectors])
            for name, kind in _PARTS.items()})

    def state(self) -> dict[str, Any]:
        """Return what is known as data, by part and name."""
        return {f"{place}.{name}": values for place, part in self._parts.items()
                for name, values in part.state().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: AlarmSettings, horizon: int,
                   n_channels: int | None) -> Detector:
        """Return the detector that `state` described, of one channel (None) or many."""
        numbers = OneChannel() if n_channels is None else ManyChannels()
        rows = () if n_channels is None else (n_channels,)
        shapes = {NUMBER: rows, COUNT: rows, STEPS: (*rows, horizon),
                  PAST: (*rows, REFERENCE_SIZE)}
        found = cls(numbers, settings, {
            place: kind.from_state(numbers, _below(state, place), shapes)
            for place, kind in _PARTS.items()})
        found._check()
        return found

    def _check(self) -> None:
        """Refuse counts that lead beyond a table, and sizes to divide by that are zero."""
        limits = [(self.reference.oldest, REFERENCE_SIZE - 1), (self.episodes.kind, len(TESTS)),
                  *((one.onsets, self._gains.last) for one in self.thresholds)]
        if any(np.any(np.asarray(count) > most) for count, most in limits):
            raise foreign_state("counts within their tables", "larger ones")
        if not (self.scales.usual > 0).all():
            raise foreign_state("sizes above 0", "sizes of 0")


def combined(numbers: Arithmetic, relative: Array) -> tuple[Numbers, Numbers]:
    """Return the relative error of the next step, and the score: half of it, half of the mean.

    Where errors are unknown, that of the nearest step that is known, and the mean of the others.
    """
    near, total = numbers.first(relative), numbers.sum(relative)
    if not _is_finite(total):
        return _of_known(numbers, relative)
    return near, 0.5 * (near + total / relative.shape[-1])


def _of_known(numbers: Arithmetic, relative: Array) -> tuple[Numbers, Numbers]:
    """Return what `combined` does where some errors are NaN; refuse infinite ones."""
    if np.isinf(relative).any():
        raise InvalidArgumentError("errors", "finite, and not out of all proportion",
                                   "infinite ones, or some that are when divided by usual ones",
                                   "Pass NaN for errors that are unknown.")
    rows = np.atleast_2d(relative)
    known = ~np.isnan(rows)
    near = rows[np.arange(len(rows)), known.argmax(axis=1)]
    score = 0.5 * (near + np.nanmean(rows, axis=1))
    if isinstance(numbers, OneChannel):
        return near.item(), score.item()
    return near, score


def _is_finite(values: Numbers) -> bool:
    """Tell whether all numbers are finite."""
    return math.isfinite(values) if isinstance(values, float) else bool(np.isfinite(values).all())


def _below(state: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the entries of a part, by their names in it."""
    start = f"{place}."
    return {name.removeprefix(start): values for name, values in state.items()
            if name.startswith(start)}
