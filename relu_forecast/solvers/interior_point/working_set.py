"""Working sets: the interior point method on what matters of a program, all other blocks priced.

At an optimum a dozen blocks of hundreds are not zero. The Newton method holds a few; whenever it is
near enough to their optimum all others are priced, and those that violate join. The enlarged set
does not go on from the last iterate, near the boundary of the cones, where an interior point
method makes short steps only. It goes on from an earlier iterate of the central path, whose gap was
still large. Cost follows the number of non-zero blocks; THEORY section 6.2.

Here is what is the same whether blocks are held whole (`block_working_set`) or in part
(`grouped_working_set`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.held import Held, moved_inside
from relu_forecast.solvers.interior_point.rays import solve_on_rays
from relu_forecast.solvers.pricing.candidates import screened_values
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.settings import GroupedSettings, SolverSettings, WorkingSetSettings
from relu_forecast.solvers.solution import Callback, Solution, status_of

Kept = TypeVar("Kept", bound=Held[Any])


@dataclass(frozen=True)
class Progress(Generic[Kept]):
    """How near the blocks held have come to their own optimum."""

    held: Kept
    """With the iterate of the smallest gap."""
    certificate: Certificate
    """Of `held`, over its blocks only."""
    stalled: bool
    """Whether rounding stopped progress."""


class WorkingSet(ABC, Generic[Kept]):
    """One solve of a program that the zero network does not solve.

    In single precision all blocks are priced in it, and the few held are solved for in double:
    Newton's matrices of near-collinear windows need that, and a relative gap of 1e-5 is reached.
    """

    restart: Kept
    """What is held, with the iterate from which a larger set goes on."""
    rules: WorkingSetSettings | GroupedSettings
    first_count: int
    """Blocks that are held first, at least."""
    early_gaps: Sequence[float]
    """Gaps at which blocks that are not held are priced, before the last."""

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        settings: SolverSettings,
    ) -> None:
        self.program, self.tol, self.max_iter = program, tol, max_iter
        self.tell, self.settings = callback or (lambda *_: None), settings
        self.fine = program.in_double()
        self.iteration, self.bound = 0, 0.0
        self.check_every = settings.working_set.check_every.on(program.X.device)
        # Coordinates that no row has: what a block had there would cost, and never move.
        self.seen = (self.fine.features.rows != 0).any(dim=0).to(self.fine.X)

    def solve(self, start: Float[Tensor, "K d"] | None) -> Solution:
        """Enlarge what is held until all blocks are priced within the tolerance."""
        held = self.restart = self._first(start)
        goals = self._goals(held)
        while True:
            progress = self._newton_steps(held, goals[0])
            held, over = progress.held, progress.stalled or self.iteration >= self.max_iter
            targets = None if self._holds_all(held) else self._targets(held.error)
            joining = held.index[:0] if over or targets is None else self._screened(held, targets)
            if len(joining) == 0 and (over or goals[0] < self._screening_gap):
                final = over or len(goals) == 1
                worst = None if targets is None else self._priced(held, targets, final=final)
                certificate = self._certificate(progress, worst)
                if worst is not None:
                    self.tell(self.iteration, certificate)
                if over or certificate.gap <= self.tol:
                    return self._solution(progress, certificate)
                if worst is not None:
                    excess = self.rules.violation * min(goals[0], self.tol)
                    joining = self._violating(held, 1 + excess, final=final)
            if len(joining):
                held = self.restart = self._enlarged(held, joining)
            else:
                goals = goals[1:] or [goals[0] / 10]

    def _first(self, start: Float[Tensor, "K d"] | None) -> Kept:
        """Hold the blocks of a guess, and those of the largest screened values beside it."""
        program = self.fine
        guess = self._guess() if start is None else moved_inside(program, start.to(program.X))
        guess = guess * self.seen
        targets = self._targets(program.error(guess))
        values, norms = screened_values(self.program, targets, None), program.norm.norms(guess)
        used = norms > self.rules.negligible * norms.amax()
        values = values.where(~used, values.amax() + norms)
        count = max(self.first_count, int(used.sum()))
        index = values.argsort(descending=True, stable=True)[:count]
        return self._held_first(index, guess, targets, given=start is not None)

    def _guess(self) -> Float[Tensor, "K d"]:
        """Return the optimum on rays through gates; zero where all blocks will be held anyway."""
        program, rules = self.fine, self.settings.working_set
        blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        if program.has_cones and self.first_count < program.n_blocks:
            values = screened_values(self.program, self._targets(program.targets), None)
            chosen = values.argsort(descending=True, stable=True)[:rules.guess_blocks]
            blocks[chosen] = solve_on_rays(program, chosen, rules.guess_steps)
        return blocks

    def _goals(self, held: Kept) -> list[float]:
        """Return the relative gaps at which other blocks are priced, the last one first.

        One gap, the tolerance, where there are no others.
        """
        if self._holds_all(held):
            return [self.tol]
        early = (goal for goal in self.early_gaps if goal > self.tol)
        return [*early, self.rules.final_gap * self.tol]

    def _newton_steps(self, held: Kept, goal: float) -> Progress[Kept]:
        """Step until the blocks held are within ``goal`` of their own optimum, or no further."""
        best: tuple[Kept, Certificate] | None = None
        gap, since = math.inf, 0
        while best is None or (gap > goal and since < self._patience(gap)
                               and self.iteration < self.max_iter):
            held = replace(held, state=held.method.step(held.state))
            self.iteration += 1
            if self.iteration % self.check_every and self.iteration < self.max_iter:
                continue
            now, own_gap, following = self._checked(held, goal)
            since = 0 if now.gap < gap else since + 1
            if best is None or now.gap < gap:
                best, gap = (held, now), now.gap
            if own_gap >= self.rules.restart_gap:
                self.restart = held
            bound = now.dual_objective if self._holds_all(held) else self.bound
            self.tell(self.iteration,
                      replace(now, scope=self.program.scope, dual_objective=bound))
            if following is not held:
                held, since = following, 0
        return Progress(*best, gap > goal and since >= self._patience(gap))

    def _holds_all(self, held: Kept) -> bool:
        """Tell whether there are no other blocks."""
        return len(held.index) == self.program.n_blocks

    def _targets(self, error: Float[Tensor, "n C"]) -> Float[Tensor, "K d"]:
        """Return the correlations of all blocks with what the skip leaves of an error."""
        return self.program.design.adjoint(self.fine.annihilate(error).to(self.program.targets))

    def _certificate(
        self, progress: Progress[Kept], worst: Float[Tensor, ""] | None
    ) -> Certificate:
        """Return the certificate over all blocks, with the best bound so far.

        The ``worst`` value is that of the blocks that are not held.
        """
        own, left = progress.certificate, self.fine.leave(progress.held.error)
        violation = left.new_tensor(own.violation)
        if worst is not None:
            violation = torch.maximum(violation, (worst / self.program.beta).to(violation))
        self.bound = max(self.bound, float(self.fine.dual_bound(left, violation)))
        return Certificate(self.program.scope, own.objective, self.bound, float(violation))

    def _solution(self, progress: Progress[Kept], certificate: Certificate) -> Solution:
        """Prune, and put the blocks held among the others, which are zero."""
        held = progress.held
        found, certificate = prune(
            held.program, held.blocks, held.multipliers, certificate, self.tol)
        blocks = self.program.X.new_zeros(self.program.n_blocks, found.shape[1])
        blocks[held.index] = found.to(blocks)
        status = status_of(certificate, self.tol, progress.stalled)
        return Solution(
            self.program, blocks, certificate, status, "interior_point", self.iteration)

    @property
    def _screening_gap(self) -> float:
        """The gap from which on other blocks are not screened only."""
        return math.inf

    def _screened(self, held: Kept, targets: Float[Tensor, "K d"]) -> Int[Tensor, " k"]:
        """Return blocks that need no pricing to be known to violate: none by default."""
        return held.index[:0]

    @abstractmethod
    def _held_first(
        self, index: Int[Tensor, " m"], guess: Float[Tensor, "K d"],
        targets: Float[Tensor, "K d"], *, given: bool,
    ) -> Kept:
        """Hold some blocks from a guess, which may be one that was ``given``."""

    @abstractmethod
    def _patience(self, gap: float) -> int:
        """Return how many evaluations without a smaller gap end the steps."""

    @abstractmethod
    def _checked(self, held: Kept, goal: float) -> tuple[Certificate, float, Kept]:
        """Return the certificate over the blocks held, a gap, and what to hold from here on.

        The gap says how far the iterate is from the boundary, for `restart`.
        """

    @abstractmethod
    def _priced(
        self, held: Kept, targets: Float[Tensor, "K d"], *, final: bool
    ) -> Float[Tensor, ""]:
        """Price the blocks that are not held, the last time exactly; return the worst value."""

    @abstractmethod
    def _violating(self, held: Kept, ratio: float, *, final: bool) -> Int[Tensor, " k"]:
        """Return priced blocks above ``ratio`` times beta, the worst of them first."""

    @abstractmethod
    def _enlarged(self, held: Kept, joining: Int[Tensor, " k"]) -> Kept:
        """Hold more blocks, from an earlier iterate."""
