"""Pricing of many blocks by row generation: which can lower the objective, given the residual.

A block with target ``g_b = s_b R'D_b P'r`` stays zero when some multipliers alpha >= 0 bring the
dual norm of its correlations down to beta, and violates when some direction of its cone has more:

    min_{alpha >= 0} N*(g_b + R'(2 D_b - I) alpha)
        =  max_u g_b'u  s.t.  N(u) <= 1, (2 D_b - I) R u >= 0.

At most d of the N rows of a cone matter: they are found by rounds of `row_generation`. THEORY
sections 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.slabs import PRICED_BLOCKS, slices
from relu_forecast.solvers.batches import joined, taken
from relu_forecast.solvers.pricing.bursts import StoppingRule, solve_relaxations
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows, padded
from relu_forecast.solvers.pricing.relaxations import Relaxations
from relu_forecast.solvers.pricing.row_generation import (
    OpenBlocks,
    Pricing,
    RowGeneration,
    with_multipliers,
)
from relu_forecast.solvers.settings import BlockPricingSettings


@dataclass(frozen=True)
class ConePricing(Pricing):
    """What is known of B blocks, all groups of which are priced."""

    violating: Bool[Tensor, " B"]
    """Whether `reached` is above beta by more than rounding, ``beta (1 + boundary)``."""

    @classmethod
    def without_cones(
        cls, targets: Float[Tensor, "B d"], norm: GroupNorm, beta: float,
        settings: BlockPricingSettings,
    ) -> ConePricing:
        """Price blocks without cones, those of gated ReLU: their values are the dual norms."""
        values = norm.dual_norms(targets)
        violating = values > beta * (1 + settings.boundary)
        none = targets.new_zeros(len(targets), 0)
        return cls(values, values, norm.normalised(targets), none.long(), none, violating)


def price_blocks(
    rows: Float[Tensor, "N d"], masks: Bool[Tensor, "P N"], gates: Float[Tensor, "B d"],
    targets: Float[Tensor, "B d"], norm: GroupNorm, beta: float, *,
    cells: Int[Tensor, " B"] | None = None, warm: ConePricing | None = None,
    tile_entries: int | None = None, settings: BlockPricingSettings
) -> ConePricing:
    """Decide for each block whether it can stay zero, with a bound that proves it either way.

    Blocks have targets g_b, the correlations of the residual, and gates strictly inside their
    cones. ``cells`` says which row of the masks, the diagonals of D, belongs to each block; by
    default block b has the b-th. Zero rows are no constraints. ``warm`` is an earlier answer for
    the same blocks in the same order. At most three slabs of ``tile_entries`` (blocks x rows) are
    in work at a time, by default `slabs.SUMMED`.

    Cost: some 5 rounds, each of one product O(B N d) over the blocks that are left, and of 5 to 25
    interior point steps of O(B q d^2 + B d^3), with q of about 2 d.
    """
    if cells is None:
        cells = torch.arange(len(targets), device=targets.device)
    tol = max(settings.tol, 100 * torch.finfo(rows.dtype).eps)
    settings = replace(settings, tol=tol)
    generation = _Rounds(ConeRows.of(rows, masks, tile_entries, settings), norm, beta)
    parts = [
        generation.run(cells[part], gates[part], targets[part],
                       None if warm is None else taken(warm, part))
        for part in slices(max(1, len(targets)), PRICED_BLOCKS)]
    width = max(part.rows.shape[1] for part in parts)
    return joined(*(replace(part, rows=padded(part.rows, width),
                            multipliers=padded(part.multipliers, width)) for part in parts))


class _Rounds(RowGeneration):
    """The rounds of one pricing, on all groups of the blocks."""

    def run(
        self, cells: Int[Tensor, " B"], gates: Float[Tensor, "B d"],
        targets: Float[Tensor, "B d"], warm: ConePricing | None,
    ) -> ConePricing:
        """Solve relaxations and add rows until every block is decided; see `price_blocks`."""
        result = self._blank(targets, warm)
        left = OpenBlocks(
            torch.arange(len(targets), device=targets.device), cells, targets,
            self.norm.normalised(gates), self.norm.normalised(targets), result.working)
        everything, solved = left, warm is None
        for _ in range(self.settings.most_rounds):
            left = taken(left, (self._values(left) > self.beta).nonzero()[:, 0])
            if solved and len(left.blocks):
                left = self._undecided(result, left)
            elif len(left.blocks):
                left = replace(left, working=self.cone_rows.leading(
                    left.working, self.cone_rows.width))
            if len(left.blocks) == 0:
                break
            left, solved = self._solved(left), True
            result = with_multipliers(result, left)
        return self._concluded(result, everything)

    def _blank(self, targets: Float[Tensor, "B d"], warm: ConePricing | None) -> ConePricing:
        """Return an answer to fill in, with the rows and multipliers of an earlier one."""
        nothing = targets.new_zeros(len(targets))
        before = WorkingRows.empty(targets, self.cone_rows.width) if warm is None else warm
        return ConePricing(nothing, nothing.clone(), torch.zeros_like(targets),
                           before.rows.clone(), before.multipliers.clone(), nothing > 0)

    def _values(self, left: OpenBlocks) -> Float[Tensor, " b"]:
        """Return the dual norms that the multipliers reach."""
        return self.norm.dual_norms(self.correlations(left))

    def _solved(self, left: OpenBlocks) -> OpenBlocks:
        """Return the blocks with the solutions and multipliers of their relaxations."""
        working, settings = left.working, self.settings
        problems = Relaxations(
            self.cone_rows.cones(left.cells, working), left.targets, left.inner)
        rule = StoppingRule(self.norm, self.beta, settings.relaxation_tol * settings.tol,
                            settings.relaxation_violation_tol * settings.violation_tol)
        points, multipliers = solve_relaxations(problems, rule, settings)
        working = replace(working, multipliers=multipliers.where(working.present, 0.0))
        return replace(left, points=self.norm.normalised(points), working=working)

    def _undecided(self, result: ConePricing, left: OpenBlocks) -> OpenBlocks:
        """Record the points reached, leave decided blocks out, and add rows to the others."""
        after, reached, cut = self.separated(result, left)
        stuck = ~cut & left.working.present.any(1)
        decided = self._decided(result, left, reached)
        return taken(after, (~(decided | stuck)).nonzero()[:, 0])

    def _decided(
        self, result: ConePricing, left: OpenBlocks, reached: Float[Tensor, " b"]
    ) -> Bool[Tensor, " b"]:
        """Tell which blocks have bounds that agree, or are known to violate well enough."""
        excess = self._values(left) - torch.maximum(reached, result.reached[left.blocks])
        above = reached > self.beta * (1 + self.settings.boundary)
        return (excess <= self.settings.tol * self.beta) | (
            above & (excess <= self.settings.violation_tol * (reached - self.beta)))

    def _concluded(self, result: ConePricing, everything: OpenBlocks) -> ConePricing:
        """Return the answer with the values of all its multipliers."""
        count = int((result.multipliers > 0).sum(1).amax()) if len(result.rows) else 0
        order = result.multipliers.argsort(dim=1, descending=True, stable=True)[:, :count]
        result = replace(result, rows=result.rows.gather(1, order),
                         multipliers=result.multipliers.gather(1, order))
        return replace(result, values=self._values(replace(everything, working=result.working)),
                       violating=result.reached > self.beta * (1 + self.settings.boundary))
