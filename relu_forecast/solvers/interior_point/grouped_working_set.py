"""Working sets of pairs (block, group), for programs whose blocks have many groups.

At an optimum of a circular program a dozen blocks are not zero, and of each of them a dozen of its
frequencies. The Newton method holds such pairs. The correlations of the blocks held with the
residual, their cone multipliers included, tell at every iterate which other groups of them
violate: those join at once, while the iterate is still far from the boundary. Blocks that are not
held are priced when the iterate is near enough to the optimum of those that are.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import by_field, taken
from relu_forecast.solvers.interior_point.grouped_blocks import HeldGroups
from relu_forecast.solvers.interior_point.held import check_room
from relu_forecast.solvers.interior_point.working_set import WorkingSet
from relu_forecast.solvers.pricing.candidates import largest, outside
from relu_forecast.solvers.pricing.cone_rows import padded
from relu_forecast.solvers.pricing.grouped import GroupedPricer, GroupedPricing
from relu_forecast.solvers.settings import GroupedSettings, SolverSettings
from relu_forecast.solvers.solution import Callback


class GroupedWorkingSet(WorkingSet[HeldGroups]):
    """One solve on pairs of blocks and groups."""

    rules: GroupedSettings

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        settings: SolverSettings,
    ) -> None:
        super().__init__(program, tol, max_iter, callback, settings)
        self.rules = settings.grouped
        self.first_count, self.early_gaps = self.rules.first_blocks, self.rules.pricing_gaps
        self.joined, self.reduced = 0, False  # when groups joined last; whether pairs were left out
        self.pricer = GroupedPricer(program, settings.pricing)

    def _held_first(
        self, index: Int[Tensor, " m"], guess: Float[Tensor, "K d"],
        targets: Float[Tensor, "K d"], *, given: bool,
    ) -> HeldGroups:
        """Hold some groups of some blocks from a guess, moved inwards."""
        rules, norm = self.rules, self.fine.norm
        groups = self._leading(targets)
        if given:
            sizes = norm.group_norms(guess)
            groups |= sizes > rules.negligible * sizes.amax()
        gates = self.program.norm.normalised(self.program.gates * self.seen.to(self.program.X))
        self.known = GroupedPricing.unknown(gates, groups)
        own, cones = self.fine.restricted(index), self.program.has_cones
        groups, guess = groups[index], guess[index]
        pairs = int(groups.sum())
        self._check_room(pairs)
        share = own.objective(guess) / (pairs + 2 * len(index) * cones)
        if cones:
            length = rules.lift * share / self.fine.beta
            guess = guess + length * norm.normalised(own.gates * self.seen)
        return HeldGroups.of(self.fine, index, groups, guess, share, self.settings)

    def _leading(self, targets: Float[Tensor, "K d"]) -> Bool[Tensor, "K G"]:
        """Return the groups of each block that have most in common with the residual."""
        norm = self.program.norm
        ratios = norm.group_norms(targets) / norm.weights
        count = min(norm.n_groups, max(
            self.rules.fewest_groups, math.ceil(self.rules.first_groups * norm.n_groups)))
        chosen = ratios.topk(count, dim=1).indices
        return torch.zeros_like(ratios, dtype=torch.bool).scatter_(1, chosen, True)

    def _patience(self, gap: float) -> int:
        """Return how many evaluations without a smaller gap end the steps."""
        return self.rules.patience

    def _checked(self, held: HeldGroups, goal: float) -> tuple[Certificate, float, HeldGroups]:
        """Return the certificate over all groups of the blocks held, and the gap over the pairs.

        And from here on more groups, or once less of what will hardly be used.
        """
        now, own_gap, new = self._evaluated(held)
        if now.gap > goal and new is not None and self.iteration >= self.joined + self.rules.pause:
            self.joined = self.iteration
            self._check_room(int((held.groups | new).sum()))
            return now, own_gap, held.with_groups(new, self.settings)
        if goal < now.gap < self.rules.reducing_gap and not self.reduced:
            self.reduced = True
            return now, own_gap, held.reduced(self.settings)
        return now, own_gap, held

    def _evaluated(
        self, held: HeldGroups
    ) -> tuple[Certificate, float, Bool[Tensor, "m G"] | None]:
        """Return the certificate over the blocks held, the gap over their pairs, and new groups."""
        rules, program, ratios = self.rules, held.program, held.ratios
        inside = ratios.where(held.groups, 0.0).amax()
        objective = 0.5 * held.left.square().sum() + program.penalty(held.blocks)
        own = (objective - program.dual_bound(held.left, inside)) / objective
        violating = (ratios > 1) & (ratios > rules.among_held * inside)
        near = (ratios > rules.nearly) & (own < rules.nearly_gap)
        wanted = ratios.where((violating | near) & ~held.groups, 0.0)
        count = min(rules.joining_groups, wanted.shape[1])
        level = wanted.topk(count, dim=1).values[:, -1:]
        new = (wanted > 0) & (wanted >= level)
        bound, violation = program.dual_bound(held.left, ratios.amax()), ratios.amax()
        values = torch.stack([objective, bound, violation, own, new.any().to(own)]).tolist()
        return Certificate(program.scope, *values[:3]), values[3], new if values[4] else None

    def _check_room(self, pairs: int) -> None:
        """Refuse more pairs than a Newton matrix has room for."""
        size = self.program.features.width // self.program.norm.n_groups
        check_room(pairs, size, "groups", self.settings.working_set.most_weights)

    def _priced(
        self, held: HeldGroups, targets: Float[Tensor, "K d"], *, final: bool
    ) -> Float[Tensor, ""]:
        """Price the blocks that are not held, the last time exactly; return the worst value."""
        rest = outside(held.index, self.program.n_blocks).nonzero()[:, 0]
        pricing = self.pricer.price(rest, targets[rest], taken(self.known, rest),
                                    looseness=0.0 if final else self.rules.looseness)
        self.known = _noted(self.known, rest, pricing)
        return pricing.values.amax()

    def _violating(self, held: HeldGroups, ratio: float, *, final: bool) -> Int[Tensor, " k"]:
        """Return priced blocks above ``ratio`` times beta, the worst of them first."""
        values = self.known.values if final else self.known.reached
        wanted = outside(held.index, self.program.n_blocks) & (values > self.program.beta * ratio)
        return largest(values, wanted, max(self.rules.joining_blocks, len(held.index) // 2))

    def _enlarged(self, held: HeldGroups, joining: Int[Tensor, " k"]) -> HeldGroups:
        """Hold more blocks, from an iterate that is still far from the boundary.

        It may have blocks that were left out since then, but none that is held is missing there.
        """
        base, length = self.restart, self.fine.n_blocks
        place = torch.full((length,), -1, device=joining.device).index_copy(
            0, base.index, torch.arange(len(base.index), device=joining.device))
        new = torch.zeros_like(base.groups).index_copy(0, place[held.index], held.groups)
        new &= ~base.groups
        if bool(new.any()):
            base = base.with_groups(new, self.settings)
        joining = joining[place[joining] < 0]
        if len(joining) == 0:
            return base
        known = taken(self.known, joining)
        self._check_room(int(base.groups.sum() + known.used.sum()))
        blocks = self.rules.lift * base.share / self.fine.beta * known.inner.to(base.blocks)
        alpha = blocks.new_zeros(len(joining), base.state.outputs.shape[1])
        alpha.scatter_add_(1, known.rows, known.multipliers.to(alpha))
        return base.joined(self.fine, joining, known.used, blocks, alpha, self.settings)


def _noted(
    known: GroupedPricing, index: Int[Tensor, " k"], pricing: GroupedPricing
) -> GroupedPricing:
    """Return what is known of all blocks with the pricing of some."""
    width = max(known.rows.shape[1], pricing.rows.shape[1])
    known = replace(known, rows=padded(known.rows, width),
                    multipliers=padded(known.multipliers, width))
    pricing = replace(pricing, rows=padded(pricing.rows, width),
                      multipliers=padded(pricing.multipliers, width))
    return by_field(lambda whole, part: whole.index_copy(0, index, part), known, pricing)
