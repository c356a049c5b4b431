"""Local search for a network: neurons that pricing finds join, and all move across cells.

THEORY 6.3: sampled patterns stay far from the network's optimum. Neurons join and leave here as
in a conditional-gradient method whose atoms slide: Denoyelle, Duval, Peyre & Soubies, Inverse
Problems 36 (2020) 014001. In units where scale does not matter, on few samples first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.gradients import DescentProblem
from relu_forecast.training.newton import descend
from relu_forecast.training.objective import Objective
from relu_forecast.training.pricing.search import FINISHED, PricedNeurons, price
from relu_forecast.training.pricing.starts import spread_starts
from relu_forecast.training.sizing import (
    certificate,
    consolidate,
    local_objective,
    local_residual,
    resize,
)

_FIRST_SAMPLE, _MORE_SAMPLES = 1000, 5
_SAMPLE_TOL = 3e-3
QUICK_STARTS = 15
"""Starts of each kind of a search that only looks for what to do next."""
NEW_NEURONS = 60
"""Most neurons that join at a time."""
_STEPS_PER_SAMPLE = 8
_NEWTON_STEPS = 8
_WIDEST, _NARROWING, _NARROWEST = 0.1, 0.6, 1e-3
_LAST_OF_FIRST, _LAST_OF_GAP, _LAST_OF_TOL = 0.1, 1e-2, 1e-2
"""Of the kinks of a step, as shares of the root mean square of a neuron's outputs."""
_WORTH_JOINING = 0.1


@dataclass(frozen=True)
class LocalSearch:
    """The objective, and the same in units of root mean square one, where scale does not matter.

    Attributes
    ----------
    objective : Objective
        Data.
    own : DescentProblem
        The objective at a beta, in its own units.
    problem : DescentProblem
        The same in units of one.
    unit : float
        Size in own units of a block of size one.
    """

    objective: Objective
    own: DescentProblem
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
        own = DescentProblem(objective.features, objective.y, beta, objective.skip)
        return cls(objective, own, problem, unit_y / unit_x)

    def samples(self, seed: int) -> Iterator[DescentProblem]:
        """Yield the problem on 1,000 random samples, on five times as many, ..., but not on all."""
        problem, n, size = self.problem, len(self.problem.y), _FIRST_SAMPLE
        order = np.random.default_rng(seed).permutation(n)
        while 2 * size < n:
            kept = torch.as_tensor(np.sort(order[:size])).to(problem.y.device)
            yield DescentProblem(
                problem.features.restricted(kept), problem.y[kept], problem.beta * size / n,
                self.objective.restricted_skip(kept, size / n))
            size *= _MORE_SAMPLES


def _root_mean_square(values: Tensor) -> float:
    """Return the root mean square, or 1 for zeros."""
    return float(values.square().mean().sqrt()) or 1.0


@dataclass(frozen=True)
class Growth:
    """How far to grow a network.

    Attributes
    ----------
    tol : float
        Relative gap, as a quick search sees it, to reach.
    n_steps : int
        Most steps.
    first : int
        Steps done before: kinks are narrower from step to step.
    """

    tol: float
    n_steps: int
    first: int = 0


def discover(search: LocalSearch, seed: int) -> Neurons:
    """Find neurons by local search on samples of growing size, where there are many samples."""
    generator = np.random.default_rng(seed)
    rows = search.problem.features.rows
    neurons = Neurons(rows.new_zeros(0, rows.shape[1]), rows.new_zeros(0))
    growth = Growth(_SAMPLE_TOL, _STEPS_PER_SAMPLE)
    for sample in search.samples(seed):
        neurons = grow(sample, neurons, None, growth, generator)
    return neurons


def grow(
    problem: DescentProblem,
    neurons: Neurons,
    priced: PricedNeurons | None,
    growth: Growth,
    generator: np.random.Generator,
) -> Neurons:
    """Let neurons that pricing finds join, and all move, until a quick search finds none.

    Parameters
    ----------
    problem : DescentProblem
        Loss, beta and norm.
    neurons : Neurons
        Where to start, in the problem's units.
    priced : PricedNeurons, optional
        What joins first; by default a search finds it.
    growth : Growth
        When to stop.
    generator : Generator
        Of the searches.
    """
    features, widest = problem.features, _WIDEST
    for step in range(growth.first, growth.first + growth.n_steps):
        if priced is None:
            priced = look(problem, neurons, QUICK_STARTS, generator)
        priced = priced.revalued(features, local_residual(problem, neurons))
        worst = float(priced.values[0])
        gap = certificate(problem, neurons, worst, "network-estimated").gap
        if gap <= growth.tol:
            break
        above = (1 + _WORTH_JOINING * growth.tol) * problem.beta
        new = priced.diverse(features, above, NEW_NEURONS)
        first = min(max(_NARROWEST, min(gap, _WIDEST * _NARROWING**step)), widest)
        last = max(min(_LAST_OF_FIRST * first, _LAST_OF_GAP * gap), _LAST_OF_TOL * growth.tol)
        neurons, widest = _improve(problem, neurons, new, first, last)
        priced = None
    return neurons


def look(
    problem: DescentProblem,
    neurons: Neurons,
    n_starts: int,
    generator: np.random.Generator,
    ends: Tensor | None = None,
    n_finished: int = FINISHED,
) -> PricedNeurons:
    """Search from starts of all kinds, and earlier ends, for neurons that lower the objective."""
    features, residual = problem.features, local_residual(problem, neurons)
    starts = spread_starts(features, neurons.blocks, n_starts, generator)
    if ends is not None:
        starts = torch.cat([ends, starts])
    known = PricedNeurons(neurons.blocks, neurons.signs, neurons.signs).revalued(
        features, residual)
    return price(features, residual, starts, n_finished, known)


def _improve(
    problem: DescentProblem, neurons: Neurons, new: PricedNeurons, first: float, last: float
) -> tuple[Neurons, float]:
    """Let new neurons join at their best sizes, and all move; never return anything worse.

    Returns
    -------
    Neurons
        After the move, or before where no move was any good.
    width : float
        First width of the kinks that was.
    """
    joined = neurons.joined(Neurons(new.directions, new.signs))
    before = resize(problem, joined)
    value = local_objective(problem, before)
    for width in (first, first * _LAST_OF_FIRST):
        after = resize(problem, descend(problem, before, width, min(width, last), _NEWTON_STEPS))
        if local_objective(problem, after) < value:
            return after, width
    return before, width


def thin(problem: DescentProblem, neurons: Neurons, share: float) -> Neurons:
    """Drop and merge neurons as long as the objective rises by at most ``share`` of it."""
    return consolidate(problem, neurons, share * local_objective(problem, neurons))
