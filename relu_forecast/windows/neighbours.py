"""Nearest windows: which past windows are most like given ones, exactly and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relu_forecast.validation import Array

TIE = 1e-6
"""Distances are compared in steps of this, relative to the usual size of the windows."""
FIRST_BLOCK = 64
"""Windows that are looked at first; every block has as many as all before it, up to a limit."""
CROWD = 4
"""Candidates of one block, for each one sought, above which their number is cut down first."""
GATHERED = 2**20
"""Numbers in the windows that are compared one by one, at a time."""
_Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Chunks:
    """How much a search takes at a time; what it finds does not depend on it."""

    queries: int = 512
    windows: int = 512


DEFAULT_CHUNKS = Chunks()


def nearest(windows: Array, queries: Array, k: int, *, relative: bool = True,
            allowed: npt.NDArray[np.bool_] | None = None, own: _Positions | None = None,
            apart: int = 0, chunks: Chunks = DEFAULT_CHUNKS) -> _Positions:
    """Return which ``k`` windows are nearest to each query, by Euclidean distance.

    Distances count as equal where they round to the same multiple of `TIE` times the root mean
    square of the lengths of the windows, as vectors. Of windows at equal distance the newer one,
    of higher position, comes first. What is found for a query depends on no other query, nor on
    the chunks, nor on how products of matrices round.

    Parameters
    ----------
    windows : ndarray, shape (n, lags)
        To choose from, oldest first; finite. A view, as of `hankel`, is enough.
    queries : ndarray, shape (C, lags)
        Finite.
    k : int
        How many are sought, >= 1.
    relative : bool, default True
        Compare windows and queries after the last sample of each is taken off.
    allowed : ndarray of bool, shape (n,), optional
        Which windows may be chosen, one at least; None: all.
    own : ndarray of int, shape (C,), optional
        Where the queries themselves are, as positions among the windows (or beyond, at the same
        spacing), of queries that come from the same samples.
    apart : int, default 0
        Of these: windows fewer positions away than that from a query's own are not chosen for it,
        so that it finds neither itself nor what overlaps with it. See `crowded_out`.
    chunks : Chunks, optional
        How much is done at a time.

    Returns
    -------
    ndarray of int, shape (C, min(k, n)), n the windows that are allowed
        Positions among the windows, nearest first.

    Notes
    -----
    Cost: one product of matrices, 2 C n lags operations, in chunks. It gives a lower bound on each
    distance, and only windows that may be among the nearest by it are compared exactly.

    Examples
    --------
    >>> past = np.array([[0.0, 1.0], [5.0, 7.0], [3.0, 4.0]])
    >>> nearest(past, np.array([[8.0, 9.0]]), k=2).tolist()
    [[2, 0]]
    """
    allowed = np.ones(len(windows), dtype=bool) if allowed is None else allowed
    return Library.of(windows, relative, allowed).nearest(
        queries, k, own=own, apart=apart, chunks=chunks)



def crowded_out(apart: int) -> int:
    """Return how many windows at most are nearer than ``apart`` positions to one of them."""
    return max(0, 2 * apart - 1)


@dataclass(frozen=True)
class Library:
    """Windows to choose from, and how they are compared."""

    windows: Array
    level: float | None
    """What is taken off all samples, so that products lose no digits; None is the last of each."""
    step: float
    """Of the distances."""
    allowed: npt.NDArray[np.bool_]
    """Shape (n,). Which windows may be chosen."""

    @classmethod
    def of(cls, windows: Array, relative: bool, allowed: npt.NDArray[np.bool_]) -> Library:
        """Find the level of the windows and their usual size."""
        library = cls(windows, None if relative else float(windows[:, -1].mean()), 1.0,
                      allowed)
        chunk = DEFAULT_CHUNKS.windows  # whatever the search takes, sums round the same way
        squares = [float(_squares(library.shifted(windows[start : start + chunk])).sum())
                   for start in range(0, len(windows), chunk)]
        usual = float(np.sqrt(sum(squares) / len(windows)))
        return cls(windows, library.level, TIE * usual or 1.0, allowed)

    def nearest(self, queries: Array, k: int, *, own: _Positions | None = None, apart: int = 0,
                chunks: Chunks = DEFAULT_CHUNKS) -> _Positions:
        """Return which ``k`` windows are nearest to each query, see `nearest`."""
        found = _Nearest.none(len(queries), min(k, int(self.allowed.sum())))
        for start in range(0, len(queries), chunks.queries):
            part = slice(start, start + chunks.queries)
            near = None if own is None else _Near(own[part], apart)
            _search(self, self.shifted(queries[part]), near, found.part(part), chunks.windows)
        return found.positions

    def shifted(self, windows: Array) -> Array:
        """Return windows without their level."""
        return np.asarray(windows - (windows[:, -1:] if self.level is None else self.level))

    def steps(self, queries: Array, positions: _Positions) -> Array:
        """Return the distances of shifted queries, row by row, from windows, in whole steps."""
        apart = self.shifted(self.windows[positions]) - queries
        return np.asarray(np.rint(np.sqrt(_squares(apart)) / self.step))


@dataclass(frozen=True)
class _Nearest:
    """The nearest windows so far of each query; the arrays are written to."""

    steps: Array
    """Shape (C, k). Distances in steps, the smallest first; infinite where there is none yet."""
    positions: _Positions
    """Shape (C, k). Where the windows are."""

    @classmethod
    def none(cls, count: int, k: int) -> _Nearest:
        """Return room for ``k`` windows of each query."""
        return cls(np.full((count, k), np.inf), np.full((count, k), -1, dtype=np.intp))

    def part(self, part: slice) -> _Nearest:
        """Return views of some queries."""
        return _Nearest(self.steps[part], self.positions[part])

    def add(self, rows: _Positions, steps: Array, positions: _Positions) -> None:
        """Take in windows at some distance from the queries of some rows, in ascending order."""
        changed, k = np.unique(rows), self.steps.shape[1]
        all_rows = np.concatenate([changed.repeat(k), rows])
        all_steps = np.concatenate([self.steps[changed].ravel(), steps])
        all_positions = np.concatenate([self.positions[changed].ravel(), positions])
        order = np.lexsort((-all_positions, all_steps, all_rows))
        first = np.searchsorted(all_rows[order], changed)
        kept = order[first[:, np.newaxis] + np.arange(k)]
        self.steps[changed], self.positions[changed] = all_steps[kept], all_positions[kept]


@dataclass(frozen=True)
class _Near:
    """Which windows are too near in position to a query."""

    own: _Positions
    """Shape (C,). Positions of the queries."""
    apart: int
    """Positions that a window must be away."""

    def among(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Return which of the windows from ``start`` to ``stop`` are, shape (C, stop - start)."""
        return np.asarray(np.abs(np.arange(start, stop) - self.own[:, np.newaxis]) < self.apart)


