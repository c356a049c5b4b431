"""Training a network to its global optimum: pattern discovery, convex programs, pricing.

Sampled patterns are far from the network's optimum; discovered ones reach it (THEORY 6.3):

1. a local search on (1), on at most a few thousand rows first, finds neurons and so patterns;
2. the convex program on these patterns is solved exactly;
3. pricing searches for neurons that violate optimality of the whole network;
4. the program's neurons and the new ones move together across cells, and 2-4 repeat with the
   patterns that they end on, until pricing finds nothing worth the tolerance.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.arrangements import ActivationPatterns, first_occurrences, sample_patterns
from relu_forecast.descent import DescentProblem
from relu_forecast.discovery import (
    Neurons,
    consolidate,
    local_objective,
    local_residual,
    refine,
)
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks import ReLUNetwork
from relu_forecast.pricing import PricedNeurons, perturbed_starts, price, random_starts
from relu_forecast.program import Activation, Certificate, ConvexProgram
from relu_forecast.skip import LinearSkip
from relu_forecast.solvers import Method, Solution, solve
from relu_forecast.solvers.solution import Status

Progress = Callable[[int, Certificate], None]

_DISCOVERY_ROWS = 2000
_DISCOVERY_STEPS = 120
_DISCOVERY_NEURONS = 100
_DISCOVERY_ROUNDS = 4
_DISCOVERY_STARTS = 100
_NEW_NEURONS = 15
_COARSE, _FINE = 1e-4, 3e-6
_SMALL_GAIN = 1e-4
_PRICING_STARTS = 300
_NEW_BLOCKS = 30


@dataclass(frozen=True)
class Objective:
    """What is minimised: the data and the weights of (1), before patterns are chosen.

    Attributes
    ----------
    X : Tensor, shape (n, d)
        Samples.
    y : Tensor, shape (n,)
        Targets.
    activation : {"relu", "gated_relu"}
        Of the hidden layer.
    linear_skip : bool
        Whether a linear part stands beside the network.
    skip_penalty : float
        Its ridge.
    """

    X: Float[Tensor, "n d"]
    y: Float[Tensor, " n"]
    activation: Activation
    linear_skip: bool
    skip_penalty: float

    @cached_property
    def skip(self) -> LinearSkip | None:
        """The eliminated skip on all rows."""
        return LinearSkip.of(self.X, self.skip_penalty) if self.linear_skip else None

    def program(
        self, patterns: ActivationPatterns, beta: float, signs: Tensor | None = None
    ) -> ConvexProgram:
        """Return the convex program on ``patterns``."""
        return ConvexProgram(
            self.X, self.y, patterns, beta, activation=self.activation,
            linear_skip=self.linear_skip, skip_penalty=self.skip_penalty, signs=signs)

    def network(self, neurons: Neurons) -> ReLUNetwork:
        """Return the ReLU network of these neurons beside the best skip."""
        problem = DescentProblem(self.X, self.y, 0.0, self.skip)
        return problem.network(*neurons.weights())

    @cached_property
    def linear_residual(self) -> Float[Tensor, " n"]:
        """What the best linear part leaves of the targets; the targets without one."""
        return self.y if self.skip is None else self.skip.annihilate(self.y)


@dataclass(frozen=True)
class Effort:
    """How far to go.

    Attributes
    ----------
    tol : float
        Relative gap to reach.
    max_iter : int
        Most rounds of discovery.
    method : {"auto", "interior_point", "cvxpy"}
        Solver of the programs.
    seed : int
        Of discovery and pricing.
    """

    tol: float
    max_iter: int
    method: Method
    seed: int


@dataclass(frozen=True)
class Training:
    """A trained network and the proof of how good it is.

    Attributes
    ----------
    network : ReLUNetwork
        Recovered from the last program.
    certificate : Certificate
        Scope "network-estimated" after pricing, "program" on fixed patterns.
    status : {"optimal", "max_iter", "stalled"}
        Whether the gap is within the tolerance.
    n_rounds : int
        Programs solved.
    """

    network: ReLUNetwork
    certificate: Certificate
    status: Status
    n_rounds: int


def estimate_beta_max(objective: Objective, seed: int) -> float:
    """Estimate the smallest beta at which the network has no neuron.

    ``max_{||u|| <= 1} |r'(Xu)_+|`` with r the residual of the linear part (or the target), by
    the multi-start search of `pricing.price`: a lower bound that a longer search could raise.
    For gated ReLU, the largest ``||X'D r||`` over the patterns D at the ends of that search.
    It is 0 where the linear part fits the target to rounding.
    """
    rounding = 1e4 * torch.finfo(objective.y.dtype).eps * objective.y.norm()
    priced = _price_linear(objective, seed)
    value = float(priced.values[0])
    if objective.activation == "gated_relu":
        switched = (priced.directions @ objective.X.T >= 0).to(objective.X)
        gated = (switched * objective.linear_residual) @ objective.X
        value = float(gated.norm(dim=1).amax())
    fitted = bool(objective.linear_residual.norm() <= rounding)
    return 0.0 if fitted or value <= float(rounding * objective.X.norm()) else value


def _price_linear(objective: Objective, seed: int) -> PricedNeurons:
    """Price the residual of the linear part, that is the network without neurons."""
    starts = random_starts(objective.X, _PRICING_STARTS, np.random.default_rng(seed))
    return price(objective.X, objective.linear_residual, starts)


def train_linear(objective: Objective, violation: float = 0.0) -> Training:
    """Return the network without neurons: the linear skip alone, or zero.

    ``violation`` is the worst neuron's ``|r'(Xu)_+| / beta``, at most 1 where this is optimal.
    """
    X = objective.X
    network = objective.network(Neurons(X.new_zeros(0, X.shape[1]), X.new_zeros(0)))
    value = 0.5 * float(objective.y.dot(objective.linear_residual))
    return Training(network, Certificate("network-estimated", value, value, violation),
                    "optimal", 1)


def train_on_patterns(
    objective: Objective, patterns: ActivationPatterns, beta: float, effort: Effort
) -> Training:
    """Solve the one program on given patterns; the certificate's scope is "program"."""
    solution = _quiet_solve(objective.program(patterns, beta), effort.tol, effort)
    return Training(solution.network(), solution.certificate, solution.status, 1)


