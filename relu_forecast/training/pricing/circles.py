"""The arrangement of rows on the unit sphere, swept along its circles.

``(Ru)_+`` is linear in every cell of the arrangement, so what is best in a cell has a closed form,
inside it or on its boundary: arcs of the circles ``x_t'u = 0``, where the same is said of arcs and
their ends. All arcs of all circles are swept in order of angle, with running sums of the rows as
gradients; the cells beside the arcs are all cells. In the plane there is one circle and its arcs
are the cells. THEORY section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.patterns.cells import first_of_groups, normalise, parallel_groups
from relu_forecast.patterns.slabs import SWEPT, rows_per_slab

EXACT_DIMENSION = 3
Face = tuple[Float[Tensor, "2 b M"], Float[Tensor, "b M"], float]
"""Gradients along half circles, in their planes and along their axes; 1, or -1 for ``c(-u)``."""

_EPS = torch.finfo(torch.float64).eps
_SAME_DIRECTION = 1e-9
_SLACK = 1e-13


@dataclass(frozen=True)
class Arrangement:
    """``c(u) = linear'u + sum_t weights_t (rows_t'u)_+``, no two of the unit rows parallel."""

    rows: Float[Tensor, "N r"]
    weights: Float[Tensor, "N Q"]
    linear: Float[Tensor, "r Q"]

    @property
    def fold(self) -> Float[Tensor, "r Q"]:
        """The matrix F with ``c(-u) = (G - F)'u`` wherever ``c(u) = G'u``."""
        return 2 * self.linear + self.rows.T @ self.weights

    def gradients(
        self, directions: Float[Tensor, "S r"], column: int
    ) -> Float[Tensor, "S r"]:
        """Return the gradient of an entry of c at each direction."""
        on = (directions @ self.rows.T > 0).double()
        return self.linear[:, column] + (on * self.weights[:, column]) @ self.rows


@dataclass(frozen=True)
class Sweep:
    """Half circles, each cut by M rows at edges of rising angle; arc j follows edge j.

    Coordinates are those of a circle's plane (the first axis of two) and of its axis (height).
    """

    arrangement: Arrangement
    plane: Float[Tensor, "2 b r"]
    axis: Float[Tensor, "b r"]
    circles: Int[Tensor, " b"] | None
    """The rows that vanish on the circles; None in the plane."""
    order: Int[Tensor, "b M"]
    """The row that vanishes at each edge."""
    rows: Float[Tensor, "2 b M"]
    heights: Float[Tensor, "b M"]
    turns: Float[Tensor, "b M"]
    """1 where that row switches on, -1 where it switches off."""
    edges: Float[Tensor, "2 b M"]
    first_slopes: Float[Tensor, "2 b Q"]
    first_rises: Float[Tensor, "b Q"]
    """Gradients before the first edge, below the circle."""

    def gradients(self, column: int) -> tuple[Float[Tensor, "2 b M"], Float[Tensor, "b M"]]:
        """Return the gradient of an entry of c on each arc, just below the circle."""
        switched = self.turns * self.weights(column)
        return (self.first_slopes[..., column, None] + (switched * self.rows).cumsum(2),
                self.first_rises[..., column, None] + (switched * self.heights).cumsum(1))

    def weights(self, column: int) -> Float[Tensor, "b M"]:
        """Return the weight of the row at each edge in an entry of c."""
        return self.arrangement.weights[self.order, column]

    def kinks(self, column: int) -> Float[Tensor, "b 1"]:
        """Return the weight of each circle's own row: what the rise gains above the circle."""
        if self.circles is None:
            return torch.zeros(1, 1, dtype=torch.float64)
        return self.arrangement.weights[self.circles, column, None]

    @cached_property
    def folds(self) -> tuple[Float[Tensor, "2 b 1 Q"], Float[Tensor, "b 1 Q"]]:
        """The arrangement's `fold` in the planes and along the axes."""
        fold = self.arrangement.fold
        return (self.plane @ fold)[:, :, None], (self.axis @ fold)[:, None]

    @cached_property
    def ends(self) -> Float[Tensor, "2 b M"]:
        """Where each arc ends: at the next edge, the last one at the first of the other half."""
        return _following(self.edges)

    @cached_property
    def corners(self) -> list[tuple[Float[Tensor, "2 b M"], Float[Tensor, "b M"]]]:
        """The rows at both ends of each arc, turned to be positive on it."""
        turns = -_following(self.turns)
        return [(self.rows * self.turns, self.heights * self.turns),
                (self.rows.roll(-1, 2) * turns, self.heights.roll(-1, 1) * turns)]

    def faces(self, column: int) -> Iterator[Face]:
        """Yield the gradients of ``c(u)`` on the arcs, and those of ``c(-u)``, with the side."""
        slopes, rises = self.gradients(column)
        yield slopes, rises, 1.0
        slope, rise = self.folds
        yield slopes - slope[..., column], rises - rise[..., column], -1.0

    def lift(
        self, at: tuple[Tensor, ...], flat: Float[Tensor, "2 m"], height: Float[Tensor, " m"]
    ) -> Float[Tensor, "m r"]:
        """Return vectors of the circles ``at[0]`` in the coordinates of the rows."""
        circle = at[0]
        return (flat[0, :, None] * self.plane[0, circle] + flat[1, :, None] * self.plane[1, circle]
                + height[:, None] * self.axis[circle])

    def lift_flat(
        self, at: tuple[Tensor, ...], vectors: Float[Tensor, "2 b M"]
    ) -> Float[Tensor, "m r"]:
        """Return vectors in the planes of the circles, at some arcs or edges."""
        flat = vectors[:, at[0], at[1]]
        return self.lift(at, flat, torch.zeros_like(flat[0]))

    def is_peak(
        self, slopes: Float[Tensor, "2 b M"], rises: Float[Tensor, "b M"],
        weights: Float[Tensor, "b M"], kinks: Float[Tensor, "b #M"]
    ) -> Tensor:
        """Tell at which edges |f| has a local maximum: 0 is in its superdifferential there.

        f has the gradients ``slopes`` and ``rises`` on the arc after the edge, and the kinks
        ``weights`` and ``kinks`` across the two circles that meet. With both rows that vanish off,
        its gradient along the sphere is G; it must be ``-(a w_1 x_1 + b w_2 x_2)`` with a and b in
        [0, 1] and both kinks concave.
        """
        forward = cross(self.edges, self.rows)
        slope = cross(self.edges, slopes)
        on = (self.turns > 0) * weights
        share = on - slope / forward
        rest = (on - share) * self.heights - rises
        sign = dot(slopes, self.edges).sign()
        return (_is_part(share, weights) & (sign * weights < 0)
                & _is_part(rest, kinks) & ((sign * kinks < 0) | (kinks == 0)))

    def in_cells(
        self, flat: Float[Tensor, "2 b M"], heights: Float[Tensor, "b M"], above: float,
        shuffled: Float[Tensor, "N r"]
    ) -> tuple[Float[Tensor, "m r"], tuple[Tensor, ...]]:
        """Return those of some vectors, or their opposites, that lie in their own cell, unit.

        The cells are those above (1) or below (-1) the arcs. Also returned is where they were.
        """
        sign = above * heights.sign()
        near = torch.ones_like(sign, dtype=torch.bool)
        for corner, height in self.corners:
            near &= sign * (dot(flat, corner) + heights * height) > 0
        at = near.nonzero(as_tuple=True)
        vectors = normalise(self.lift(
            at, (sign * flat)[:, at[0], at[1]], (sign * heights)[at]))
        inner = self.lift_flat(at, self.edges + self.ends)
        kept = _in_same_cell(vectors, inner, shuffled)
        return vectors[kept], tuple(index[kept] for index in at)


