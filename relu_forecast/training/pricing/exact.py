"""Exact pricing: the neuron that most violates optimality, where rows span 1, 2 or 3 dimensions.

The search of `search` can miss a neuron; here none is missed. On the unit sphere
``f(u) = v'(Ru)_+`` is linear in every cell of the arrangement of the rows, so |f| is largest at
``g/||g||`` inside a cell with gradient g, or on the boundary of cells: a circle ``x_t'u = 0``,
where the same is said of arcs and their ends. All of these are swept, see `circles`; THEORY
section 5. For heads of several entries see `joint_exact`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.cells import normalise
from relu_forecast.patterns.slabs import SWEPT, rows_per_slab
from relu_forecast.training.pricing.circles import (
    EXACT_DIMENSION,
    Arrangement,
    Face,
    Sweep,
    cross,
    dot,
    folded,
    is_affordable,
    singular_basis,
    sweep_circles,
    sweep_plane,
    unlike,
)
from relu_forecast.training.settings import PricingSettings

MOST_ROWS = PricingSettings().exact_rows
"""Rows that are afforded at rank 3, unless a caller says otherwise; the cost is their square."""


@dataclass(frozen=True)
class ExactPrice:
    """The largest worth of a neuron over unit u, and where it and other local maxima are reached.

    The worth is ``|v'(Ru)_+|``, or ``||W'(Ru)_+||`` for heads of several entries.
    """

    value: float
    """The maximum: an upper bound for every unit u, up to rounding. It includes what the directions
    dropped from the numerical row space of R could add, sigma_{r+1} times the norm of v or W."""
    directions: Float[Tensor, "S d"]
    """Unit u, the maximiser first, then the next best local maxima. They often lie on boundaries of
    cells; see `cells.adjacent_gates`."""
    heads: Float[Tensor, "S Q"]
    """``W'(Ru)_+`` at length one: +1 or -1 where it has one entry."""
    values: Float[Tensor, " S"]
    """Worths as attained, decreasing."""

    @property
    def signs(self) -> Float[Tensor, " S"]:
        """The heads of one entry, +1 or -1."""
        return self.heads[:, 0]


def can_price_exactly(rows: Float[Tensor, "N d"], most_rows: int = MOST_ROWS) -> bool:
    """Tell whether `price_exactly` can be afforded for rows R (patches stacked).

    It can at numerical rank 1 and 2, and at rank 3 with at most ``most_rows`` rows, parallel ones
    counted once.
    """
    matrix = rows.detach().cpu().double()
    return is_affordable(matrix, singular_basis(matrix)[0], most_rows)


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
    matrix, v = rows.detach().cpu().double(), values.detach().cpu().double()[:, None]
    basis, dropped = checked_basis(matrix, most_rows)
    found = _local_maxima(folded(matrix @ basis, v)) @ basis.T
    directions = normalise(found).to(rows.dtype)
    return best_of(matrix, v, directions, dropped, most, rows)


def checked_basis(
    matrix: Float[Tensor, "N d"], most_rows: int
) -> tuple[Float[Tensor, "d r"], float]:
    """Return `singular_basis`; refuse rows that cannot be afforded."""
    basis, dropped = singular_basis(matrix)
    if not is_affordable(matrix, basis, most_rows):
        raise InvalidArgumentError(
            "rows", f"of rank <= {EXACT_DIMENSION}, and at most {most_rows} at rank 3",
            f"shape {tuple(matrix.shape)}, rank {basis.shape[1]}",
            "Price by search instead, see relu_forecast.training.pricing.search.")
    return basis, dropped


def best_of(
    matrix: Float[Tensor, "N d"], weights: Float[Tensor, "N Q"], directions: Float[Tensor, "S d"],
    dropped: float, most: int, like: Tensor
) -> ExactPrice:
    """Return the best of some directions that differ, with the bound; see `ExactPrice`."""
    sums = _attained(matrix, weights, directions.double())
    worths: Tensor = torch.linalg.vector_norm(sums, dim=1)
    order = worths.argsort(descending=True, stable=True)
    order = unlike(directions[order], order, most)
    best = float(worths.amax()) + dropped * float(weights.norm())
    heads = torch.where(worths[:, None] > 0, sums / worths[:, None], torch.eye(1, sums.shape[1]))
    return ExactPrice(best, directions[order].to(like.device), heads[order].to(like),
                      worths[order].to(like))


