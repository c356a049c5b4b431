"""The pairs (block, group) that the interior point method holds, and its iterate on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.grouped_columns import GroupedColumns
from relu_forecast.solvers.interior_point.grouped_method import GroupedPoint
from relu_forecast.solvers.interior_point.held import Held
from relu_forecast.solvers.interior_point.method import InteriorState
from relu_forecast.solvers.pruning import hardly_used
from relu_forecast.solvers.settings import SolverSettings


@dataclass(frozen=True)
class HeldGroups(Held[GroupedPoint]):
    """Some blocks, of each of them some groups, and an iterate.

    The program is that of the blocks with all their groups. The iterate has norms, blocks and duals
    of pairs, and outputs and multipliers of blocks.
    """

    @classmethod
    def of(
        cls, program: ConvexProgram, index: Int[Tensor, " m"], groups: Bool[Tensor, "m G"],
        blocks: Float[Tensor, "m d"], share: Float[Tensor, ""], settings: SolverSettings,
    ) -> HeldGroups:
        """Hold groups of some blocks, from blocks strictly inside their cones.

        Complementarity products are ``share`` in each pair, and in all rows of each block.
        """
        own = program.restricted(index)
        columns = GroupedColumns(own, groups, blocks)
        method = GroupedPoint.on(columns, settings.interior_point)
        held = cls(index, own, method, method.centred(columns.pairs(blocks), share))
        duals = method.leaning(columns.adjoint(held.correlations))
        return replace(held, state=replace(held.state, duals=duals))

    @property
    def groups(self) -> Bool[Tensor, "m G"]:
        """Which groups are held."""
        return self.method.columns.held

    @cached_property
    def blocks(self) -> Float[Tensor, "m d"]:
        """The blocks of the iterate."""
        return self.method.columns.blocks(self.state.blocks)

    @cached_property
    def left(self) -> Float[Tensor, "nd C"]:
        """What the skip leaves of the error."""
        return self.program.leave(self.error)

    @cached_property
    def correlations(self) -> Float[Tensor, "m d"]:
        """Those of all groups with the residual, the multipliers' part included."""
        targets = self.program.design.adjoint(self.left[: len(self.program.targets)])
        if not self.program.has_cones:
            return targets
        return targets.addmm(self.state.multipliers, self.program.features.rows)

    @cached_property
    def ratios(self) -> Float[Tensor, "m G"]:
        """``||c_kg|| / (beta omega_g)`` of all groups: at most one at an optimum."""
        norm = self.program.norm
        return norm.group_norms(self.correlations) / (self.program.beta * norm.weights)

    @property
    def share(self) -> Float[Tensor, ""]:
        """The complementarity products of the pairs, on average."""
        return self.method.complementarity_of_norms(self.state) / len(self.state.norms)

    @property
    def _is_ray(self) -> Bool[Tensor, " p"]:
        """Which of the pairs are rays."""
        return self.method.columns.groups == self.program.norm.n_groups

    def with_groups(self, new: Bool[Tensor, "m G"], settings: SolverSettings) -> HeldGroups:
        """Hold more groups of the blocks, which keep what they had of them on their rays."""
        before, old, share = self.method.columns, self.state, self.share
        after = replace(before, held=before.held | new)
        origin = torch.arange(len(new), device=new.device)
        method = GroupedPoint.on(after, settings.interior_point, self.method, origin)
        pairs, number = after.pairs(self.blocks), torch.searchsorted(after.places, before.places)
        pairs[number] = pairs[number].where(self._is_ray[:, None], old.blocks)
        fresh = method.centred(pairs, share)
        norms, duals = fresh.norms, method.leaning(after.adjoint(self.correlations))
        shorter = (pairs[number].norm(dim=1) / old.blocks.norm(dim=1)).where(self._is_ray, 1.0)
        norms[number] = (old.norms * shorter[:, None]).where(shorter[:, None] > 0, norms[number])
        duals[number] = old.duals
        return replace(self, method=method, state=replace(
            old, norms=norms, blocks=pairs, duals=duals))

    def joined(
        self, program: ConvexProgram, index: Int[Tensor, " k"], groups: Bool[Tensor, "k G"],
        blocks: Float[Tensor, "k d"], alpha: Float[Tensor, "k N"], settings: SolverSettings,
    ) -> HeldGroups:
        """Hold more blocks of the whole program, from given ones inside their cones.

        They bring the multipliers ``alpha`` along, by which they were found to violate: with them
        their correlations are not far above beta.
        """
        share, before, old = self.share, self.method.columns, self.state
        together = torch.cat([self.index, index])
        own = program.restricted(together)
        columns = GroupedColumns(
            own, torch.cat([before.held, groups]), torch.cat([before.inner, blocks]))
        origin = torch.arange(len(together), device=index.device)
        origin = origin.where(origin < len(self.index), -1)
        method = GroupedPoint.on(columns, settings.interior_point, self.method, origin)
        count, m = len(old.blocks), len(self.index)
        pairs = columns.pairs(torch.cat([self.blocks, blocks]))
        pairs[:count] = old.blocks
        fresh = method.centred(pairs, share)
        joining = fresh.multipliers[m:]
        joining = torch.maximum(joining.abs(), alpha) * joining.sign()
        state = InteriorState(
            torch.cat([old.norms, fresh.norms[count:]]), pairs,
            torch.cat([old.outputs, fresh.outputs[m:]]),
            torch.cat([old.multipliers, joining]),
            torch.cat([old.duals, fresh.duals[count:]]), old.jitter)
        held = HeldGroups(together, own, method, state)
        leaning = method.leaning(columns.adjoint(held.correlations))
        return replace(held, state=replace(
            state, duals=torch.cat([old.duals, leaning[count:]])))

    def reduced(self, settings: SolverSettings) -> HeldGroups:
        """Leave out blocks, and groups of the others, that the optimum will hardly use.

        Blocks that lose groups move along the points inside their cones, far enough that no row
        comes much nearer to its boundary; those that would have to move far keep all groups.
        """
        before, norm = self.method.columns, self.program.norm
        norms, sizes = norm.group_norms(self.blocks), norm.norms(self.blocks)
        unused = hardly_used(norms, self.ratios, 1.0, norms.amax()) & (
            self.ratios < settings.grouped.unused)
        groups = before.held & ~unused
        kept = (~hardly_used(sizes, self.ratios.amax(dim=1), 1.0, sizes.amax())).nonzero()[:, 0]
        blocks, length = self._without(before.held & ~groups)
        far = length > settings.grouped.furthest * sizes
        groups = groups.where(~far[:, None], before.held)
        blocks = blocks.where(~far[:, None], self.blocks)[kept]
        own = self.program.restricted(kept)
        columns = GroupedColumns(own, groups[kept], before.inner[kept])
        method = GroupedPoint.on(columns, settings.interior_point, self.method, kept)
        places = kept[columns.owners] * columns.per_block + columns.groups
        number = torch.searchsorted(before.places, places)
        old, pairs = self.state, columns.pairs(blocks)
        grown = (pairs - old.blocks[number]).norm(dim=1, keepdim=True)
        outputs = method.cones.interior_outputs(pairs)
        return HeldGroups(self.index[kept], own, method, InteriorState(
            old.norms[number] + grown, pairs, outputs, old.multipliers[kept], old.duals[number],
            old.jitter))

    def _without(
        self, groups: Bool[Tensor, "m G"]
    ) -> tuple[Float[Tensor, "m d"], Float[Tensor, " m"]]:
        """Return the blocks without some groups, moved inwards, and how far they moved."""
        columns, norm = self.method.columns, self.program.norm
        parts = (norm.grouped(self.blocks) * groups[:, :, None]).flatten(1)
        if not self.program.has_cones:
            return self.blocks - parts, norm.norms(parts) * 0
        outside = norm.grouped(columns.inner) * ~columns.held[:, :, None]
        lengths = norm.norms(outside.flatten(1))
        multiple = norm.norms((norm.grouped(self.blocks) * ~columns.held[:, :, None]).flatten(1))
        multiple = (multiple / lengths.clamp_min(1e-300)).where(lengths > 0, 0.0)
        multiple = multiple * (self.blocks * columns.rays).sum(dim=1).sign()
        inner = (norm.grouped(columns.inner) * groups[:, :, None]).flatten(1)
        blocks = self.blocks - parts + multiple[:, None] * inner
        design = self.program.design
        old, new = design.margins(self.blocks), design.margins(blocks)
        ahead = design.margins(columns.inner)
        needed = ((0.5 * old - new) / ahead).where(self.program.cone_rows, 0.0)
        length = needed.amax(dim=1).clamp_min(0.0)
        return blocks + length[:, None] * columns.inner, length * norm.norms(columns.inner)
