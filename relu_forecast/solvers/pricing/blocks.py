"""Batched pricing: which blocks can lower the objective, given the residual.

A block with target ``g_b = s_b R'D_b P'r`` stays zero when some multipliers alpha >= 0 bring the
dual norm of its correlations down to beta, and enters when a direction of its cone goes above:

    min_{alpha >= 0} N*(g_b + R'(2 D_b - I) alpha)
        =  max_u g_b'u  s.t.  N(u) <= 1, (2 D_b - I) R u >= 0.

At most d of the N rows of a cone matter. Row generation finds them: each round solves the
problem on a few rows of each block (`solve_relaxations`), and looks for the rows that cut the
segment from a point inside the cone to that solution soonest (`ConeRows.cut`). The segment up to
the first of them is a lower bound. THEORY sections 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.pricing.relaxations import Relaxations, Stop, solve_relaxations

_MOST_ROUNDS = 40
_MOST_BLOCKS = 1024
"""Blocks priced at a time: their small problems take O(d^2) memory each."""

_INWARDS = 0.5
"""Share of the way to the best point of a cone that the inner point moves every round."""

_BOUNDARY = 1e-7
"""Relative excess over beta below which a block is at its boundary, and not violating."""


@dataclass(frozen=True)
class ConePricing:
    """What is known of B blocks; all tensors on the device of the rows.

    Attributes
    ----------
    values : Tensor, shape (B,)
        ``N*(g_b + R'(2 D_b - I) alpha_b)``, exact for the `multipliers`: proven upper bounds. A
        block is certified where it is at most beta, and not improved further there.
    reached : Tensor, shape (B,)
        ``g_b'u_b``, attained by the `directions`: lower bounds, zero where none is known.
    violating : Tensor of bool, shape (B,)
        Whether `reached` is above ``beta (1 + 1e-7)``.
    directions : Tensor, shape (B, d)
        u_b inside its cone, ``N(u_b) = 1``, or zero. With one group, the normalised projection
        of g_b on its cone, as exactly as `values` and `reached` agree.
    rows : Tensor of int, shape (B, q)
        Rows with multipliers; the same row stands once. Of q places, as many as the block with
        the most rows takes.
    multipliers : Tensor, shape (B, q)
        alpha_b >= 0 on these rows, zero where there is none.
    """

    values: Float[Tensor, " B"]
    reached: Float[Tensor, " B"]
    violating: Bool[Tensor, " B"]
    directions: Float[Tensor, "B d"]
    rows: Int[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]

    @classmethod
    def without_cones(
        cls, targets: Float[Tensor, "B d"], norm: GroupNorm, beta: float
    ) -> ConePricing:
        """Price free blocks, those of gated ReLU: their values are the dual norms."""
        values = norm.dual_norms(targets)
        none = targets.new_zeros(len(targets), 0)
        return cls(values, values, values > beta * (1 + _BOUNDARY), norm.normalised(targets),
                   none.long(), none)


def price_blocks(
    rows: Float[Tensor, "N d"],
    masks: Bool[Tensor, "P N"],
    gates: Float[Tensor, "B d"],
    targets: Float[Tensor, "B d"],
    norm: GroupNorm,
    beta: float,
    *,
    cells: Int[Tensor, " B"] | None = None,
    warm: ConePricing | None = None,
    tol: float = 1e-9,
    violation_tol: float = 1e-2,
    tile_entries: int | None = None,
) -> ConePricing:
    """Decide for each block whether it can stay zero, with evidence either way.

    Parameters
    ----------
    rows : Tensor, shape (N, d)
        R; zero rows are no constraints.
    masks : Tensor of bool, shape (P, N)
        Diagonals of D; only a few entries are read.
    gates : Tensor, shape (B, d)
        Points strictly inside the cones: ``masks = gates @ rows.T >= 0``.
    targets : Tensor, shape (B, d)
        g_b, the correlations of the residual.
    norm : GroupNorm
        N, the norm of a block.
    beta : float
        Weight of the penalty.
    cells : Tensor of int, shape (B,), optional
        Which row of the masks belongs to each block; by default block b has the b-th.
    warm : ConePricing, optional
        An earlier answer for the same blocks in the same order, from another residual.
    tol : float, default 1e-9
        Share of beta to which the value of a block at the boundary is exact.
    violation_tol : float, default 1e-2
        Share of its excess over beta to which the value of a violating block is exact.
    tile_entries : int, optional
        Entries of the slabs (blocks x rows) in work at a time, of which there are three; by
        default what stays in a processor's cache, and 2**25 on other devices.

    Returns
    -------
    ConePricing

    Notes
    -----
    Cost: a round is one product O(B N d) over the blocks left, of which there are some 5, and
    O(B q d^2 + B d^3) for each of 5-25 interior point steps, with q of about 2 d.
    """
    if cells is None:
        cells = torch.arange(len(targets), device=targets.device)
    tol = max(tol, 100 * torch.finfo(rows.dtype).eps)
    session = _Session(ConeRows.of(rows, masks, tile_entries), norm, beta, tol, violation_tol)
    starts = range(0, max(1, len(targets)), _MOST_BLOCKS)
    parts = [slice(start, start + _MOST_BLOCKS) for start in starts]
    return _joined([
        session.run(cells[part], gates[part], targets[part],
                    None if warm is None else _part(warm, part)) for part in parts])


def _part(pricing: ConePricing, part: slice) -> ConePricing:
    """Return the answer for some blocks."""
    return ConePricing(*(getattr(pricing, field.name)[part] for field in fields(pricing)))


def _joined(parts: list[ConePricing]) -> ConePricing:
    """Undo `_part`."""
    width = max(part.rows.shape[1] for part in parts)
    parts = [replace(part, **{
        name: torch.nn.functional.pad(getattr(part, name), (0, width - part.rows.shape[1]))
        for name in ("rows", "multipliers")}) for part in parts]
    return ConePricing(*(torch.cat([getattr(part, field.name) for part in parts])
                         for field in fields(ConePricing)))


@dataclass(frozen=True)
class _Front:
    """The blocks still in work, one row each.

    Attributes
    ----------
    blocks, cells : Tensor, shape (b,)
        Which they are, and their rows of the masks.
    targets, inner, points : Tensor, shape (b, d)
        g_b; a point inside the cone; what the working rows give. The latter two of norm N one.
    working : WorkingRows
        Rows in the relaxation.
    """

    blocks: Int[Tensor, " b"]
    cells: Int[Tensor, " b"]
    targets: Float[Tensor, "b d"]
    inner: Float[Tensor, "b d"]
    points: Float[Tensor, "b d"]
    working: WorkingRows

    def taken(self, index: Int[Tensor, " m"]) -> _Front:
        """Return some of them."""
        return _Front(self.blocks[index], self.cells[index], self.targets[index],
                      self.inner[index], self.points[index], self.working.taken(index))


@dataclass(frozen=True)
class _Session:
    """One pricing: its data, and its rounds."""

    cone_rows: ConeRows
    norm: GroupNorm
    beta: float
    tol: float
    violation_tol: float

    def run(
        self, cells: Int[Tensor, " B"], gates: Float[Tensor, "B d"],
        targets: Float[Tensor, "B d"], warm: ConePricing | None,
    ) -> ConePricing:
        """Go round until every block is decided; see `price_blocks`."""
        result = self._blank(targets, warm)
        front = _Front(
            torch.arange(len(targets), device=targets.device), cells, targets,
            self.norm.normalised(gates), self.norm.normalised(targets),
            WorkingRows(result.rows, result.multipliers > 0, result.multipliers))
        everything, solved = front, warm is None
        for _ in range(_MOST_ROUNDS):
            front = front.taken((self._values(front) > self.beta).nonzero()[:, 0])
            if solved and len(front.blocks):
                front = self._separated(result, front)
            elif len(front.blocks):
                front = replace(front, working=self.cone_rows.leading(
                    front.working, self.cone_rows.width))
            if len(front.blocks) == 0:
                break
            front, solved = self._solved(front), True
            result = _noted(result, front)
        return self._concluded(result, everything)

    def _blank(self, targets: Float[Tensor, "B d"], warm: ConePricing | None) -> ConePricing:
        """Return an answer to fill in, with the rows of an earlier one."""
        nothing = targets.new_zeros(len(targets))
        working = WorkingRows.empty(targets, self.cone_rows.width)
        rows, multipliers = (working.rows, working.multipliers) if warm is None else (
            warm.rows.clone(), warm.multipliers.clone())
        return ConePricing(nothing, nothing.clone(), nothing > 0, torch.zeros_like(targets),
                           rows, multipliers)

    def _values(self, front: _Front) -> Float[Tensor, " b"]:
        """Return the dual norms that the multipliers reach."""
        cones = self.cone_rows.cones(front.cells, front.working)
        pull = (front.working.multipliers[:, None, :] @ cones)[:, 0]
        return self.norm.dual_norms(front.targets + pull)

    def _solved(self, front: _Front) -> _Front:
        """Return the front with its relaxations solved."""
        working = front.working
        problems = Relaxations(self.cone_rows.cones(front.cells, working), working.present,
                               front.targets, front.inner)
        points, multipliers = solve_relaxations(problems, Stop(
            self.norm, self.beta, 0.01 * self.tol, 0.5 * self.violation_tol))
        working = replace(working, multipliers=multipliers.where(working.present, 0.0))
        return replace(front, points=self.norm.normalised(points), working=working)

    def _separated(self, result: ConePricing, front: _Front) -> _Front:
        """Note the points reached, leave decided blocks out, and add rows to the others."""
        cut = self.cone_rows.cut(front.inner, front.points)
        way = cut.lengths[:, None] * (front.points - front.inner)
        best = self.norm.normalised(front.inner + way)
        reached = (front.targets * best).sum(1)
        better = reached > result.reached[front.blocks]
        result.reached[front.blocks[better]] = reached[better]
        result.directions[front.blocks[better]] = best[better]

        values = self._values(front)
        excess = values - torch.maximum(reached, result.reached[front.blocks])
        above = reached > self.beta * (1 + _BOUNDARY)
        decided = (excess <= self.tol * self.beta) | (
            above & (excess <= self.violation_tol * (reached - self.beta)))
        stuck = ~cut.cutting.any(1) & front.working.present.any(1)
        inner = self.norm.normalised(front.inner + _INWARDS * way)
        working = self.cone_rows.extended(front.working, cut)
        left = (~(decided | stuck)).nonzero()[:, 0]
        return replace(front, inner=inner, working=working).taken(left)

    def _concluded(self, result: ConePricing, everything: _Front) -> ConePricing:
        """Return the answer with the values of all its multipliers."""
        count = int((result.multipliers > 0).sum(1).amax()) if len(result.rows) else 0
        order = result.multipliers.argsort(dim=1, descending=True, stable=True)[:, :count]
        result = replace(result, rows=result.rows.gather(1, order),
                         multipliers=result.multipliers.gather(1, order))
        working = WorkingRows(result.rows, result.multipliers > 0, result.multipliers)
        return replace(result, values=self._values(replace(everything, working=working)),
                       violating=result.reached > self.beta * (1 + _BOUNDARY))


def _noted(result: ConePricing, front: _Front) -> ConePricing:
    """Return the answer with the rows of the front, and as many places as it takes."""
    wider = front.working.rows.shape[1] - result.rows.shape[1]
    rows = torch.nn.functional.pad(result.rows, (0, max(0, wider)))
    multipliers = torch.nn.functional.pad(result.multipliers, (0, max(0, wider)))
    spare = max(0, -wider)
    rows[front.blocks] = torch.nn.functional.pad(front.working.rows, (0, spare))
    multipliers[front.blocks] = torch.nn.functional.pad(front.working.multipliers, (0, spare))
    return replace(result, rows=rows, multipliers=multipliers)
