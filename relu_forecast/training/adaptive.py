"""Training a network to its global optimum: pattern discovery, convex programs, pricing.

Sampled patterns are far from the network's optimum; discovered ones reach it (THEORY 6.3):

1. a local search on (1), on at most a few thousand rows first, finds neurons and so patterns;
2. the convex program on these patterns is solved exactly;
3. pricing searches for neurons that violate optimality of the whole network; where the rows
   span three dimensions or fewer it is exact, and the bound covers all networks;
4. the program's neurons and the new ones move together across cells, and 2-4 repeat with the
   patterns that they end on, until pricing finds nothing worth the tolerance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.arrangements import ActivationPatterns, first_occurrences, sample_patterns
from relu_forecast.cells import adjacent_gates
from relu_forecast.certificates import Certificate
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks import TwoLayerNetwork
from relu_forecast.program import ConvexProgram
from relu_forecast.solvers import Method, Solution, solve
from relu_forecast.solvers.solution import Status
from relu_forecast.training.local_search import SMALL_GAIN, LocalSearch, discover, move, thin
from relu_forecast.training.neurons import Neurons
from relu_forecast.training.objective import (
    PRICING_STARTS,
    Objective,
    Pricing,
    price_all,
    price_from,
)
from relu_forecast.training.pricing import POLISHED, PricedNeurons, perturbed_starts, random_starts

Progress = Callable[[int, Certificate], None]

_NEW_BLOCKS = 30
_FINEST = 1e-9
_AROUND_EXACT, _AROUND = (1e-8, 64), (1e-12, 8)
"""Distance below which a gate of unit length is on a boundary; most cells to take around it."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside: searches over patterns magnify rounding differences.

    Sums over several threads round differently, and a search that crosses kinks can end
    elsewhere for it. With one thread a fit is the same whatever the machine's thread count.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    network : TwoLayerNetwork
        Recovered from the last program.
    neurons : Neurons
        The same as signed blocks.
    certificate : Certificate
        Scope "network" or "network-estimated" after pricing, "program" on given patterns.
    status : {"optimal", "max_iter", "stalled"}
        Whether the gap is within the tolerance.
    n_rounds : int
        Programs solved.
    """

    network: TwoLayerNetwork
    neurons: Neurons
    certificate: Certificate
    status: Status
    n_rounds: int


def train_linear(objective: Objective, linear: Pricing, beta: float) -> Training:
    """Return the network without neurons: the linear skip alone, or zero.

    It is optimal where no neuron in ``linear`` is worth more than beta. With ``beta = 0`` it is
    the exact fit of the linear part, and there is no violation to state.
    """
    rows = objective.features.rows
    neurons = Neurons(rows.new_zeros(0, rows.shape[1]), rows.new_zeros(0))
    value = objective.linear_value
    violation = linear.worst / beta if beta else 0.0
    certificate = Certificate(linear.scope, value, value, violation)
    return Training(objective.network(neurons), neurons, certificate, "optimal", 1)


def train_on_patterns(
    objective: Objective, patterns: ActivationPatterns, beta: float, effort: Effort
) -> Training:
    """Solve the one program on given patterns; see `ConvexProgram.scope`."""
    solution = _quiet_solve(objective.program(patterns, beta), effort.tol, effort)
    return Training(solution.network(), _neurons_of(solution), solution.certificate,
                    solution.status, 1)


def gated_patterns(
    objective: Objective, beta: float, n_patterns: int, seed: int
) -> ActivationPatterns:
    """Return the patterns of a local search at ``beta``, and ``n_patterns`` drawn ones."""
    found = discover(LocalSearch.of(objective, beta), seed).blocks
    gates = objective.architecture.gates(objective.X, found)
    drawn = sample_patterns(objective.gate_inputs, n_patterns, seed).gates
    return ActivationPatterns.from_gates(objective.gate_inputs, torch.cat([gates, drawn]))


def train_adaptively(
    objective: Objective,
    beta: float,
    effort: Effort,
    linear: Pricing,
    *,
    start: Neurons | None = None,
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
        Relative gap to reach, most rounds, solver, seed.
    linear : Pricing
        Of the network without neurons, see `price_linear`.
    start : Neurons, optional
        Where to start, for example the optimum of a nearby beta; by default `discover` finds
        neurons.
    progress : callable, optional
        Called as ``progress(round, certificate)`` after each round.

    Returns
    -------
    Training
        Scope "network" where pricing is exact, else "network-estimated".
    """
    if linear.worst <= beta:
        return train_linear(objective, linear, beta)
    generator = np.random.default_rng(effort.seed)
    search = LocalSearch.of(objective, beta)
    neurons = discover(search, effort.seed) if start is None else start
    blocks = _Candidates.of(objective, neurons, linear.neurons.diverse(objective.features, beta, 4))
    best: _Round | None = None
    precision = effort.tol / 10
    for n_rounds in range(1, effort.max_iter + 1):
        patterns, signs = blocks.patterns(objective)
        solution = _quiet_solve(objective.program(patterns, beta, signs), precision, effort)
        found = _certify(objective, solution, effort.tol, generator)
        if progress is not None:
            progress(n_rounds, found.certificate)
        gain = 1.0 if best is None else 1 - found.objective / best.objective
        best = found.better_of(best)
        if best.certificate.gap <= effort.tol:
            break
        new = found.priced.neurons.diverse(objective.features, beta, _NEW_BLOCKS)
        neurons = move(search, _neurons_of(solution), new, generator)
        blocks = _Candidates.of(objective, neurons, new)
        if gain < SMALL_GAIN:
            used = solution.used
            blocks = blocks.joined(patterns.gates[used], signs[used])
        if gain < precision:  # what is worth less than that may be all that is missing
            precision = max(precision / 10, _FINEST)
    assert best is not None
    status: Status = "optimal" if best.certificate.gap <= effort.tol else "max_iter"
    network, neurons, certificate = _simplify(objective, search, best, effort.tol)
    return Training(network, neurons, certificate, status, n_rounds)