def sweep_plane(arrangement: Arrangement) -> Sweep:
    """Return the sweep of rows that lie in a plane: one circle, without an axis."""
    plane = torch.eye(2, dtype=torch.float64)[:, None]
    return _sweep(arrangement, plane, torch.zeros(1, 2, dtype=torch.float64), None)


def sweep_circles(arrangement: Arrangement) -> Iterator[Sweep]:
    """Yield the sweeps of all circles on which a row vanishes, some at a time."""
    n = len(arrangement.rows)
    for circles in torch.split(torch.arange(n), rows_per_slab(SWEPT, n, fewest=1)):
        axis = arrangement.rows[circles]
        smallest = torch.nn.functional.one_hot(axis.abs().argmin(1), 3).double()
        first = normalise(torch.linalg.cross(axis, smallest))
        plane = torch.stack([first, torch.linalg.cross(axis, first)])
        yield _sweep(arrangement, plane, axis, circles)


def _sweep(
    arrangement: Arrangement, plane: Float[Tensor, "2 b r"], axis: Float[Tensor, "b r"],
    circles: Int[Tensor, " b"] | None
) -> Sweep:
    """Sort the edges on each half circle."""
    rows, heights = plane @ arrangement.rows.T, axis @ arrangement.rows.T
    angles = torch.atan2(rows[0], -rows[1])
    # A row whose edge is turned by pi into the half circle switches on there, others off.
    turns = ((angles < 0) | (angles >= torch.pi)).double() * 2 - 1
    angles = angles.remainder(torch.pi)
    if circles is not None:
        turns.scatter_(1, circles[:, None], 1.0)
        angles.scatter_(1, circles[:, None], torch.inf)
    on = (turns < 0).double()
    angles, order = angles.sort(dim=1)
    if circles is not None:
        angles, order = angles[:, :-1], order[:, :-1]
    return Sweep(
        arrangement, plane, axis, circles, order,
        rows=rows.gather(2, order.expand(2, -1, -1)), heights=heights.gather(1, order),
        turns=turns.gather(1, order), edges=torch.stack([angles.cos(), angles.sin()]),
        first_slopes=plane @ arrangement.linear + (on * rows) @ arrangement.weights,
        first_rises=axis @ arrangement.linear + (on * heights) @ arrangement.weights)


