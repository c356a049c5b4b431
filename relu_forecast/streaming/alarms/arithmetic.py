"""The same steps for one channel and for many: on Python floats, or on arrays of channels.

NumPy takes longer over a single number than Python does, and Python longer over a thousand. So
what is done to a sample is written once, in sums, comparisons and the few operations below.
``a > b`` of two flags says "a and not b" of both kinds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.validation import Array

Numbers = Any
"""A number of one channel, or an array (N,) with one of each channel."""
Flags = Any
"""A bool of one channel, or an array (N,) of them."""


class OneChannel:
    """Python numbers."""

    maximum: Any = staticmethod(max)
    minimum: Any = staticmethod(min)
    any: Any = staticmethod(bool)

    @staticmethod
    def where(condition: Flags, this: Numbers, other: Numbers) -> Numbers:
        """Return ``this`` where the condition holds, else ``other``."""
        return this if condition else other

    @staticmethod
    def table(values: Any) -> tuple[Any, ...]:
        """Return values to look up by position."""
        return tuple(np.asarray(values).tolist())

    @staticmethod
    def column(values: Numbers) -> Numbers:
        """Return the number: it combines with a row as it is."""
        return values

    @staticmethod
    def sum(rows: Array) -> float:
        """Return the sum of a row."""
        return float(np.add.reduce(rows))

    @staticmethod
    def first(rows: Array) -> float:
        """Return the first entry of a row."""
        return float(rows.item(0))

    @staticmethod
    def count_at_least(rows: Array, values: float) -> int:
        """Return how many entries of a row are at least a value."""
        return int(np.count_nonzero(rows >= values))

    @staticmethod
    def copied(values: Any) -> Any:
        """Return a number, or an array of its own."""
        array = np.array(values)
        return array if array.ndim else array.item()


class ManyChannels:
    """Arrays with an entry, or a row, of each of N channels."""

    maximum: Any = staticmethod(np.maximum)
    minimum: Any = staticmethod(np.minimum)
    where: Any = staticmethod(np.where)

    @staticmethod
    def any(condition: Flags) -> bool:
        """Tell whether the condition holds in any channel."""
        return bool(np.any(condition))

    @staticmethod
    def table(values: Any) -> npt.NDArray[Any]:
        """Return values to look up by position."""
        return np.asarray(values)

    @staticmethod
    def column(values: Numbers) -> Numbers:
        """Return numbers of channels as a column."""
        return values[:, np.newaxis]

    @staticmethod
    def sum(rows: Array) -> Array:
        """Return the sum of each row."""
        sums: Array = np.add.reduce(rows, axis=-1)
        return sums

    @staticmethod
    def first(rows: Array) -> Array:
        """Return the first entry of each row."""
        return rows[:, 0].copy()

    @staticmethod
    def count_at_least(rows: Array, values: Array) -> npt.NDArray[np.intp]:
        """Return how many entries of each row are at least its value."""
        counts: npt.NDArray[np.intp] = np.count_nonzero(rows >= values[:, np.newaxis], axis=1)
        return counts

    @staticmethod
    def copied(values: Any) -> npt.NDArray[Any]:
        """Return an array of its own."""
        return np.array(values)


Arithmetic = OneChannel | ManyChannels
"""Of one channel, or of many."""