@dataclass(frozen=True)
class _Round:
    """A program's solution, and what pricing says of it."""

    solution: Solution
    certificate: Certificate
    priced: Pricing

    @property
    def objective(self) -> float:
        """Objective of the solution."""
        return self.certificate.objective

    def better_of(self, other: _Round | None) -> _Round:
        """Return the round of the smaller gap; a proven bound of either holds for both."""
        if other is None:
            return self
        proven = [one.certificate.dual_objective for one in (self, other)
                  if one.certificate.scope == "network"]
        better = min(self, other, key=lambda one: one.certificate.gap)
        if len(proven) == 2:
            better = min(self, other, key=lambda one: one.objective)
            certificate = replace(better.certificate, dual_objective=max(proven))
            return replace(better, certificate=certificate)
        return better


def _neurons_of(solution: Solution) -> Neurons:
    """Return the non-zero blocks of a solution."""
    used = solution.used
    return Neurons(solution.blocks[used], solution.program.design.signs[used])


@dataclass(frozen=True)
class _Candidates:
    """Gates and signs of the blocks that the next program holds, repeats and all."""

    gates: Float[Tensor, "m h"]
    signs: Float[Tensor, " m"]

    @classmethod
    def of(cls, objective: Objective, neurons: Neurons, priced: PricedNeurons) -> _Candidates:
        """Take the patterns that neurons and priced neurons are in or touch.

        Optima often lie on boundaries of cells, and a gate there is no start for a solver that
        needs room. In few dimensions all cells around come in, so that blocks can move; in many
        there would be too many, and only gates on boundaries are replaced.
        """
        blocks = torch.cat([neurons.blocks, priced.directions])
        boundary, most = _AROUND_EXACT if objective.prices_exactly else _AROUND
        gates, owners = adjacent_gates(
            objective.gate_inputs, objective.architecture.gates(objective.X, blocks), boundary,
            most)
        if len(gates) == 0:  # all on boundaries, as with samples far from the origin
            drawn = sample_patterns(objective.gate_inputs, _NEW_BLOCKS, 0).gates
            return cls(drawn, drawn.new_ones(len(drawn))).joined(drawn, -drawn.new_ones(len(drawn)))
        return cls(gates, torch.cat([neurons.signs, priced.signs])[owners])

    def joined(self, gates: Float[Tensor, "k h"], signs: Float[Tensor, " k"]) -> _Candidates:
        """Return these and more."""
        return _Candidates(torch.cat([self.gates, gates]), torch.cat([self.signs, signs]))

    def patterns(self, objective: Objective) -> tuple[ActivationPatterns, Float[Tensor, " k"]]:
        """Return one block per distinct pattern and sign, gates on a boundary left out."""
        rows = objective.gate_inputs
        outputs = self.gates @ rows.T
        masks = outputs >= 0
        sizes = self.gates.norm(dim=1)[:, None] * rows.norm(dim=1)
        clear = outputs.abs() > 2 * torch.finfo(rows.dtype).eps * sizes
        inside = clear[:, objective.features.cutting].all(dim=1)
        signed = torch.cat([masks, (self.signs > 0)[:, None]], dim=1)
        kept = first_occurrences(signed)
        kept = kept[inside[kept]]
        return ActivationPatterns(masks[kept], self.gates[kept]), self.signs[kept]