def _attained(
    matrix: Float[Tensor, "N d"], weights: Float[Tensor, "N Q"], directions: Float[Tensor, "S d"]
) -> Float[Tensor, "S Q"]:
    """Return ``weights'(Ru)_+`` of each direction, some at a time."""
    chunks = torch.split(directions, rows_per_slab(SWEPT, len(matrix), fewest=1))
    return torch.cat([(chunk @ matrix.T).relu_() @ weights for chunk in chunks])


def _local_maxima(arrangement: Arrangement) -> Float[Tensor, "S r"]:
    """Return all local maxima of |f| on the sphere, and its maximum on boundaries of cells."""
    n, rank = arrangement.rows.shape
    if rank == 1 or n == 0:
        return both_ways(rank)
    if rank == 2:
        sweep = sweep_plane(arrangement)
        return torch.cat(_on_circles(sweep, list(sweep.faces(0))))
    shuffled = shuffled_rows(arrangement)
    found, bests = [], []
    for sweep in sweep_circles(arrangement):
        faces = list(sweep.faces(0))
        maxima, best = _on_circles(sweep, faces)
        found += [maxima, _in_cells(sweep, faces, shuffled)]
        bests.append(best)
    best = normalise(torch.cat(bests))
    highest = (arrangement.gradients(best, 0) * best).sum(1).abs().argmax()
    return torch.cat([*found, best[highest, None]])


def both_ways(rank: int) -> Float[Tensor, "2 r"]:
    """Return the first axis and its opposite: all directions of rank 1."""
    return torch.tensor([[1.0], [-1.0]], dtype=torch.float64) * torch.eye(rank)[0]


def shuffled_rows(arrangement: Arrangement) -> Float[Tensor, "N r"]:
    """Return the rows in a random order, in which vectors of different cells are told early."""
    order = np.random.default_rng(0).permutation(len(arrangement.rows))
    return arrangement.rows[torch.as_tensor(order)]


def _on_circles(
    sweep: Sweep, faces: list[Face]
) -> tuple[Float[Tensor, "m r"], Float[Tensor, "4 r"]]:
    """Return the local maxima that lie on circles, and where |f| is largest on all of them."""
    found: list[Tensor] = []
    best: list[Tensor] = []
    weights, kinks = sweep.weights(0), sweep.kinks(0)
    for slopes, rises, side in faces:
        before, after = cross(sweep.edges, slopes), cross(slopes, sweep.ends)
        inside, sign = before * after > 0, before.sign()
        peak = inside & (sign * rises >= 0) & (sign * (rises + kinks) <= 0)
        tops = [(sign * slopes, peak, inside * dot(slopes, slopes)),
                (sweep.edges, sweep.is_peak(slopes, rises, weights, kinks),
                 dot(slopes, sweep.edges).abs())]
        for vectors, chosen, value in tops:
            highest = torch.unravel_index(value.argmax()[None], value.shape)
            for kept, at in ((found, chosen.nonzero(as_tuple=True)), (best, highest)):
                kept.append(side * sweep.lift_flat(at, vectors))
    return torch.cat(found), torch.cat(best)


def _in_cells(
    sweep: Sweep, faces: list[Face], shuffled: Float[Tensor, "N r"]
) -> Float[Tensor, "m r"]:
    """Return the local maxima inside the cells beside all arcs: gradients in their own cell."""
    found = []
    for slopes, rises, side in faces:
        for rise, above in ((rises + sweep.kinks(0), 1.0), (rises, -1.0)):
            found.append(side * sweep.in_cells(slopes, rise, above, shuffled)[0])
    return torch.cat(found)
