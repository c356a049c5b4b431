"""Pricing of blocks of many groups: by rows of their cones, and by groups of the blocks.

As `blocks` does, for norms of which a block uses few groups. A relaxation has a few groups, and a
ray through a point inside the cone for all others (see `interior_point.grouped_columns`); groups
whose correlations exceed beta once the multipliers are known join it, as rows do. Multipliers
prove an upper bound over all groups, and points inside the cone a lower one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import by_field, taken
from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.pricing.bursts import StoppingRule, solve_relaxations
from relu_forecast.solvers.pricing.cone_rows import ConeRows
from relu_forecast.solvers.pricing.relaxations import Relaxations
from relu_forecast.solvers.pricing.row_generation import (
    OpenBlocks,
    Pricing,
    RowGeneration,
    with_multipliers,
)
from relu_forecast.solvers.settings import BlockPricingSettings

_EXACT = 1e-6
"""Share of beta to which a relaxation is exact enough to be the last one."""


@dataclass(frozen=True)
class GroupedPricing(Pricing):
    """What is known of B blocks; values are over all groups."""

    inner: Float[Tensor, "B d"]
    """Strictly inside the cones, of norm one."""
    groups: Bool[Tensor, "B G"]
    """Groups of the last relaxation."""
    used: Bool[Tensor, "B G"]
    """Those whose correlations are near the value."""

    @classmethod
    def unknown(
        cls, inner: Float[Tensor, "B d"], groups: Bool[Tensor, "B G"]
    ) -> GroupedPricing:
        """Return that nothing is known but points inside the cones, and groups to begin with."""
        blank, none = inner.new_zeros(len(inner)), inner.new_zeros(len(inner), 0)
        return cls(blank, blank, torch.zeros_like(inner), none.long(), none, inner, groups, groups)


class _FewRows(ConeRows):
    """Rows of cones, of which few join at a time."""

    @property
    def joining(self) -> int:
        """Rows that a cone may get at a time."""
        return self.settings.joining_rows


class GroupedPricer:
    """Prices blocks of one program again and again."""

    def __init__(self, program: ConvexProgram, settings: BlockPricingSettings) -> None:
        rows = program.features.rows
        self.program, self.settings = program, replace(
            settings, tol=max(settings.tol, 100 * torch.finfo(rows.dtype).eps))
        self.cone_rows = _FewRows.of(rows, program.design.masks, None, self.settings)

    def price(
        self, index: Int[Tensor, " B"], targets: Float[Tensor, "B d"], before: GroupedPricing,
        looseness: float = 0.0,
    ) -> GroupedPricing:
        """Decide for each block whether it can stay zero, given its correlations ``targets``.

        What was known of the blocks ``before`` is where the rounds begin. An excess over beta is
        exact to the share ``looseness`` of it, or to that of the settings where that is more. Cost
        as of `blocks.price_blocks`, with the groups of a relaxation in place of all.
        """
        norm, beta = self.program.norm, self.program.beta
        if not self.program.has_cones:
            pricing = _concluded(before, norm, targets, self.settings)
            return replace(pricing, reached=pricing.values)
        looseness = max(looseness, self.settings.violation_tol)
        return _Rounds(self.cone_rows, norm, beta, looseness).run(index, targets, before)


def _concluded(
    result: GroupedPricing, norm: GroupNorm, correlations: Float[Tensor, "B d"],
    settings: BlockPricingSettings,
) -> GroupedPricing:
    """Return the answer with the values of correlations, and the groups that have them."""
    ratios = norm.group_norms(correlations) / norm.weights
    values = ratios.amax(dim=1)
    used = ratios >= settings.used_groups * values[:, None]
    return replace(result, values=values, used=used)


@dataclass(frozen=True)
class _OpenBlocks(OpenBlocks):
    """The blocks that are not decided yet."""

    groups: Bool[Tensor, "b G"]
    """Groups of the relaxation."""


@dataclass(frozen=True)
class _Rounds(RowGeneration):
    """The rounds of one pricing, on some groups of the blocks."""

    looseness: float

    def run(
        self, index: Int[Tensor, " B"], targets: Float[Tensor, "B d"], before: GroupedPricing
    ) -> GroupedPricing:
        """Solve relaxations, and add rows and groups, until every block is decided."""
        place = torch.arange(len(targets), device=targets.device)
        everything = _OpenBlocks(place, index, targets, before.inner,
                                 self.norm.normalised(targets), before.working, before.groups)
        result, left = self._blank(targets, before), self._begun(everything)
        for number in range(self.settings.most_rounds):
            if len(left.blocks) == 0:
                break
            width = self.settings.first_width * 0.1**number
            left = self._solved(left, width)
            result = with_multipliers(result, left)
            left = self._undecided(result, left, exact=width <= _EXACT)
        correlations = self.correlations(replace(everything, working=result.working))
        return _concluded(result, self.norm, correlations, self.settings)

    def _blank(self, targets: Float[Tensor, "B d"], before: GroupedPricing) -> GroupedPricing:
        """Return an answer to fill in, with all but the bounds of an earlier one."""
        nothing = targets.new_zeros(len(targets))
        return replace(
            by_field(torch.clone, before), values=nothing, reached=nothing.clone(),
            directions=torch.zeros_like(targets))

    def _begun(self, left: _OpenBlocks) -> _OpenBlocks:
        """Return the blocks that earlier multipliers do not certify, with rows if none is known."""
        if left.working.rows.shape[1]:
            values = self.norm.dual_norms(self.correlations(left))
            return taken(left, (values > self.beta).nonzero()[:, 0])
        cut = self.cone_rows.cut(left.inner, left.points)
        return replace(left, working=self.cone_rows.extended(left.working, cut))

    def _solved(self, left: _OpenBlocks, width: float) -> _OpenBlocks:
        """Return the blocks with the solutions and multipliers of their relaxations.

        They are exact to the share ``width`` of beta: there is no use in solving the first ones
        better than their rows and groups are known.
        """
        settings = self.settings
        some = _Coordinates.of(left.groups, left.inner, self.norm)
        cones = self.cone_rows.cones(left.cells, left.working)
        problems = Relaxations(
            OwnRows(some.restricted(cones.rows), cones.present),
            some.restricted(left.targets[:, None])[:, 0], some.inner)
        norm = GroupNorm(torch.ones_like(some.inner[0, :: some.size]))
        width = max(width, settings.relaxation_tol * settings.tol)
        rule = StoppingRule(norm, self.beta, width,
                            settings.relaxation_violation_tol * self.looseness)
        points, multipliers = solve_relaxations(problems, rule, settings)
        working = replace(
            left.working, multipliers=multipliers.where(left.working.present, 0.0))
        return replace(left, points=self.norm.normalised(some.extended(points)), working=working)

    def _undecided(
        self, result: GroupedPricing, left: _OpenBlocks, *, exact: bool
    ) -> _OpenBlocks:
        """Record the points reached, leave decided blocks out, and add rows and groups.

        Blocks to which nothing can be added are left out as well, once relaxations are ``exact``.
        """
        settings, beta = self.settings, self.beta
        after, _, cut = self.separated(result, left)
        result.inner[left.blocks], result.groups[left.blocks] = after.inner, left.groups
        ratios = self.norm.group_norms(self.correlations(left)) / self.norm.weights
        values, reached = ratios.amax(dim=1), result.reached[left.blocks]
        excess = values - reached
        above = reached > beta * (1 + settings.boundary)
        decided = (values <= beta) | (excess <= settings.tol * beta) | (
            above & (excess <= self.looseness * (reached - beta)))
        outside = (ratios > beta) & ~left.groups
        level = ratios.where(outside, 0.0).topk(min(settings.joining_groups, ratios.shape[1]),
                                                dim=1).values[:, -1:]
        joining = outside & (ratios >= level)
        stuck = ~(cut | joining.any(dim=1)) & left.working.present.any(dim=1) & exact
        return taken(replace(after, groups=left.groups | joining),
                     (~(decided | stuck)).nonzero()[:, 0])


@dataclass(frozen=True)
class _Coordinates:
    """Coordinates of relaxations: some groups of each block, and its ray as one more.

    They are divided by the weights of the groups, so that all weigh one; places that a block does
    not need are zero.
    """

    size: int
    lanes: Int[Tensor, "b w"]
    """Coordinates of the blocks."""
    scale: Float[Tensor, "b w"]
    """``1 / omega_g``, or zero."""
    rays: Float[Tensor, "b d"]
    inner: Float[Tensor, "b wr"]
    """The inner points in these coordinates."""

    @classmethod
    def of(
        cls, groups: Bool[Tensor, "b G"], inner: Float[Tensor, "b d"], norm: GroupNorm
    ) -> _Coordinates:
        """Lay the coordinates out; waits for the device."""
        size = inner.shape[1] // norm.n_groups
        count = max(1, int(groups.sum(dim=1).amax()))
        present, chosen = groups.to(torch.uint8).topk(count, dim=1)
        lanes = (chosen[:, :, None] * size + torch.arange(size, device=inner.device)).flatten(1)
        weights = norm.weights[chosen]
        scale = (present / weights).repeat_interleave(size, dim=1)
        outside = (norm.grouped(inner) * ~groups[:, :, None]).flatten(1)
        length = inner.new_zeros(len(inner), size)
        length[:, 0] = norm.norms(outside)
        own = inner.gather(1, lanes) * (present * weights).repeat_interleave(size, dim=1)
        return cls(size, lanes, scale, norm.normalised(outside), torch.cat([own, length], dim=1))

    def restricted(self, rows: Float[Tensor, "b q d"]) -> Float[Tensor, "b q wr"]:
        """Return the rows' products with the columns of the coordinates."""
        lanes = self.lanes[:, None].expand(-1, rows.shape[1], -1)
        along = rows.new_zeros(*rows.shape[:2], self.size)
        along[:, :, 0] = (rows @ self.rays[:, :, None])[:, :, 0]
        return torch.cat([rows.gather(2, lanes) * self.scale[:, None], along], dim=2)

    def extended(self, points: Float[Tensor, "b wr"]) -> Float[Tensor, "b d"]:
        """Return the points of the blocks that have these coordinates."""
        count = self.lanes.shape[1]
        along = points[:, count : count + 1] * self.rays
        return along.scatter_add(1, self.lanes, points[:, :count] * self.scale)
