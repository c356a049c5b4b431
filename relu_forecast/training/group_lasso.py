"""The best heads, and sizes, of neurons whose directions are given: a group Lasso.

    min_V  1/2 ||Y - sum_j P (R u_j)_+ V_j'||_M^2 + beta sum_j ||V_j||_F

is convex, whatever the number of targets. With sizes ``a_j = ||V_j||`` as variables the heads
are a ridge regression, ``V = argmin 1/2 ||.||^2 + beta/2 sum_j ||V_j||^2 / a_j``, and what is left,

    p(a) = min_V 1/2 ||Y - Phi V||_M^2 + beta/2 sum_j (||V_j||^2 / a_j + a_j),    a >= 0,

is smooth and convex in as many variables as there are neurons: Newton steps on those that are not
held at zero end after about ten. With ``c = Phi'M(Y - Phi V)`` a neuron is zero where
``||c_j|| <= beta``, and ``V_j = a_j c_j / beta`` elsewhere. Bach, Jenatton, Mairal & Obozinski,
Foundations and Trends in Machine Learning 4 (2012), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.settings import GroupLassoSettings

_FEASIBLE = 4
"""Lengths of feasible steps that a line search tries after projected ones."""
_LIFTED = 1e-3
"""Size, as a share of the largest, of neurons at zero that may join, where a Newton step failed."""


@dataclass(frozen=True)
class Moments:
    """All that the group Lasso needs of the samples."""

    gram: Float[Tensor, "Sm Sm"]
    """``Phi'M Phi``, site after site."""
    correlations: Float[Tensor, "Sm C"]
    """``Phi'M Y``."""

    @classmethod
    def of(cls, problem: Problem, directions: Float[Tensor, "m d"]) -> Moments:
        """Sum over the samples; cost O(N m d + n (S m)^2)."""
        left = columns_left(problem, directions)
        return cls(left.T @ left, left.T @ problem.left_targets)

    def at(self, kept: Tensor, n_sites: int) -> Moments:
        """Return those of some neurons, given by their indices."""
        m = len(self.gram) // n_sites
        places = (kept + m * torch.arange(n_sites, device=kept.device)[:, None]).flatten()
        return Moments(self.gram[places][:, places], self.correlations[places])


def columns_left(problem: Problem, directions: Float[Tensor, "m d"]) -> Float[Tensor, "nd Sm"]:
    """Return what the skip leaves of the neurons' outputs, a column for each site and neuron."""
    features = problem.features
    outputs = features.outputs(directions)
    return problem.leave(outputs.reshape(features.n_samples, -1))


@dataclass(frozen=True)
class Heads:
    """Best output weights of given directions."""

    weights: Float[Tensor, "m SC"]
    """V_j, site after site; zero where a neuron is of no use."""
    sizes: Float[Tensor, " m"]
    """a_j."""
    violation: float
    """Largest ``||c_j|| / beta``: 1 within the precision asked for."""


def fit_heads(
    problem: Problem, directions: Float[Tensor, "m d"], sizes: Float[Tensor, " m"],
    settings: GroupLassoSettings
) -> Heads:
    """Solve the group Lasso for directions of norm one, from sizes that may be zero.

    Cost O(N m d + n (S m)^2) for the moments, and O((S a)^3) a step with a neurons in use.
    """
    moments = Moments.of(problem, directions)
    return solve_group_lasso(moments, problem.beta, sizes, problem.features.n_sites, settings)


def resize_groups(problem: Problem, neurons: Neurons, settings: GroupLassoSettings) -> Neurons:
    """Give directions the heads and sizes that are best for all of them; drop the useless.

    The counterpart of `sizing.resize`, in which heads are free.
    """
    if len(neurons) == 0:
        return neurons
    norm = problem.norm
    directions = norm.normalised(neurons.blocks)
    heads = fit_heads(problem, directions, norm.norms(neurons.blocks), settings)
    sizes = heads.weights.norm(dim=1)
    used = sizes > settings.least_size * sizes.amax() if len(sizes) else sizes > 0
    return Neurons(directions[used] * sizes[used, None],
                   heads.weights[used] / sizes[used, None])


