"""Local search for a start: neurons that move across cells, in units where scale does not matter.

THEORY 6.3: discovered patterns reach the network's optimum, sampled ones stay far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from relu_forecast.training.descent import DescentProblem
from relu_forecast.training.discovery import (
    consolidate,
    local_objective,
    local_residual,
    random_neurons,
    refine,
)
from relu_forecast.training.neurons import Neurons
from relu_forecast.training.objective import Objective
from relu_forecast.training.pricing import PricedNeurons, perturbed_starts, price, random_starts

_SAMPLE = 2000
_STEPS = 120
_NEURONS = 100
_ROUNDS, _ROUNDS_BETWEEN = 4, 2
_STARTS = 100
_NEW_NEURONS = 15
_COARSE, _FINE = 1e-4, 3e-6
SMALL_GAIN = 1e-4
"""Relative fall of the objective below which a round gained little."""


@dataclass(frozen=True)
class LocalSearch:
    """The objective in units of root mean square one, for searches that feel scale."""

    objective: Objective
    problem: DescentProblem
    unit: float

    @classmethod
    def of(cls, objective: Objective, beta: float) -> LocalSearch:
        """Bring rows and the linear residual to unit root mean square; beta goes along."""
        unit_x = _root_mean_square(objective.features.rows)
        unit_y = _root_mean_square(objective.linear_residual)
        problem = DescentProblem(
            objective.features.scaled(1 / unit_x), objective.y / unit_y,
            beta / (unit_x * unit_y), objective.skip)
        return cls(objective, problem, unit_y / unit_x)

    def sample(self, seed: int) -> DescentProblem:
        """Return the problem on 2,000 random samples, beta and skip to match."""
        problem, n = self.problem, len(self.problem.y)
        if n <= _SAMPLE:
            return problem
        drawn = np.random.default_rng(seed).choice(n, _SAMPLE, replace=False)
        kept, share = torch.as_tensor(np.sort(drawn)).to(problem.y.device), _SAMPLE / n
        return DescentProblem(problem.features.restricted(kept), problem.y[kept],
                              problem.beta * share, self.objective.restricted_skip(kept, share))


def _root_mean_square(values: Tensor) -> float:
    """Return the root mean square, or 1 for zeros."""
    return float(values.square().mean().sqrt()) or 1.0


def discover(search: LocalSearch, seed: int) -> Neurons:
    """Find neurons by local search from a random start.

    At most 2,000 random samples first, then all; then neurons that pricing finds join and the
    search goes on, until a round gains little.
    """
    problem, sample = search.problem, search.sample(seed)
    neurons = refine(sample, random_neurons(problem, _NEURONS, seed), _STEPS)
    neurons = refine(problem, thin(sample, neurons, _COARSE), _STEPS)
    neurons = thin(problem, neurons, _FINE)
    return _grow(problem, neurons, np.random.default_rng(seed), _ROUNDS)


def _grow(
    problem: DescentProblem, neurons: Neurons, generator: np.random.Generator, most: int
) -> Neurons:
    """Price and join neurons for at most so many rounds, or until one gains little."""
    features, value = problem.features, local_objective(problem, neurons)
    for _ in range(most):
        residual = local_residual(problem, neurons)
        starts = torch.cat([
            random_starts(features, _STARTS, generator),
            perturbed_starts(features, neurons.blocks, _STARTS, generator)])
        new = price(features, residual, starts).diverse(features, problem.beta, _NEW_NEURONS)
        neurons = _join(problem, neurons, new)
        before, value = value, local_objective(problem, neurons)
        if value > (1 - SMALL_GAIN) * before:
            break
    return neurons


def _join(problem: DescentProblem, neurons: Neurons, priced: PricedNeurons) -> Neurons:
    """Let neurons and newly priced ones move together across cells, and thin them out."""
    grown = neurons.joined(_first_steps(problem, priced))
    return thin(problem, refine(problem, grown, _STEPS // 2), _FINE)


def thin(problem: DescentProblem, neurons: Neurons, share: float) -> Neurons:
    """Drop and merge neurons as long as the objective rises by at most ``share`` of it."""
    return consolidate(problem, neurons, share * local_objective(problem, neurons))


def _first_steps(problem: DescentProblem, priced: PricedNeurons) -> Neurons:
    """Give priced directions the size that would be best for one, shared among all."""
    outputs = problem.features.outputs(priced.directions)
    curvature = problem.leave(outputs).square().sum(0)
    gains = (priced.values - problem.beta).clamp_min(0.01 * problem.beta)
    sizes = gains / curvature.clamp_min(torch.finfo(gains.dtype).eps) / len(gains)
    return Neurons(sizes[:, None] * priced.directions, priced.signs)


def move(
    search: LocalSearch, neurons: Neurons, priced: PricedNeurons, generator: np.random.Generator
) -> Neurons:
    """Let a program's neurons and newly priced ones move across cells; return all unscaled."""
    problem, neurons = search.problem, neurons.scaled(1 / search.unit)
    values = problem.features.outputs(priced.directions).T @ local_residual(problem, neurons)
    unit = PricedNeurons(priced.directions, priced.signs, values.abs())
    moved = _join(problem, neurons, unit)
    return _grow(problem, moved, generator, _ROUNDS_BETWEEN).scaled(search.unit)
