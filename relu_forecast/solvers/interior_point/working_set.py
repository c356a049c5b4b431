"""Working sets: the interior point method on the few blocks that matter, all others priced.

At an optimum a dozen blocks of hundreds are not zero. The Newton method holds a few; whenever it is
near enough to their optimum all others are priced (`pricing.blocks`), and those that violate join.
The enlarged set does not go on from the last iterate, near the boundary of the cones, where an
interior point method makes short steps only. It goes on from an earlier iterate of the central
path, whose gap was still large. Cost follows the number of non-zero blocks; THEORY section 6.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.grouped_working_set import GroupedWorkingSet
from relu_forecast.solvers.interior_point.held_blocks import HeldBlocks, moved_inside
from relu_forecast.solvers.interior_point.method import InteriorState
from relu_forecast.solvers.interior_point.rays import solve_on_rays
from relu_forecast.solvers.pricing.blocks import ConePricing
from relu_forecast.solvers.pricing.candidates import largest, outside, priced, screened_values
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.settings import SolverSettings
from relu_forecast.solvers.solution import Callback, Solution, status_of


@dataclass(frozen=True)
class _Progress:
    """How near the blocks held have come to their own optimum."""

    held: HeldBlocks
    """With the iterate of the smallest gap."""
    restart: InteriorState
    """The iterate from which a larger set goes on."""
    certificate: Certificate
    """Of `held`, over its blocks only."""
    stalled: bool
    """Whether rounding stopped progress."""


class WorkingSet:
    """One solve of a program that the zero network does not solve.

    In single precision all blocks are priced in it, and the few held are solved for in double:
    Newton's matrices of near-collinear windows need that, and a relative gap of 1e-5 is reached.
    """

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        settings: SolverSettings,
    ) -> None:
        self.program, self.tol, self.max_iter = program, tol, max_iter
        self.tell = callback or (lambda *_: None)
        self.settings, self.rules = settings, settings.working_set
        self.fine = program.in_double()
        self.iteration, self.bound = 0, 0.0
        self.every = torch.arange(program.n_blocks, device=program.X.device)
        self.left_once = torch.zeros_like(self.every, dtype=torch.bool)
        # How many blocks may join, however few are held.
        self.few = max(self.rules.joining_blocks,
                       self.rules.joining_weights // program.features.width)

    def solve(self, start: Float[Tensor, "K d"] | None) -> Solution:
        """Enlarge the set of blocks until all blocks are priced within the tolerance."""
        held, pricing = self._first(start), None
        goals = self._goals(held)
        while True:
            progress = self._newton_steps(held, goals[0])
            held, over = progress.held, progress.stalled or self.iteration >= self.max_iter
            targets = None if self._holds_all(held) else self._targets(held.error)
            joining = held.index[:0] if over or targets is None else self._screened(
                held, targets, pricing)
            if len(joining) == 0 and (over or goals[0] < self.rules.screening_gap):
                pricing = None if targets is None else priced(
                    self.program, self.every, targets, pricing, self.settings.pricing)
                certificate = self._certificate(progress, pricing)
                if pricing is not None:
                    self.tell(self.iteration, certificate)
                if over or certificate.gap <= self.tol:
                    break
                excess = self.rules.violation * min(goals[0], self.tol)
                joining = held.index[:0] if pricing is None else self._largest(
                    held, pricing.values, 1 + excess)
            if len(joining):
                held = self._exchanged(progress, joining)
            else:
                goals = goals[1:] or [goals[0] / 10]
        return self._solution(progress, certificate)

    def _first(self, start: Float[Tensor, "K d"] | None) -> HeldBlocks:
        """Hold the blocks of a guess, and those of the largest screened values beside it."""
        program = self.fine
        most = max(self.rules.first_blocks, self.rules.first_weights // program.features.width)
        guess = self._guess(most) if start is None else moved_inside(
            program, start.to(program.X))
        values = screened_values(self.program, self._targets(program.error(guess)), None)
        norms = program.norm.norms(guess)
        used = norms > self.rules.negligible * norms.amax()
        values = values.where(~used, values.amax() + norms)
        index = values.argsort(descending=True, stable=True)[:max(most, int(used.sum()))]
        return HeldBlocks.of(program, index, guess[index], self.settings)

    def _guess(self, most: int) -> Float[Tensor, "K d"]:
        """Return the optimum on rays through gates; zero where all blocks will be held anyway."""
        program = self.fine
        blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        if program.has_cones and most < program.n_blocks:
            values = screened_values(self.program, self._targets(program.targets), None)
            chosen = values.argsort(descending=True, stable=True)[:self.rules.guess_blocks]
            blocks[chosen] = solve_on_rays(program, chosen, self.rules.guess_steps)
        return blocks

    def _goals(self, held: HeldBlocks) -> list[float]:
        """Return the relative gaps at which other blocks are screened and priced, the last first.

        One gap, the tolerance, where there are no others.
        """
        if self._holds_all(held):
            return [self.tol]
        early = (self.rules.screening_gap, self.rules.pricing_gap)
        return [*(goal for goal in early if goal > self.tol), self.rules.final_gap * self.tol]

    def _newton_steps(self, held: HeldBlocks, goal: float) -> _Progress:
        """Step until the blocks held are within ``goal`` of their own optimum, or no further."""
        state = restart = held.state
        best: tuple[InteriorState, Certificate] | None = None
        gap, since, rules = math.inf, 0, self.rules
        every, patience = rules.check_every.on(held.index.device), rules.far_patience
        while best is None or (
                gap > goal and since < patience and self.iteration < self.max_iter):
            state, self.iteration = held.method.step(state), self.iteration + 1
            if self.iteration % every and self.iteration < self.max_iter:
                continue
            now = replace(held, state=state).certificate()
            since = 0 if now.gap < gap else since + 1
            if best is None or now.gap < gap:
                best, gap = (state, now), now.gap
                patience = rules.far_patience if gap > rules.far_gap else rules.patience
            if gap >= rules.restart_gap:
                restart = state
            bound = now.dual_objective if self._holds_all(held) else self.bound
            self.tell(self.iteration,
                      replace(now, scope=self.program.scope, dual_objective=bound))
        return _Progress(replace(held, state=best[0]), restart, best[1],
                         gap > goal and since >= patience)

    def _holds_all(self, held: HeldBlocks) -> bool:
        """Tell whether there are no other blocks."""
        return len(held.index) == self.program.n_blocks

    def _targets(self, error: Float[Tensor, "n C"]) -> Float[Tensor, "K d"]:
        """Return the correlations of all blocks with what the skip leaves of an error."""
        return self.program.design.adjoint(self.fine.annihilate(error).to(self.program.targets))

    def _screened(
        self, held: HeldBlocks, targets: Float[Tensor, "K d"], before: ConePricing | None
    ) -> Int[Tensor, " k"]:
        """Return blocks that screening shows to be violating, or none where they are few."""
        values = screened_values(self.program, targets, before)
        joining = self._largest(held, values, self.rules.screening_ratio)
        return joining if len(joining) >= self.few else joining[:0]

    def _largest(
        self, held: HeldBlocks, values: Float[Tensor, " K"], ratio: float
    ) -> Int[Tensor, " k"]:
        """Return the blocks not held of the largest values, half as many as are held at most."""
        wanted = outside(held.index, len(values)) & (values > self.program.beta * ratio)
        return largest(values, wanted, max(self.few, len(held.index) // 2))

    def _certificate(self, progress: _Progress, pricing: ConePricing | None) -> Certificate:
        """Return the certificate over all blocks, with the best bound so far."""
        held, own = progress.held, progress.certificate
        left = self.fine.leave(held.error)
        violation = left.new_tensor(own.violation)
        if pricing is not None:
            others = outside(held.index, self.program.n_blocks)
            worst = pricing.values.where(others, 0.0).amax() / self.program.beta
            violation = torch.maximum(violation, worst.to(violation))
        self.bound = max(self.bound, float(self.fine.dual_bound(left, violation)))
        return Certificate(self.program.scope, own.objective, self.bound, float(violation))

    def _exchanged(self, progress: _Progress, violating: Int[Tensor, " k"]) -> HeldBlocks:
        """Leave out blocks that are not in use, once each, and let the violating ones join."""
        held = progress.held
        leaving = held.unused() & ~self.left_once[held.index]
        self.left_once[held.index[leaving]] = True
        kept = (~leaving).nonzero()[:, 0]
        share = held.method.share(held.method.complementarity(progress.restart))
        return replace(held, state=progress.restart).restricted(kept).joined(
            self.fine, violating, share, self.settings)

    def _solution(self, progress: _Progress, certificate: Certificate) -> Solution:
        """Prune, and put the blocks held among the others, which are zero."""
        held = progress.held
        found, certificate = prune(
            held.program, held.state.blocks, held.multipliers, certificate, self.tol)
        blocks = self.program.X.new_zeros(self.program.n_blocks, found.shape[1])
        blocks[held.index] = found.to(blocks)
        status = status_of(certificate, self.tol, progress.stalled)
        return Solution(
            self.program, blocks, certificate, status, "interior_point", self.iteration)


def solve_interior_point(
    program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
    settings: SolverSettings, start: Float[Tensor, "K d"] | None = None
) -> Solution:
    """Solve to a relative gap of ``tol`` or until ``max_iter`` or rounding stops progress."""
    nothing = program.X.new_zeros(program.n_blocks, program.features.width)
    certificate = program.certificate(nothing, None)
    if certificate.gap <= tol:
        return Solution(program, nothing, certificate, "optimal", "interior_point", 0)
    grouped = program.norm.n_groups > 1 and program.features.n_patches == 1
    kind = GroupedWorkingSet if grouped else WorkingSet
    return kind(program, tol, max_iter, callback, settings).solve(start)
