"""Exact pricing of neurons with heads of several entries, where rows span 1 to 3 dimensions.

The worth of a neuron with its best head is ``||W'(Ru)_+||``, W having a column for each entry of a
head. In a cell of the arrangement of the rows it is ``||G'u||``: its square is a quadratic form,
which on the sphere is largest at the first eigenvector of ``GG'`` if that lies in the cell, else on
the boundary; on an arc at the first eigenvector in the plane of the circle if that lies on the
arc, else at an end. No cell is left out, so the maximum is exact; see `circles` for the sweep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.patterns.cells import normalise
from relu_forecast.training.pricing.circles import (
    Arrangement,
    Sweep,
    cross,
    dot,
    folded,
    sweep_circles,
    sweep_plane,
)
from relu_forecast.training.pricing.exact import (
    MOST_ROWS,
    ExactPrice,
    best_of,
    both_ways,
    can_price_exactly,
    checked_basis,
    shuffled_rows,
)

_TINY = torch.finfo(torch.float64).tiny
_ALMOST_DOUBLE = 1e-6
"""Of a characteristic polynomial: 1 plus the cosine that is -1 where its largest root is double."""
_VALUED = 20
"""Local maxima whose worths are computed anew, for each one that is returned."""


def affordable_rows(n_entries: int, most_rows: int = MOST_ROWS) -> int:
    """Return the rows that are afforded at rank 3 with heads of so many entries.

    The cost is their square times the entries.
    """
    return int(most_rows / n_entries**0.5)


def can_price_jointly(
    rows: Float[Tensor, "N d"], n_entries: int, most_rows: int = MOST_ROWS
) -> bool:
    """Tell whether `price_jointly` can be afforded for rows R and heads of so many entries."""
    return can_price_exactly(rows, affordable_rows(n_entries, most_rows))


def price_jointly(
    rows: Float[Tensor, "N d"], weights: Float[Tensor, "N Q"], most: int = 200,
    most_rows: int = MOST_ROWS,
) -> ExactPrice:
    """Maximise ``||W'(Ru)_+||`` over all unit u, exactly.

    Parameters
    ----------
    rows : Tensor, shape (N, d)
        R, of numerical rank at most 3; for patches, all of them stacked.
    weights : Tensor, shape (N, Q)
        W, what the residual weighs each row with for each entry of a head; see
        `ScoredSamples.row_weights`.
    most : int, default 200
        Local maxima to return, at most.
    most_rows : int, default 8000
        Rows that are afforded at rank 3 with one entry; with Q of them, fewer by the root of Q.

    Returns
    -------
    ExactPrice
        On the device of `rows` and in its dtype; computed in float64 on the CPU. Cost
        O(N (log N + Q)) at rank 2, O(N^2 (log N + Q)) at rank 3.

    Raises
    ------
    InvalidArgumentError
        The rank of `rows` is above 3, or 3 with too many that are not parallel.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    >>> price_jointly(rows, torch.tensor([[3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)).value
    4.0
    """
    matrix, columns = (part.detach().cpu().double() for part in (rows, weights))
    basis, dropped = checked_basis(matrix, affordable_rows(columns.shape[1], most_rows))
    found = _candidates(folded(matrix @ basis, columns), most) @ basis.T
    return best_of(matrix, columns, normalise(found).to(rows.dtype), dropped, most, rows)


def _candidates(arrangement: Arrangement, most: int) -> Float[Tensor, "S r"]:
    """Return the best local maxima on the sphere, and the maximum on boundaries of cells."""
    n, rank = arrangement.rows.shape
    if rank == 1 or n == 0:
        return both_ways(rank)
    in_space = rank > 2
    shuffled = shuffled_rows(arrangement)
    found: list[_Peaks] = []
    for sweep in sweep_circles(arrangement) if in_space else [sweep_plane(arrangement)]:
        for forms in _forms(sweep):
            found += [*forms.on_circles()]
            if in_space:
                found += [*forms.in_cells(shuffled)]
        found = [_Peaks.best_of(found, most * _VALUED)]
    return found[0].directions


@dataclass(frozen=True)
class _Peaks:
    """Directions where the worth may be largest."""

    directions: Float[Tensor, "S r"]
    squares: Float[Tensor, " S"]
    """Squares of their worths."""

    @classmethod
    def best_of(cls, parts: list[_Peaks], most: int) -> _Peaks:
        """Return the best of several sets."""
        directions = torch.cat([part.directions for part in parts])
        squares = torch.cat([part.squares for part in parts])
        kept = squares.argsort(descending=True, stable=True)[:most]
        return cls(directions[kept], squares[kept])


@dataclass
class _Forms:
    """The quadratic forms ``GG'`` on all arcs of a sweep, summed over the entries of heads.

    G is the gradient just below a circle, in the coordinates of its plane and axis; above, the
    weights of the circle's own row are added to its rise.
    """

    sweep: Sweep
    side: float
    """1, or -1 for the worth at -u."""
    flat: list[Float[Tensor, "b M"]]
    """In the plane: the two squares and the product."""
    mixed: Float[Tensor, "2 b M"]
    """Of plane and axis."""
    rise: Float[Tensor, "b M"]
    """The square of the axis."""
    kinked: Float[Tensor, "2 b M"]
    """Of plane and own weights: what `mixed` gains above."""
    rise_kinked: Float[Tensor, "b M"]
    """Of axis and own weights: half of what `rise` gains above, without the squares."""
    kinks: Float[Tensor, "b 1"]
    """The squares of own weights."""
    turned: Float[Tensor, "b M"]
    """What the row of each edge weighs in the direction in which the sum goes there."""

    @classmethod
    def zero(cls, sweep: Sweep, side: float) -> _Forms:
        """Return forms before anything is added."""
        planar, flat = torch.zeros_like(sweep.edges), torch.zeros_like(sweep.heights)
        return cls(sweep, side, [flat, flat.clone(), flat.clone()], planar, flat.clone(),
                   planar.clone(), flat.clone(), flat.new_zeros(len(flat), 1), flat.clone())

    def add(
        self, slopes: Float[Tensor, "2 b M"], rises: Float[Tensor, "b M"],
        kinks: Float[Tensor, "b 1"], weights: Float[Tensor, "b M"]
    ) -> None:
        """Add an entry of the heads, given its gradients and the weights of the rows in it."""
        for form, (i, j) in zip(self.flat, ((0, 0), (1, 1), (0, 1)), strict=True):
            form.addcmul_(slopes[i], slopes[j])
        self.turned.addcmul_(dot(slopes, self.sweep.edges), weights)
        if self.sweep.circles is None:
            return
        self.mixed.addcmul_(slopes, rises)
        self.rise.addcmul_(rises, rises)
        self.kinked.addcmul_(slopes, kinks)
        self.rise_kinked.addcmul_(rises, kinks)
        self.kinks.addcmul_(kinks, kinks)

    def times(self, vectors: Float[Tensor, "2 b M"]) -> Float[Tensor, "2 b M"]:
        """Return products of the forms in the plane."""
        first, second, both = self.flat
        return torch.stack([first * vectors[0] + both * vectors[1],
                            both * vectors[0] + second * vectors[1]])

    def on_circles(self) -> Iterator[_Peaks]:
        """Yield local maxima on arcs and at their ends, and the largest of both kinds."""
        sweep, edges = self.sweep, self.sweep.edges
        tops, squares = _largest_in_plane(*self.flat)
        before, after = cross(edges, tops), cross(tops, sweep.ends)
        inside = before * after > 0
        tops = tops * before.sign()
        rises, kinks = dot(self.mixed, tops), dot(self.kinked, tops)
        peak = inside & (rises >= 0) & (rises + kinks <= 0)
        yield self._peaks(tops, peak, squares.where(inside, -1.0))
        images = self.times(edges)
        peak = sweep.is_peak(images, dot(self.mixed, edges), self.turned, dot(self.kinked, edges))
        yield self._peaks(edges, peak, dot(images, edges))

    def _peaks(
        self, vectors: Float[Tensor, "2 b M"], chosen: Tensor, squares: Float[Tensor, "b M"]
    ) -> _Peaks:
        """Return the chosen ones of some vectors, and that of the largest square."""
        highest = torch.unravel_index(squares.argmax()[None], squares.shape)
        at = tuple(map(torch.cat, zip(chosen.nonzero(as_tuple=True), highest, strict=True)))
        return _Peaks(self.side * self.sweep.lift_flat(at, vectors), squares[at])

    def in_cells(self, shuffled: Float[Tensor, "N r"]) -> Iterator[_Peaks]:
        """Yield the local maxima inside the cells beside all arcs: eigenvectors in their own."""
        below = (self.mixed, self.rise, -1.0)
        above = (self.mixed + self.kinked, self.rise + 2 * self.rise_kinked + self.kinks, 1.0)
        for mixed, rise, way in (below, above):
            flat, heights, squares = _largest_in_space(self.flat, mixed, rise)
            kept, at = self.sweep.in_cells(flat, heights, way, shuffled)
            yield _Peaks(self.side * kept, squares[at])


def _forms(sweep: Sweep) -> list[_Forms]:
    """Return the forms of the worth at u and at -u on all arcs. Cost O(b M Q)."""
    both = [_Forms.zero(sweep, 1.0), _Forms.zero(sweep, -1.0)]
    for column in range(sweep.arrangement.weights.shape[1]):
        kinks, weights = sweep.kinks(column), sweep.weights(column)
        for forms, (slopes, rises, _) in zip(both, sweep.faces(column), strict=True):
            forms.add(slopes, rises, kinks, weights)
    return both


def _largest_in_plane(
    first: Float[Tensor, "*k"], second: Float[Tensor, "*k"], both: Float[Tensor, "*k"]
) -> tuple[Float[Tensor, "2 *k"], Float[Tensor, "*k"]]:
    """Return the first eigenvectors of symmetric 2 x 2 matrices, and their eigenvalues."""
    half, middle = (first - second) / 2, (first + second) / 2
    angle = torch.atan2(both, half) / 2
    return torch.stack([angle.cos(), angle.sin()]), middle + torch.hypot(half, both)


def _largest_in_space(
    flat: list[Float[Tensor, "*k"]], mixed: Float[Tensor, "2 *k"], rise: Float[Tensor, "*k"]
) -> tuple[Float[Tensor, "2 *k"], Float[Tensor, "*k"], Float[Tensor, "*k"]]:
    """Return the same of symmetric 3 x 3 matrices; vectors of any length, in parts.

    The eigenvalue is the largest root of the characteristic polynomial, by its cosine formula; the
    eigenvector the longest cross product of two rows of the matrix less the eigenvalue. Where the
    two largest are almost the same the formula loses half of the digits, and `eigh` is asked.
    """
    mean = (flat[0] + flat[1] + rise) / 3
    a, b, c = flat[0] - mean, flat[1] - mean, rise - mean
    d, (e, f) = flat[2], mixed
    spread = ((a * a + b * b + c * c + 2 * (d * d + e * e + f * f)) / 6).sqrt()
    determinant = a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)
    share = determinant / (2 * spread**3).clamp_min(_TINY)
    top = 2 * spread * (share.clamp(-1, 1).acos() / 3).cos()
    rows = [(a - top, d, e), (d, b - top, f), (e, f, c - top)]
    best = _cross(rows[0], rows[1])
    length = best.square().sum(0)
    for i, j in ((0, 2), (1, 2)):
        other = _cross(rows[i], rows[j])
        size = other.square().sum(0)
        best, length = other.where(size > length, best), torch.maximum(size, length)
    close = (share < _ALMOST_DOUBLE - 1).nonzero(as_tuple=True)
    entries = [entry[close] for entry in (flat[0], d, e, d, flat[1], f, e, f, rise)]
    roots, axes = torch.linalg.eigh(torch.stack(entries, dim=-1).view(-1, 3, 3))
    best[(slice(None), *close)], top[close] = axes[:, :, 2].T, roots[:, 2] - mean[close]
    return best[:2], best[2], mean + top


def _cross(
    first: tuple[Tensor, Tensor, Tensor], second: tuple[Tensor, Tensor, Tensor]
) -> Float[Tensor, "3 *k"]:
    """Return cross products of vectors in space, given by their coordinates."""
    return torch.stack([first[i] * second[j] - first[j] * second[i]
                        for i, j in ((1, 2), (2, 0), (0, 1))])
