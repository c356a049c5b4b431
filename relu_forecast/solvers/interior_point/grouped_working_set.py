"""Working sets of pairs (block, group), for programs whose blocks have many groups.

At an optimum of a circular program a dozen blocks are not zero, and of each of them a dozen of its
frequencies. The Newton method holds such pairs. The correlations of the blocks held with the
residual, their cone multipliers included, tell at every iterate which other groups of them
violate: those join at once, while the iterate is still far from the boundary. Blocks that are not
held are priced when the iterate is near enough to the optimum of those that are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import by_field, taken
from relu_forecast.solvers.interior_point.grouped_blocks import HeldGroups
from relu_forecast.solvers.interior_point.held_blocks import (
    WorkingSetTooLargeError,
    moved_inside,
)
from relu_forecast.solvers.interior_point.rays import solve_on_rays
from relu_forecast.solvers.pricing.candidates import largest, outside, screened_values
from relu_forecast.solvers.pricing.cone_rows import padded
from relu_forecast.solvers.pricing.grouped import GroupedPricer, GroupedPricing
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.settings import SolverSettings
from relu_forecast.solvers.solution import Callback, Solution, status_of


@dataclass(frozen=True)
class _Progress:
    """How near the blocks held have come to their own optimum."""

    held: HeldGroups
    certificate: Certificate
    stalled: bool


class GroupedWorkingSet:
    """One solve of a program that the zero network does not solve."""

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        settings: SolverSettings,
    ) -> None:
        self.program, self.tol, self.max_iter = program, tol, max_iter
        self.tell = callback or (lambda *_: None)
        self.settings, self.rules = settings, settings.grouped
        self.fine = program.in_double()
        self.iteration, self.bound = 0, 0.0
        self.joined, self.reduced = 0, False  # when groups joined last; whether pairs were left out
        self.every = settings.working_set.check_every.on(program.X.device)
        self.pricer = GroupedPricer(program, settings.pricing)
        # Coordinates that no row has: what a block had there would cost, and never move.
        self.seen = (self.fine.features.rows != 0).any(dim=0).to(self.fine.X)

    def solve(self, start: Float[Tensor, "K d"] | None) -> Solution:
        """Enlarge the set of pairs until all blocks are priced within the tolerance."""
        held = self.restart = self._first(start)
        goals = self._goals(held)
        while True:
            progress = self._newton_steps(held, goals[0])
            held, over = progress.held, progress.stalled or self.iteration >= self.max_iter
            final = over or len(goals) == 1
            pricing = self._priced(held, final=final)
            certificate = self._certificate(progress, pricing)
            if pricing is not None:
                self.tell(self.iteration, certificate)
            if over or certificate.gap <= self.tol:
                break
            joining = held.index[:0] if pricing is None else self._violating(
                held, min(goals[0], self.tol), final=final)
            if len(joining):
                held = self.restart = self._joined(held, joining)
            else:
                goals = goals[1:] or [goals[0] / 10]
        return self._solution(progress, certificate)

    def _first(self, start: Float[Tensor, "K d"] | None) -> HeldGroups:
        """Hold the blocks of a guess and those of the largest screened values, with some groups."""
        program, rules = self.fine, self.rules
        guess = self._guess() if start is None else moved_inside(program, start.to(program.X))
        guess = guess * self.seen
        targets = self._targets(program.error(guess))
        values, norms = screened_values(self.program, targets, None), program.norm.norms(guess)
        used = norms > rules.negligible * norms.amax()
        values = values.where(~used, values.amax() + norms)
        count = max(rules.first_blocks, int(used.sum()))
        index = values.argsort(descending=True, stable=True)[:count]
        groups = self._leading(targets)
        sizes = program.norm.group_norms(guess)
        if start is not None:
            groups |= sizes > rules.negligible * sizes.amax()
        gates = self.program.norm.normalised(self.program.gates * self.seen.to(self.program.X))
        self.known = GroupedPricing.unknown(gates, groups)
        return self._held_first(index, groups[index], guess[index])

    def _held_first(
        self, index: Int[Tensor, " m"], groups: Bool[Tensor, "m G"], guess: Float[Tensor, "m d"]
    ) -> HeldGroups:
        """Hold blocks from a guess, moved inwards."""
        program, own, cones = self.fine, self.fine.restricted(index), self.program.has_cones
        pairs = int(groups.sum())
        self._check_size(pairs)
        share = own.objective(guess) / (pairs + 2 * len(index) * cones)
        if cones:
            length = self.rules.lift * share / program.beta
            guess = guess + length * own.norm.normalised(own.gates * self.seen)
        return HeldGroups.of(program, index, groups, guess, share, self.settings)

    def _guess(self) -> Float[Tensor, "K d"]:
        """Return the optimum on rays through gates; zero without cones."""
        program, rules = self.fine, self.settings.working_set
        blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        if program.has_cones and self.rules.first_blocks < program.n_blocks:
            values = screened_values(self.program, self._targets(program.targets), None)
            chosen = values.argsort(descending=True, stable=True)[:rules.guess_blocks]
            blocks[chosen] = solve_on_rays(program, chosen, rules.guess_steps)
        return blocks

    def _leading(self, targets: Float[Tensor, "K d"]) -> Bool[Tensor, "K G"]:
        """Return the groups of each block that have most in common with the residual."""
        norm = self.program.norm
        ratios = norm.group_norms(targets) / norm.weights
        count = min(norm.n_groups, max(
            self.rules.fewest_groups, math.ceil(self.rules.first_groups * norm.n_groups)))
        chosen = ratios.topk(count, dim=1).indices
        return torch.zeros_like(ratios, dtype=torch.bool).scatter_(1, chosen, True)

    def _targets(self, error: Float[Tensor, "n C"]) -> Float[Tensor, "K d"]:
        """Return the correlations of all blocks with what the skip leaves of an error."""
        return self.program.design.adjoint(self.fine.annihilate(error).to(self.program.targets))

    def _goals(self, held: HeldGroups) -> list[float]:
        """Return the relative gaps at which other blocks are priced, the last one first.

        One gap, the tolerance, where there are no others.
        """
        if self._holds_all(held):
            return [self.tol]
        early = (goal for goal in self.rules.pricing_gaps if goal > self.tol)
        return [*early, self.rules.final_gap * self.tol]

    def _newton_steps(self, held: HeldGroups, goal: float) -> _Progress:
        """Step until the blocks held are within ``goal`` of their own optimum, or no further."""
        best: tuple[HeldGroups, Certificate] | None = None
        gap, since, rules = math.inf, 0, self.rules
        while best is None or (
                gap > goal and since < rules.patience and self.iteration < self.max_iter):
            held = replace(held, state=held.method.step(held.state))
            self.iteration += 1
            if self.iteration % self.every and self.iteration < self.max_iter:
                continue
            now, own_gap, new = self._checked(held)
            since = 0 if now.gap < gap else since + 1
            if best is None or now.gap < gap:
                best, gap = (held, now), now.gap
            if own_gap >= rules.restart_gap:
                self.restart = held
            bound = now.dual_objective if self._holds_all(held) else self.bound
            self.tell(self.iteration,
                      replace(now, scope=self.program.scope, dual_objective=bound))
            if gap > goal and new is not None and self.iteration >= self.joined + rules.pause:
                held, since, self.joined = self._with_groups(held, new), 0, self.iteration
            elif goal < now.gap < rules.reducing_gap and not self.reduced:
                held, since, self.reduced = held.reduced(self.settings), 0, True
        return _Progress(*best, gap > goal and since >= rules.patience)

    def _checked(
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

    def _with_groups(self, held: HeldGroups, new: Bool[Tensor, "m G"]) -> HeldGroups:
        """Hold more groups."""
        self._check_size(int((held.groups | new).sum()))
        return held.with_groups(new, self.settings)

    def _holds_all(self, held: HeldGroups) -> bool:
        """Tell whether there are no other blocks."""
        return len(held.index) == self.program.n_blocks

    def _check_size(self, count: int) -> None:
        """Refuse more pairs than a Newton matrix has room for."""
        most = self.settings.working_set.most_weights
        size = self.program.features.width // self.program.norm.n_groups
        if count * size > most:
            raise WorkingSetTooLargeError(
                "method", f"'proximal' where a Newton matrix has more than {most:,} rows",
                f"{count:,} groups of {size} weights",
                "Pass method='proximal', fewer patterns or a larger beta.")

    def _priced(self, held: HeldGroups, *, final: bool) -> GroupedPricing | None:
        """Price the blocks that are not held, if there are any."""
        if self._holds_all(held):
            return None
        rest = outside(held.index, self.program.n_blocks).nonzero()[:, 0]
        pricing = self.pricer.price(
            rest, self._targets(held.error)[rest], taken(self.known, rest),
            looseness=0.0 if final else self.rules.looseness)
        self.known = _noted(self.known, rest, pricing)
        return pricing

    def _certificate(
        self, progress: _Progress, pricing: GroupedPricing | None
    ) -> Certificate:
        """Return the certificate over all blocks, with the best bound so far."""
        held, own = progress.held, progress.certificate
        left = self.fine.leave(held.error)
        violation = left.new_tensor(own.violation)
        if pricing is not None:
            worst = pricing.values.amax() / self.program.beta
            violation = torch.maximum(violation, worst.to(violation))
        self.bound = max(self.bound, float(self.fine.dual_bound(left, violation)))
        return Certificate(self.program.scope, own.objective, self.bound, float(violation))

    def _violating(self, held: HeldGroups, goal: float, *, final: bool) -> Int[Tensor, " k"]:
        """Return priced blocks that violate, the worst of them first."""
        values = self.known.values if final else self.known.reached
        wanted = outside(held.index, self.program.n_blocks) & (
            values > self.program.beta * (1 + self.rules.violation * goal))
        return largest(values, wanted, max(self.rules.joining_blocks, len(held.index) // 2))

    def _joined(self, held: HeldGroups, joining: Int[Tensor, " k"]) -> HeldGroups:
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
        self._check_size(int(base.groups.sum() + known.used.sum()))
        blocks = self.rules.lift * base.share / self.fine.beta * known.inner.to(base.blocks)
        alpha = blocks.new_zeros(len(joining), base.state.outputs.shape[1])
        alpha.scatter_add_(1, known.rows, known.multipliers.to(alpha))
        return base.joined(self.fine, joining, known.used, blocks, alpha, self.settings)

    def _solution(self, progress: _Progress, certificate: Certificate) -> Solution:
        """Prune, and put the blocks held among the others, which are zero."""
        held = progress.held
        found, certificate = prune(
            held.program, held.blocks, held.multipliers, certificate, self.tol)
        blocks = self.program.X.new_zeros(self.program.n_blocks, found.shape[1])
        blocks[held.index] = found.to(blocks)
        status = status_of(certificate, self.tol, progress.stalled)
        return Solution(
            self.program, blocks, certificate, status, "interior_point", self.iteration)


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