def train_gated(
    objective: Objective, beta: float, n_patterns: int, effort: Effort
) -> Training:
    """Solve the gated program on discovered and sampled patterns; scope "program"."""
    gates = discover(_LocalSearch.of(objective, beta), effort.seed).blocks
    drawn = sample_patterns(objective.X, n_patterns, effort.seed).gates
    patterns = ActivationPatterns.from_gates(objective.X, torch.cat([gates, drawn]))
    return train_on_patterns(objective, patterns, beta, effort)


@dataclass(frozen=True)
class _LocalSearch:
    """The objective in units of root mean square one, for searches that feel scale."""

    problem: DescentProblem
    unit: float
    ridge: float

    @classmethod
    def of(cls, objective: Objective, beta: float) -> _LocalSearch:
        """Bring X and the linear residual to unit root mean square; beta goes along."""
        unit_x = _root_mean_square(objective.X)
        unit_y = _root_mean_square(objective.linear_residual)
        X, y = objective.X / unit_x, objective.y / unit_y
        ridge = objective.skip_penalty / unit_x**2
        skip = LinearSkip.of(X, ridge) if objective.linear_skip else None
        problem = DescentProblem(X, y, beta / (unit_x * unit_y), skip)
        return cls(problem, unit_y / unit_x, ridge)

    def rows(self, seed: int) -> DescentProblem:
        """Return the problem on a random 2,000 of its rows, beta and skip to match."""
        problem, n = self.problem, len(self.problem.X)
        if n <= _DISCOVERY_ROWS:
            return problem
        drawn = np.random.default_rng(seed).choice(n, _DISCOVERY_ROWS, replace=False)
        kept = torch.as_tensor(np.sort(drawn), device=problem.X.device)
        X, share = problem.X[kept], _DISCOVERY_ROWS / n
        skip = None if problem.skip is None else LinearSkip.of(X, share * self.ridge)
        return DescentProblem(X, problem.y[kept], problem.beta * share, skip)


