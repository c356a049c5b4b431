"""Errors of channels that are still too few to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.streaming.alarms.parts import checked, foreign_state
from relu_forecast.validation import Array


def is_enough(errors: Array, fewest: int) -> bool:
    """Tell whether there are so many rows of errors, and every step has some that are not 0."""
    return len(errors) >= fewest and bool((np.nansum(errors, axis=0) > 0).all())


class WarmUp:
    """The latest errors of each of N channels, until they are enough."""

    __slots__ = ("counts", "rows")

    def __init__(self, rows: Array, counts: npt.NDArray[np.int64]) -> None:
        self.rows = rows
        self.counts = counts

    @classmethod
    def of(cls, n_channels: int, fewest: int, horizon: int) -> WarmUp:
        """Return one without errors."""
        return cls(np.full((n_channels, fewest, horizon), np.nan),
                   np.zeros(n_channels, dtype=np.int64))

    def add(self, channel: int, errors: Array) -> Array | None:
        """Take rows of errors of a channel; return its errors as soon as they are enough."""
        rows = self.rows[channel]
        known = np.concatenate([rows[: self.counts[channel]], errors])[-len(rows) :]
        self.counts[channel] = len(known)
        rows[: len(known)] = known
        return known if is_enough(known, len(rows)) else None

    def state(self) -> dict[str, Any]:
        """Return the errors as data."""
        return {"warm_up.rows": self.rows.copy(), "warm_up.counts": self.counts.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], n_channels: int, fewest: int,
                   horizon: int) -> WarmUp:
        """Return what `state` described."""
        counts = checked(state, "warm_up.counts", (n_channels,), whole=True)
        rows = np.asarray(state.get("warm_up.rows"))
        if rows.shape != (n_channels, fewest, horizon) or rows.dtype != np.float64:
            raise foreign_state(f"warm_up.rows of shape {(n_channels, fewest, horizon)}",
                                f"shape {rows.shape} and dtype {rows.dtype}")
        if (counts > fewest).any() or np.isinf(rows).any():
            raise foreign_state("warm_up of finite errors, as many as counted", "others")
        return cls(rows.copy(), counts)
