"""Cumulative sums of how unusual scores are: large or small for too long."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from relu_forecast.streaming.alarms.arithmetic import Flags, Numbers, OneChannel
from relu_forecast.streaming.alarms.parts import NUMBER, Part
from relu_forecast.validation import Array

ALLOWANCE = 0.5
"""By how much normal scores may be off, on average, without anything adding up."""


class Changes(Part):
    """Two cumulative sums (CUSUM; Page, 1954) of normal scores."""

    KEPT: ClassVar = {"rise": NUMBER, "fall": NUMBER}
    __slots__ = tuple(KEPT)

    rise: Numbers
    """Large where scores have been larger than usual."""
    fall: Numbers
    """Large where scores have been smaller than usual."""

    def add(self, normal_scores: Numbers, most_rise: Numbers, most_fall: Numbers) -> None:
        """Add normal scores; no sum falls below 0 or goes above what it may be at most.

        So a sum forgets a fault soon after its end.
        """
        maximum, minimum = self.numbers.maximum, self.numbers.minimum
        self.rise = maximum(minimum(self.rise + (normal_scores - ALLOWANCE), most_rise), 0.0)
        self.fall = maximum(minimum(self.fall - (normal_scores + ALLOWANCE), most_fall), 0.0)

    def forget(self, which: Flags) -> None:
        """Begin again from zero in some channels."""
        self.rise = self.numbers.where(which, 0.0, self.rise)
        self.fall = self.numbers.where(which, 0.0, self.fall)


def replayed(normal_scores: Array) -> tuple[Changes, Array, Array]:
    """Return the sums after normal scores (m,) of one channel, and both of them along the way."""
    rise, fall = _sums(normal_scores), _sums(-normal_scores)
    return Changes(OneChannel(), rise=rise[-1], fall=fall[-1]), rise, fall


def _sums(normal_scores: Array) -> Array:
    """Return the cumulative sums, those from 0 that never fall below it."""
    steps = np.concatenate([[0.0], np.cumsum(normal_scores - ALLOWANCE)])
    sums: Array = (steps - np.minimum.accumulate(steps))[1:]
    return sums
