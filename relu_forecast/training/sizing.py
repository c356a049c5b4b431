"""Networks as signed blocks: their objective, their best sizes, and fewer of them.

What the search for patterns does besides moving neurons: given directions get the sizes that
are best for all of them, which drops those of no use, and near-parallel ones merge.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from relu_forecast.problems.certificates import Certificate, Scope
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.gradients import DescentProblem

_EXPLAINED = 1e-12
"""Share of its squared outputs below which what the skip leaves of a neuron is rounding."""
_JITTER = 1e-12
_MOST_PIVOTS = 30


def local_residual(problem: DescentProblem, neurons: Neurons) -> Float[Tensor, " n"]:
    """Return what the neurons and the best skip leave of the targets."""
    return problem.annihilate(problem.y - neurons.contributions(problem.features).sum(1))


def local_objective(problem: DescentProblem, neurons: Neurons) -> float:
    """Return the loss plus ``beta sum_j N(z_j)``, objective (1) of balanced weights."""
    error = problem.y - neurons.contributions(problem.features).sum(1)
    penalty = problem.beta * problem.features.norm.norms(neurons.blocks).sum()
    return float(0.5 * problem.leave(error).square().sum() + penalty)


def certificate(
    problem: DescentProblem, neurons: Neurons, worst: float, scope: Scope
) -> Certificate:
    """Return how far a network is from the optimum, given the worth of the worst neuron.

    The bound is the largest of ``c y'Me - c^2/2 e'Me`` over ``0 <= c <= beta / worst``, with e
    the error of the network, and at most the objective; see `ConvexProgram.dual_bound`.
    """
    error = problem.y - neurons.contributions(problem.features).sum(1)
    left, target = problem.leave(error), problem.leave(problem.y)
    penalty = problem.beta * problem.features.norm.norms(neurons.blocks).sum()
    linear, quadratic = float(target.dot(left)), float(left.square().sum())
    objective = 0.5 * quadratic + float(penalty)
    violation = worst / problem.beta
    scale = max(0.0, linear / quadratic) if quadratic else 0.0
    scale = min(scale, 1 / violation) if violation > 0 else scale
    bound = scale * linear - 0.5 * scale**2 * quadratic
    return Certificate(scope, objective, min(bound, objective), violation)


def resize(problem: DescentProblem, neurons: Neurons) -> Neurons:
    """Give the neurons, their directions fixed, the sizes that are best for all of them.

    ``min_{a >= 0} 1/2 (y - H a)'M(y - H a) + beta sum_j a_j``, column j of H being what neuron
    j of cost one puts out: a non-negative Lasso in as many variables as there are neurons.
    Those of size zero are dropped. Cost O(n m^2), and an active-set method on m x m matrices.

    Parameters
    ----------
    problem : DescentProblem
        Loss, beta and norm.
    neurons : Neurons
        Directions, of any length > 0, and signs.
    """
    features = problem.features
    directions = features.norm.normalised(neurons.blocks)
    outputs = features.outputs(directions) * neurons.signs
    left = problem.leave(outputs)
    kept = left.square().sum(0) > _EXPLAINED * outputs.square().sum(0)
    directions, signs, left = directions[kept], neurons.signs[kept], left[:, kept]
    if len(signs) == 0:
        return Neurons(directions, signs)
    gains = left.T @ problem.leave(problem.y) - problem.beta
    sizes = _best_sizes((left.T @ left).double().cpu().numpy(), gains.double().cpu().numpy())
    used = torch.as_tensor(sizes > 0).to(signs.device)
    blocks = directions * torch.as_tensor(sizes).to(directions)[:, None]
    return Neurons(blocks[used], signs[used])


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


def consolidate(problem: DescentProblem, neurons: Neurons, budget: float) -> Neurons:
    """Drop neurons, or merge them into near-parallel ones, while that costs at most ``budget``.

    From the smallest neuron up, whichever changes the objective least is done when the
    objective rises by no more than what is left of the budget (falling refills it). A merged
    pair is one neuron, ``P (R (z_i + z_j))_+``. Beside a linear skip opposite neurons merge
    too, into ``P (R (z_j - z_i))_+``: as ``(t)_+ = (-t)_+ + t``, a neuron and its mirror image
    differ by what the skip fits. Cost O(N m d).

    Parameters
    ----------
    problem : DescentProblem
        Loss, beta and norm.
    neurons : Neurons
        What to thin out.
    budget : float
        Allowed rise of the objective.
    """
    features, blocks, alive = problem.features, neurons.blocks.clone(), [True] * len(neurons)
    shares = neurons.contributions(features)
    left = problem.leave(problem.y - shares.sum(1))
    for index in features.norm.norms(blocks).argsort().tolist():
        options: list[tuple[int | None, Tensor, Tensor]] = [
            (None, blocks.new_zeros(()), -shares[:, index])]
        for block in (blocks[index],) if problem.skip is None else (blocks[index], -blocks[index]):
            partner = _most_parallel(blocks, neurons.signs, alive, index, block)
            if partner is not None:
                merged = blocks[partner] + block
                share = features.outputs(merged[None])[:, 0] * neurons.signs[index]
                options.append((partner, merged, share - shares[:, index] - shares[:, partner]))
        costs = [_rise(problem, left, change, blocks, index, target, block)
                 for target, block, change in options]
        best = min(range(len(options)), key=costs.__getitem__)
        if costs[best] > budget:
            continue
        budget -= costs[best]
        target, block, change = options[best]
        left = left - problem.leave(change)
        alive[index] = False
        if target is not None:
            blocks[target] = block
            shares[:, target] += shares[:, index] + change
    kept = torch.as_tensor(alive, dtype=torch.bool, device=blocks.device)
    return Neurons(blocks[kept], neurons.signs[kept])


def _most_parallel(
    blocks: Float[Tensor, "m d"],
    signs: Float[Tensor, " m"],
    alive: list[bool],
    index: int,
    block: Float[Tensor, " d"],
) -> int | None:
    """Return the other living neuron of the sign of ``index`` that is most parallel to a block."""
    cosines = (blocks @ block) / blocks.norm(dim=1).clamp_min(1e-300)
    living = torch.as_tensor(alive, device=blocks.device) & (signs == signs[index])
    living[index] = False
    cosines = cosines.where(living, -torch.inf)
    best = int(cosines.argmax())
    return best if float(cosines[best]) > 0 else None


def _rise(
    problem: DescentProblem,
    left: Float[Tensor, " nd"],
    change: Float[Tensor, " n"],
    blocks: Float[Tensor, "m d"],
    index: int,
    target: int | None,
    block: Tensor,
) -> float:
    """Return how much the objective rises when outputs change by ``change``."""
    gone = [index] if target is None else [index, target]
    before = problem.features.norm.norms(blocks[gone]).sum()
    after = before.new_zeros(()) if target is None else problem.features.norm.norms(block[None])[0]
    moved = problem.leave(change)
    loss = (0.5 * moved - left).dot(moved)
    return float(loss + problem.beta * (after - before))