def _root_mean_square(values: Tensor) -> float:
    """Return the root mean square, or 1 for zeros."""
    return float(values.square().mean().sqrt()) or 1.0


def discover(search: _LocalSearch, seed: int) -> Neurons:
    """Find neurons by local search from a random start.

    At most 2,000 random rows first, then all rows; then neurons that pricing finds join and
    the search goes on, until a round gains little.
    """
    generator = np.random.default_rng(seed)
    problem, sample = search.problem, search.rows(seed)
    start = Neurons.of_weights(*problem.initial(_DISCOVERY_NEURONS, seed))
    neurons = refine(sample, start, _DISCOVERY_STEPS)
    neurons = refine(problem, thin(sample, neurons, _COARSE), _DISCOVERY_STEPS)
    neurons = thin(problem, neurons, _FINE)
    value = local_objective(problem, neurons)
    for _ in range(_DISCOVERY_ROUNDS):
        residual = local_residual(problem, neurons)
        starts = torch.cat([random_starts(problem.X, _DISCOVERY_STARTS, generator),
                            perturbed_starts(neurons.blocks, _DISCOVERY_STARTS, generator)])
        new = price(problem.X, residual, starts).diverse(problem.X, problem.beta, _NEW_NEURONS)
        grown = neurons.joined(_first_steps(problem, new))
        neurons = thin(problem, refine(problem, grown, _DISCOVERY_STEPS // 2), _FINE)
        before, value = value, local_objective(problem, neurons)
        if value > (1 - _SMALL_GAIN) * before:
            break
    return neurons


def thin(problem: DescentProblem, neurons: Neurons, share: float) -> Neurons:
    """Drop and merge neurons as long as the objective rises by at most ``share`` of it."""
    return consolidate(problem, neurons, share * local_objective(problem, neurons))


def _first_steps(problem: DescentProblem, priced: PricedNeurons) -> Neurons:
    """Give priced directions the size that would be best for one, shared among all."""
    outputs = (problem.X @ priced.directions.T).relu()
    curvature = (outputs * problem.annihilate(outputs)).sum(0)
    gains = (priced.values - problem.beta).clamp_min(0.01 * problem.beta)
    sizes = gains / curvature.clamp_min(torch.finfo(gains.dtype).eps) / len(gains)
    return Neurons(sizes[:, None] * priced.directions, priced.signs)


def train_adaptively(
    objective: Objective,
    beta: float,
    effort: Effort,
    progress: Progress | None = None,
) -> Training:
    """Train a ReLU network until pricing finds no neuron that lowers the objective by ``tol``.

    Parameters
    ----------
    objective : Objective
        With the ReLU activation.
    beta : float
        Weight of the penalty, > 0.
    effort : Effort
        Estimated relative gap to reach, most rounds, solver, seed.
    progress : callable, optional
        Called as ``progress(round, certificate)`` after each round.

    Returns
    -------
    Training
        Scope "network-estimated".
    """
    first = _price_linear(objective, effort.seed)
    if float(first.values[0]) <= beta:
        return train_linear(objective, float(first.values[0]) / beta)
    generator = np.random.default_rng(effort.seed)
    search = _LocalSearch.of(objective, beta)
    neurons = discover(search, effort.seed)
    first = first.diverse(objective.X, beta, 4)
    gates = torch.cat([neurons.blocks, first.directions])
    signs = torch.cat([neurons.signs, first.signs])
    value = math.inf
    for n_rounds in range(1, effort.max_iter + 1):
        patterns, signs = _distinct_blocks(objective.X, gates, signs)
        solution = _quiet_solve(
            objective.program(patterns, beta, signs), effort.tol / 10, effort)
        certificate, priced = _certify(solution, effort.tol, generator)
        if progress is not None:
            progress(n_rounds, certificate)
        new = priced.diverse(objective.X, beta, _NEW_BLOCKS)
        if certificate.gap <= effort.tol or len(new.values) == 0:
            break
        used = solution.used
        neurons = _move(search, Neurons(solution.blocks[used], signs[used]), new)
        if certificate.objective > (1 - _SMALL_GAIN) * value:
            neurons = neurons.joined(Neurons(patterns.gates[used], signs[used]))
        value = certificate.objective
        gates = torch.cat([neurons.blocks, new.directions])
        signs = torch.cat([neurons.signs, new.signs])
    status: Status = "optimal" if certificate.gap <= effort.tol else "max_iter"
    network, certificate = _simplify(objective, search, solution, certificate, effort.tol)
    return Training(network, certificate, status, n_rounds)


def _simplify(
    objective: Objective,
    search: _LocalSearch,
    solution: Solution,
    certificate: Certificate,
    tol: float,
) -> tuple[ReLUNetwork, Certificate]:
    """Return the network with near-parallel neurons merged, if that keeps the gap.

    A neuron on the face between two cells has a block in both, and an interior point method
    splits it between them; the fewest neurons within the tolerance are what the data deserve.
    """
    used = solution.used
    neurons = Neurons(solution.blocks[used], solution.program.design.signs[used])
    fewer = thin(search.problem, neurons.scaled(1 / search.unit), tol / 10).scaled(search.unit)
    network = objective.network(fewer)
    value = network.objective(objective.X, objective.y, solution.program.beta,
                              objective.skip_penalty)
    simplified = replace(certificate, objective=value)
    if simplified.gap <= max(tol, certificate.gap):
        return network, simplified
    return solution.network(), certificate


def _certify(
    solution: Solution, tol: float, generator: np.random.Generator
) -> tuple[Certificate, PricedNeurons]:
    """Price a solution; where nothing is found, search five times as hard before saying so."""
    program = solution.program
    error, used = program.error(solution.blocks), solution.blocks[solution.used]
    residual = program.annihilate(error)
    for effort in (1, 5):
        starts = torch.cat([
            random_starts(program.X, effort * _PRICING_STARTS, generator),
            perturbed_starts(used, effort * _PRICING_STARTS, generator)])
        priced = price(program.X, residual, starts)
        certificate = _network_certificate(solution, error, residual, priced)
        if certificate.gap > tol:
            break
    return certificate, priced


def _move(search: _LocalSearch, neurons: Neurons, priced: PricedNeurons) -> Neurons:
    """Let a program's neurons and newly priced ones move across cells."""
    problem, neurons = search.problem, neurons.scaled(1 / search.unit)
    values = (problem.X @ priced.directions.T).relu().T @ local_residual(problem, neurons)
    unit = PricedNeurons(priced.directions, priced.signs, values.abs())
    grown = neurons.joined(_first_steps(problem, unit))
    return thin(problem, refine(problem, grown, _DISCOVERY_STEPS // 2), _FINE)


def _distinct_blocks(
    X: Float[Tensor, "n d"], gates: Float[Tensor, "m d"], signs: Float[Tensor, " m"]
) -> tuple[ActivationPatterns, Float[Tensor, " k"]]:
    """Return one block per distinct pattern and sign, gates on a boundary left out."""
    outputs = gates @ X.T
    masks = outputs >= 0
    inside = (outputs != 0)[:, (X != 0).any(dim=1)].all(dim=1)
    signed = torch.cat([masks, (signs > 0)[:, None]], dim=1)
    kept = first_occurrences(signed)
    kept = kept[inside[kept]]
    return ActivationPatterns(masks[kept], gates[kept]), signs[kept]


def _quiet_solve(program: ConvexProgram, tol: float, effort: Effort) -> Solution:
    """Solve without a warning: the caller judges the gap of the whole training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return solve(program, method=effort.method, tol=tol)


def _network_certificate(
    solution: Solution,
    error: Float[Tensor, " n"],
    residual: Float[Tensor, " n"],
    priced: PricedNeurons,
) -> Certificate:
    """Return the estimated certificate: the dual point scaled by the worst neuron found."""
    violation = priced.values[0] / solution.program.beta
    dual = float(solution.program.dual_bound(error, residual, violation))
    return replace(solution.certificate, scope="network-estimated", violation=float(violation),
                   dual_objective=min(dual, solution.dual_objective))