def _following(edges: Float[Tensor, "*k M"]) -> Float[Tensor, "*k M"]:
    """Return what comes after each edge: after the last the first, on the other half."""
    return torch.cat([edges[..., 1:], -edges[..., :1]], dim=-1)


def dot(first: Float[Tensor, "2 b M"], second: Float[Tensor, "2 b M"]) -> Float[Tensor, "b M"]:
    """Return inner products in planes."""
    return first[0] * second[0] + first[1] * second[1]


def cross(first: Float[Tensor, "2 b M"], second: Float[Tensor, "2 b M"]) -> Float[Tensor, "b M"]:
    """Return cross products in planes, positive where the second vector is to the left."""
    return first[0] * second[1] - first[1] * second[0]


def _is_part(share: Float[Tensor, "b M"], whole: Float[Tensor, "b #M"]) -> Tensor:
    """Tell where a number lies between zero and another."""
    return (share * whole >= 0) & (share.abs() <= whole.abs())


def _in_same_cell(
    first: Float[Tensor, "m r"], second: Float[Tensor, "m r"], rows: Float[Tensor, "N r"]
) -> Int[Tensor, " k"]:
    """Return where two vectors are in the closure of one cell; most fail at the first rows."""
    alive, start, size = torch.arange(len(first)), 0, 8
    while start < len(rows) and len(alive):
        block = rows[start:start + size].T
        product = (first[alive] @ block) * (second[alive] @ block)
        alive = alive[(product >= -_SLACK).all(1)]
        start, size = start + size, 2 * size
    return alive


def is_affordable(matrix: Float[Tensor, "N d"], basis: Float[Tensor, "d r"], most: int) -> bool:
    """Tell whether the rank, and at the largest one the number of circles, is small enough."""
    rank = basis.shape[1]
    if rank < EXACT_DIMENSION or (rank == EXACT_DIMENSION and len(matrix) <= most):
        return True
    return rank == EXACT_DIMENSION and len(folded(matrix @ basis, matrix[:, :1]).rows) <= most


def singular_basis(matrix: Float[Tensor, "N d"]) -> tuple[Float[Tensor, "d r"], float]:
    """Return the numerical row space, and the largest singular value outside it."""
    _, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = max(1, int((sizes > sizes[0] * max(matrix.shape) * _EPS).sum()))
    return right[:rank].T, float(sizes[rank]) if rank < len(sizes) else 0.0


def folded(coordinates: Float[Tensor, "N r"], weights: Float[Tensor, "N Q"]) -> Arrangement:
    """Return ``weights'(Ru)_+`` with parallel rows made one.

    ``(-x'u)_+ = (x'u)_+ - x'u`` turns them one way.
    """
    sizes, rank = coordinates.norm(dim=1), coordinates.shape[1]
    rows, worth = normalise(coordinates[sizes > 0]), (weights * sizes[:, None])[sizes > 0]
    if len(rows) == 0:
        return Arrangement(rows, worth, worth.new_zeros(rank, worth.shape[1]))
    group = parallel_groups(rows, rows.new_full((len(rows),), 2 * _EPS))
    first = first_of_groups(group)
    opposite = (rows * rows[first[group]]).sum(1) < 0
    sums = worth.new_zeros(len(first), worth.shape[1]).index_add_(0, group, worth)
    return Arrangement(rows[first], sums, rows[opposite].T @ worth[opposite])


def unlike(
    directions: Float[Tensor, "S d"], order: Int[Tensor, " S"], most: int
) -> Int[Tensor, " k"]:
    """Return the first of ``order`` whose directions differ, at most ``most``."""
    kept: list[int] = []
    for i in range(len(order)):
        apart = (directions[kept] - directions[i]).abs().amax(1) if kept else order.new_ones(1)
        if bool((apart > _SAME_DIRECTION).all()):
            kept.append(i)
        if len(kept) == most:
            break
    return order[kept]
