"""Training a network to its global optimum: neurons that join, move and are priced.

Sampled patterns are far from the network's optimum; discovered ones reach it (THEORY 6.3):

1. a local search on (1), on samples of growing size, finds neurons;
2. pricing searches for neurons that violate optimality of the whole network; where the rows
   span three dimensions or fewer it is exact, and the bound covers all networks;
3. what it finds joins, all neurons get their best sizes and move across cells together, and 2-3
   repeat until pricing finds nothing worth the tolerance: a critical point of (1) is the optimum
   of the program on its own patterns, so that no program is solved;
4. but where rounds gain little, the program on all cells around the neurons is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks.modules import TwoLayerNetwork
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    first_occurrences,
    sample_patterns,
)
from relu_forecast.patterns.cells import adjacent_gates
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import Method, Solution, solve
from relu_forecast.solvers.solution import Status
from relu_forecast.training.objective import Objective, Pricing, price_all
from relu_forecast.training.pricing.search import PricedNeurons
from relu_forecast.training.search import (
    NEW_NEURONS,
    QUICK_STARTS,
    Growth,
    LocalSearch,
    discover,
    grow,
    look,
    thin,
)
from relu_forecast.training.sizing import certificate, local_objective, local_residual

Progress = Callable[[int, Certificate], None]

_THOROUGH_STARTS = 100
"""Starts of each kind of the search that says that nothing was found."""
_ENDS = 24
"""Ends of the last search that are kept, where a later one can start."""
_STEPS_PER_ROUND = 5
_NEW_BLOCKS = 30
_PROGRAM_PRECISION = 0.1
_ROUGH = Growth(1e-3, 8)
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
    ends : Tensor, shape (k, c)
        Where the last search for neurons ended; none where there was no search.
    """

    network: TwoLayerNetwork
    neurons: Neurons
    certificate: Certificate
    status: Status
    n_rounds: int
    ends: Float[Tensor, "k c"]


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
    return Training(
        objective.network(neurons), neurons, certificate, "optimal", 1, linear.neurons.directions)


def train_on_patterns(
    objective: Objective, patterns: ActivationPatterns, beta: float, effort: Effort
) -> Training:
    """Solve the one program on given patterns; see `ConvexProgram.scope`."""
    solution = _quiet_solve(objective.program(patterns, beta), effort.tol, effort)
    neurons = _neurons_of(solution)
    return Training(solution.network(), neurons, solution.certificate, solution.status, 1,
                    neurons.blocks[:0])


def gated_patterns(
    objective: Objective, beta: float, n_patterns: int, seed: int
) -> ActivationPatterns:
    """Return the patterns of a local search at ``beta``, and ``n_patterns`` drawn ones."""
    search, generator = LocalSearch.of(objective, beta), np.random.default_rng(seed)
    found = grow(search.problem, discover(search, seed), None, _ROUGH, generator)
    gates = objective.architecture.gates(objective.X, found.blocks)
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
    neurons = discover(search, effort.seed) if start is None else start.scaled(1 / search.unit)
    priced, before = linear.neurons.diverse(objective.features, beta, NEW_NEURONS), np.inf
    best: Round | None = None
    for n_rounds in range(1, effort.max_iter + 1):
        growth = Growth(effort.tol, _STEPS_PER_ROUND, _STEPS_PER_ROUND * (n_rounds - 1))
        neurons = grow(search.problem, neurons, priced, growth, generator)
        own = neurons.scaled(search.unit)
        best = _price(search, own, effort.tol, generator).after(best)
        if progress is not None:
            progress(n_rounds, best.certificate)
        if best.certificate.gap <= effort.tol:
            break
        priced = best.priced.neurons
        if best.certificate.objective > (1 - _PROGRAM_PRECISION * effort.tol) * before:
            neurons = _solve_program(search, best, effort).scaled(1 / search.unit)
        before = best.certificate.objective
    assert best is not None
    return conclude(search, best, effort.tol, n_rounds)


@dataclass(frozen=True)
class Round:
    """A network, and what pricing says of it, in their own units."""

    neurons: Neurons
    certificate: Certificate
    priced: Pricing

    def after(self, other: Round | None) -> Round:
        """Return this round with the bound of the one before, where both are proven."""
        if other is None or {self.priced.scope, other.priced.scope} != {"network"}:
            return self
        bound = max(self.certificate.dual_objective, other.certificate.dual_objective)
        return replace(self, certificate=replace(self.certificate, dual_objective=bound))


def _price(
    search: LocalSearch, neurons: Neurons, tol: float, generator: np.random.Generator
) -> Round:
    """Price a network: a quick search first, then all neurons, or a thorough search.

    Where pricing all neurons is cheap, they are priced at once.
    """
    problem, objective = search.own, search.objective
    for n_starts in (QUICK_STARTS, _THOROUGH_STARTS):
        if objective.prices_cheaply or (n_starts > QUICK_STARTS and objective.prices_exactly):
            priced = price_all(objective, local_residual(problem, neurons))
        else:
            priced = Pricing(look(problem, neurons, n_starts, generator), "network-estimated")
        found = certificate(problem, neurons, priced.worst, priced.scope)
        if found.gap > tol or priced.scope == "network":
            break
    return Round(neurons, found, priced)


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


def conclude(search: LocalSearch, found: Round, tol: float, n_rounds: int) -> Training:
    """Return the network with near-parallel neurons merged, if that keeps the gap.

    A neuron on the face between two cells may have a copy in both; the fewest neurons within
    the tolerance are what the data deserve.
    """
    objective, most = search.objective, max(tol, found.certificate.gap)
    for neurons in (thin(search.own, found.neurons, tol / 10), found.neurons):
        network = objective.network(neurons)
        value = objective.value(network, search.own.beta)
        bound = found.certificate.dual_objective
        if found.certificate.scope == "network-estimated":
            bound = min(bound, value)  # an estimate that the merged network refutes
        simplified = replace(found.certificate, objective=value, dual_objective=bound)
        if simplified.gap <= most:
            break
    status: Status = "optimal" if found.certificate.gap <= tol else "max_iter"
    ends = found.priced.neurons.diverse(objective.features, -torch.inf, _ENDS)
    return Training(network, neurons, simplified, status, n_rounds, ends.directions)


def _solve_program(search: LocalSearch, found: Round, effort: Effort) -> Neurons:
    """Solve the program on the cells around a network's neurons, and those that pricing found.

    Its optimum, where that is better than the network; the caller judges the gap.
    """
    objective, neurons = search.objective, found.neurons
    new = found.priced.neurons.diverse(objective.features, search.own.beta, _NEW_BLOCKS)
    patterns, signs = _Candidates.of(objective, neurons, new).patterns(objective)
    program = objective.program(patterns, search.own.beta, signs)
    solution = _quiet_solve(program, _PROGRAM_PRECISION * effort.tol, effort)
    return min(_neurons_of(solution), neurons, key=partial(local_objective, search.own))


def _quiet_solve(program: ConvexProgram, tol: float, effort: Effort) -> Solution:
    """Solve without a warning: the caller judges the gap of the whole training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return solve(program, method=effort.method, tol=tol)
