"""Times of a stream's samples: each a step after the one before, or as many as are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError

_NEAR = 0.25
"""By how much, in steps, the time from sample to sample may be off."""


@dataclass(frozen=True)
class Ticks:
    """When the last sample was, and how far samples are apart.

    Attributes
    ----------
    last : float or int
        Time of the last sample: a number, or nanoseconds, of dates since 1970.
    step : float
        Between samples, in the same unit.
    dated : bool
        Whether times are dates, or durations.
    """

    last: float
    step: float
    dated: bool

    def after(self, count: int) -> Ticks:
        """Return the ticks when ``count`` more samples have come in."""
        return replace(self, last=self.last + count * self.step)

    def missing_before(self, at: Any) -> int:
        """Return how many samples are missing between the last one and that at a time.

        Raises
        ------
        InvalidArgumentError
            The time is not later, or no whole number of steps later.
        InvalidTypeError
            It is no time of this kind.
        """
        steps = (self._number(at) - self.last) / self.step
        count = round(steps) if np.isfinite(steps) else 0
        if count < 1 and not steps > _NEAR:
            raise InvalidArgumentError(
                "at", "later than the sample before", f"{at}, {-steps:.3g} steps before it",
                "Push samples in the order of their times.")
        if abs(steps - count) > _NEAR:
            raise InvalidArgumentError(
                "at", "a whole number of steps after the sample before", f"{at}, {steps:.4g} steps",
                "Resample the signal to the rate that the model was fitted at.")
        return count - 1

    def now(self, at: Any) -> Ticks:
        """Return the ticks with the last sample at a time."""
        return replace(self, last=self._number(at))

    def _number(self, at: Any) -> float:
        """Return a time as a number."""
        if not self.dated:
            if isinstance(at, bool) or not isinstance(at, int | float | np.number):
                raise InvalidTypeError("at", "a number, as the times of the series are", repr(at),
                                       "Pass the time in the unit of the series.")
            return float(at)
        try:
            nanoseconds = getattr(at, "value", None)  # of pandas, in UTC
            return float(int(np.datetime64(at, "ns").astype(np.int64))
                         if nanoseconds is None else nanoseconds)
        except (TypeError, ValueError) as error:
            raise InvalidTypeError("at", "a date and time, as the series has", repr(at),
                                   "Pass a datetime or a pandas.Timestamp.") from error

    def state(self) -> dict[str, Any]:
        """Return the ticks as data."""
        return {"last": float(self.last), "step": float(self.step), "dated": self.dated}

    def at(self, state: Mapping[str, Any]) -> Ticks:
        """Return the ticks of a state."""
        return replace(self, last=float(state["last"]))
