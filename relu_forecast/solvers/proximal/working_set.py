"""Working sets of the proximal method: memory is bounded, passes over the samples are few.

The steps of `ProximalNewton` move the active blocks. Others join when screening or pricing shows
that they violate; blocks leave, once each, when the optimum will hardly use them. Blocks that the
duality gap proves to be zero at the optimum are never considered again (`pruning.proved_zero`).
Where not all blocks in use fit into memory, sets of them take turns: the others are fixed.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import joined, taken
from relu_forecast.solvers.pricing.blocks import ConePricing
from relu_forecast.solvers.pricing.candidates import largest, outside, priced, screened_values
from relu_forecast.solvers.pricing.cone_rows import WorkingRows
from relu_forecast.solvers.proximal.budget import Budget
from relu_forecast.solvers.proximal.newton import ActiveBlocks, Iterate, ProximalNewton
from relu_forecast.solvers.proximal.sketch import Metric
from relu_forecast.solvers.pruning import hardly_used, proved_zero
from relu_forecast.solvers.settings import SolverSettings
from relu_forecast.solvers.solution import Callback, Solution, status_of


def solve_proximal(
    program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
    settings: SolverSettings, start: Float[Tensor, "K d"] | None, *, memory_limit: int
) -> Solution:
    """Solve to a relative gap of ``tol`` with at most ``memory_limit`` bytes beside the program.

    Each of at most ``max_iter`` steps takes two passes over the samples with the active blocks; the
    callback is told whenever all blocks are priced. Blocks that are not zero in ``start`` are
    active first; their values do not matter, as the loss is quadratic. See `Budget` on the limit.
    """
    budget = Budget.of(program, memory_limit, settings.proximal.fewest_blocks)
    working_set = ProximalWorkingSet(program, tol, max_iter, callback, budget, settings)
    certificate = working_set.solve(start)
    status = status_of(certificate, tol, working_set.stalled)
    return Solution(
        program, working_set.blocks, certificate, status, "proximal", working_set.iteration)


class ProximalWorkingSet:
    """One solve of a program; parameters as of `solve_proximal`."""

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        budget: Budget, settings: SolverSettings,
    ) -> None:
        self.method = ProximalNewton(program, budget.slab_entries, settings)
        self.settings, self.rules = settings, settings.proximal
        self.program, self.most_blocks = program, budget.most_blocks
        self.tol, self.max_iter, self.callback = tol, max_iter, callback
        self.iteration, self.bound, self.stalled = 0, 0.0, False
        self.blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        # Blocks not proved to be zero at the optimum, and their correlations with the residual.
        self.possible = torch.arange(program.n_blocks, device=program.X.device)
        self.targets = torch.zeros_like(self.blocks)
        self.left_once = torch.zeros_like(self.possible, dtype=torch.bool)
        self.pricing: ConePricing | None = None
        self.metric = Metric(self.blocks.new_zeros(0, 0), True)
        # Relative gaps of the active blocks' own optimum at which all blocks are priced.
        self.goals = [*(goal for goal in self.rules.pricing_gaps if goal > tol),
                      self.rules.final_gap * tol]

    def solve(self, start: Float[Tensor, "K d"] | None) -> Certificate:
        """Change the working set until all blocks are priced within the tolerance."""
        none = ActiveBlocks(self.possible[:0], self.blocks[:0], self.blocks[:0],
                            WorkingRows.empty(self.blocks[:0], self.method.places))
        point = self.method.iterate(none, self.blocks)
        while True:
            self.targets = self.method.correlations(self.possible, point.error)
            over = self.stalled or self.iteration >= self.max_iter
            if start is None:
                joining = self._screened(point)
            else:
                joining = (start != 0).any(1).nonzero()[: self.most_blocks, 0]
                start = None
            if over or not len(joining):
                certificate = self._certified(point)
                if over or certificate.gap <= self.tol:
                    return self._pruned(point, certificate)
                joining = self._joining(point)
            point = self._exchanged(point, joining, self._leaving(point))
            point = self._descended(point)

    def _screened(self, point: Iterate) -> Int[Tensor, " k"]:
        """Return blocks that screening shows to be violating, or none where they are few.

        None without cones either, where pricing is as cheap.
        """
        program = self.program
        if not program.has_cones:
            return self.possible[:0]
        values = self._among_all(screened_values(
            program, self.targets, self.pricing, self.possible))
        wanted = values > self.rules.screening_ratio * program.beta
        wanted &= outside(point.active.index, len(values))
        joining = self._largest(values, wanted, point)
        first = len(point.active.index) == 0
        return joining if first or len(joining) >= self.rules.joining_blocks else joining[:0]

    def _among_all(self, values: Float[Tensor, " B"]) -> Float[Tensor, " K"]:
        """Return values of the possible blocks among those of all, which are zero."""
        return self.blocks.new_zeros(len(self.blocks)).index_copy(0, self.possible, values)

    def _largest(
        self, values: Float[Tensor, " K"], wanted: Bool[Tensor, " K"], point: Iterate
    ) -> Int[Tensor, " k"]:
        """Return the wanted blocks of the largest values, half as many as are active at most."""
        active = len(point.active.index)
        most = max(self.rules.joining_blocks, active // 2) if active else self.rules.first_blocks
        return largest(values, wanted, min(most, self.most_blocks // 2))

    def _certified(self, point: Iterate) -> Certificate:
        """Price the possible blocks, and return the certificate, with the best bound so far.

        Blocks that are proved to be zero at the optimum are left out for good.
        """
        program, active = self.program, point.active
        self.blocks[active.index] = active.blocks
        pricing = priced(program, self.possible, self.targets, self.pricing,
                         self.settings.pricing, self.method.slab_entries)
        left = program.leave(point.error)
        violation = pricing.values.amax() / program.beta
        self.bound = max(self.bound, float(program.dual_bound(left, violation)))
        objective = float(0.5 * left.square().sum() + program.penalty(self.blocks))
        certificate = Certificate(program.scope, objective, self.bound, float(violation))
        if self.callback is not None and self.iteration:
            self.callback(self.iteration, certificate)
        staying = (~proved_zero(program, self.method.row_gram, point.error, pricing.values,
                                objective)).nonzero()[:, 0]
        self.possible, self.targets = self.possible[staying], self.targets[staying]
        self.pricing = taken(pricing, staying)
        return certificate

    def _values(self) -> Float[Tensor, " K"]:
        """Return the values of all blocks in pricing, zero for those proved to be zero."""
        none = self.blocks.new_zeros(len(self.possible))
        return self._among_all(none if self.pricing is None else self.pricing.values)

    def _joining(self, point: Iterate) -> Int[Tensor, " k"]:
        """Return blocks that must join: violating ones, and those in use that are not active.

        Where none violates, or some have to take turns, the goal is lowered.
        """
        beta, values = self.program.beta, self._values()
        out = outside(point.active.index, len(values))
        idle = out & (self.blocks != 0).any(1)
        excess = self.rules.violation * min(self.goals[0], self.tol)
        violating = out & (values > beta * (1 + excess))
        if not bool(violating.any()) or bool(idle.any()):
            self.goals = self.goals[1:] or [max(0.5 * self.goals[0], 0.01 * self.tol)]
        return self._largest(torch.maximum(values, (2 * beta - values).where(idle, 0.0)),
                             violating | idle, point)

    def _leaving(self, point: Iterate) -> Bool[Tensor, " m"]:
        """Tell which active blocks the optimum will hardly use, and that never left before."""
        norm, active = self.program.norm, point.active
        norms = norm.norms(active.blocks)
        longest = torch.cat([norms, norm.norms(self.blocks)]).amax()
        unused = hardly_used(
            norms, self.method.active_values(point), self.program.beta, longest)
        return unused & ~self.left_once[active.index]

    def _exchanged(
        self, point: Iterate, joining: Int[Tensor, " k"], leaving: Bool[Tensor, " m"]
    ) -> Iterate:
        """Fix blocks that are not in use at zero, once each, and let others join.

        Where none joins and few leave, the set stays: a new one needs a new metric.
        """
        active = point.active
        self.blocks[active.index] = active.blocks
        if not len(joining) and int(leaving.sum()) <= self.rules.exchange * len(leaving):
            return point
        if len(leaving):
            self.left_once[active.index[leaving]] = True
            self.blocks[active.index[leaving]] = 0.0
            active = taken(active, (~leaving).nonzero()[:, 0])
        room = self.most_blocks - len(joining)
        latest = torch.arange(len(active.index), device=self.possible.device)[-room:]
        active = joined(self._ready(taken(active, latest)), self._fresh(joining))
        self.metric = self.method.sketch.metric(active.index)
        return self.method.iterate(active, self.blocks.index_fill(0, active.index, 0.0))

    def _ready(self, active: ActiveBlocks) -> ActiveBlocks:
        """Return blocks with as many places for rows as fresh ones have."""
        return replace(active, working=self.method.cone_rows.leading(
            active.working, self.method.places))

    def _fresh(self, joining: Int[Tensor, " k"]) -> ActiveBlocks:
        """Return blocks that join, with the rows that price them."""
        gates = self.program.norm.normalised(self.program.gates[joining])
        targets = self.targets[torch.searchsorted(self.possible, joining)]
        pricing = priced(self.program, joining, targets, None, self.settings.pricing,
                         self.method.slab_entries)
        return self._ready(
            ActiveBlocks(joining, self.blocks[joining], gates, pricing.working))

    def _descended(self, point: Iterate) -> Iterate:
        """Step until the active blocks are within the goal of their own optimum, or no further."""
        method, best, since = self.method, math.inf, 0
        primal, dual = method.bounds(point)
        while self.iteration < self.max_iter:
            self.iteration += 1
            gap = torch.maximum(primal - dual, torch.finfo(primal.dtype).eps * primal)
            point, self.metric = method.step(point, self.metric, gap, self._model_goal(primal, gap))
            primal, dual = method.bounds(point)
            now = float((primal - dual) / primal)
            since = 0 if now < self.rules.progress * best else since + 1
            best = min(best, now)
            self.stalled = since >= self.rules.patience
            if now <= self.goals[0] or self.stalled:
                break
        return point

    def _model_goal(self, primal: Float[Tensor, ""], gap: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return how far the model may stay above its minimum.

        An exact model is minimised once, to the goal. A sketched one to less than the excess of the
        objective itself, which is about the square of the relative gap that its residual certifies.
        """
        rules = self.rules.model
        if self.metric.exact:
            return rules.exact_goal * self.goals[0] * primal
        goal = torch.minimum(rules.sketched_goal * gap, rules.squared_goal * gap**2 / primal)
        return torch.maximum(goal, 1e-12 * primal)

    def _pruned(self, point: Iterate, certificate: Certificate) -> Certificate:
        """Zero the blocks that the optimum does not use, if the gap stays within the tolerance."""
        program, index = self.program, point.active.index
        norms = program.norm.norms(self.blocks)
        unused = hardly_used(norms, self._values(), program.beta, norms.amax())
        pruned = self.blocks.where(~unused[:, None], 0.0)
        _, error = self.method.errors(replace(point.active, blocks=pruned[index]),
                                      pruned.index_fill(0, index, 0.0))
        left = program.leave(error)
        objective = float(0.5 * left.square().sum() + program.penalty(pruned))
        after = replace(certificate, objective=objective)
        if after.gap > max(self.tol, certificate.gap):
            return certificate
        self.blocks = pruned
        return after
