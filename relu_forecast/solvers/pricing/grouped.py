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
from relu_forecast.solvers.batches import taken
from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.pricing.bursts import StoppingRule, solve_relaxations
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows, padded
from relu_forecast.solvers.pricing.relaxations import Relaxations
from relu_forecast.solvers.settings import BlockPricingSettings

_EXACT = 1e-6
"""Share of beta to which a relaxation is exact enough to be the last one."""


@dataclass(frozen=True)
class GroupedPricing:
    """What is known of B blocks."""

    values: Float[Tensor, " B"]
    """Upper bounds on the values, over all groups."""
    reached: Float[Tensor, " B"]
    """Lower bounds, attained by `directions`."""
    directions: Float[Tensor, "B d"]
    """In the cones, of norm one, or zero."""
    inner: Float[Tensor, "B d"]
    """Strictly inside the cones, of norm one."""
    groups: Bool[Tensor, "B G"]
    """Groups of the last relaxation."""
    used: Bool[Tensor, "B G"]
    """Those whose correlations are near the value."""
    rows: Int[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]
    """Rows of the cones, and multipliers alpha >= 0 on them."""

    @classmethod
    def unknown(
        cls, inner: Float[Tensor, "B d"], groups: Bool[Tensor, "B G"]
    ) -> GroupedPricing:
        """Return that nothing is known but points inside the cones, and groups to begin with."""
        blank, none = inner.new_zeros(len(inner)), inner.new_zeros(len(inner), 0)
        return cls(blank, blank, torch.zeros_like(inner), inner, groups, groups, none.long(), none)

    @property
    def working(self) -> WorkingRows:
        """The rows and their multipliers, as places to work on."""
        return WorkingRows(self.rows, self.multipliers > 0, self.multipliers)


class _FewRows(ConeRows):
    """Rows of cones, of which few join at a time."""

    @property
    def joining(self) -> int:
        """Rows that a cone may get at a time."""
        return self.settings.joining_rows


class GroupedPricer:
    """Prices blocks of one program again and again."""

    def __init__(self, program: ConvexProgram, settings: BlockPricingSettings) -> None:
        features = program.features
        self.program, self.norm, self.beta = program, program.norm, program.beta
        self.settings = replace(
            settings, tol=max(settings.tol, 100 * torch.finfo(features.rows.dtype).eps))
        self.cone_rows = _FewRows.of(features.rows, program.design.masks, None, self.settings)

    def price(
        self, index: Int[Tensor, " B"], targets: Float[Tensor, "B d"], before: GroupedPricing,
        looseness: float = 0.0,
    ) -> GroupedPricing:
        """Decide for each block whether it can stay zero, given its correlations ``targets``.

        What was known of the blocks ``before`` is where the rounds begin. An excess over beta is
        exact to the share ``looseness`` of it, or to that of the settings where that is more. Cost
        as of `blocks.price_blocks`, with the groups of a relaxation in place of all.
        """
        if not self.program.has_cones:
            return self._without_cones(targets, before)
        place = torch.arange(len(targets), device=targets.device)
        left = _Open(place, index, targets, before.inner, before.groups, before.working)
        blank = targets.new_zeros(len(targets))
        result = GroupedPricing(
            blank, blank.clone(), torch.zeros_like(targets), *(part.clone() for part in (
                before.inner, before.groups, before.used, before.rows, before.multipliers)))
        rounds = _Rounds(self, max(looseness, self.settings.violation_tol))
        return rounds.run(result, left)

    def _without_cones(
        self, targets: Float[Tensor, "B d"], before: GroupedPricing
    ) -> GroupedPricing:
        """Price blocks without cones: their values are the dual norms."""
        ratios = self.norm.group_norms(targets) / self.norm.weights
        values = ratios.amax(dim=1)
        used = ratios >= self.settings.used_groups * values[:, None]
        return replace(before, values=values, reached=values, used=used)

    def correlations(self, left: _Open) -> Float[Tensor, "b d"]:
        """Return the correlations of blocks, their multipliers' part included."""
        return left.targets + self.cone_rows.pull(left.cells, left.working)


@dataclass(frozen=True)
class _Open:
    """The blocks that are not decided yet."""

    blocks: Int[Tensor, " b"]
    cells: Int[Tensor, " b"]
    """Their places in the answer, and their rows of the masks."""
    targets: Float[Tensor, "b d"]
    inner: Float[Tensor, "b d"]
    groups: Bool[Tensor, "b G"]
    working: WorkingRows
    """Groups and rows of the relaxation."""


