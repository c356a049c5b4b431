"""Training a network to its global optimum: neurons that join, move and are priced.

Sampled patterns are far from the network's optimum; discovered ones reach it (THEORY 6.3):

1. a first network is found on subsamples of growing size, by gradients or Newton steps;
2. pricing searches for neurons that violate optimality of the whole network; where the rows
   span three dimensions or fewer it is exact, and the bound covers all networks;
3. what it finds joins, all neurons get their best sizes and move across cells together, and 2-3
   repeat until pricing finds nothing worth the tolerance: a critical point of (1) is the optimum
   of the program on its own patterns, so that no program is solved;
4. but where rounds of Newton steps gain little, the program on all cells around the neurons is.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    sample_patterns,
)
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers import Method, Solution, solve, solve_with_heads
from relu_forecast.solvers.solution import Status
from relu_forecast.training.cells_around import patterns_around
from relu_forecast.training.growth import Growth
from relu_forecast.training.interruption import ends_one_training
from relu_forecast.training.movers import Movers
from relu_forecast.training.pricing.priced import Pricing
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.rounds import Progress, Round, Rounds
from relu_forecast.training.search import Budget
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.sizing import simplify
from relu_forecast.validation import check_choice


@dataclass(frozen=True)
class Effort:
    """How far to go."""

    tol: float
    """Relative gap to reach."""
    max_iter: int
    """Most rounds."""
    method: Method
    """Solver of the programs."""
    seed: int
    """Of all searches."""
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    """Tuning constants."""


@dataclass(frozen=True)
class Training:
    """A trained network and the proof of how good it is."""

    network: TwoLayerNetwork
    """As a torch module."""
    neurons: Neurons
    """The same as blocks and heads."""
    certificate: Certificate
    """Scope "network" or "network-estimated" after pricing, "program" on given patterns."""
    status: Status
    """Whether the gap is within the tolerance."""
    n_rounds: int
    """Rounds of search and pricing, or programs solved where heads were searched for."""
    ends: Float[Tensor, "k c"]
    """Where the last search for violating neurons ended; none where there was no search."""


@dataclass(frozen=True, eq=False)
class Trainer:
    """Training of one task, at any penalty."""

    task: TrainingTask
    """What to train on what."""
    effort: Effort
    """How far to go."""

    @cached_property
    def pricer(self) -> Pricer:
        """Prices neurons on all samples."""
        return Pricer(self.task.features, self.effort.settings.pricing, self.task.n_targets)

    @cached_property
    def linear(self) -> Pricing:
        """The pricing of the network without neurons, which gives beta_max."""
        return self.pricer.price_linear(self.task.linear_residual, self.effort.seed)

    def train_linear(self, linear: Pricing, beta: float) -> Training:
        """Return the network without neurons: the linear skip alone, or zero.

        It is optimal where no neuron in ``linear`` is worth more than beta. With ``beta = 0`` it
        is the exact fit of the linear part, and there is no violation to state.
        """
        neurons = Neurons.none(self.task.features, self.task.targets.shape[1])
        value = self.task.linear_objective
        violation = linear.worst / beta if beta else 0.0
        certificate = Certificate(linear.scope, value, value, violation)
        return Training(self.task.network(neurons), neurons, certificate, "optimal", 1,
                        linear.found.directions)

    def train_on_patterns(self, patterns: ActivationPatterns, beta: float) -> Training:
        """Solve the program on given patterns, over all heads; see `solve_with_heads`."""
        effort = self.effort
        with warnings.catch_warnings():  # the caller judges the gap
            warnings.simplefilter("ignore", ConvergenceWarning)
            solution = solve_with_heads(
                self.task, patterns, beta, method=effort.method, tol=effort.tol,
                max_iter=effort.max_iter, settings=effort.settings.solver)
        neurons = neurons_of(solution)
        n_rounds = 1 if self.task.has_signs else solution.n_iter
        return Training(solution.network(), neurons, solution.certificate, solution.status,
                        n_rounds, neurons.blocks[:0])

    def fixed_patterns(
        self, patterns: Any, n_patterns: int, beta: float
    ) -> ActivationPatterns | None:
        """Return the patterns to train on, or None where training discovers them.

        ``patterns`` is as in `ConvexReLURegressor`; beta is the penalty at which a gated network
        searches for its patterns.
        """
        if isinstance(patterns, ActivationPatterns):
            return patterns
        check_choice(patterns, "patterns", ("adaptive", "sampled", "exact"))
        if patterns == "exact":
            return enumerate_patterns(self.task.gate_inputs)
        if patterns == "sampled":
            return sample_patterns(self.task.gate_inputs, n_patterns, self.effort.seed)
        if self.task.activation == "gated_relu":
            return self.gated_patterns(beta, n_patterns)
        return None

    def gated_patterns(self, beta: float, n_patterns: int) -> ActivationPatterns:
        """Return the patterns of a local search at ``beta``, and ``n_patterns`` drawn ones."""
        task, settings, seed = self.task, self.effort.settings, self.effort.seed
        movers = Movers(task.problem(beta).standardised(), settings, lambda reached: None,
                        self.pricer.is_exact)
        search = movers.by_newton if task.has_signs else movers.by_gradients
        rough = Budget(settings.rounds.rough_gap, settings.rounds.rough_steps)
        found = search.improve(search.find(seed), None, rough, np.random.default_rng(seed))
        gates = task.architecture.gates(task.X, found.blocks)
        drawn = sample_patterns(task.gate_inputs, n_patterns, seed).gates
        return ActivationPatterns.from_gates(task.gate_inputs, torch.cat([gates, drawn]))

    def train(
        self, beta: float, linear: Pricing | None = None, *, start: Neurons | None = None,
        progress: Progress | None = None
    ) -> Training:
        """Train a ReLU network until pricing finds no neuron that lowers the objective by ``tol``.

        ``linear`` is the pricing of the network without neurons; by default it is computed.
        ``start`` is a network to start from, for example the optimum of a nearby beta; by default a
        local search on subsamples finds one. ``progress(round, certificate)`` is called after each
        round, and when something has been reached in the midst of one. The scope is "network"
        where pricing is exact, else "network-estimated". Ctrl-C ends the training with the best
        network so far and its gap, but see `interruption`.
        """
        linear = self.linear if linear is None else linear
        if linear.worst <= beta:
            return self.train_linear(linear, beta)
        own = self.task.problem(beta)
        rounds = Rounds(own, linear, self.effort.settings.dual, progress)
        try:
            self._run(rounds, start)
        except KeyboardInterrupt:
            if not ends_one_training():
                raise
            return self.conclude(own, rounds.reached, rounds.number, interrupted=True)
        return self.conclude(own, rounds.reached, rounds.number)

    def _run(self, rounds: Rounds, start: Neurons | None) -> None:
        """Run rounds until the gap is reached."""
        effort, settings, own = self.effort, self.effort.settings.rounds, rounds.problem
        generator = np.random.default_rng(effort.seed)
        problem = own.standardised()
        unit, before = problem.unit, np.inf
        movers = Movers(problem, effort.settings, lambda reached: rounds.reach(
            reached.scaled(unit)), self.pricer.is_exact)
        found = self.pricer.distinct(
            rounds.last.priced.found, own.beta, effort.settings.search.most_joining)
        search = movers.first(found.neurons) if start is None else movers.next(start, 0.0)
        neurons = search.find(effort.seed) if start is None else start.scaled(1 / unit)
        for rounds.number in range(1, effort.max_iter + 1):
            steps = search.steps_per_round
            budget = Budget(effort.tol, steps, steps * (rounds.number - 1))
            neurons = search.improve(neurons, found, budget, generator)
            rounds.add(self._price(rounds, neurons.scaled(unit), generator))
            if rounds.certificate.gap <= effort.tol:
                break
            found = rounds.last.priced.found
            little = settings.program_precision * effort.tol
            value = rounds.last.certificate.objective
            stalled = value > (1 - little) * before and search is movers.by_newton
            if stalled and self.task.groups is None:  # programs hold Q as a matrix
                neurons = self._solve_program(own, rounds.last).scaled(1 / unit)
            before = value
            search = movers.next(neurons, rounds.certificate.gap)

    def _price(
        self, rounds: Rounds, neurons: Neurons, generator: np.random.Generator
    ) -> Round:
        """Price a network: a quick search first, then all neurons, or a thorough search.

        Where pricing all neurons is cheap, they are priced at once. What earlier searches of the
        rounds found counts as found.
        """
        problem, settings, pricer = rounds.problem, self.effort.settings, self.pricer
        left, thorough = problem.left_of(neurons), settings.rounds.thorough_starts
        residual = left[: len(problem.targets)]
        recalled = rounds.points.recalled(residual)
        for n_starts in self._starts(len(neurons)):
            if pricer.is_cheap or (n_starts == thorough and pricer.is_exact):
                priced = pricer.price_all(residual)
            else:
                priced = pricer.search_near(
                    residual, neurons, n_starts, generator, gap=self.effort.tol)
                if recalled is not None:
                    priced = replace(priced, found=priced.found.merged(recalled))
            certificate = problem.certify(
                priced.scope, left, neurons.blocks, priced.worst / problem.beta)
            if certificate.gap > self.effort.tol or priced.scope == "network":
                break
        return Round(neurons, certificate, priced)

    def _starts(self, n_neurons: int) -> tuple[int, ...]:
        """Return the starts of each kind of a quick search, and of a thorough one after it.

        Where the quick one needs nearly as many, the thorough one alone takes less time.
        """
        settings = self.effort.settings
        thorough = settings.rounds.thorough_starts
        quick = max(settings.search.quick_starts,
                    int(settings.rounds.starts_per_neuron * n_neurons))
        return (thorough,) if 2 * quick >= thorough else (quick, thorough)

    def conclude(
        self, problem: Problem, found: Round, n_rounds: int, *, interrupted: bool = False
    ) -> Training:
        """Return the last network with near-parallel neurons merged, if that keeps the gap.

        A neuron on the face between two cells may have a copy in both; the fewest neurons within
        the tolerance are what the data deserve. The problem is that in the units of the data.
        """
        tol, rounds = self.effort.tol, self.effort.settings.rounds
        most = max(tol, found.certificate.gap)
        share = rounds.simplifying if problem.n_head_entries == 1 else rounds.joint_simplifying
        simpler = simplify(
            problem, found.neurons, share * tol, self.effort.settings.group_lasso)
        if problem.n_head_entries > 1 and not interrupted:
            simpler = self._settled(problem, simpler)
        for neurons in (simpler, found.neurons):
            network = self.task.network(neurons)
            value = self.task.objective(network, problem.beta)
            bound = found.certificate.dual_objective
            if found.certificate.scope == "network-estimated":
                bound = min(bound, value)  # an estimate that the merged network refutes
            simplified = replace(found.certificate, objective=value, dual_objective=bound)
            if simplified.gap <= most:
                break
        status: Status = "interrupted" if interrupted else "max_iter"
        if found.certificate.gap <= tol:
            status = "optimal"
        ends = self.pricer.distinct(found.priced.found, -torch.inf, rounds.kept_ends)
        return Training(network, neurons, simplified, status, n_rounds, ends.directions)

    def _settled(self, problem: Problem, neurons: Neurons) -> Neurons:
        """Let the neurons of a finished network descend once more."""
        standardised = problem.standardised()
        growth = Growth(standardised, self.effort.settings)
        settled = growth.settle(neurons.scaled(1 / standardised.unit), self.effort.tol)
        return settled.scaled(standardised.unit)

    def _solve_program(self, problem: Problem, found: Round) -> Neurons:
        """Solve the program on the cells around a network's neurons, and those that pricing found.

        Return its optimum, or the network where that is better; the caller judges the gap.
        """
        rounds = self.effort.settings.rounds
        new = self.pricer.distinct(found.priced.found, problem.beta, rounds.new_blocks)
        patterns, signs = patterns_around(
            self.task, found.neurons.joined(new.neurons), every=self.pricer.is_exact)
        program = ConvexProgram.of(self.task, patterns, problem.beta, signs)
        solution = self._solve(program, rounds.program_precision * self.effort.tol)
        return min(neurons_of(solution), found.neurons, key=problem.objective_of)

    def _solve(self, program: ConvexProgram, tol: float) -> Solution:
        """Solve without a warning: the caller judges the gap of the whole training."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return solve(program, method=self.effort.method, tol=tol,
                         settings=self.effort.settings.solver)


def neurons_of(solution: Solution) -> Neurons:
    """Return the non-zero blocks of a solution."""
    return Neurons(solution.blocks, solution.program.design.heads).taken(solution.used)
