"""Descent of a whole network by gradients, at a cost of O(N m d) a step.

The objective of balanced factors, ``w_j`` and ``v_j`` for ``z_j = ||v_j|| w_j``,

    1/2 ||Y - sum_j P (R w_j)_+ v_j'||_M^2 + beta/2 sum_j (N(w_j)^2 + ||v_j||^2),

is that of the network, (3) of THEORY section 8. Kinks are what gradient methods get stuck at, so
``(t)_+`` is ``(t + sqrt(t^2 + e^2))/2`` first, with widths e that shrink from phase to phase. No
array is larger than the outputs of all neurons. Early phases are computed in single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.slabs import SEARCHED, rows_per_slab, slices
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.lbfgs import LBFGS
from relu_forecast.training.settings import DescentSettings
from relu_forecast.training.softening import SoftNorm

Report = Callable[[Neurons], None]
"""Told of the network after every phase."""


@dataclass(frozen=True, eq=False)
class DescentData:
    """What the descent on a problem needs of it, in one precision."""

    features: Features
    """R, P and N."""
    targets: Float[Tensor, "nd C"]
    """What the skip leaves of the targets, see `Problem.leave`."""
    skip: LinearSkip | None
    """The linear skip; None without one."""
    beta: float
    """Weight of the penalty."""

    @classmethod
    def of(cls, problem: Problem, dtype: torch.dtype) -> DescentData:
        """Convert a problem; cost O(N d + n C)."""
        features, skip = problem.features, problem.skip
        norm = GroupNorm(features.norm.weights.to(dtype))
        pooling = None if features.pooling is None else features.pooling.to(dtype)
        return cls(
            replace(features, rows=features.rows.to(dtype), norm=norm, pooling=pooling),
            problem.left_targets.to(dtype), None if skip is None else skip.to(dtype), problem.beta)

    @cached_property
    def row_gram(self) -> Float[Tensor, "d d"]:
        """``R'R / N``."""
        rows = self.features.rows
        return rows.T @ rows / len(rows)

    def left_of(self, fitted: Float[Tensor, "n C"]) -> Float[Tensor, "nd C"]:
        """Return what outputs and the best skip leave of the targets."""
        if self.skip is None:
            return self.targets - fitted
        left = self.skip.leave_quickly(fitted)
        return torch.sub(self.targets, left, out=left)


class FactorObjective:
    """The objective as a function of one vector, all w_j and then all v_j."""

    def __init__(self, data: DescentData, n_neurons: int, n_head_entries: int) -> None:
        self.data, self.shape = data, (n_neurons, data.features.width)
        self.heads_shape = (n_neurons, n_head_entries)
        self.slabs = list(_slabs(data.features, n_neurons))
        self.squares: Float[Tensor, " m"]
        self.norm_widths: Float[Tensor, " m"]

    def parts(self, point: Float[Tensor, " P"]) -> tuple[Tensor, Tensor]:
        """Return the hidden weights (m, d) and the output weights (m, S C) in a point."""
        cut = self.shape[0] * self.shape[1]
        return point[:cut].view(self.shape), point[cut:].view(self.heads_shape)

    def soften(self, width: float, norm_width: float, point: Float[Tensor, " P"]) -> None:
        """Set the widths of the kinks, as shares of what each neuron at a point puts out."""
        hidden, _ = self.parts(point)
        norm, tiny = self.data.features.norm, torch.finfo(point.dtype).tiny
        squares = ((hidden @ self.data.row_gram) * hidden).sum(1)
        self.squares = (width**2 * squares).clamp_min(tiny)
        self.norm_widths = (norm_width * width / norm.n_groups) * norm.norms(hidden)

    def __call__(self, point: Float[Tensor, " P"]) -> tuple[Tensor, Float[Tensor, " P"]]:
        """Return value and gradient. Cost O(N m d + n S m C)."""
        hidden, heads = self.parts(point)
        fitted = torch.cat([slab.forward(hidden, heads, self.squares) for slab in self.slabs])
        left = self.data.left_of(fitted)
        to_hidden, penalty = self._penalty(hidden)
        to_heads = self.data.beta * heads
        for slab in self.slabs:
            slab.backward(left, heads, to_hidden, to_heads)
        loss = torch.linalg.vector_norm(left, dtype=torch.float64).square()
        penalty = penalty + torch.linalg.vector_norm(heads, dtype=torch.float64).square()
        value = (loss + self.data.beta * penalty) / 2
        return value, torch.cat([to_hidden.flatten(), to_heads.flatten()])

    def _penalty(self, hidden: Float[Tensor, "m d"]) -> tuple[Float[Tensor, "m d"], Tensor]:
        """Return the gradient of ``beta/2 sum_j N(w_j)^2``, and the sum."""
        norm, beta = self.data.features.norm, self.data.beta
        if norm.n_groups == 1:
            weight = norm.weights[0].square()
            sum_ = torch.linalg.vector_norm(hidden, dtype=torch.float64).square() * weight
            return beta * weight * hidden, sum_
        soft = SoftNorm.of(norm.grouped(hidden), self.norm_widths)
        sizes = soft.lengths @ norm.weights
        slopes = soft.slopes * (beta * sizes[:, None] * norm.weights)[:, :, None]
        return slopes.flatten(1), sizes.double().square().sum()


