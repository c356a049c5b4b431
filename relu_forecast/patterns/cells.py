"""Geometry of hyperplane arrangements: a gate in every cell, exactly, in any dimension.

One recursion over the rank r. Every cell has a facet on some hyperplane ``x_t'u = 0``, and the
facets on it are the cells that the other rows, projected on it, cut out of its r - 1 dimensions;
the two sides of every facet are all the cells. At rank 2 the cells are the arcs between the
sorted angles of the rows. Everything here is computed in float64 on the CPU.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

_EPS = torch.finfo(torch.float64).eps
# Facets with a smaller distance to another unit row are taken for rounding of a lower one.
THIN = 64 * _EPS
# Odd, and about 2^64 over the golden ratio: it spreads keys over all 64 bits.
_MIXER = 0x9E3779B97F4A7C15 - 2**64


def unit_rows(X: Float[Tensor, "*n d"]) -> Float[Tensor, "N d"]:
    """Return the stacked rows at unit length in float64 on the CPU; zero rows stay zero."""
    rows = X.flatten(0, -2).cpu().double()
    # In two steps, so that squares of very large or small entries neither over- nor underflow.
    rows = rows / rows.abs().amax(1, keepdim=True).where((rows != 0).any(1, keepdim=True), 1.0)
    return normalise(rows)


def normalise(rows: Float[Tensor, "N d"]) -> Float[Tensor, "N d"]:
    """Return the rows at unit length; zero rows stay zero."""
    size: Tensor = rows.norm(dim=1, keepdim=True)
    return rows / size.where(size > 0, 1.0)


def rounding(dtype: torch.dtype) -> float:
    """Return the rounding unit of a dtype, at least that of the float64 that is computed in."""
    return max(torch.finfo(dtype).eps, _EPS)


def row_space(rows: Float[Tensor, "N d"], dtype: torch.dtype) -> Float[Tensor, "d r"]:
    """Return an orthonormal basis of the numerical row space of rows given in ``dtype``."""
    _, sizes, right = torch.linalg.svd(rows, full_matrices=False)
    # The second term bounds what rounding the entries to `dtype` adds to the singular values.
    relative = max(max(rows.shape) * _EPS, rows.shape[1] ** 0.5 * rounding(dtype))
    basis: Tensor = right[: int((sizes > sizes[0] * relative).sum())].T
    return basis


def cell_gates(rows: Float[Tensor, "N r"]) -> Float[Tensor, "P r"]:
    """Return a unit gate in one of each two opposite cells of distinct unit rows of full rank."""
    n, rank = rows.shape
    if rank == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if rank == 2:
        return _arcs(rows)
    weights = _key_weights(n)
    beside = [_beside_facets(rows, t, weights) for t in range(n)]
    keys, gates = (torch.cat(parts) for parts in zip(*beside, strict=True))
    _, cell = torch.unique(keys, return_inverse=True)
    # The sum of points beside all its facets is well inside a cell.
    total = torch.zeros(int(cell.amax()) + 1 if len(cell) else 0, rank, dtype=torch.float64)
    return normalise(total.index_add_(0, cell, gates))


def _arcs(rows: Float[Tensor, "N 2"]) -> Float[Tensor, "P 2"]:
    """Return the middles of the arcs that lines in the plane cut out of half a circle."""
    edges = torch.atan2(rows[:, 0], -rows[:, 1]).remainder(torch.pi).sort().values
    width = torch.cat([edges[1:], edges[:1] + torch.pi]) - edges
    middle = (edges + width / 2)[width > 4 * _EPS]
    return torch.stack([middle.cos(), middle.sin()], dim=1)


def _beside_facets(
    rows: Float[Tensor, "N r"], t: int, weights: Float[Tensor, "N 2"]
) -> tuple[Tensor, Float[Tensor, "m r"]]:
    """Return keys of the cells at the facets on row t, up to sign, and unit gates in them."""
    basis = torch.linalg.qr(rows[t, :, None], mode="complete").Q[:, 1:]
    others = torch.cat([rows[:t], rows[t + 1:]]) @ basis
    size = others.norm(dim=1)
    kept = distinct_rows(normalise(others), _EPS / size) if basis.shape[1] > 2 else slice(None)
    facets = cell_gates(normalise(others[kept])) @ basis.T
    outputs = facets @ rows.T
    outputs[:, t] = torch.inf
    clear = outputs.abs().amin(1) > THIN
    facets, outputs = facets[clear], outputs[clear]
    reach = (outputs / (rows @ rows[t])).abs().amin(1, keepdim=True)
    step = reach.clamp_max(1.0) / 2 * rows[t]
    outputs[:, t] = 0.0
    sums = outputs.sign() @ weights
    sums = torch.cat([sums + weights[t], sums - weights[t]])
    gates = normalise(torch.cat([facets + step, facets - step]))
    # Opposite cells have opposite sums, and the first is odd: its sign tells the two apart.
    side = sums[:, :1].sign()
    sums = (sums * side).long()
    return sums[:, 0] * _MIXER + sums[:, 1], gates * side


def _key_weights(n: int) -> Float[Tensor, "n 2"]:
    """Return random whole numbers whose signed sums are exact in float64, the first one odd."""
    generator = np.random.default_rng(n)
    weights = generator.integers(0, 2 ** (52 - n.bit_length()), (n, 2)).astype(np.float64)
    weights[0, 0] += 1 - weights[:, 0].sum() % 2
    return torch.as_tensor(weights)


def most_cells(n: int, rank: int) -> int:
    """Return the number of cells of n rows in general position, n and the rank at least 1."""
    return 2 * sum(math.comb(n - 1, k) for k in range(min(rank, n)))


def distinct_rows(rows: Float[Tensor, "N r"], error: Float[Tensor, " N"]) -> Tensor:
    """Return the index of the first of each set of parallel unit rows, see `parallel_groups`."""
    return first_of_groups(parallel_groups(rows, error))


def first_of_groups(group: Int[Tensor, " N"]) -> Int[Tensor, " G"]:
    """Return the index of the first row of each group, given the group of each row."""
    first = torch.full((int(group.amax()) + 1,), len(group))
    return first.scatter_reduce_(0, group, torch.arange(len(group)), "amin")


def parallel_groups(rows: Float[Tensor, "N r"], error: Float[Tensor, " N"]) -> Tensor:
    """Return the number of each row's set of parallel unit rows, which are known up to an error.

    Parallel rows have the same absolute coordinates in any basis; others agree in three random
    directions by accident only. O(N log N), unlike comparing all pairs.
    """
    generator = np.random.default_rng(rows.shape[1])
    directions = torch.as_tensor(generator.standard_normal((rows.shape[1], 3)))
    coordinates, order = (rows @ directions).abs().sort(dim=0)
    slack = 8 * error[order]
    apart = coordinates.diff(dim=0) > slack[1:] + slack[:-1]
    ranks = torch.cat([torch.zeros(1, 3, dtype=torch.long), apart.long().cumsum(0)])
    labels = torch.empty_like(ranks).scatter_(0, order, ranks)
    group: Tensor = torch.unique(labels, dim=0, return_inverse=True)[1]
    return group


def adjacent_gates(
    rows: Float[Tensor, "N d"], directions: Float[Tensor, "S d"], boundary: float = 1e-10,
    most: int = 64,
) -> tuple[Float[Tensor, "G d"], Int[Tensor, " G"]]:
    """Return gates in all cells that touch, or almost touch, each direction, and their directions.

    Directions have any length; a row x vanishes at u where ``|x'u| <= boundary |x| |u|``. Where no
    row does, the direction itself is the gate. Else there is one gate in each cell around it, 2 on
    one boundary and 2k where k boundaries meet in a line; where more than ``most`` cells may meet,
    the direction again. Gates on a boundary of a cell, and cells too thin for a gate of the dtype
    of the rows, are left out. With the gates comes the number of the direction that each belongs
    to.
    """
    unit = unit_rows(rows)
    unit = unit[(unit != 0).any(1)]
    boundary = max(boundary, 16 * rounding(directions.dtype))
    near = [_gates_around(unit, direction, boundary, most)
            for direction in unit_rows(directions)]
    owners = torch.arange(len(near)).repeat_interleave(
        torch.tensor([len(gates) for gates in near], dtype=torch.long))
    gates = torch.cat([*near, torch.zeros(0, rows.shape[1], dtype=torch.float64)])
    margins = (gates @ unit.T).abs().amin(1) if len(unit) else torch.ones(len(gates))
    clear = margins > 2 * rows.shape[1] * rounding(rows.dtype)
    return gates[clear].to(rows), owners[clear].to(rows.device)


def _gates_around(
    rows: Float[Tensor, "N d"], direction: Float[Tensor, " d"], boundary: float, most: int
) -> Float[Tensor, "c d"]:
    """Return gates in the cells that come as near to a direction as a boundary is wide."""
    outputs = rows @ direction
    vanishing = outputs.abs() <= boundary
    if not bool(vanishing.any()):
        return direction[None]
    cutting = rows[vanishing]
    span = row_space(cutting, torch.float64)
    local = normalise(cutting @ span)
    local = local[distinct_rows(local, local.new_full((len(local),), 2 * _EPS))]
    if most_cells(len(local), span.shape[1]) > most:
        closer = 1e-2 * boundary
        around = closer > 16 * _EPS
        return _gates_around(rows, direction, closer, most) if around else direction[None]
    steps = cell_gates(local) @ span.T
    steps = torch.cat([steps, -steps])
    centre = direction - span @ (span.T @ direction)
    others = rows[~vanishing]
    reach = ((others @ centre).abs() / (steps @ others.T).abs()).clamp_max(1.0)
    ones = torch.ones(len(steps), 1, dtype=torch.float64)
    return normalise(centre + torch.cat([reach, ones], dim=1).amin(1, keepdim=True) / 2 * steps)
