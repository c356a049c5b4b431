"""Alarms as episodes that begin and end, and thresholds that keep their rate.

A threshold moves as quantiles are tracked online (Gibbs & Candès, 2021; Angelopoulos, Candès &
Tibshirani, 2023): up at every onset that is its own, down a little at every other sample, so that
both cancel at the rate asked for. Whatever the signal does, the number of onsets is then
what was asked for, up to the way that the logarithm of the threshold went, divided by the gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from relu_forecast.streaming.alarms.arithmetic import Arithmetic, Flags, Numbers, OneChannel
from relu_forecast.streaming.alarms.parts import COUNT, NUMBER, Part
from relu_forecast.streaming.alarms.settings import TESTS, AlarmSettings
from relu_forecast.validation import Array

LEAST = 3.0
"""No threshold falls below it: independent normal errors are above it once in about 100 samples."""
_STRETCH = 0.2
"""Power of how much rarer alarms are to be than what has been seen allows to tell, by which a
threshold is started above all that has been seen."""


@dataclass(frozen=True)
class Gains:
    """Factors of thresholds, by how many onsets there have been.

    After n of them the gain is 1 / (n + 1), down to the usual one, so that a poor start is soon
    mended. An onset raises by the gain that what follows it sinks by, so that both cancel.
    """

    up: Any
    """At an onset."""
    down: Any
    """At any other sample, unless an alarm lasts long."""

    @classmethod
    def of(cls, numbers: Arithmetic, settings: AlarmSettings) -> Gains:
        """Return the factors for a rate."""
        gains = np.maximum(1 / np.arange(1, math.ceil(1 / settings.gain) + 2), settings.gain)
        rate = settings.per_sample / len(TESTS)
        return cls(numbers.table(np.exp(gains[1:])), numbers.table(np.exp(-gains[:-1] * rate)))

    @property
    def last(self) -> int:
        """How many onsets there have been when gains no longer change."""
        return len(self.up) - 1


class Threshold(Part):
    """The threshold of one test."""

    KEPT: ClassVar = {"level": NUMBER, "onsets": COUNT}
    __slots__ = tuple(KEPT)

    level: Numbers
    """What the statistic of the test is compared with."""
    onsets: Numbers
    """Onsets of its own, counted until gains no longer change."""

    @classmethod
    def start(cls, statistics: Array, per_sample: float) -> Threshold:
        """Return the threshold that the statistics (m,) of one channel cross at a rate."""
        expected = len(statistics) * per_sample
        blocks = np.array_split(statistics, max(int(expected), 1))
        level = float(np.quantile([block.max() for block in blocks], math.exp(-1)))
        if expected < 1:
            level *= expected**-_STRETCH
        return cls(OneChannel(), level=max(level, LEAST), onsets=0)

    def sink(self, gains: Gains) -> None:
        """Lower the threshold by what any other sample does."""
        self.level = self.numbers.maximum(self.level * gains.down[self.onsets], LEAST)

    def book(self, onsets: Flags, sinking: Flags, gains: Gains) -> None:
        """Raise it where there is an onset of its own, else lower it where it is sinking."""
        where = self.numbers.where
        raised = self.level * gains.up[self.onsets]
        sunk = self.numbers.maximum(self.level * gains.down[self.onsets], LEAST)
        self.level = where(onsets, raised, where(sinking, sunk, self.level))
        self.onsets = self.numbers.minimum(self.onsets + onsets, gains.last)


class Episodes(Part):
    """Which channels are in an alarm, of which test, and since when."""

    KEPT: ClassVar = {"left": COUNT, "lasted": COUNT, "kind": COUNT}
    __slots__ = tuple(KEPT)

    left: Numbers
    """Samples until the alarm ends; 0 without one."""
    lasted: Numbers
    """Samples that the alarm has lasted."""
    kind: Numbers
    """1, 2, ... for the test that began the alarm; 0 without one."""

    @classmethod
    def none(cls) -> Episodes:
        """Return those of one channel without an alarm."""
        return cls(OneChannel(), left=0, lasted=0, kind=0)

    def observe(self, over: Sequence[Flags], thresholds: Sequence[Threshold], gains: Gains,
                hold: int) -> Flags:
        """Begin, continue and end alarms where tests are over their thresholds; return onsets.

        An onset belongs to the first test that is over.
        """
        numbers = self.numbers
        if not numbers.any(over[0] | over[1] | over[2] | (self.left > 0)):
            for threshold in thresholds:
                threshold.sink(gains)
            return over[0]
        idle = self.left == 0
        any_over = over[0] | over[1] | over[2]
        onsets, taken = any_over & idle, over[0] > over[0]
        self.left = numbers.where(any_over, hold, numbers.maximum(self.left - 1, 0))
        alarm = self.left > 0
        self.lasted = (self.lasted + 1) * alarm
        self.kind = self.kind * alarm
        short = self.lasted < hold
        for place, (one, threshold) in enumerate(zip(over, thresholds, strict=True), start=1):
            own = (onsets & one) > taken
            threshold.book(own, short, gains)
            self.kind = numbers.where(own, place, self.kind)
            taken = taken | own
        return onsets
