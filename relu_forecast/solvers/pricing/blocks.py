"""Pricing of many blocks by row generation: which can lower the objective, given the residual.

A block with target ``g_b = s_b R'D_b P'r`` stays zero when some multipliers alpha >= 0 bring the
dual norm of its correlations down to beta, and violates when some direction of its cone has more:

    min_{alpha >= 0} N*(g_b + R'(2 D_b - I) alpha)
        =  max_u g_b'u  s.t.  N(u) <= 1, (2 D_b - I) R u >= 0.

At most d of the N rows of a cone matter. Row generation finds them: each round solves a relaxation
on a few rows of each block (`solve_relaxations`), and then finds the rows that cut the segment from
a point inside the cone to that solution first (`ConeRows.cut`). The end of the segment inside the
cone gives a lower bound, the multipliers give an upper one. THEORY sections 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.slabs import PRICED_BLOCKS, slices
from relu_forecast.solvers.pricing.bursts import StoppingRule, solve_relaxations
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.pricing.relaxations import Relaxations
from relu_forecast.solvers.settings import BlockPricingSettings


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
        Whether `reached` is above beta by more than rounding, ``beta (1 + boundary)``.
    directions : Tensor, shape (B, d)
        u_b inside its cone, ``N(u_b) = 1``, or zero. With one group, the normalised projection
        of g_b on its cone, as exactly as `values` and `reached` agree.
    rows : Tensor of int, shape (B, q)
        Numbers of the rows with multipliers, each of them once; q is the number of the block with
        the most.
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
        cls, targets: Float[Tensor, "B d"], norm: GroupNorm, beta: float,
        settings: BlockPricingSettings,
    ) -> ConePricing:
        """Price blocks without cones, those of gated ReLU: their values are the dual norms."""
        values = norm.dual_norms(targets)
        violating = values > beta * (1 + settings.boundary)
        none = targets.new_zeros(len(targets), 0)
        return cls(values, values, violating, norm.normalised(targets), none.long(), none)

    def taken(self, part: slice | Int[Tensor, " m"]) -> ConePricing:
        """Return the answer for some of the blocks."""
        return ConePricing(*(getattr(self, field.name)[part] for field in fields(self)))


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
    tile_entries: int | None = None,
    settings: BlockPricingSettings,
) -> ConePricing:
    """Decide for each block whether it can stay zero, with a bound that proves it either way.

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
    tile_entries : int, optional
        Entries of the slabs (blocks x rows) in work at a time, of which there are three; by
        default as many as suit the device, `slabs.SUMMED`.
    settings : BlockPricingSettings
        How exact the values are, and how rows are added.

    Returns
    -------
    ConePricing

    Notes
    -----
    Cost: some 5 rounds, each of one product O(B N d) over the blocks that are left, and of 5 to 25
    interior point steps of O(B q d^2 + B d^3), with q of about 2 d.
    """
    if cells is None:
        cells = torch.arange(len(targets), device=targets.device)
    tol = max(settings.tol, 100 * torch.finfo(rows.dtype).eps)
    settings = replace(settings, tol=tol)
    generation = _RowGeneration(ConeRows.of(rows, masks, tile_entries, settings), norm, beta)
    return _joined([
        generation.run(cells[part], gates[part], targets[part],
                       None if warm is None else warm.taken(part))
        for part in slices(max(1, len(targets)), PRICED_BLOCKS)])


def _joined(parts: list[ConePricing]) -> ConePricing:
    """Return the answers for all blocks, with as many places for rows as any part has."""
    width = max(part.rows.shape[1] for part in parts)
    parts = [replace(part, **{
        name: torch.nn.functional.pad(getattr(part, name), (0, width - part.rows.shape[1]))
        for name in ("rows", "multipliers")}) for part in parts]
    return ConePricing(*(torch.cat([getattr(part, field.name) for part in parts])
                         for field in fields(ConePricing)))


@dataclass(frozen=True)
class _OpenBlocks:
    """The blocks that are not decided yet.

    Attributes
    ----------
    blocks, cells : Tensor of int, shape (b,)
        Their numbers, and their rows of the masks.
    targets, inner, points : Tensor, shape (b, d)
        g_b; a point inside the cone; the solution of the relaxation. The latter two of norm N one.
    working : WorkingRows
        Rows of the relaxation.
    """

    blocks: Int[Tensor, " b"]
    cells: Int[Tensor, " b"]
    targets: Float[Tensor, "b d"]
    inner: Float[Tensor, "b d"]
    points: Float[Tensor, "b d"]
    working: WorkingRows

    def taken(self, index: Int[Tensor, " m"]) -> _OpenBlocks:
        """Return some of them."""
        return _OpenBlocks(self.blocks[index], self.cells[index], self.targets[index],
                      self.inner[index], self.points[index], self.working.taken(index))


@dataclass(frozen=True)
class _RowGeneration:
    """The rounds of one pricing."""

    cone_rows: ConeRows
    norm: GroupNorm
    beta: float

    @property
    def settings(self) -> BlockPricingSettings:
        """How exact the values are."""
        return self.cone_rows.settings

    def run(
        self, cells: Int[Tensor, " B"], gates: Float[Tensor, "B d"],
        targets: Float[Tensor, "B d"], warm: ConePricing | None,
    ) -> ConePricing:
        """Solve relaxations and add rows until every block is decided; see `price_blocks`."""
        result = self._blank(targets, warm)
        left = _OpenBlocks(
            torch.arange(len(targets), device=targets.device), cells, targets,
            self.norm.normalised(gates), self.norm.normalised(targets),
            WorkingRows(result.rows, result.multipliers > 0, result.multipliers))
        everything, solved = left, warm is None
        for _ in range(self.settings.most_rounds):
            left = left.taken((self._values(left) > self.beta).nonzero()[:, 0])
            if solved and len(left.blocks):
                left = self._separated(result, left)
            elif len(left.blocks):
                left = replace(left, working=self.cone_rows.leading(
                    left.working, self.cone_rows.width))
            if len(left.blocks) == 0:
                break
            left, solved = self._solved(left), True
            result = _with_multipliers(result, left)
        return self._concluded(result, everything)

    def _blank(self, targets: Float[Tensor, "B d"], warm: ConePricing | None) -> ConePricing:
        """Return an answer to fill in, with the rows and multipliers of an earlier one."""
        nothing = targets.new_zeros(len(targets))
        working = WorkingRows.empty(targets, self.cone_rows.width)
        rows, multipliers = (working.rows, working.multipliers) if warm is None else (
            warm.rows.clone(), warm.multipliers.clone())
        return ConePricing(nothing, nothing.clone(), nothing > 0, torch.zeros_like(targets),
                           rows, multipliers)

    def _values(self, left: _OpenBlocks) -> Float[Tensor, " b"]:
        """Return the dual norms that the multipliers reach."""
        cones = self.cone_rows.cones(left.cells, left.working)
        pull = (left.working.multipliers[:, None, :] @ cones)[:, 0]
        return self.norm.dual_norms(left.targets + pull)

    def _solved(self, left: _OpenBlocks) -> _OpenBlocks:
        """Return the blocks with the solutions and multipliers of their relaxations."""
        working, settings = left.working, self.settings
        problems = Relaxations(self.cone_rows.cones(left.cells, working), working.present,
                               left.targets, left.inner)
        rule = StoppingRule(self.norm, self.beta, settings.relaxation_tol * settings.tol,
                            settings.relaxation_violation_tol * settings.violation_tol)
        points, multipliers = solve_relaxations(problems, rule, settings)
        working = replace(working, multipliers=multipliers.where(working.present, 0.0))
        return replace(left, points=self.norm.normalised(points), working=working)

    def _separated(self, result: ConePricing, left: _OpenBlocks) -> _OpenBlocks:
        """Record the points reached, leave decided blocks out, and add rows to the others."""
        cut = self.cone_rows.cut(left.inner, left.points)
        inside = cut.lengths[:, None] * (left.points - left.inner)
        best = self.norm.normalised(left.inner + inside)
        reached = (left.targets * best).sum(1)
        better = reached > result.reached[left.blocks]
        result.reached[left.blocks[better]] = reached[better]
        result.directions[left.blocks[better]] = best[better]

        stuck = ~cut.cutting.any(1) & left.working.present.any(1)
        undecided = ~(self._decided(result, left, reached) | stuck)
        inner = self.norm.normalised(left.inner + self.settings.inwards * inside)
        working = self.cone_rows.extended(left.working, cut)
        return replace(left, inner=inner, working=working).taken(undecided.nonzero()[:, 0])

    def _decided(
        self, result: ConePricing, left: _OpenBlocks, reached: Float[Tensor, " b"]
    ) -> Bool[Tensor, " b"]:
        """Tell which blocks have bounds that agree, or are known to violate well enough."""
        excess = self._values(left) - torch.maximum(reached, result.reached[left.blocks])
        above = reached > self.beta * (1 + self.settings.boundary)
        return (excess <= self.settings.tol * self.beta) | (
            above & (excess <= self.settings.violation_tol * (reached - self.beta)))

    def _concluded(self, result: ConePricing, everything: _OpenBlocks) -> ConePricing:
        """Return the answer with the values of all its multipliers."""
        count = int((result.multipliers > 0).sum(1).amax()) if len(result.rows) else 0
        order = result.multipliers.argsort(dim=1, descending=True, stable=True)[:, :count]
        result = replace(result, rows=result.rows.gather(1, order),
                         multipliers=result.multipliers.gather(1, order))
        working = WorkingRows(result.rows, result.multipliers > 0, result.multipliers)
        return replace(result, values=self._values(replace(everything, working=working)),
                       violating=result.reached > self.beta * (1 + self.settings.boundary))


def _with_multipliers(result: ConePricing, left: _OpenBlocks) -> ConePricing:
    """Return the answer with the rows and multipliers of some blocks, in as many places."""
    wider = left.working.rows.shape[1] - result.rows.shape[1]
    rows = torch.nn.functional.pad(result.rows, (0, max(0, wider)))
    multipliers = torch.nn.functional.pad(result.multipliers, (0, max(0, wider)))
    spare = max(0, -wider)
    rows[left.blocks] = torch.nn.functional.pad(left.working.rows, (0, spare))
    multipliers[left.blocks] = torch.nn.functional.pad(left.working.multipliers, (0, spare))
    return replace(result, rows=rows, multipliers=multipliers)
