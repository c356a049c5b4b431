"""Fewer neurons where heads have several entries: those go that the others can stand in for.

Of neurons with almost the same outputs one is enough. Then, with all other heads at their best,
dropping neuron j raises the ridge form of the group Lasso, ``1/2 ||Y - Phi V||_M^2 + beta/2 sum_j
||V_j||^2 / a_j``, by ``1/2 tr V_j' K_jj^-1 V_j`` with ``K = (Phi'M Phi + beta diag(1/a))^-1``: the
optimal brain surgeon of Hassibi & Stork, NIPS 1992.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.group_lasso import Heads, Moments, solve_group_lasso
from relu_forecast.training.settings import GroupLassoSettings

_SAME_OUTPUTS = (0.99, 0.999, 0.9999)
"""Cosines of outputs above which neurons count as the same; the first that is cheap enough."""
_TRIES = 4
"""Numbers of neurons to drop that are tried, each half of the one before."""


def drop_neurons(
    problem: Problem, neurons: Neurons, budget: float, settings: GroupLassoSettings
) -> Neurons:
    """Drop neurons as long as the objective rises by at most ``budget``.

    Heads and sizes of those that stay are at their best. Cost O(N m d + n (S m)^2), and O((S m)^2)
    for each that goes.
    """
    if len(neurons) == 0:
        return neurons
    choice = _Choice(problem, neurons, settings)
    most = problem.objective_of(neurons) + budget
    for same in _SAME_OUTPUTS:
        if choice.keep(choice.distinct(same), most):
            break
    dropped = choice.cheapest(most - choice.value)
    for _ in range(_TRIES):
        if dropped and choice.keep(choice.without(dropped), most):
            break
        dropped = dropped[: len(dropped) // 2]
    found = choice.neurons()
    return found if problem.objective_of(found) <= most else neurons


class _Choice:
    """Some of the neurons of a network, at their best heads and sizes."""

    def __init__(self, problem: Problem, neurons: Neurons, settings: GroupLassoSettings) -> None:
        self.problem, self.settings = problem, settings
        self.n_sites = problem.features.n_sites
        sizes = problem.norm.norms(neurons.blocks)
        self.directions, self.moments = problem.norm.normalised(neurons.blocks), Moments.of(
            problem, problem.norm.normalised(neurons.blocks))
        self.kept = torch.arange(len(neurons), device=sizes.device)
        self.half = float(problem.left_targets.square().sum()) / 2
        self.heads = self._solve(self.kept, sizes)
        self.value = self._objective(self.kept, self.heads)

    def _solve(self, kept: Tensor, sizes: Float[Tensor, " a"]) -> Heads:
        """Return the best heads of some neurons."""
        return solve_group_lasso(self.moments.at(kept, self.n_sites), self.problem.beta, sizes,
                                 self.n_sites, self.settings)

    def _weights(self, heads: Heads) -> Float[Tensor, "Sa C"]:
        """Return output weights site after site."""
        a = len(heads.sizes)
        return heads.weights.view(a, self.n_sites, -1).transpose(0, 1).flatten(0, 1)

    def _objective(self, kept: Tensor, heads: Heads) -> float:
        """Return the objective of some neurons with these heads."""
        moments, weights = self.moments.at(kept, self.n_sites), self._weights(heads)
        loss = (weights * (moments.gram @ weights / 2 - moments.correlations)).sum()
        return self.half + float(loss + self.problem.beta * heads.weights.norm(dim=1).sum())

    def keep(self, kept: Tensor, most: float) -> bool:
        """Keep only some neurons if the objective is no more than ``most``; tell whether it is."""
        places = torch.searchsorted(self.kept, kept)
        heads = self._solve(kept, self.heads.sizes[places])
        value = self._objective(kept, heads)
        if value > most:
            return False
        used = heads.sizes > 0
        self.kept, self.value = kept[used], value
        self.heads = Heads(heads.weights[used], heads.sizes[used], heads.violation)
        return True

    def distinct(self, same: float) -> Tensor:
        """Return neurons whose outputs are no near multiples of those of a larger one."""
        m, kept = len(self.kept), self.moments.at(self.kept, self.n_sites)
        gram = kept.gram.view(self.n_sites, m, self.n_sites, m).diagonal(dim1=0, dim2=2).sum(2)
        lengths = gram.diagonal().clamp_min(torch.finfo(gram.dtype).tiny).sqrt()
        alike = (gram / lengths / lengths[:, None] >= same).cpu().numpy()
        chosen: list[int] = []
        for index in self.heads.sizes.argsort(descending=True, stable=True).tolist():
            if not alike[index, chosen].any():
                chosen.append(index)
        return self.kept[sorted(chosen)]

    def without(self, dropped: list[int]) -> Tensor:
        """Return the neurons that are left without some."""
        left = torch.ones(len(self.kept), dtype=torch.bool, device=self.kept.device)
        left[dropped] = False
        return self.kept[left]

    def cheapest(self, budget: float) -> list[int]:
        """Return the neurons that cost least to drop, one after the other, within a budget."""
        used = self.heads.sizes.clamp_min(self.settings.least_size * self.heads.sizes.amax())
        weights, m = self._weights(self.heads), len(used)
        ridge = (self.problem.beta / used).repeat(self.n_sites)
        moments = self.moments.at(self.kept, self.n_sites)
        inverse = torch.linalg.inv(moments.gram + torch.diag(ridge))
        dropped: list[int] = []
        while len(dropped) < m:
            costs = _costs(inverse, weights, self.n_sites)
            costs[dropped] = torch.inf
            index = int(costs.argmin())
            budget -= float(costs[index])
            if budget < 0:
                break
            dropped.append(index)
            own = index + m * torch.arange(self.n_sites, device=inverse.device)
            share = torch.linalg.solve(inverse[own][:, own], inverse[own]).T
            weights = weights - share @ weights[own]
            inverse = inverse - share @ inverse[own]
            inverse[own, own] = 1.0
        return dropped

    def neurons(self) -> Neurons:
        """Return the neurons that are kept."""
        sizes = self.heads.weights.norm(dim=1)
        used = sizes > self.settings.least_size * self.heads.sizes.sum()
        return Neurons(self.directions[self.kept][used] * sizes[used, None],
                       self.heads.weights[used] / sizes[used, None])


def _costs(
    inverse: Float[Tensor, "Sm Sm"], weights: Float[Tensor, "Sm C"], n_sites: int
) -> Float[Tensor, " m"]:
    """Return what dropping each neuron costs."""
    m = len(inverse) // n_sites
    own = inverse.view(n_sites, m, n_sites, m).diagonal(dim1=1, dim2=3).permute(2, 0, 1)
    parts = weights.view(n_sites, m, -1).transpose(0, 1)
    costs: Tensor = (torch.linalg.solve(own, parts) * parts).sum((1, 2)) / 2
    return costs