def solve_group_lasso(
    moments: Moments, beta: float, sizes: Float[Tensor, " m"], n_sites: int,
    settings: GroupLassoSettings
) -> Heads:
    """Solve the group Lasso on a working set of neurons that grows by those that violate."""
    m, targets = len(sizes), moments.correlations.shape[1]
    weights, violation = moments.gram.new_zeros(n_sites * m, targets), 0.0
    sizes, solved = sizes.to(moments.gram), False
    for _ in range(settings.most_growths):
        left = moments.correlations - moments.gram @ weights
        worth = _group_norms(left, n_sites) / beta
        violation = float(worth.amax()) if m else 0.0
        active = sizes > 0
        if solved and violation <= 1 + settings.precision:
            break
        new = ((worth > 1) & ~active).nonzero()[:, 0]
        new = new[worth[new].argsort(descending=True, stable=True)][: settings.most_joining]
        if solved and len(new) == 0:
            break
        kept = torch.cat([active.nonzero()[:, 0], new]).sort().values
        program = _Sizes(moments.at(kept, n_sites), beta, n_sites, settings)
        found = program.solve(sizes[kept])
        sizes = torch.zeros_like(sizes).index_copy_(0, kept, found)
        part = program.weights.view(n_sites, len(kept), targets)
        weights = weights.new_zeros(n_sites, m, targets).index_copy_(1, kept, part).flatten(0, 1)
        solved = True
    by_neuron = weights.view(n_sites, m, targets).transpose(0, 1).flatten(1)
    return Heads(by_neuron, sizes, violation)


def _group_norms(values: Float[Tensor, "Sm C"], n_sites: int) -> Float[Tensor, " m"]:
    """Return the norm over sites and targets of each neuron."""
    return values.square().sum(1).view(n_sites, -1).sum(0).sqrt()


