"""Discovery: local search over networks whose patterns are free to move, by quasi-Newton steps.

A convex program moves within the cells of its patterns; with thousands of samples cells are
thin, and good patterns have to be found first. Here neurons move across cells: L-BFGS on the
nonconvex objective (1), in the metric of the windows' Gram matrix, since windows of a smooth
signal are almost collinear. What it finds is a start for the programs, never the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.descent import DescentProblem


@dataclass(frozen=True)
class Neurons:
    """A network as signed blocks: ``f = sum_j s_j (X z_j)_+``, ``z_j = |w2_j| w1_j``.

    Attributes
    ----------
    blocks : Tensor, shape (m, d)
        z_j.
    signs : Tensor, shape (m,)
        s_j, +1 or -1.
    """

    blocks: Float[Tensor, "m d"]
    signs: Float[Tensor, " m"]

    def __len__(self) -> int:
        """Return the number of neurons."""
        return len(self.signs)

    @classmethod
    def of_weights(cls, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]) -> Neurons:
        """Return the non-zero neurons of a network's weights."""
        blocks = hidden * output.abs()[:, None]
        sizes = blocks.norm(dim=1)
        alive = sizes > 1e-4 * sizes.amax()
        return cls(blocks[alive], output[alive].sign())

    def weights(self) -> tuple[Float[Tensor, "m d"], Float[Tensor, " m"]]:
        """Return balanced weights, ``||w1_j|| = |w2_j|``."""
        roots = self.blocks.norm(dim=1).sqrt()
        return self.blocks / roots[:, None], self.signs * roots

    def joined(self, other: Neurons) -> Neurons:
        """Return both sets."""
        return Neurons(torch.cat([self.blocks, other.blocks]),
                       torch.cat([self.signs, other.signs]))

    def scaled(self, factor: float) -> Neurons:
        """Return the network with its outputs multiplied by ``factor`` > 0."""
        return Neurons(self.blocks * factor, self.signs)

    def contributions(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """Return each neuron's share of the outputs, ``s_j (X z_j)_+``."""
        return (X @ self.blocks.T).relu_() * self.signs


def local_residual(problem: DescentProblem, neurons: Neurons) -> Float[Tensor, " n"]:
    """Return what the neurons and the best skip leave of the targets."""
    return problem.annihilate(problem.y - neurons.contributions(problem.X).sum(1))


def local_objective(problem: DescentProblem, neurons: Neurons) -> float:
    """Return objective (1) of balanced weights: loss plus ``beta sum_j ||z_j||``."""
    error = problem.y - neurons.contributions(problem.X).sum(1)
    penalty = problem.beta * neurons.blocks.norm(dim=1).sum()
    return float(0.5 * error.dot(problem.annihilate(error)) + penalty)


def refine(problem: DescentProblem, neurons: Neurons, n_steps: int) -> Neurons:
    """Run L-BFGS on (1) from ``neurons``, hidden weights in the metric ``c X'X + beta I``.

    c is the mean squared output weight, the curvature that the loss gives a typical neuron.
    Without neurons there is nothing to move. Cost O(n_steps n m d).
    """
    if len(neurons) == 0:
        return neurons
    hidden, output = neurons.weights()
    curvature = output.square().mean() * problem.gram
    rounding = 10 * torch.finfo(curvature.dtype).eps * curvature.diagonal().amax()
    curvature.diagonal().add_(problem.beta + rounding)
    root = torch.linalg.cholesky(curvature / problem.beta)
    inverse = torch.linalg.inv(root)
    moving, output = hidden @ root, output.clone()
    optimizer = torch.optim.LBFGS(
        [moving, output], max_iter=n_steps, max_eval=n_steps + n_steps // 4, tolerance_grad=0.0,
        tolerance_change=1e-12, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        value, hidden_gradient, output.grad = problem.objective_and_gradients(
            moving @ inverse, output)
        moving.grad = hidden_gradient @ inverse.T
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return Neurons.of_weights(moving @ inverse, output)


def consolidate(problem: DescentProblem, neurons: Neurons, budget: float) -> Neurons:
    """Drop neurons, or merge them into near-parallel ones, while that costs at most ``budget``.

    From the smallest neuron up, whichever of the two changes the objective less is done when
    the objective rises by no more than what is left of the budget (falling refills it). A
    merged pair is one neuron, ``(X (z_i + z_j))_+``. Cost O(n m d).

    Parameters
    ----------
    problem : DescentProblem
        Objective (1).
    neurons : Neurons
        What to thin out.
    budget : float
        Allowed rise of the objective.
    """
    X, blocks, alive = problem.X, neurons.blocks.clone(), [True] * len(neurons)
    shares = neurons.contributions(X)
    residual = local_residual(problem, neurons)
    for index in blocks.norm(dim=1).argsort().tolist():
        partner = _most_parallel(blocks, neurons.signs, alive, index)
        merged = blocks[index] + (blocks[partner] if partner is not None else 0)
        options: list[tuple[int | None, Tensor, Tensor]] = [
            (None, blocks.new_zeros(()), -shares[:, index])]
        if partner is not None:
            share = (X @ merged).relu() * neurons.signs[index]
            options.append((partner, merged, share - shares[:, index] - shares[:, partner]))
        costs = [_rise(problem, residual, change, blocks, index, target, block)
                 for target, block, change in options]
        best = min(range(len(options)), key=costs.__getitem__)
        if costs[best] > budget:
            continue
        budget -= costs[best]
        target, block, change = options[best]
        residual = residual - problem.annihilate(change)
        alive[index] = False
        if target is not None:
            blocks[target] = block
            shares[:, target] += shares[:, index] + change
    kept = torch.as_tensor(alive, dtype=torch.bool, device=X.device)
    return Neurons(blocks[kept], neurons.signs[kept])


def _most_parallel(
    blocks: Float[Tensor, "m d"], signs: Float[Tensor, " m"], alive: list[bool], index: int
) -> int | None:
    """Return the living neuron of the same sign that is most parallel to ``index``."""
    cosines = (blocks @ blocks[index]) / blocks.norm(dim=1).clamp_min(1e-300)
    living = torch.as_tensor(alive, device=blocks.device) & (signs == signs[index])
    living[index] = False
    cosines = cosines.where(living, -torch.inf)
    best = int(cosines.argmax())
    return best if float(cosines[best]) > 0 else None


def _rise(
    problem: DescentProblem,
    residual: Float[Tensor, " n"],
    change: Float[Tensor, " n"],
    blocks: Float[Tensor, "m d"],
    index: int,
    target: int | None,
    block: Tensor,
) -> float:
    """Return how much the objective rises when outputs change by ``change``."""
    before = blocks[index].norm()
    after = before.new_zeros(())
    if target is not None:
        before = before + blocks[target].norm()
        after = block.norm()
    loss = 0.5 * change.dot(problem.annihilate(change)) - residual.dot(change)
    return float(loss + problem.beta * (after - before))
