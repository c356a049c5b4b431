"""The program of given patterns over all heads: solve it on pairs, and add the heads it lacks.

With many targets or sites a pattern has as many heads as there are directions. At the optimum it
uses a few: the pairs of patterns and heads in hand are solved for, what they leave says which
heads are worth most, and those join, until none is worth more than beta. Of free blocks, those of
gated networks, the best heads are singular vectors (`problems.pairs`), so that the bound covers all
heads; the blocks of one pattern are brought to the fewest pairs besides, and the best heads of
these join too: they turn towards the optimum. In the cones of ReLU blocks the best head is searched
for: the best direction of the cone for a head, the best head for a direction, in turn.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.arguments import checked_patterns
from relu_forecast.problems.certificates import Scope
from relu_forecast.problems.pairs import (
    Pairs,
    best_heads,
    best_pairs,
    correlations_over_heads,
    fewest_pairs,
)
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers.pricing.blocks import price_blocks
from relu_forecast.solvers.selection import Method
from relu_forecast.solvers.settings import HeadSettings, SolverSettings
from relu_forecast.solvers.solution import Solution, status_of
from relu_forecast.solvers.solve import solve
from relu_forecast.validation import check_positive, check_positive_int


def solve_with_heads(
    task: TrainingTask, patterns: ActivationPatterns, beta: float, *, method: Method = "auto",
    tol: float = 1e-6, max_iter: int = 100, settings: SolverSettings | None = None,
    search: HeadSettings | None = None
) -> Solution:
    """Solve the program of given patterns over all heads, by programs on pairs of them.

    Parameters
    ----------
    task : TrainingTask
        Samples, targets and network.
    patterns : ActivationPatterns
        Patterns of the samples.
    beta : float
        Weight of the penalty, > 0.
    method, settings
        Of the programs on pairs, see `solve`.
    tol : float, default 1e-6
        Relative duality gap over all heads to reach. The last digits take many rounds: where
        targets are many and weights few, 1e-3 takes some 20.
    max_iter : int, default 100
        Most programs to solve.
    search : HeadSettings, optional
        Tuning of the search for heads. None takes the defaults.

    Returns
    -------
    Solution
        Its program is that of the pairs in use. The bound of gated networks is proven for all
        heads; that of ReLU networks for the pairs in use, and as far as a search can see for
        the other heads. With one site and one target it is that of `solve` for both signs. A
        solve that ends above ``tol`` warns.

    Raises
    ------
    InvalidArgumentError
        See `ConvexProgram` and `solve`.
    """
    check_positive(beta, "beta")
    check_positive(tol, "tol")
    check_positive_int(max_iter, "max_iter")
    if task.has_signs:
        return solve(ConvexProgram.of(task, patterns, beta), method=method, tol=tol,
                     settings=settings)
    settings = SolverSettings() if settings is None else settings
    rules = HeadSettings() if search is None else search
    own = checked_patterns(patterns, task)
    loop = _Alternation(task, own, beta, method, settings, rules)
    return loop.run(tol, max_iter).warn_unless_optimal(tol)


def beta_max_over_heads(task: TrainingTask, patterns: ActivationPatterns) -> float:
    """Return the smallest beta at which no pattern with any head is worth a neuron.

    With one site and one target see `ConvexProgram.beta_max`. Else it is the largest singular
    value of the matrices of `problems.pairs`, or, in cones, as far as a search can see.
    """
    if task.has_signs:
        return ConvexProgram.of(task, patterns, 1.0).beta_max()
    own, residual = checked_patterns(patterns, task), task.linear_residual
    norm, masks = task.features.norm, own.masks.flatten(1)
    matrices = correlations_over_heads(task.features, masks, residual)
    best = float(best_pairs(norm, matrices, torch.inf, 1).values[0])
    if task.activation == "gated_relu" or best == 0.0:
        return best
    rules, beta = HeadSettings(), best
    while True:  # what is far below beta is not searched for
        loop = _Alternation(task, own, beta, "auto", SolverSettings(), rules)
        found = float(loop.best(residual, None).values[0])
        if found > rules.promising * beta or beta < torch.finfo(task.X.dtype).eps * best:
            return found
        beta *= rules.promising


@dataclass(frozen=True)
class _Alternation:
    """Programs on pairs and searches for heads in turn; fields as of `solve_with_heads`."""

    task: TrainingTask
    patterns: ActivationPatterns
    beta: float
    method: Method
    settings: SolverSettings
    rules: HeadSettings

    @property
    def norm(self) -> GroupNorm:
        """The norm of a block."""
        return self.task.features.norm

    @property
    def is_gated(self) -> bool:
        """Whether blocks are free."""
        return self.task.activation == "gated_relu"

    @property
    def scope(self) -> Scope:
        """What a bound covers, see `solve_with_heads`."""
        proven = self.is_gated or self.task.X.dtype != torch.float64
        if proven or not self.patterns.are_all_of(self.task.gate_inputs):
            return "program"
        return "network-estimated"

    def run(self, tol: float, max_iter: int) -> Solution:
        """Solve and search until no head is worth the tolerance."""
        began, least, bound, since, n_rounds = time.perf_counter(), 1.0, 0.0, 0, 0
        pairs, n_known = self.best(self.task.linear_residual, None), 0
        while True:
            n_rounds += 1
            # The excess of the objective is about the square of the gap that a residual certifies.
            # Where that did not lower it, the programs were not solved finely enough.
            precision = max(self.rules.finest, self.rules.precision**(1 + since) * least**2)
            solution = self._solved(pairs, n_known, precision)
            pairs = self._used(pairs, solution.blocks)
            program = self._program(pairs)
            left = program.leave(program.error(pairs.blocks))
            found = self.best(left[: len(self.task.targets)], pairs)
            worst = max(solution.certificate.violation, float(found.values[0]) / self.beta)
            now = program.certify(self.scope, left, pairs.blocks, worst)
            bound = max(bound, now.dual_objective) if self.is_gated else now.dual_objective
            certificate = replace(now, dual_objective=min(bound, now.objective))
            since = 0 if certificate.gap < least else since + 1
            least, stalled = min(least, certificate.gap), since >= self.rules.patience
            if certificate.gap <= tol or stalled or n_rounds == max_iter:
                break
            pairs, n_known = pairs.joined(found), len(pairs.values)
        return Solution(program, pairs.blocks[: program.n_blocks], certificate,
                        status_of(certificate, tol, stalled), solution.method, n_rounds,
                        time.perf_counter() - began, solution.reason)

    def _program(self, pairs: Pairs) -> ConvexProgram:
        """Return the program on pairs."""
        own = ActivationPatterns(self.patterns.masks[pairs.patterns],
                                 self.patterns.gates[pairs.patterns])
        return ConvexProgram.of(self.task, own, self.beta, heads=pairs.heads)

    def _solved(self, pairs: Pairs, n_known: int, precision: float) -> Solution:
        """Solve the program on pairs; the first ones are known, and start from their blocks."""
        start = pairs.blocks.clone()
        start[n_known:] = 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return solve(self._program(pairs), method=self.method, tol=precision,
                         start=start if n_known else None, settings=self.settings)

    def _used(self, pairs: Pairs, blocks: Float[Tensor, "K d"]) -> Pairs:
        """Return the pairs in use with their blocks; of free blocks the fewest. One in any case."""
        pairs = replace(pairs, blocks=blocks, values=self.norm.norms(blocks))
        used = (pairs.values > 0).nonzero()[:, 0]
        if len(used) == 0:
            return pairs.taken(used.new_zeros(1))
        return fewest_pairs(self.norm, pairs.taken(used)) if self.is_gated else pairs.taken(used)

    def best(self, residual: Float[Tensor, "n C"], known: Pairs | None) -> Pairs:
        """Return pairs that are worth about beta or more beside a residual, the best one first.

        The best one comes in any case. The search in cones goes on from known pairs, too.
        """
        masks, rules = self.patterns.masks.flatten(1), self.rules
        matrices = correlations_over_heads(self.task.features, masks, residual)
        most = rules.joining_pairs if known is None else max(
            rules.joining_pairs, len(known.values))
        if self.is_gated:
            found = best_pairs(self.norm, matrices, rules.joining * self.beta, most)
            return found if known is None else found.joined(best_heads(
                matrices, replace(known, blocks=self.norm.normalised(known.blocks))))
        starts = best_pairs(self.norm, matrices, rules.promising * self.beta, most)
        starts = starts.joined(replace(starts, heads=-starts.heads))  # cones have two sides
        gates = self.norm.normalised(self.task.architecture.coordinates(self.patterns.gates))
        every = torch.arange(len(gates), device=gates.device)
        starts = starts.joined(best_heads(  # thin cells have little more than their gate
            matrices, Pairs(every, gates, starts.heads[:1].expand(len(gates), -1), gates[:, 0])))
        found = self._climbed(matrices, starts if known is None else starts.joined(known))
        return found.leading(rules.joining * self.beta, most)

    def _climbed(self, matrices: Float[Tensor, "P d SC"], starts: Pairs) -> Pairs:
        """Improve directions and heads of pairs in turn; return the best pair of each start."""
        features, masks = self.task.features, self.patterns.masks.flatten(1)
        gates = self.task.architecture.coordinates(self.patterns.gates)[starts.patterns]
        own, found, priced = matrices[starts.patterns], starts, None
        best = replace(starts, values=torch.zeros_like(starts.values))
        for _ in range(self.rules.climbing_steps):
            targets = (own @ found.heads[:, :, None])[:, :, 0]
            priced = price_blocks(
                features.rows, masks, gates, targets, self.norm, self.rules.promising * self.beta,
                cells=starts.patterns, warm=priced, settings=self.settings.pricing)
            found = best_heads(matrices, replace(found, blocks=priced.directions))
            best = found.where_better(best)
        return best