@dataclass(frozen=True)
class _Rounds:
    """The rounds of one pricing."""

    pricer: GroupedPricer
    looseness: float

    def run(self, result: GroupedPricing, left: _Open) -> GroupedPricing:
        """Solve relaxations, and add rows and groups, until every block is decided."""
        pricer, everything = self.pricer, left
        left = self._begun(left)
        for number in range(pricer.settings.most_rounds):
            if len(left.blocks) == 0:
                break
            width = pricer.settings.first_width * 0.1**number
            left, points = self._solved(left, width)
            result = _recorded(result, left)
            left = self._separated(result, left, points, exact=width <= _EXACT)
        norm = pricer.norm
        ratios = norm.group_norms(pricer.correlations(
            replace(everything, working=result.working))) / norm.weights
        values = ratios.amax(dim=1)
        used = ratios >= pricer.settings.used_groups * values[:, None]
        return replace(result, values=values, used=used)

    def _begun(self, left: _Open) -> _Open:
        """Return the blocks that earlier multipliers do not certify, with rows if none is known."""
        pricer = self.pricer
        if left.working.rows.shape[1]:
            values = pricer.norm.dual_norms(pricer.correlations(left))
            return taken(left, (values > pricer.beta).nonzero()[:, 0])
        cut = pricer.cone_rows.cut(left.inner, pricer.norm.normalised(left.targets))
        return replace(left, working=pricer.cone_rows.extended(left.working, cut))

    def _solved(self, left: _Open, width: float) -> tuple[_Open, Float[Tensor, "b d"]]:
        """Return the blocks with the multipliers of their relaxations, and the solutions.

        They are exact to the share ``width`` of beta: there is no use in solving the first ones
        better than their rows and groups are known.
        """
        pricer, settings = self.pricer, self.pricer.settings
        some = _Coordinates.of(left.groups, left.inner, pricer.norm)
        cones = pricer.cone_rows.cones(left.cells, left.working)
        problems = Relaxations(
            OwnRows(some.restricted(cones.rows), cones.present),
            some.restricted(left.targets[:, None])[:, 0], some.inner)
        norm = GroupNorm(torch.ones_like(some.inner[0, :: some.size]))
        width = max(width, settings.relaxation_tol * settings.tol)
        rule = StoppingRule(norm, pricer.beta, width,
                            settings.relaxation_violation_tol * self.looseness)
        points, multipliers = solve_relaxations(problems, rule, settings)
        working = replace(
            left.working, multipliers=multipliers.where(left.working.present, 0.0))
        return replace(left, working=working), pricer.norm.normalised(some.extended(points))

    def _separated(
        self, result: GroupedPricing, left: _Open, points: Float[Tensor, "b d"], *, exact: bool
    ) -> _Open:
        """Record the points reached, leave decided blocks out, and add rows and groups.

        Blocks to which nothing can be added are left out as well, once relaxations are ``exact``.
        """
        pricer, settings, norm = self.pricer, self.pricer.settings, self.pricer.norm
        cut = pricer.cone_rows.cut(left.inner, points)
        inside = cut.lengths[:, None] * (points - left.inner)
        best = norm.normalised(left.inner + inside)
        reached = (left.targets * best).sum(dim=1)
        better = reached > result.reached[left.blocks]
        result.reached[left.blocks[better]] = reached[better]
        result.directions[left.blocks[better]] = best[better]
        inner = norm.normalised(left.inner + settings.inwards * inside)
        result.inner[left.blocks] = inner

        ratios = norm.group_norms(pricer.correlations(left)) / norm.weights
        values, reached = ratios.amax(dim=1), result.reached[left.blocks]
        excess = values - reached
        above = reached > pricer.beta * (1 + settings.boundary)
        decided = (values <= pricer.beta) | (excess <= settings.tol * pricer.beta) | (
            above & (excess <= self.looseness * (reached - pricer.beta)))
        outside = (ratios > pricer.beta) & ~left.groups
        level = ratios.where(outside, 0.0).topk(min(settings.joining_groups, ratios.shape[1]),
                                                dim=1).values[:, -1:]
        joining = outside & (ratios >= level)
        stuck = ~(cut.cutting.any(dim=1) | joining.any(dim=1)) & left.working.present.any(dim=1)
        stuck = stuck & exact
        left = replace(left, inner=inner, groups=left.groups | joining,
                       working=pricer.cone_rows.extended(left.working, cut))
        return taken(left, (~(decided | stuck)).nonzero()[:, 0])


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


def _recorded(result: GroupedPricing, left: _Open) -> GroupedPricing:
    """Return the answer with the rows, multipliers and groups of some blocks."""
    width = max(left.working.rows.shape[1], result.rows.shape[1])
    rows, multipliers = padded(result.rows, width), padded(result.multipliers, width)
    rows[left.blocks] = padded(left.working.rows, width)
    multipliers[left.blocks] = padded(left.working.multipliers, width)
    result.groups[left.blocks] = left.groups
    return replace(result, rows=rows, multipliers=multipliers)