def _simplify(
    objective: Objective, search: LocalSearch, found: _Round, tol: float
) -> tuple[TwoLayerNetwork, Neurons, Certificate]:
    """Return the network with near-parallel neurons merged, if that keeps the gap.

    A neuron on the face between two cells has a block in both, and an interior point method
    splits it between them; the fewest neurons within the tolerance are what the data deserve.
    """
    solution, certificate = found.solution, found.certificate
    neurons = _neurons_of(solution)
    fewer = thin(search.problem, neurons.scaled(1 / search.unit), tol / 10).scaled(search.unit)
    network = objective.network(fewer)
    value = objective.value(network, solution.program.beta)
    dual = certificate.dual_objective
    if certificate.scope == "network-estimated":
        dual = min(dual, value)  # an estimate that the merged network refutes
    simplified = replace(certificate, objective=value, dual_objective=dual)
    if simplified.gap <= max(tol, certificate.gap):
        return network, fewer, simplified
    return solution.network(), neurons, certificate


def _certify(
    objective: Objective, solution: Solution, tol: float, generator: np.random.Generator
) -> _Round:
    """Price a solution; where nothing is found, price all neurons, or search five times as hard.

    Where pricing all neurons is cheap, they are priced at once.
    """
    program, features = solution.program, objective.features
    left, used = program.leave(program.error(solution.blocks)), solution.blocks[solution.used]
    residual = left[: len(program.y)]
    if objective.prices_cheaply:
        return _with_bound(solution, left, price_all(objective, residual))
    for effort in (1, 5):
        if effort > 1 and objective.prices_exactly:
            return _with_bound(solution, left, price_all(objective, residual))
        starts = torch.cat([
            random_starts(features, effort * PRICING_STARTS, generator),
            perturbed_starts(features, used, effort * PRICING_STARTS, generator)])
        found = _with_bound(
            solution, left, price_from(objective, residual, starts, effort * POLISHED))
        if found.certificate.gap > tol:
            break
    return found


def _with_bound(solution: Solution, left: Float[Tensor, " nd"], priced: Pricing) -> _Round:
    """Return the bound over all networks: the dual point scaled by the worst neuron.

    ``left`` is what the network and the best skip leave, see `ConvexProgram.leave`.
    """
    program = solution.program
    violation = priced.neurons.values[0] / program.beta
    dual = min(float(program.dual_bound(left, violation)), solution.dual_objective)
    certificate = replace(solution.certificate, scope=priced.scope, dual_objective=dual,
                          violation=float(violation))
    return _Round(solution, certificate, priced)


def _quiet_solve(program: ConvexProgram, tol: float, effort: Effort) -> Solution:
    """Solve without a warning: the caller judges the gap of the whole training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return solve(program, method=effort.method, tol=tol)
