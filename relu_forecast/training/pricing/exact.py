"""Exact pricing: the neuron that most violates optimality, where rows span 1, 2 or 3 dimensions.

The search of `search` can miss a neuron; here none is missed. On the unit sphere
``f(u) = v'(Ru)_+`` is linear in every cell of the arrangement of the rows, so |f| is largest at
``g/||g||`` inside a cell with gradient g, or on the boundary of cells: a circle ``x_t'u = 0``,
where the same is said of arcs and their ends. All arcs of all circles are swept in order of
angle, with running sums of ``v_t x_t`` as their gradients; the cells beside the arcs are all cells.
THEORY section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.cells import first_of_groups, normalise, parallel_groups
from relu_forecast.patterns.slabs import SWEPT, rows_per_slab
from relu_forecast.training.settings import PricingSettings

EXACT_DIMENSION = 3

_EPS = torch.finfo(torch.float64).eps
MOST_ROWS = PricingSettings().exact_rows
"""Rows that are afforded at rank 3, unless a caller says otherwise; the cost is their square."""
_SAME_DIRECTION = 1e-9
_SLACK = 1e-13


@dataclass(frozen=True)
class ExactPrice:
    """The largest ``|v'(Ru)_+|`` over unit u, and where it and other local maxima are reached."""

    value: float
    """The maximum: an upper bound for every unit u, up to rounding. It includes what the directions
    dropped from the numerical row space of R could add, sigma_{r+1} ||v||."""
    directions: Float[Tensor, "S d"]
    """Unit u, the maximiser first, then the next best local maxima. They often lie on boundaries of
    cells; see `cells.adjacent_gates`."""
    signs: Float[Tensor, " S"]
    """Sign of ``v'(Ru)_+``, +1 or -1."""
    values: Float[Tensor, " S"]
    """``|v'(Ru)_+|``, as attained, decreasing."""


@dataclass(frozen=True)
class _Kinks:
    """``f(u) = linear'u + sum_t weights_t (rows_t'u)_+``, no two of the unit rows parallel."""

    rows: Float[Tensor, "N r"]
    weights: Float[Tensor, " N"]
    linear: Float[Tensor, " r"]

    @property
    def fold(self) -> Float[Tensor, " r"]:
        """The vector F with ``f(-u) = (g - F)'u`` wherever ``f(u) = g'u``."""
        return 2 * self.linear + self.weights @ self.rows

    def gradients(self, directions: Float[Tensor, "S r"]) -> Float[Tensor, "S r"]:
        """Return the gradient of f at each direction."""
        on = (directions @ self.rows.T > 0).double()
        return self.linear + (on * self.weights) @ self.rows


@dataclass(frozen=True)
class _Sweep:
    """Half circles, each cut by M rows at edges of rising angle; arc j follows edge j.

    Coordinates are those of a circle's plane (the first axis of two) and of its axis (height).
    """

    plane: Float[Tensor, "2 b r"]
    axis: Float[Tensor, "b r"]
    kink: Float[Tensor, "b 1"]
    rows: Float[Tensor, "2 b M"]
    heights: Float[Tensor, "b M"]
    weights: Float[Tensor, "b M"]
    turns: Float[Tensor, "b M"]
    edges: Float[Tensor, "2 b M"]
    slopes: Float[Tensor, "2 b M"]
    rises: Float[Tensor, "b M"]

    def lift(
        self, at: tuple[Tensor, ...], flat: Float[Tensor, "2 m"], height: Float[Tensor, " m"]
    ) -> Float[Tensor, "m r"]:
        """Return vectors of the circles ``at[0]`` in the coordinates of the rows."""
        circle = at[0]
        return (flat[0, :, None] * self.plane[0, circle] + flat[1, :, None] * self.plane[1, circle]
                + height[:, None] * self.axis[circle])


def can_price_exactly(rows: Float[Tensor, "N d"], most_rows: int = MOST_ROWS) -> bool:
    """Tell whether `price_exactly` can be afforded for rows R (patches stacked).

    It can at numerical rank 1 and 2, and at rank 3 with at most ``most_rows`` rows, parallel ones
    counted once.
    """
    matrix = rows.detach().cpu().double()
    return _is_affordable(matrix, _singular_basis(matrix)[0], most_rows)