class _Sizes:
    """The smooth program in the sizes a, and the weights that belong to them."""

    def __init__(
        self, moments: Moments, beta: float, n_sites: int, settings: GroupLassoSettings
    ) -> None:
        self.moments, self.beta, self.n_sites = moments, beta, n_sites
        self.settings = settings
        self.damping = settings.least_damping
        self.one = torch.eye(len(moments.gram)).to(moments.gram)

    def solve(self, sizes: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Take projected Newton steps until the gap is small; return the sizes."""
        self._accept(*self._evaluate(sizes))
        for _ in range(self.settings.most_steps):
            gradient, free = self._gradient()
            if self._settled(gradient):
                break
            length = self._search(gradient, self._newton_step(gradient, free))
            if length < 1:
                self.damping = min(self.damping * (10 if length else 1000), 1.0)
            else:
                self.damping = max(self.damping / 10, self.settings.least_damping)
            if length == 0 and not self._search(gradient, self._ridge_step(free)):
                break
        return self.sizes

    def _evaluate(self, sizes: Float[Tensor, " a"]) -> tuple[Tensor, ...]:
        """Return sizes, ``p(a)`` less ``||Y||^2/2``, a factor and a half-solved right side."""
        roots = sizes.sqrt().repeat(self.n_sites)
        matrix = roots[:, None] * self.moments.gram * roots + self.beta * self.one
        factor = torch.linalg.cholesky_ex(matrix)[0]
        half = torch.linalg.solve_triangular(
            factor, roots[:, None] * self.moments.correlations, upper=False)
        value = (self.beta * sizes.sum() - half.square().sum()) / 2
        return sizes, value, factor, half

    def _accept(self, sizes: Tensor, value: Tensor, factor: Tensor, half: Tensor) -> None:
        """Move to sizes that were evaluated."""
        self.sizes, self.value, self.factor = sizes, value, factor
        self.roots = sizes.sqrt().repeat(self.n_sites)
        solved = torch.linalg.solve_triangular(factor.T, half, upper=True)
        self.weights = self.roots[:, None] * solved
        self.left = self.moments.correlations - self.moments.gram @ self.weights

    def _gradient(self) -> tuple[Float[Tensor, " a"], Tensor]:
        """Return ``(beta - ||c_j||^2 / beta) / 2``, and which sizes may move."""
        squares = _group_norms(self.left, self.n_sites).square()
        gradient = (self.beta - squares / self.beta) / 2
        return gradient, (self.sizes > 0) | (gradient < 0)

    def _settled(self, gradient: Float[Tensor, " a"]) -> bool:
        """Return whether no neuron violates, and what the sizes could still gain is small."""
        precision = self.settings.precision
        slack = (gradient * self.sizes).abs().sum() <= precision * self.value.abs()
        return bool(slack & (gradient >= -precision * self.beta).all())

    def _newton_step(self, gradient: Tensor, free: Tensor) -> Float[Tensor, " a"]:
        """Return the Newton step in the free sizes; those at zero do not take part in falling.

        The Hessian is ``K_jk c_j'c_k / beta^2``, summed over sites, ``K = (G^-1 + A/beta)^-1``.
        """
        half = torch.linalg.solve_triangular(
            self.factor, self.roots[:, None] * self.moments.gram, upper=False)
        curvature = self.moments.gram - half.T @ half
        products = curvature * (self.left @ self.left.T) / self.beta**2
        a = len(self.sizes)
        hessian = products.view(self.n_sites, a, self.n_sites, a).sum((0, 2))
        hessian = hessian + torch.diag(self.damping * hessian.diagonal())
        for _ in range(self.settings.most_releases):
            mask = free.to(hessian)
            masked = hessian * mask * mask[:, None] + torch.diag(1 - mask)
            step: Tensor = torch.linalg.solve_ex(masked, (-gradient * mask)[:, None])[0][:, 0]
            step = step.nan_to_num(0.0, 0.0, 0.0)
            stuck = free & (self.sizes == 0) & (step < 0)
            if not bool(stuck.any()):
                break
            free = free & ~stuck
        return step.where(~stuck, 0.0)

    def _ridge_step(self, free: Tensor) -> Float[Tensor, " a"]:
        """Return the step to the sizes of the present weights, which never raises the value."""
        sizes = _group_norms(self.weights, self.n_sites)
        return torch.maximum(sizes, free * _LIFTED * sizes.amax()) - self.sizes

    def _search(self, gradient: Tensor, step: Tensor) -> float:
        """Move along a step as far as that lowers the value; return how far.

        Long steps are projected; where these fail, as they do between neurons that are almost
        the same, the step ends where the first size becomes zero.
        """
        for length in (0.5**k for k in range(self.settings.most_projections)):
            if self._try(gradient, (self.sizes + length * step).clamp_min(0.0)):
                return length
        limits = (-self.sizes / step).where(step < 0, torch.inf)
        first = int(limits.argmin())
        limit = float(limits[first])
        for length in (0.5**k * min(limit, 1.0) for k in range(_FEASIBLE)):
            ahead = (self.sizes + length * step).clamp_min(0.0)
            if length == limit:
                ahead[first] = 0.0
            if self._try(gradient, ahead):
                return length
        return 0.0

    def _try(self, gradient: Tensor, sizes: Float[Tensor, " a"]) -> bool:
        """Move to these sizes if that lowers the value enough; tell whether it did."""
        ahead = self._evaluate(sizes)
        expected = (gradient * (sizes - self.sizes)).sum()
        enough = self.value + self.settings.sufficient_decrease * expected.clamp_max(0.0)
        lower = bool((ahead[1] <= enough) & (ahead[1] < self.value))
        if lower:
            self._accept(*ahead)
        return lower