class _Slab:
    """Some samples, what all neurons put out on them, and the slopes of their kinks."""

    def __init__(self, features: Features, samples: slice, n_neurons: int) -> None:
        self.samples, self.features = samples, features.sliced(samples)
        shape = (len(self.features.rows), n_neurons)
        self.outputs, self.slopes = (features.rows.new_empty(shape) for _ in range(2))
        self.pooled: Float[Tensor, "nS m"]

    def forward(
        self, hidden: Float[Tensor, "m d"], heads: Float[Tensor, "m SC"],
        squares: Float[Tensor, " m"]
    ) -> Float[Tensor, "n C"]:
        """Return what the network puts out: ``a = (t + q)/2`` with ``q = sqrt(t^2 + e^2)``.

        The slope of a is a / q.
        """
        active = torch.mm(self.features.rows, hidden.T, out=self.outputs)
        lengths = torch.addcmul(squares, active, active, out=self.slopes).sqrt_()
        active.add_(lengths).mul_(0.5)
        torch.div(active, lengths, out=self.slopes)
        self.pooled = self.features.pool(active)
        if heads.shape[1] == 1:
            return self.pooled @ heads
        return self.features.combine(self.pooled, heads)

    def backward(
        self, left: Float[Tensor, "nd C"], heads: Float[Tensor, "m SC"],
        to_hidden: Float[Tensor, "m d"], to_heads: Float[Tensor, "m SC"]
    ) -> None:
        """Add the gradient of the loss on these samples; left are those of all samples."""
        residual = left[self.samples]
        to_heads.sub_(self.features.correlations(self.pooled, residual))
        seen = self.features.spread(self.features.seen(residual, heads))
        to_hidden.addmm_(self.slopes.mul_(seen).T, self.features.rows, alpha=-1)


def _slabs(features: Features, n_neurons: int) -> Iterator[_Slab]:
    """Cut the samples into slabs that a processor's cache holds."""
    per_sample = n_neurons * features.n_patches
    size = rows_per_slab(SEARCHED.on(features.rows.device), per_sample)
    for own in slices(features.n_samples, size):
        yield _Slab(features, own, n_neurons)


def descend(
    data: DescentData, neurons: Neurons, widths: Sequence[float], n_evaluations: int,
    settings: DescentSettings, report: Report | None = None
) -> Neurons:
    """Let all neurons descend together, with kinks of each of these widths in turn.

    Widths are shares of the root mean square of a neuron's ``R z_j``; each is a phase of so many
    evaluations, fewer where the objective has settled. Neurons without outputs or weights are
    dropped. The network is returned in the dtype that it came in.
    """
    kept = (data.features.norm.norms(neurons.blocks.to(data.targets)) > 0)
    neurons = neurons.taken(kept)
    if len(neurons) == 0:
        return neurons
    objective = FactorObjective(data, *neurons.heads.shape)
    point, scale = _point_of(data, neurons), None
    for width in widths:
        objective.soften(width, settings.norm_width, point)
        state = LBFGS(objective, point, settings, scale)
        before = float(state.value)
        for _ in range(-(-n_evaluations // settings.checked_every)):
            state.run(settings.checked_every)
            after = float(state.value)
            if before - after < settings.settled * after:
                break
            before = after
        point, scale = state.point, state.scale
        if report is not None:
            report(_neurons_of(objective, point, neurons))
    return _neurons_of(objective, point, neurons)


def _point_of(data: DescentData, neurons: Neurons) -> Float[Tensor, " P"]:
    """Return the balanced factors of a network, ``N(w_j) = ||v_j||``, as one vector."""
    blocks, heads = neurons.blocks.to(data.targets), neurons.heads.to(data.targets)
    roots = data.features.norm.norms(blocks).sqrt()[:, None]
    return torch.cat([(blocks / roots).flatten(), (heads * roots).flatten()])


def _neurons_of(
    objective: FactorObjective, point: Float[Tensor, " P"], like: Neurons
) -> Neurons:
    """Return the network of balanced factors; one of no size is left out."""
    hidden, heads = (part.to(like.blocks) for part in objective.parts(point))
    sizes = heads.norm(dim=1, keepdim=True)
    used = (sizes[:, 0] > 0) & (hidden != 0).any(1)
    return Neurons((hidden * sizes)[used], (heads / sizes)[used])