def _search(library: Library, queries: Array, near: _Near | None, found: _Nearest,
            chunk: int) -> None:
    """Write the windows nearest to shifted queries, from the newest back to the oldest.

    A window further back has to be nearer, by a step, to take the place of one that was found.
    """
    size = max(1, GATHERED // queries.shape[1])
    for start, stop in _blocks(len(library.windows), chunk):
        others = library.shifted(library.windows[start:stop])
        bounds = _Bounds.of(queries, others, library.step)
        if not library.allowed[start:stop].all():
            bounds.products[:, ~library.allowed[start:stop]] = np.inf
        if near is not None:
            bounds.products[near.among(start, stop)] = np.inf
        rows, columns = _candidates(bounds, found.steps)
        for first in range(0, len(rows), size):
            row, position = rows[first : first + size], start + columns[first : first + size]
            found.add(row, library.steps(queries[row], position), position)


def _blocks(n: int, chunk: int) -> Iterator[tuple[int, int]]:
    """Yield where blocks of windows start and stop, the newest first and small at first."""
    stop = n
    while stop:
        start = max(0, stop - min(chunk, max(FIRST_BLOCK, n - stop)))
        yield start, stop
        stop = start


@dataclass(frozen=True)
class _Bounds:
    """Lower bounds on squared distances of C queries from m windows, as products say them."""

    products: Array
    """Shape (C, m). Bounds without the squares of the queries."""
    own: Array
    """Shape (C,). Squares of the queries."""
    largest: float
    """Of the squares of the windows."""
    share: float
    """What rounding can do to a square or a product, relative to the squares, with room."""
    step: float
    """Of distances."""

    @classmethod
    def of(cls, queries: Array, others: Array, step: float) -> _Bounds:
        """Compute them for shifted queries and windows."""
        squares = _squares(others)
        # A sum of d products is off by d roundings at most; squares and sums are counted, too.
        share = 8 * (others.shape[1] + 8) * float(np.finfo(np.float64).eps)
        products = np.column_stack([-2 * queries, np.ones(len(queries))]) @ np.column_stack(
            [others, squares * (1 - share)]).T
        return cls(products, _squares(queries), float(squares.max()), share, step)

    def below(self, steps: Array) -> Array:
        """Return below what, shape (C,), products are of windows nearer than so many steps."""
        edges = (steps - 0.5) * self.step
        squares = np.where(edges > 0, edges**2 * (1 + self.share), -np.inf)
        return np.asarray(squares - self.own * (1 - self.share))

    def within(self, rows: _Positions, k: int) -> Array:
        """Return the number of steps within which some queries have ``k`` windows."""
        bounds = np.partition(self.products[rows], k - 1, axis=1)[:, k - 1]
        bounds += self.own[rows] * (1 + self.share) + 2 * self.share * self.largest
        return np.asarray(np.rint(np.sqrt(np.maximum(bounds, 0.0)) / self.step))


def _candidates(bounds: _Bounds, steps: Array) -> tuple[_Positions, _Positions]:
    """Return rows and columns of windows that may be nearer than those found, at some steps."""
    limits, k = steps[:, -1].copy(), steps.shape[1]
    below = bounds.below(limits)
    places = np.flatnonzero(bounds.products < below[:, np.newaxis])  # faster than by two axes
    rows, columns = np.divmod(places, bounds.products.shape[1])
    crowded = np.flatnonzero(np.bincount(rows) > CROWD * k)
    if not len(crowded):
        return rows, columns
    limits[crowded] = np.minimum(limits[crowded], bounds.within(crowded, k) + 1)
    few = bounds.products[rows, columns] < bounds.below(limits)[rows]
    return rows[few], columns[few]


def _squares(rows: Array) -> Array:
    """Return the sums of the squares of rows."""
    return np.asarray(np.einsum("ij,ij->i", rows, rows))
