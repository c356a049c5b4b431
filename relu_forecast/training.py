"""Training a network to its global optimum: pattern discovery, convex programs, pricing.

Sampled patterns are far from the network's optimum; discovered ones reach it (THEORY 6.3):

1. gradient descent on (1), a few hundred steps on at most a few thousand rows, finds patterns;
2. the convex program on these patterns is solved exactly;
3. pricing searches for neurons that violate optimality of the whole network;
4. their patterns join the program, blocks that are zero leave, and 2-4 repeat until none is
   found. Every round lowers the objective.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.arrangements import ActivationPatterns, first_occurrences, sample_patterns
from relu_forecast.descent import Descent, DescentProblem, descend
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks import ReLUNetwork
from relu_forecast.pricing import PricedNeurons, perturbed_starts, price, random_starts
from relu_forecast.program import Activation, Certificate, ConvexProgram
from relu_forecast.skip import LinearSkip
from relu_forecast.solvers import Method, Solution, solve
from relu_forecast.solvers.solution import Status

PatternSource = Literal["adaptive", "sampled"]
Progress = Callable[[int, Certificate], None]

_DISCOVERY_ROWS = 2000
_DISCOVERY_STEPS = 400
_DISCOVERY_NEURONS = 100
_PRICING_STARTS = 300
_PRICING_COPIES = 6
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

    def skip(self) -> LinearSkip | None:
        """Return the eliminated skip on all rows."""
        return LinearSkip.of(self.X, self.skip_penalty) if self.linear_skip else None

    def program(
        self, patterns: ActivationPatterns, beta: float, signs: Tensor | None = None
    ) -> ConvexProgram:
        """Return the convex program on ``patterns``."""
        return ConvexProgram(
            self.X, self.y, patterns, beta, activation=self.activation,
            linear_skip=self.linear_skip, skip_penalty=self.skip_penalty, signs=signs)

    def linear_residual(self) -> Float[Tensor, " n"]:
        """Return what the best linear part leaves of the targets; the targets without one."""
        skip = self.skip()
        return self.y if skip is None else skip.annihilate(self.y)


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
    """
    generator = np.random.default_rng(seed)
    starts = random_starts(objective.X, _PRICING_STARTS, generator)
    residual = objective.linear_residual()
    scale = residual.norm() * objective.X.norm() * torch.finfo(residual.dtype).eps
    value = float(price(objective.X, residual, starts).values[0])
    return value if value > 100 * float(scale) else 0.0


def train_linear(objective: Objective) -> Training:
    """Return the network without neurons: the linear skip alone, or zero."""
    residual = objective.linear_residual()
    X, skip = objective.X, objective.skip()
    weight, bias = (None, None) if skip is None else skip.fit(objective.y)
    network = ReLUNetwork(X.new_zeros(0, X.shape[1]), X.new_zeros(0), skip_weight=weight,
                          skip_bias=bias)
    value = 0.5 * float(objective.y.dot(residual))
    return Training(network, Certificate("network-estimated", value, value, 0.0), "optimal", 1)


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
    gates, _ = discover(objective, beta, effort.seed)
    drawn = sample_patterns(objective.X, n_patterns, effort.seed).gates
    patterns = ActivationPatterns.from_gates(objective.X, torch.cat([gates, drawn]))
    return train_on_patterns(objective, patterns, beta, effort)


