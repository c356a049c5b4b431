"""Past scores that a new one is ranked among: p-values, and how unusual a score is."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np

from relu_forecast.streaming.alarms.arithmetic import Arithmetic, Flags, Numbers, OneChannel
from relu_forecast.streaming.alarms.parts import COUNT, PAST, Part
from relu_forecast.streaming.alarms.settings import REFERENCE_SIZE
from relu_forecast.validation import Array

_TAIL = 25
"""Largest scores that the tail beyond all of them is extrapolated from."""
_NORMAL = NormalDist()
NORMAL_SCORES = np.array([_NORMAL.inv_cdf((REFERENCE_SIZE - count + 0.5) / (REFERENCE_SIZE + 1))
                           for count in range(REFERENCE_SIZE + 1)])
"""By how many past scores are at least as large: what a normal variable of that rank would be."""


class Reference(Part):
    """Past scores, at equal distances over the memory; the oldest makes room for the newest."""

    KEPT: ClassVar = {"scores": PAST, "oldest": COUNT, "wait": COUNT}
    __slots__ = (*KEPT, "_normal_scores")

    scores: Array
    """Shape (REFERENCE_SIZE,), or (N, REFERENCE_SIZE)."""
    oldest: Numbers
    """Where the oldest is."""
    wait: Numbers
    """Samples until the next one is kept."""

    def __init__(self, numbers: Arithmetic, **kept: Any) -> None:
        super().__init__(numbers, **kept)
        self._normal_scores = numbers.table(NORMAL_SCORES)

    @classmethod
    def start(cls, scores: Array) -> Reference:
        """Return the reference for the scores of one channel, at least REFERENCE_SIZE of them."""
        chosen = np.linspace(0, len(scores) - 1, REFERENCE_SIZE).round().astype(np.intp)
        return cls(OneChannel(), scores=scores[chosen], oldest=0, wait=1)

    def counts(self, scores: Numbers) -> Numbers:
        """Return how many past scores are at least as large as the new ones."""
        return self.numbers.count_at_least(self.scores, scores)

    def normal_scores(self, counts: Numbers) -> Numbers:
        """Return ranks as values of a standard normal variable, large for large scores."""
        return self._normal_scores[counts]

    def p_values(self, counts: Numbers, scores: Numbers) -> Numbers:
        """Return conformal p-values, ``(count + 1) / (REFERENCE_SIZE + 1)``.

        Of a score beyond all past ones, that is the least there can be; it is lowered further by
        a Pareto tail through the largest past scores (Hill, 1975).
        """
        p_values = (counts + 1) / (REFERENCE_SIZE + 1)
        beyond = counts == 0
        if self.numbers.any(beyond):
            if isinstance(self.numbers, OneChannel):
                return p_values * _tail(self.scores, scores)
            for place in np.flatnonzero(beyond):
                p_values[place] *= _tail(self.scores[place], float(scores[place]))
        return p_values

    def learn(self, scores: Numbers, learning: Flags, seen: Numbers, memory: int) -> None:
        """Keep the new score of channels that are learning and whose wait is over.

        The next one is so much later that all of them span the memory, or what has been seen.
        """
        numbers = self.numbers
        self.wait = self.wait - learning
        due = learning & (self.wait <= 0)
        if not numbers.any(due):
            return
        if isinstance(numbers, OneChannel):
            self.scores[self.oldest] = scores
        else:
            which = np.flatnonzero(due)
            self.scores[which, self.oldest[which]] = scores[which]
        self.oldest = (self.oldest + due) % REFERENCE_SIZE
        spacing = 1 + numbers.minimum(seen, memory) // REFERENCE_SIZE
        self.wait = numbers.where(due, spacing, self.wait)


def _tail(past: Array, score: float) -> float:
    """Return the probability of a score beyond the largest past one, given that it is beyond."""
    largest = np.partition(past, -_TAIL)[-_TAIL:]
    top, least = float(largest.max()), float(largest.min())
    if not 0 < least < top:  # no tail to go by: all the same, or zero
        return 1.0
    slope = float(np.log(largest / least).mean())
    return float((top / score) ** (1.0 / slope))