def price_exactly(
    rows: Float[Tensor, "N d"], values: Float[Tensor, " N"], most: int = 200,
    most_rows: int = MOST_ROWS,
) -> ExactPrice:
    """Maximise ``|v'(Ru)_+|`` over all unit u, exactly.

    Parameters
    ----------
    rows : Tensor, shape (N, d)
        R, of numerical rank at most 3; for patches, all of them stacked.
    values : Tensor, shape (N,)
        v, of the device and dtype of `rows`; for patches, each sample's value repeated.
    most : int, default 200
        Local maxima to return, at most.
    most_rows : int, default 8000
        Rows that are afforded at rank 3.

    Returns
    -------
    ExactPrice
        On the device of `rows` and in its dtype; computed in float64 on the CPU. Cost
        O(N log N) at rank 2, O(N^2 log N) at rank 3.

    Raises
    ------
    InvalidArgumentError
        The rank of `rows` is above 3, or 3 with more than ``most_rows`` that are not parallel.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    >>> price_exactly(rows, torch.tensor([3.0, 4.0], dtype=torch.float64)).value
    5.0
    """
    matrix, v = rows.detach().cpu().double(), values.detach().cpu().double()
    basis, dropped = _singular_basis(matrix)
    if not _is_affordable(matrix, basis, most_rows):
        raise InvalidArgumentError(
            "rows", f"of rank <= {EXACT_DIMENSION}, and at most {most_rows} at rank 3",
            f"shape {tuple(rows.shape)}, rank {basis.shape[1]}",
            "Price by search instead, see relu_forecast.training.pricing.search.")
    found = _local_maxima(_fold(matrix @ basis, v)) @ basis.T
    directions = normalise(found).to(rows.dtype)
    outputs = _attained(matrix, v, directions.double())
    order = outputs.abs().argsort(descending=True, stable=True)
    order = _unlike(directions[order], order, most)
    best = float(outputs.abs().amax()) + dropped * float(v.norm())
    return ExactPrice(
        best, directions[order].to(rows.device),
        torch.where(outputs[order] < 0, -1.0, 1.0).to(rows),
        outputs[order].abs().to(rows))


def _is_affordable(
    matrix: Float[Tensor, "N d"], basis: Float[Tensor, "d r"], most_rows: int
) -> bool:
    """Tell whether the rank, and at the largest one the number of circles, is small enough."""
    rank = basis.shape[1]
    if rank < EXACT_DIMENSION or (rank == EXACT_DIMENSION and len(matrix) <= most_rows):
        return True
    return rank == EXACT_DIMENSION and len(_fold(matrix @ basis, matrix[:, 0]).rows) <= most_rows


def _singular_basis(matrix: Float[Tensor, "N d"]) -> tuple[Float[Tensor, "d r"], float]:
    """Return the numerical row space, and the largest singular value outside it."""
    _, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = max(1, int((sizes > sizes[0] * max(matrix.shape) * _EPS).sum()))
    return right[:rank].T, float(sizes[rank]) if rank < len(sizes) else 0.0


def _fold(coordinates: Float[Tensor, "N r"], values: Float[Tensor, " N"]) -> _Kinks:
    """Return f with parallel rows made one: ``(-x'u)_+ = (x'u)_+ - x'u`` turns them one way."""
    sizes = coordinates.norm(dim=1)
    rows, worth = normalise(coordinates[sizes > 0]), (values * sizes)[sizes > 0]
    if len(rows) == 0:
        return _Kinks(rows, worth, torch.zeros(coordinates.shape[1], dtype=torch.float64))
    error = rows.new_full((len(rows),), 2 * _EPS)
    group = parallel_groups(rows, error)
    first = first_of_groups(group)
    opposite = (rows * rows[first[group]]).sum(1) < 0
    weights = torch.zeros(len(first), dtype=torch.float64).index_add_(0, group, worth)
    return _Kinks(rows[first], weights, worth[opposite] @ rows[opposite])


def _attained(
    matrix: Float[Tensor, "N d"], values: Float[Tensor, " N"], directions: Float[Tensor, "S d"]
) -> Float[Tensor, " S"]:
    """Return ``v'(Ru)_+`` of each direction, some at a time."""
    chunks = torch.split(directions, rows_per_slab(SWEPT, len(matrix), fewest=1))
    return torch.cat([(chunk @ matrix.T).relu_() @ values for chunk in chunks])


