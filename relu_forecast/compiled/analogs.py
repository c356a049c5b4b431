"""Analogs, prepared for many searches: what followed the past windows most like a window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from relu_forecast.validation import Array
from relu_forecast.windows.neighbours import Library
from relu_forecast.windows.sliding import hankel

AVERAGED = 2**21
"""Samples that are averaged at a time."""
_DIRECTIONS = 10
"""Of windows, that the index keeps."""
_FIRST_GUESSES = 48
"""Parts of the library whose best window, by the index, is compared first."""
_KEPT = 16
"""Windows that the index returns at most, where fewer are sought: the next search starts there."""
_ROUNDING = 4e-6
"""What the index, in single precision, is off by, relative to the squares of windows, with room."""
_Positions = npt.NDArray[np.intp]
_Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AnalogSearch:
    """The samples of a training part, to be searched for windows like a given one.

    Attributes
    ----------
    library : Library
        Its windows, (n, L), over `unit`, and which of them may be chosen.
    ahead : ndarray, shape (n, H)
        What followed each, over `unit`.
    k : int
        Windows that are averaged; all, if there are fewer.
    unit : float
        A power of two.
    weights : ndarray, shape (n,), or None
        Of the windows, in the mean of what followed them; None: all the same.
    """

    library: Library
    ahead: Array
    k: int
    unit: float
    weights: Array | None = None

    @classmethod
    def of(cls, values: Array, lags: int, k: int, horizon: int, *, relative: bool,
           allowed: npt.NDArray[np.bool_], weights: Array | None = None) -> AnalogSearch:
        """Prepare samples, (n + lags + horizon - 1,); NaN where one does not count."""
        values = _without_gaps(values)
        unit = _power_of_two(values)
        past, ahead = hankel(values / unit, lags, horizon)
        library = Library.of(past, relative, allowed)
        return cls(library, ahead.reshape(len(past), horizon), k, unit, weights)

    @property
    def relative(self) -> bool:
        """Whether windows are compared, and continued, relative to their last sample."""
        return self.library.level is None

    @property
    def length(self) -> int:
        """Samples that windows are compared by, L."""
        return int(self.library.windows.shape[1])

    @property
    def n_steps(self) -> int:
        """Steps ahead, H."""
        return int(self.ahead.shape[1])

    def forecast(self, windows: Array) -> Array:
        """Return the samples that follow, (C, H), of windows (C, L or more), oldest first."""
        followed = self.followed(windows)
        return followed + windows[:, -1:] if self.relative else followed

    def followed(self, windows: Array, own: _Positions | None = None) -> Array:
        """Return what followed the windows most like each of these, shape (C, H).

        Relative to their last sample, if they are compared so. ``own``, shape (C,), are positions
        of windows that are the training part's own: windows that share a sample with them, or with
        the horizon after them, are not looked at, so that nothing is told of what came after them.
        """
        queries = windows[:, -self.length :] / self.unit
        found = self.library.nearest(queries, self.k, own=own, apart=self.length + self.n_steps)
        forecasts = np.empty((len(queries), self.n_steps))
        for part in _parts(len(queries), found.shape[1] * self.n_steps):
            forecasts[part] = self.means(found[part])
        return forecasts

    def means(self, near: _Positions) -> Array:
        """Return the means, (C, H), of what followed k windows each, at some positions (C, k)."""
        followed = self.continuations[near]
        if self.weights is None:
            return np.asarray(followed.mean(axis=1) * self.unit)
        weights = self.weights[near]
        shares = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray((followed * shares[:, :, np.newaxis]).sum(axis=1) * self.unit)

    @cached_property
    def continuations(self) -> Array:
        """What followed each window, (n, H), over `unit`; less its last sample if so compared."""
        return self.ahead - self.library.windows[:, -1:] if self.relative else self.ahead

    @cached_property
    def index(self) -> AnalogIndex:
        """The index, made when it is first asked for: it is worth it where many queries follow."""
        return AnalogIndex.of(self.library)


@dataclass(frozen=True)
class AnalogIndex:
    """Windows by their main directions: bounds on distances at little cost, for single queries.

    Two windows are at least as far apart as what they are in some directions, and the lengths of
    what they are beside them. Only windows that may be among the nearest by that are compared.
    """

    windows: Array
    """Shape (n, L). Without their level, as queries must be: see `Library.shifted`."""
    step: float
    """Of distances, which are compared as whole numbers of steps."""
    count: int
    """Windows that may be chosen."""
    directions: Array
    """Shape (L, r). Orthonormal."""
    places: _Singles
    """Shape (r + 2, n). Of each window -2 times what it is in the directions, and the length of the
    rest of it; and the square of its length, infinite where it may not be chosen. In float32."""

    @classmethod
    def of(cls, library: Library) -> AnalogIndex:
        """Find the directions that the windows differ most in."""
        windows = library.shifted(library.windows)
        _, vectors = np.linalg.eigh(windows.T @ windows)
        directions = np.ascontiguousarray(vectors[:, ::-1][:, :_DIRECTIONS])
        main = windows @ directions
        rest = np.linalg.norm(windows - main @ directions.T, axis=1)
        squares = np.einsum("ij,ij->i", windows, windows)
        places = np.ascontiguousarray(np.vstack([
            -2 * main.T, -2 * rest, np.where(library.allowed, squares, np.inf)]), dtype=np.float32)
        return cls(windows, library.step, int(library.allowed.sum()), directions, places)

    def nearest(self, query: Array, k: int, guess: _Positions | None = None) -> _Positions:
        """Return the positions of the ``k`` windows nearest to a query, (L,), nearest first.

        A few more may follow, not all of the next. The query is without its level. The better
        ``guess``, ``k`` positions at least, the faster; what is found does not depend on it.
        """
        # The method dot takes half the time of the operator @.
        main = query.dot(self.directions)
        own = float(query.dot(query))
        rest = query - self.directions.dot(main)
        place = np.empty(len(self.places), dtype=np.float32)
        place[:-2], place[-2], place[-1] = main, math.sqrt(rest.dot(rest)), 1.0
        bounds: _Singles = place.dot(self.places)  # less the square of the query
        count = min(k, self.count)
        first = self._guess(bounds, count) if guess is None else guess
        limit = self._limit(self._squares(query, first), bounds[first], count)
        # Of windows within the limit of the query, the lengths are known.
        longest = (math.sqrt(own) + math.sqrt(limit)) ** 2
        near = (bounds <= limit - own + _ROUNDING * longest).nonzero()[0]
        if limit == math.inf:
            near = near[np.isfinite(bounds[near])]
        steps = np.rint(np.sqrt(self._squares(query, near)) / self.step)
        return near[np.lexsort((-near, steps))[: max(count, _KEPT)]]

    def _limit(self, squares: Array, bounds: _Singles, count: int) -> float:
        """Return a square that those of the nearest windows are not above, given some of them."""
        found = np.sort(squares[np.isfinite(bounds)])
        if len(found) < count:
            return math.inf
        return float((math.sqrt(found[count - 1]) + 1.5 * self.step) ** 2)

    def _squares(self, query: Array, positions: _Positions) -> Array:
        """Return the squared distances of windows from a query."""
        apart = self.windows.take(positions, axis=0)
        apart -= query
        return np.asarray(np.einsum("ij,ij->i", apart, apart))

    def _guess(self, bounds: _Singles, count: int) -> _Positions:
        """Return windows that may be near: the best of parts of the library, by the bounds."""
        size = len(bounds) // _FIRST_GUESSES
        if size == 0 or count > _FIRST_GUESSES // 2:
            return np.arange(len(bounds))
        parts = bounds[: size * _FIRST_GUESSES].reshape(_FIRST_GUESSES, size)
        best: _Positions = parts.argmin(axis=1) + size * np.arange(_FIRST_GUESSES)
        return best


def _parts(count: int, size: int) -> Iterator[slice]:
    """Yield parts of rows, each of which takes as many samples as ``size``."""
    rows = max(1, AVERAGED // size)
    return (slice(start, start + rows) for start in range(0, count, rows))


def _power_of_two(values: Array) -> float:
    """Return the size of samples, which they can be divided by without rounding.

    The squares of very small numbers are 0, and those of very large ones infinite.
    """
    return float(np.ldexp(1.0, int(np.frexp(np.abs(values).max())[1]) - 1))


def _without_gaps(values: Array) -> Array:
    """Return samples, missing ones the last observed one before them, or the first after them."""
    seen = np.flatnonzero(~np.isnan(values))
    if len(seen) == len(values):
        return values
    places = np.searchsorted(seen, np.arange(len(values)), side="right") - 1
    filled: Array = values[seen[np.maximum(places, 0)]]
    return filled
