"""Analogs, prepared for many searches: what followed the past windows most like a window."""

from __future__ import annotations

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
_FEW = 8
"""Queries up to which each is looked for on its own, by an index."""
_DIRECTIONS = 16
"""Of windows, that the index keeps."""
_FIRST_GUESSES = 48
"""Parts of the library whose best window, by the index, is compared first."""
_Positions = npt.NDArray[np.intp]


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
        if own is None and len(queries) <= _FEW:
            found = np.stack([self._index.nearest(query, self.k) for query in queries])
        else:
            found = self.library.nearest(
                queries, self.k, own=own, apart=self.length + self.n_steps)
        forecasts = np.empty((len(queries), self.n_steps))
        for part in _parts(len(queries), found.shape[1] * self.n_steps):
            near = found[part]
            bases = self.library.windows[near, -1:] if self.relative else 0.0
            forecasts[part] = self._means(self.ahead[near] - bases, near)
        return forecasts * self.unit

    def _means(self, followed: Array, near: _Positions) -> Array:
        """Return means, (C, H), of what followed k windows, (C, k, H)."""
        if self.weights is None:
            return np.asarray(followed.mean(axis=1))
        weights = self.weights[near]
        shares = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray((followed * shares[:, :, np.newaxis]).sum(axis=1))

    @cached_property
    def _index(self) -> _Index:
        """The index, made when it is first asked for."""
        return _Index.of(self.library)


@dataclass(frozen=True)
class _Index:
    """Windows by their main directions: bounds on distances at little cost, for single queries.

    Two windows are at least as far apart as what they are in some directions, and the lengths of
    what they are beside them. Only windows that may be among the nearest by that are compared.
    """

    library: Library
    directions: Array
    """Shape (L, r). Orthonormal."""
    places: Array
    """Shape (n, r + 1). Each window in the directions, and the length of the rest of it."""
    squares: Array
    """Shape (n,). Of the lengths; infinite for a window that may not be chosen."""
    margin: float
    """What rounding can do to a squared distance."""

    @classmethod
    def of(cls, library: Library) -> _Index:
        """Find the directions that the windows differ most in."""
        shifted = library.shifted(library.windows)
        _, vectors = np.linalg.eigh(shifted.T @ shifted)
        directions = np.ascontiguousarray(vectors[:, ::-1][:, :_DIRECTIONS])
        main = shifted @ directions
        rest = np.linalg.norm(shifted - main @ directions.T, axis=1)
        places = np.column_stack([main, rest])
        squares = np.einsum("ij,ij->i", places, places)
        margin = 1e-12 * float(squares.max())
        return cls(library, directions, places,
                   np.where(library.allowed, squares, np.inf), margin)

    def nearest(self, query: Array, k: int) -> _Positions:
        """Return the positions of the ``k`` windows nearest to a query, (L,), nearest first."""
        shifted = self.library.shifted(query[np.newaxis])
        main = shifted[0] @ self.directions
        rest = shifted[0] - self.directions @ main
        place = np.append(main, np.sqrt(rest @ rest))
        bounds = self.squares - 2 * (self.places @ place)  # less the square of the query
        own = float(place @ place)
        count = min(k, int(np.isfinite(self.squares).sum()))
        first = self._first_guesses(bounds, count)
        limit = np.partition(self.library.steps(shifted, first), count - 1)[count - 1]
        below = ((limit + 1.0) * self.library.step) ** 2 - own + self.margin * (1 + own)
        near = np.flatnonzero(bounds <= below)
        order = np.lexsort((-near, self.library.steps(shifted, near)))
        return near[order[:count]]

    def _first_guesses(self, bounds: Array, count: int) -> _Positions:
        """Return at least ``count`` windows that may be near: the best of parts of the library."""
        size = len(bounds) // _FIRST_GUESSES
        if size == 0 or count > _FIRST_GUESSES // 2:
            return np.flatnonzero(np.isfinite(bounds))
        parts = bounds[: size * _FIRST_GUESSES].reshape(_FIRST_GUESSES, size)
        best = parts.argmin(axis=1) + size * np.arange(_FIRST_GUESSES)
        best = best[np.isfinite(bounds[best])]
        return best if len(best) >= count else np.flatnonzero(np.isfinite(bounds))


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
