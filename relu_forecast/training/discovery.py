"""Discovery: local search over networks whose patterns are free to move, by quasi-Newton steps.

A convex program moves within the cells of its patterns; with thousands of samples cells are
thin, and good patterns have to be found first. Here neurons move across cells: L-BFGS on the
nonconvex objective (1), in a metric taken from the rows' Gram matrix, since windows of a smooth
signal are almost collinear. It stalls where neurons end on kinks, which on a dozen samples can
be a percent above the optimum: what it finds is a start for the programs, never the answer.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.hidden_layers import DirectLayer
from relu_forecast.penalties import GroupNorm
from relu_forecast.training.descent import DescentProblem, objective_and_gradients
from relu_forecast.training.neurons import DEAD_NEURON, Neurons
from relu_forecast.training.quasi_newton import minimise

_DEAD_GROUP = 1e-6
_SEED_OF_A_GROUP = 1e-2
# Of the curvature with all samples on and no skip; from 0.1 to 1, ends differed by 2 percent.
_CURVATURE_SHARE = 0.1


def random_neurons(problem: DescentProblem, n_neurons: int, seed: int) -> Neurons:
    """Return Gaussian neurons, without weight where the rows have nothing; fewer if some vanish."""
    hidden, output = (
        part.to(problem.y) for part in DirectLayer(problem.features.width).initial(n_neurons, seed))
    return Neurons.of_weights(hidden * (problem.features.rows != 0).any(0), output)


def local_residual(problem: DescentProblem, neurons: Neurons) -> Float[Tensor, " n"]:
    """Return what the neurons and the best skip leave of the targets."""
    return problem.annihilate(problem.y - neurons.contributions(problem.features).sum(1))


def local_objective(problem: DescentProblem, neurons: Neurons) -> float:
    """Return the loss plus ``beta sum_j N(z_j)``, objective (1) of balanced weights."""
    error = problem.y - neurons.contributions(problem.features).sum(1)
    penalty = problem.beta * problem.features.norm.norms(neurons.blocks).sum()
    return float(0.5 * problem.leave(error).square().sum() + penalty)


def refine(problem: DescentProblem, neurons: Neurons, n_steps: int) -> Neurons:
    """Run L-BFGS on the objective from ``neurons``, whose patterns change on the way.

    With one group per block the search is over two-layer weights, where (1) is smooth but for
    the kinks of the ReLU. With more it is over factors, ``z_jg = c_jg a_jg`` for each group g,
    whose penalty ``beta/2 sum omega_g (c_jg^2 + ||a_jg||^2)`` is ``beta N(z_j)`` at its least: the
    l1 norm of groups becomes smooth too. Without neurons there is nothing to move.
    Cost O(n_steps N m d).

    Parameters
    ----------
    problem : DescentProblem
        Loss, beta and norm.
    neurons : Neurons
        Where to start.
    n_steps : int
        Most iterations.
    """
    if len(neurons) == 0:
        return neurons
    if problem.features.norm.n_groups == 1:
        return _refine_weights(problem, neurons, n_steps)
    return _refine_factors(problem, neurons, n_steps)


def _refine_weights(problem: DescentProblem, neurons: Neurons, n_steps: int) -> Neurons:
    """Search over two-layer weights, the hidden ones in the metric ``c R'R + beta I``.

    c is the mean squared output weight, the curvature that the loss gives a typical neuron.
    """
    hidden, output = neurons.weights()
    layer = DirectLayer(problem.features.width)
    curvature = output.square().mean() * problem.gram
    rounding = 10 * torch.finfo(curvature.dtype).eps * curvature.diagonal().amax()
    curvature.diagonal().add_(problem.beta + rounding)
    root = torch.linalg.cholesky(curvature / problem.beta)
    inverse = torch.linalg.inv(root)
    moving, output = hidden @ root, output.clone()

    def closure() -> Tensor:
        value, (hidden_gradient, output.grad) = objective_and_gradients(
            problem, layer, [moving @ inverse, output])
        moving.grad = hidden_gradient @ inverse.T
        return value

    minimise(closure, [moving, output], n_steps)
    return Neurons.of_weights(moving @ inverse, output)


def _refine_factors(problem: DescentProblem, neurons: Neurons, n_steps: int) -> Neurons:
    """Search over the factors of each group, the signs fixed; never return anything worse."""
    norm, signs = problem.features.norm, neurons.signs
    weights, scale = problem.beta * norm.weights, _group_scales(problem, neurons)
    sizes = norm.group_norms(neurons.blocks)
    lengths = (sizes + _SEED_OF_A_GROUP * sizes.amax()).sqrt()
    directions = norm.grouped(neurons.blocks) / lengths[:, :, None]
    moving = [lengths * scale, directions * scale[:, None]]

    def closure() -> Tensor:
        lengths, directions = moving[0] / scale, moving[1] / scale[:, None]
        loss, gradient, _ = problem.loss_and_gradients(
            (directions * lengths[:, :, None]).flatten(1), signs)
        slopes = norm.grouped(gradient)
        moving[0].grad = ((slopes * directions).sum(2) + weights * lengths) / scale
        moving[1].grad = (slopes * lengths[:, :, None] + weights[:, None] * directions
                          ) / scale[:, None]
        return loss + 0.5 * (weights * (lengths.square() + directions.square().sum(2))).sum()

    minimise(closure, moving, n_steps)
    blocks = (moving[1] * (moving[0] / scale.square())[:, :, None]).flatten(1)
    return min(_living(norm, blocks, signs), neurons, key=partial(local_objective, problem))


def _group_scales(problem: DescentProblem, neurons: Neurons) -> Float[Tensor, " G"]:
    """Return the root of a typical curvature of each group's factors, as multiples of beta's."""
    norm = problem.features.norm
    curvature = norm.grouped(problem.gram.diagonal()[None])[0].mean(1)
    sizes = norm.group_norms(neurons.blocks)
    typical = sizes.mean(0) + _SEED_OF_A_GROUP * sizes.amax()
    return (_CURVATURE_SHARE * typical * curvature / problem.beta + 1).sqrt()


def _living(norm: GroupNorm, blocks: Float[Tensor, "m d"], signs: Float[Tensor, " m"]) -> Neurons:
    """Return the neurons that are not negligible, their negligible groups at zero."""
    sizes = norm.group_norms(blocks) * norm.weights
    kept = sizes > _DEAD_GROUP * sizes.sum(1).amax()
    blocks = (norm.grouped(blocks) * kept[:, :, None]).flatten(1)
    totals = norm.norms(blocks)
    alive = totals > DEAD_NEURON * totals.amax()
    return Neurons(blocks[alive], signs[alive])


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
