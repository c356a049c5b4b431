"""Sizes of neurons whose directions are given, and networks of fewer neurons.

Given directions get the sizes that are best for all of them, which drops those of no use; neurons
that point almost the same way merge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from relu_forecast.networks.features import times_columns
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.dropping import drop_neurons
from relu_forecast.training.settings import GroupLassoSettings

_EXPLAINED = 1e-12
"""Share of its squared outputs below which what the skip leaves of a neuron is rounding."""
_JITTER = 1e-12
"""Share of its largest eigenvalue below which one of a Gram matrix is rounding."""
_MOST_PIVOTS = 30
"""Steps of the active-set method, per neuron."""


def resize(problem: Problem, neurons: Neurons) -> Neurons:
    """Give the neurons, their directions fixed, the sizes that are best for all of them.

    ``min_{a >= 0} 1/2 ||Y - sum_j a_j q_j h_j'||_M^2 + beta sum_j a_j``, q_j being what neuron j of
    cost one puts out and h_j its head: a non-negative Lasso in as many variables as there are
    neurons. Those of size zero are dropped. Cost O(n m^2), and an active-set method on m x m
    matrices.
    """
    features = problem.features
    directions = features.norm.normalised(neurons.blocks)
    outputs = features.outputs(directions)
    left = problem.leave(outputs)
    seen = left.square().sum(0) > _EXPLAINED * outputs.square().sum(0)
    directions, heads, left = directions[seen], neurons.heads[seen], left[:, seen]
    if len(heads) == 0:
        return Neurons(directions, heads)
    gram = (left.T @ left) * (heads @ heads.T)
    gains = (times_columns(left.T, problem.left_targets) * heads).sum(1) - problem.beta
    sizes = _best_sizes(gram.double().cpu().numpy(), gains.double().cpu().numpy())
    used = torch.as_tensor(sizes > 0).to(heads.device)
    blocks = directions * torch.as_tensor(sizes).to(directions)[:, None]
    return Neurons(blocks, heads).taken(used)


def _best_sizes(
    gram: npt.NDArray[np.float64], gains: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``argmin_{a >= 0} 1/2 a'G a - g'a`` by least squares on a factor of G."""
    scale = 1 / np.sqrt(gram.diagonal())
    unit = gram * scale * scale[:, None]
    values, vectors = np.linalg.eigh(unit)
    roots = np.sqrt(np.maximum(values, _JITTER * values[-1]))
    factor = roots[:, None] * vectors.T
    target = (vectors.T @ (gains * scale)) / roots
    sizes: npt.NDArray[np.float64] = nnls(factor, target, maxiter=_MOST_PIVOTS * len(gains))[0]
    return sizes * scale


def simplify(
    problem: Problem, neurons: Neurons, share: float, settings: GroupLassoSettings
) -> Neurons:
    """Drop and merge neurons as long as the objective rises by at most ``share`` of it.

    Where heads have several entries neurons are dropped only, see `dropping`; the settings are of
    that.
    """
    budget = share * problem.objective_of(neurons)
    if problem.n_head_entries > 1:
        return drop_neurons(problem, neurons, budget, settings)
    return merge(problem, neurons, budget)


def merge(problem: Problem, neurons: Neurons, budget: float) -> Neurons:
    """Drop neurons, or merge them into near-parallel ones, while that costs at most ``budget``.

    From the smallest neuron up, whichever changes the objective least is done when the objective
    rises by no more than what is left of the budget (falling refills it). A merged pair is one
    neuron, ``P (R (z_i + z_j))_+``. Beside a linear skip opposite neurons merge too, into ``P (R
    (z_j - z_i))_+``: as ``(t)_+ = (-t)_+ + t``, a neuron and its mirror image differ by what the
    skip fits. The problem has one target. Cost O(N m d).
    """
    merger = _Merger(problem, neurons)
    for index in problem.norm.norms(neurons.blocks).argsort().tolist():
        costs = [(merger.rise(change), change) for change in merger.changes(index)]
        cost, change = min(costs, key=itemgetter(0))
        if cost <= budget:
            budget -= cost
            merger.make(change)
    return merger.neurons()


@dataclass(frozen=True)
class _Change:
    """A neuron that goes, and the partner, if any, that becomes another block for it."""

    index: int
    """Which neuron goes."""
    partner: int | None
    """Which one takes over; None where nobody does."""
    block: Tensor
    """What the partner becomes; zero without one."""
    outputs: Float[Tensor, " n"]
    """How the signed outputs of the network change."""


class _Merger:
    """A network of one target whose neurons are dropped and merged, one after the other."""

    def __init__(self, problem: Problem, neurons: Neurons) -> None:
        self.problem, self.heads = problem, neurons.heads
        self.signs = neurons.heads[:, 0]
        self.blocks, self.alive = neurons.blocks.clone(), [True] * len(neurons)
        self.shares = problem.features.outputs(neurons.blocks) * self.signs
        self.left = problem.leave(problem.targets[:, 0] - self.shares.sum(1))

    def changes(self, index: int) -> Iterator[_Change]:
        """Yield what may become of a neuron: nothing, or a part of the most parallel one."""
        yield _Change(index, None, self.blocks.new_zeros(()), -self.shares[:, index])
        block = self.blocks[index]
        for turned in (block,) if self.problem.skip is None else (block, -block):
            partner = self._most_parallel(index, turned)
            if partner is None:
                continue
            merged = self.blocks[partner] + turned
            share = self.problem.features.outputs(merged[None])[:, 0] * self.signs[index]
            outputs = share - self.shares[:, index] - self.shares[:, partner]
            yield _Change(index, partner, merged, outputs)

    def _most_parallel(self, index: int, block: Float[Tensor, " d"]) -> int | None:
        """Return the other neuron left, of the sign of ``index``, most parallel to a block."""
        cosines = (self.blocks @ block) / self.blocks.norm(dim=1).clamp_min(1e-300)
        left = torch.as_tensor(self.alive, device=block.device) & (
            self.signs == self.signs[index])
        left[index] = False
        cosines = cosines.where(left, -torch.inf)
        best = int(cosines.argmax())
        return best if float(cosines[best]) > 0 else None

    def rise(self, change: _Change) -> float:
        """Return how much the objective rises with a change."""
        norm = self.problem.norm
        gone = [change.index] if change.partner is None else [change.index, change.partner]
        before = norm.norms(self.blocks[gone]).sum()
        after = before.new_zeros(()) if change.partner is None else norm.norms(
            change.block[None])[0]
        moved = self.problem.leave(change.outputs)
        loss = (0.5 * moved - self.left).dot(moved)
        return float(loss + self.problem.beta * (after - before))

    def make(self, change: _Change) -> None:
        """Make a change."""
        self.left = self.left - self.problem.leave(change.outputs)
        self.alive[change.index] = False
        if change.partner is not None:
            self.blocks[change.partner] = change.block
            self.shares[:, change.partner] += self.shares[:, change.index] + change.outputs

    def neurons(self) -> Neurons:
        """Return the neurons that are left."""
        kept = torch.as_tensor(self.alive, dtype=torch.bool, device=self.blocks.device)
        return Neurons(self.blocks, self.heads).taken(kept)