def _unlike(
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


def _local_maxima(kinks: _Kinks) -> Float[Tensor, "S r"]:
    """Return all local maxima of |f| on the sphere, and its maximum on boundaries of cells."""
    n, rank = kinks.rows.shape
    if rank == 1 or n == 0:
        return torch.tensor([[1.0], [-1.0]], dtype=torch.float64) * torch.eye(rank)[0]
    if rank == 2:
        return torch.cat(_on_circles(kinks, _sweep_plane(kinks)))
    shuffled = kinks.rows[torch.as_tensor(np.random.default_rng(0).permutation(n))]
    found, bests = [], []
    for circles in torch.split(torch.arange(n), rows_per_slab(SWEPT, n, fewest=1)):
        sweep = _sweep_circles(kinks, circles)
        maxima, best = _on_circles(kinks, sweep)
        found += [maxima, _in_cells(kinks, sweep, shuffled)]
        bests.append(best)
    best = normalise(torch.cat(bests))
    highest = (kinks.gradients(best) * best).sum(1).abs().argmax()
    return torch.cat([*found, best[highest, None]])


def _sweep_plane(kinks: _Kinks) -> _Sweep:
    """Return the sweep of rows that lie in a plane: one circle, without an axis."""
    plane = torch.eye(2, dtype=torch.float64)[:, None]
    axis, kink = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    return _sweep(kinks, plane, axis, kink, None)


def _sweep_circles(kinks: _Kinks, circles: Int[Tensor, " b"]) -> _Sweep:
    """Return the sweep of the circles on which the chosen rows vanish."""
    axis = kinks.rows[circles]
    smallest = torch.nn.functional.one_hot(axis.abs().argmin(1), 3).double()
    first = normalise(torch.linalg.cross(axis, smallest))
    plane = torch.stack([first, torch.linalg.cross(axis, first)])
    return _sweep(kinks, plane, axis, kinks.weights[circles, None], circles[:, None])


def _sweep(
    kinks: _Kinks, plane: Float[Tensor, "2 b r"], axis: Float[Tensor, "b r"],
    kink: Float[Tensor, "b 1"], own: Int[Tensor, "b 1"] | None
) -> _Sweep:
    """Sort the edges on each half circle, and run the gradient along its arcs."""
    rows, heights = plane @ kinks.rows.T, axis @ kinks.rows.T
    angles = torch.atan2(rows[0], -rows[1])
    # A row whose edge is turned by pi into the half circle switches on there, others off.
    turns = ((angles < 0) | (angles >= torch.pi)).double() * 2 - 1
    angles = angles.remainder(torch.pi)
    if own is not None:
        turns.scatter_(1, own, 1.0)
        angles.scatter_(1, own, torch.inf)
    before = (turns < 0).double() * kinks.weights
    slope = plane @ kinks.linear + (before * rows).sum(2)
    rise = axis @ kinks.linear + (before * heights).sum(1)
    angles, order = angles.sort(dim=1)
    angles, order = (angles, order) if own is None else (angles[:, :-1], order[:, :-1])
    rows, heights = rows.gather(2, order.expand(2, -1, -1)), heights.gather(1, order)
    turns, weights = turns.gather(1, order), kinks.weights[order]
    return _Sweep(
        plane, axis, kink, rows, heights, weights, turns,
        edges=torch.stack([angles.cos(), angles.sin()]),
        slopes=slope[..., None] + (turns * weights * rows).cumsum(2),
        rises=rise[..., None] + (turns * weights * heights).cumsum(1))


def _faces(kinks: _Kinks, sweep: _Sweep) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield the gradients of f along the half circles, and those of f(-u), with the side."""
    yield sweep.slopes, sweep.rises, 1.0
    slope, rise = sweep.plane @ kinks.fold, sweep.axis @ kinks.fold
    yield sweep.slopes - slope[..., None], sweep.rises - rise[..., None], -1.0


def _following(edges: Float[Tensor, "*k M"]) -> Float[Tensor, "*k M"]:
    """Return what comes after each edge: after the last the first, on the other half."""
    return torch.cat([edges[..., 1:], -edges[..., :1]], dim=-1)


def _on_circles(kinks: _Kinks, sweep: _Sweep) -> tuple[Float[Tensor, "m r"], Float[Tensor, "4 r"]]:
    """Return the local maxima that lie on circles, and where |f| is largest on all of them."""
    found: list[Tensor] = []
    best: list[Tensor] = []
    ends = _following(sweep.edges)
    for slopes, rises, side in _faces(kinks, sweep):
        before, after = _cross(sweep.edges, slopes), _cross(slopes, ends)
        inside, sign = before * after > 0, before.sign()
        heights = _dot(slopes, sweep.edges)
        peak = inside & (sign * rises >= 0) & (sign * (rises + sweep.kink) <= 0)
        tops = [(sign * slopes, peak, inside * _dot(slopes, slopes)),
                (sweep.edges, _is_peak(sweep, slopes, rises, heights), heights.abs())]
        for vectors, chosen, value in tops:
            highest = torch.unravel_index(value.argmax()[None], value.shape)
            for kept, at in ((found, chosen.nonzero(as_tuple=True)), (best, highest)):
                flat = vectors[:, at[0], at[1]]
                kept.append(side * sweep.lift(at, flat, torch.zeros_like(flat[0])))
    return torch.cat(found), torch.cat(best)


def _dot(first: Float[Tensor, "2 b M"], second: Float[Tensor, "2 b M"]) -> Float[Tensor, "b M"]:
    """Return inner products in planes."""
    return first[0] * second[0] + first[1] * second[1]


def _cross(first: Float[Tensor, "2 b M"], second: Float[Tensor, "2 b M"]) -> Float[Tensor, "b M"]:
    """Return cross products in planes, positive where the second vector is to the left."""
    return first[0] * second[1] - first[1] * second[0]


def _is_peak(
    sweep: _Sweep, slopes: Float[Tensor, "2 b M"], rises: Float[Tensor, "b M"],
    heights: Float[Tensor, "b M"]
) -> Tensor:
    """Tell at which edges |f| has a local maximum: 0 is in its superdifferential there.

    With both rows that vanish off, the gradient along the sphere is G; it must be
    ``-(a w_1 x_1 + b w_2 x_2)`` with a and b in [0, 1] and both kinks concave.
    """
    forward = _cross(sweep.edges, sweep.rows)
    slope = _cross(sweep.edges, slopes)
    on = (sweep.turns > 0) * sweep.weights
    share = on - slope / forward
    rest = (on - share) * sweep.heights - rises
    sign = heights.sign()
    return (_is_part(share, sweep.weights) & (sign * sweep.weights < 0)
            & _is_part(rest, sweep.kink) & ((sign * sweep.kink < 0) | (sweep.kink == 0)))


def _is_part(share: Float[Tensor, "b M"], whole: Float[Tensor, "b #M"]) -> Tensor:
    """Tell where a number lies between zero and another."""
    return (share * whole >= 0) & (share.abs() <= whole.abs())


def _in_cells(kinks: _Kinks, sweep: _Sweep, shuffled: Float[Tensor, "N r"]) -> Float[Tensor, "m r"]:
    """Return the local maxima inside the cells beside all arcs: gradients in their own cell."""
    found = []
    ends = _following(sweep.edges)
    # The rows at both ends of each arc, turned to be positive on it.
    turns = -_following(sweep.turns)
    corners = [(sweep.rows * sweep.turns, sweep.heights * sweep.turns),
               (sweep.rows.roll(-1, 2) * turns, sweep.heights.roll(-1, 1) * turns)]
    for slopes, rises, side in _faces(kinks, sweep):
        for rise, above in ((rises + sweep.kink, 1.0), (rises, -1.0)):
            sign = above * rise.sign()
            near = torch.ones_like(sign, dtype=torch.bool)
            for flat, height in corners:
                near &= sign * (_dot(slopes, flat) + rise * height) > 0
            at = near.nonzero(as_tuple=True)
            flat, height = (sign * slopes)[:, at[0], at[1]], (sign * rise)[at]
            gradients = normalise(sweep.lift(at, flat, height))
            middles = (sweep.edges + ends)[:, at[0], at[1]]
            inner = sweep.lift(at, middles, torch.zeros_like(height))
            found.append(side * gradients[_in_same_cell(gradients, inner, shuffled)])
    return torch.cat(found)


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
