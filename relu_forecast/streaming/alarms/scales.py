"""Usual sizes of the errors of each step ahead, by which errors are divided."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from relu_forecast.streaming.alarms.arithmetic import Flags, Numbers, OneChannel
from relu_forecast.streaming.alarms.parts import COUNT, STEPS, Part
from relu_forecast.validation import Array

_EVERY = 7
"""Samples from one lesson to the next; a prime, so that few periods are a multiple of it."""
_CLIP = 3.0
"""Usual sizes that an error counts as, at most, in a lesson."""
_FLOOR = 1e-3
"""Share of what it was at the start that a usual size never falls below."""
_ROUNDS = 30
"""Iterations for the first sizes."""
_FORGOTTEN = 250
"""Samples that sizes count as resting on after something new."""


class Scales(Part):
    """Mean absolute errors of each step ahead, large ones clipped, over the latest samples."""

    KEPT: ClassVar = {"usual": STEPS, "least": STEPS, "seen": COUNT}
    __slots__ = tuple(KEPT)

    usual: Array
    """Shape (H,), or (N, H)."""
    least: Array
    """Shape (H,), or (N, H). What `usual` never falls below."""
    seen: Numbers
    """Samples that the sizes rest on."""

    @classmethod
    def start(cls, errors: Array) -> Scales:
        """Return the sizes for absolute errors (m, H) of one channel, NaN where unknown.

        Clipping makes them solve ``mean(min(error / usual, 3)) = 1``.
        """
        usual = np.nanmean(errors, axis=0)
        for _ in range(_ROUNDS):
            usual = usual * np.nanmean(np.minimum(errors / usual, _CLIP), axis=0)
        return cls(OneChannel(), usual=usual, least=_FLOOR * usual, seen=len(errors))

    def relative(self, errors: Array) -> Array:
        """Return the sizes of errors in usual sizes."""
        relative: Array = np.abs(errors) / self.usual
        return relative

    def learn(self, relative: Array, learning: Flags, memory: int) -> None:
        """Move the sizes of channels that are learning towards the errors, every few samples."""
        self.seen = seen = self.seen + learning
        due = learning & (seen % _EVERY == 0)
        if not self.numbers.any(due):
            return
        off: Any = np.minimum(relative, _CLIP) - 1.0
        off[np.isnan(off)] = 0.0
        share = due * _EVERY / self.numbers.minimum(seen, memory)
        self.usual *= 1.0 + self.numbers.column(share) * off
        np.maximum(self.usual, self.least, out=self.usual)

    def forget(self, which: Flags) -> None:
        """Let channels learn quickly again, as if they had seen little."""
        self.seen = self.numbers.where(which, _FORGOTTEN, self.seen)
