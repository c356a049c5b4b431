"""Fewer neurons where heads have several entries: those go that the others can stand in for.

With all other heads at their best, dropping neuron j raises the ridge form of the group Lasso,
``1/2 ||Y - Phi V||_M^2 + beta/2 sum_j ||V_j||^2 / a_j``, by ``1/2 tr V_j' K_jj^-1 V_j`` with ``K =
(Phi'M Phi + beta diag(1/a))^-1``: the optimal brain surgeon of Hassibi & Stork, NIPS 1992.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.group_lasso import Moments, resize_groups
from relu_forecast.training.settings import GroupLassoSettings

_TRIES = 4
"""Numbers of neurons to drop that are tried, each half of the one before."""


def drop_neurons(
    problem: Problem, neurons: Neurons, budget: float, settings: GroupLassoSettings
) -> Neurons:
    """Drop neurons as long as the objective rises by at most ``budget``.

    Heads and sizes of those that stay are at their best. Cost O(N m d + n (S m)^2), and O((S m)^2)
    for each that goes.
    """
    sized = resize_groups(problem, neurons, settings)
    most = problem.objective_of(neurons) + budget
    dropped = _cheapest(problem, sized, budget)
    for _ in range(_TRIES):
        if not dropped:
            break
        kept = torch.ones(len(sized), dtype=torch.bool, device=sized.blocks.device)
        kept[dropped] = False
        fewer = resize_groups(problem, sized.taken(kept), settings)
        if problem.objective_of(fewer) <= most:
            return fewer
        dropped = dropped[: len(dropped) // 2]
    return sized if problem.objective_of(sized) <= most else neurons


def _cheapest(problem: Problem, neurons: Neurons, budget: float) -> list[int]:
    """Return the neurons that cost least to drop, one after the other, within the budget."""
    if len(neurons) == 0:
        return []
    sizes = problem.norm.norms(neurons.blocks)
    moments = Moments.of(problem, neurons.blocks / sizes[:, None])
    n_sites, m = problem.features.n_sites, len(neurons)
    weights = (neurons.heads * sizes[:, None]).view(m, n_sites, -1).transpose(0, 1).flatten(0, 1)
    ridge = (problem.beta / sizes).repeat(n_sites)
    inverse = torch.linalg.inv(moments.gram + torch.diag(ridge))
    dropped: list[int] = []
    while len(dropped) < m:
        costs = _costs(inverse, weights, n_sites)
        costs[dropped] = torch.inf
        index = int(costs.argmin())
        budget -= float(costs[index])
        if budget < 0:
            break
        dropped.append(index)
        own = index + m * torch.arange(n_sites, device=inverse.device)
        share = torch.linalg.solve(inverse[own][:, own], inverse[own]).T
        weights = weights - share @ weights[own]
        inverse = inverse - share @ inverse[own]
        inverse[own, own] = 1.0
    return dropped


def _costs(
    inverse: Float[Tensor, "Sm Sm"], weights: Float[Tensor, "Sm C"], n_sites: int
) -> Float[Tensor, " m"]:
    """Return what dropping each neuron costs."""
    m = len(inverse) // n_sites
    own = inverse.view(n_sites, m, n_sites, m).diagonal(dim1=1, dim2=3).permute(2, 0, 1)
    parts = weights.view(n_sites, m, -1).transpose(0, 1)
    costs: Tensor = (torch.linalg.solve(own, parts) * parts).sum((1, 2)) / 2
    return costs
