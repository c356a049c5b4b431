"""Contexts: which stretches of the past a regressor sees, and how finely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.storage import stored
from relu_forecast.validation import Array, check_positive_int

_PER_WIDTH = 16
"""Stretches of each width in a multiresolution context."""
_LONGEST = 1_000_000
"""Samples back that a lag may be at most: each of them takes memory."""
_REMEDY = "Pass a number of samples, or the lags to use, such as [1, 2, 3, 24]."


@stored()
@dataclass(frozen=True)
class Context:
    """Stretches of the past, each seen as the mean of its samples.

    Attributes
    ----------
    lags : tuple of int
        How many samples back the newest sample of each stretch lies, 1 being the last known one;
        oldest stretch first.
    widths : tuple of int
        Samples in each stretch.

    Examples
    --------
    >>> Context.of(3).lags
    (3, 2, 1)
    >>> Context.of([1, 24]).lags
    (24, 1)
    >>> Context.multiresolution(6, per_width=2)
    Context(lags=(5, 3, 2, 1), widths=(2, 2, 1, 1))
    >>> Context.multiresolution(6, per_width=2).pool(np.array([[1.0, 3, 5, 7, 9, 10]])).tolist()
    [[2.0, 6.0, 9.0, 10.0]]
    """

    lags: tuple[int, ...]
    widths: tuple[int, ...]

    def check_stored(self) -> None:
        """Refuse stretches that are none."""
        if len(self.lags) != len(self.widths) or not self.lags:
            raise ValueError("it must have as many widths as lags, and one at least")
        if min(self.lags) < 1 or min(self.widths) < 1:
            raise ValueError("lags and widths must be at least 1")

    @classmethod
    def of(cls, lags: Any) -> Context:
        """Return the context that a ``lags`` parameter stands for.

        Parameters
        ----------
        lags : int, sequence of int or Context
            The last so many samples; or the samples so many steps back, 1 being the last one.

        Raises
        ------
        InvalidArgumentError
            A lag is below 1, above a million or comes twice, or there is none.
        InvalidTypeError
            It is none of these.
        """
        if isinstance(lags, Context):
            return lags
        if isinstance(lags, Sequence | np.ndarray | range) and not isinstance(lags, str):
            chosen = sorted((check_positive_int(lag, "lags", _REMEDY) for lag in lags),
                            reverse=True)
            if not chosen or len(set(chosen)) < len(chosen):
                raise InvalidArgumentError("lags", "different lags, one at least", repr(lags),
                                           _REMEDY)
            _check_reach(chosen[0])
            return cls(tuple(chosen), (1,) * len(chosen))
        if isinstance(lags, str | None):
            raise InvalidTypeError("lags", "a whole number or a sequence of them", repr(lags),
                                   _REMEDY)
        count = check_positive_int(lags, "lags", _REMEDY)
        _check_reach(count)
        return cls(tuple(range(count, 0, -1)), (1,) * count)

    @classmethod
    def multiresolution(cls, length: int, per_width: int = _PER_WIDTH) -> Context:
        """Return the newest samples as they are, and older ones as means over growing stretches.

        Parameters
        ----------
        length : int
            Samples to look back on, at most: the oldest stretch may end a little before.
        per_width : int, default 16
            Stretches of each width, which are 1, 2, 4, ... samples.
        """
        lags: list[int] = []
        widths: list[int] = []
        start, width = 1, 1
        while start + width - 1 <= length:
            count = min(per_width, (length - start + 1) // width)
            lags += [start + place * width for place in range(count)]
            widths += [width] * count
            start, width = start + count * width, 2 * width
        return cls(tuple(reversed(lags)), tuple(reversed(widths)))

    @property
    def length(self) -> int:
        """Samples that it reaches back, L."""
        return max(lag + width - 1 for lag, width in zip(self.lags, self.widths, strict=True))

    @property
    def size(self) -> int:
        """Stretches, d."""
        return len(self.lags)

    @property
    def is_plain(self) -> bool:
        """Whether it is the last L samples as they are."""
        return self.size == self.length and max(self.widths) == 1

    def pool(self, windows: Array) -> Array:
        """Return the means of the stretches, (..., d), of windows (..., L), oldest sample first."""
        if self.is_plain:
            return windows
        if max(self.widths) == 1:
            return windows[..., self.length - np.array(self.lags)]
        pooled: Array = windows @ _means(self)
        return pooled

    def __str__(self) -> str:
        """Return what tables call it."""
        if self.is_plain:
            return f"{self.length}"
        if max(self.widths) == 1:
            return f"{len(self.lags)} lags up to {self.length}"
        return f"{self.length} by growing means"


def _check_reach(lag: int) -> None:
    """Refuse a lag that is too far back."""
    if lag > _LONGEST:
        raise InvalidArgumentError("lags", f"at most {_LONGEST}", str(lag), _REMEDY)


@lru_cache(maxsize=64)
def _means(context: Context) -> Array:
    """Return the matrix (L, d) that takes windows to the means of their stretches."""
    means = np.zeros((context.length, context.size))
    for place, (lag, width) in enumerate(zip(context.lags, context.widths, strict=True)):
        stop = context.length - lag + 1
        means[stop - width : stop, place] = 1 / width
    return means