def discover(
    objective: Objective, beta: float, seed: int
) -> tuple[Float[Tensor, "m d"], Float[Tensor, " m"]]:
    """Find gates and signs of neurons by a short gradient descent in float32.

    On more than 2,000 rows the descent sees a random 2,000 of them, beta scaled alike. X and y
    are brought to unit root mean square first; patterns do not feel it.

    Returns
    -------
    gates : Tensor, shape (m, d)
        Weights of the neurons that descent left non-zero.
    signs : Tensor, shape (m,)
        Signs of their output weights.
    """
    X, y, n = objective.X, objective.y, len(objective.X)
    if n > _DISCOVERY_ROWS:
        rows = np.random.default_rng(seed).choice(n, _DISCOVERY_ROWS, replace=False)
        kept = torch.as_tensor(np.sort(rows), device=X.device)
        X, y, beta = X[kept], y[kept], beta * _DISCOVERY_ROWS / n
    unit_x, unit_y = _root_mean_square(X), _root_mean_square(objective.linear_residual())
    X, y = (X / unit_x).float(), (y / unit_y).float()
    skip = LinearSkip.of(X, objective.skip_penalty / unit_x**2) if objective.linear_skip else None
    problem = DescentProblem(X, y, beta / (unit_x * unit_y), skip)
    descent = Descent("adam", _DISCOVERY_NEURONS, _DISCOVERY_STEPS, 2e-2)
    hidden, output = descend(problem, descent, seed)
    sizes = hidden.norm(dim=1) * output.abs()
    alive = sizes > 1e-4 * sizes.amax()
    return hidden[alive].to(objective.X), output[alive].sign().to(objective.X)


def _root_mean_square(values: Tensor) -> float:
    """Return the root mean square, or 1 for zeros."""
    return float(values.square().mean().sqrt()) or 1.0


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
    generator = np.random.default_rng(effort.seed)
    found = discover(objective, beta, effort.seed)
    gates, signs = _with_linear_neurons(objective, *found, generator)
    for n_rounds in range(1, effort.max_iter + 1):
        patterns, signs = _distinct_blocks(objective.X, gates, signs)
        solution = _quiet_solve(
            objective.program(patterns, beta, signs), effort.tol / 10, effort)
        priced = _price_solution(solution, generator)
        certificate = _network_certificate(solution, priced)
        if progress is not None:
            progress(n_rounds, certificate)
        new = priced.distinct(objective.X, beta, _NEW_BLOCKS)
        if certificate.gap <= effort.tol or len(new.values) == 0:
            break
        used = (solution.blocks != 0).any(dim=1)
        gates = torch.cat([patterns.gates[used], new.directions])
        signs = torch.cat([signs[used], new.signs])
    status: Status = "optimal" if certificate.gap <= effort.tol else "max_iter"
    return Training(solution.network(), certificate, status, n_rounds)


def _with_linear_neurons(
    objective: Objective,
    gates: Float[Tensor, "m d"],
    signs: Float[Tensor, " m"],
    generator: np.random.Generator,
) -> tuple[Float[Tensor, "m2 d"], Float[Tensor, " m2"]]:
    """Add the best-priced neurons of the zero network, so that there is always a block."""
    starts = random_starts(objective.X, _PRICING_STARTS // 10, generator)
    priced = price(objective.X, objective.linear_residual(), starts)
    first = priced.distinct(objective.X, -np.inf, 4)
    return torch.cat([gates, first.directions]), torch.cat([signs, first.signs])


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


def _price_solution(solution: Solution, generator: np.random.Generator) -> PricedNeurons:
    """Price the residual of a solution from random starts and from around its own neurons."""
    program = solution.program
    residual = program.annihilate(program.y - program.design.forward(solution.blocks))
    starts = random_starts(program.X, _PRICING_STARTS, generator)
    used = (solution.blocks != 0).any(dim=1)
    near = perturbed_starts(solution.blocks[used], _PRICING_COPIES, generator)
    return price(program.X, residual, torch.cat([starts, near]))


def _network_certificate(solution: Solution, priced: PricedNeurons) -> Certificate:
    """Return the estimated certificate: the dual point scaled by the worst neuron found."""
    program = solution.program
    error = program.y - program.design.forward(solution.blocks)
    residual = program.annihilate(error)
    violation = float(priced.values[0]) / program.beta
    linear, quadratic = float(program.y.dot(residual)), float(error.dot(residual))
    scale = min(max(linear / quadratic, 0.0) if quadratic else 1.0, 1 / max(violation, 1e-300))
    dual = scale * linear - scale**2 * quadratic / 2
    dual = min(dual, solution.dual_objective)
    return replace(solution.certificate, scope="network-estimated", dual_objective=dual,
                   violation=violation)
