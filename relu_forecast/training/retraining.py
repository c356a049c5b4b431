"""Training again after samples have joined or left: from what was found before.

A walk forward trains hundreds of times on nearly the same samples. The neurons and the ends of
the search of one training are nearly those of the next: the neurons settle, the search looks
again where it ended, and what it finds joins.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.gradients import DescentProblem
from relu_forecast.training.newton import descend
from relu_forecast.training.objective import Objective, Pricing, price_all
from relu_forecast.training.pricing.search import PricedNeurons, price
from relu_forecast.training.pricing.starts import spread_starts
from relu_forecast.training.search import NEW_NEURONS, LocalSearch, look
from relu_forecast.training.sizing import certificate, local_residual, resize
from relu_forecast.training.train import (
    Effort,
    Round,
    Training,
    conclude,
    train_adaptively,
    train_linear,
)
from relu_forecast.training.warm_start import WarmStart

_WIDEST, _WIDTH, _NARROWEST = 0.1, 1e-3, 1e-4
"""Of the kinks of neurons that move, as shares of the root mean square of their outputs."""
_STEPS = 2
_WORTH_JOINING = 1.02
"""Of neurons, as a multiple of beta: others would cost more time than they gain."""
_STARTS, _LINEAR_STARTS, _FINISHED = 4, 8, 6
_MOST_ROUNDS = 4


def reprice_linear(objective: Objective, warm_start: WarmStart, seed: int) -> Pricing:
    """Price the network without neurons, from where an earlier search ended and a few others.

    The others keep the largest penalty right over many fits: ends follow their own hill only.
    """
    if objective.prices_exactly:
        return price_all(objective, objective.linear_residual)
    features, ends = objective.features, warm_start.linear_ends
    starts = torch.cat(
        [ends, spread_starts(features, ends, _LINEAR_STARTS, np.random.default_rng(seed))])
    found = price(features, objective.linear_residual, starts, n_finished=_FINISHED)
    return Pricing(found, "network-estimated")


def retrain(
    objective: Objective, beta: float, effort: Effort, linear: Pricing, warm_start: WarmStart
) -> Training:
    """Train from what an earlier training on similar samples left behind.

    Parameters
    ----------
    objective, beta, effort, linear
        As for `train_adaptively`, which takes over where a few rounds do not reach the
        tolerance.
    warm_start : WarmStart
        Of the earlier training.

    Returns
    -------
    Training
    """
    if linear.worst <= beta:
        return train_linear(objective, linear, beta)
    search, generator = LocalSearch.of(objective, beta), np.random.default_rng(effort.seed)
    problem = search.problem
    neurons = _joined(problem, warm_start.neurons.scaled(1 / search.unit), warm_start.ends, _WIDTH)
    for n_rounds in range(1, _MOST_ROUNDS + 1):
        own = neurons.scaled(search.unit)
        priced = _look_again(objective, search.own, own, warm_start.ends, generator)
        found = certificate(search.own, own, priced.worst, priced.scope)
        if found.gap <= effort.tol:
            return conclude(search, Round(own, found, priced), effort.tol, n_rounds)
        width = max(_WIDTH, min(found.gap, _WIDEST))
        neurons = _joined(problem, neurons, priced.neurons.directions, width)
    return train_adaptively(
        objective, beta, effort, linear, start=neurons.scaled(search.unit))


def _look_again(
    objective: Objective,
    problem: DescentProblem,
    neurons: Neurons,
    ends: Float[Tensor, "k c"],
    generator: np.random.Generator,
) -> Pricing:
    """Price all neurons where that is cheap, else those near earlier ends and a few others."""
    if objective.prices_cheaply:
        return price_all(objective, local_residual(problem, neurons))
    found = look(problem, neurons, _STARTS, generator, ends, _FINISHED)
    return Pricing(found, "network-estimated")


def _joined(
    problem: DescentProblem, neurons: Neurons, directions: Float[Tensor, "k c"], width: float
) -> Neurons:
    """Return the network after those of some neurons that help have joined, and all have moved."""
    features, residual = problem.features, local_residual(problem, neurons)
    unsigned = torch.ones_like(directions[:, 0])
    worth = PricedNeurons(directions, unsigned, unsigned).revalued(features, residual)
    signed = PricedNeurons(worth.directions, worth.values.sign(), worth.values.abs()).best_first()
    new = signed.diverse(features, _WORTH_JOINING * problem.beta, NEW_NEURONS)
    joined = neurons.joined(Neurons(new.directions, new.signs))
    moved = descend(problem, resize(problem, joined), width, _NARROWEST, _STEPS)
    return resize(problem, moved)
