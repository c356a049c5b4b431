"""Newton steps that move the neurons of a network, across cells and through kinks.

The objective ``1/2 (y - f)'M(y - f) + beta sum_j N(z_j)`` with ``f = sum_j s_j P (R z_j)_+`` is
quadratic within a cell of activation patterns, but for the norms. It is nonconvex, and it has a
kink at every hyperplane ``x_t'z_j = 0``: gradient methods slow down there, and a Newton step that
stays in its cell is short. Where ``s_j v_t < 0``, v being the residual, a kink bends the objective
up, and minima lie on such kinks. So ``(t)_+`` and the norms are smoothed within some width, and the
kinks that bend up enter the Newton matrix, while the others are left out of it:

    H = A'MA + blockdiag( R' Diag(kappa_tj (-s_j v_t)_+ / 2) R + beta Hessian of N ),

A being the columns ``s_j P Diag(h'(R z_j)) R`` and kappa the primal-dual curvature of `softening`,
which keeps steps long while the width shrinks. About ten steps end at a point that no small move
improves. THEORY section 7.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.patterns.slabs import SUMMED, rows_per_slab, slices
from relu_forecast.problems.design import TriangularProducts
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.newton_systems import newton_system
from relu_forecast.training.settings import NewtonSettings
from relu_forecast.training.softening import SoftModulus, SoftNorm


def move_neurons(
    problem: Problem, neurons: Neurons, first_width: float, last_width: float, n_steps: int,
    settings: NewtonSettings
) -> Neurons:
    """Take Newton steps from a network, its kinks wide at first and then ever narrower.

    Widths are shares of the root mean square of a neuron's ``R z_j``. With a wide first one the
    path smooths over local minima; where the last one is wide too, the objective may end a little
    higher than it was. No block may be zero at the start; those of no use end nearly zero. The
    problem has one target. A step costs O(n (m d)^2 + (m d)^3), and O(N m) memory.
    """
    if len(neurons) == 0:
        return neurons
    descent, width, failures = _Descent(problem, neurons, settings), first_width, 0
    for _ in range(n_steps):
        descent.soften(width)
        length = descent.step()
        failures = 0 if length else failures + 1
        settled = width <= last_width and descent.gain < settings.settled * descent.value
        if settled or failures == settings.most_failures:
            break
        if length >= settings.long_step:
            width = max(last_width, width * (
                settings.full_step_narrowing if length == 1.0 else settings.part_step_narrowing))
    return Neurons(descent.blocks, neurons.heads)


class _Descent:
    """The blocks of a network between Newton steps, and the softened objective around them."""

    def __init__(self, problem: Problem, neurons: Neurons, settings: NewtonSettings) -> None:
        self.problem, self.settings, self.blocks = problem, settings, neurons.blocks
        self.slabs = list(_slabs(problem, neurons))
        self.norm: SoftNorm
        self.norm_duals: Tensor | None = None
        self.damping = self.least_damping = 4 * torch.finfo(self.blocks.dtype).eps
        self.value = self.gain = 0.0

    def soften(self, width: float) -> None:
        """Set the widths of the kinks, as a share of what each neuron puts out."""
        features = self.problem.features
        squares = ((self.blocks @ self.problem.row_gram) * self.blocks).sum(1).clamp_min(0.0)
        self.widths = width * self._floored((squares / len(features.rows)).sqrt())
        share = self.settings.norm_width * width / features.norm.n_groups
        self.norm_widths = share * self._floored(features.norm.norms(self.blocks))
        self.value = self._evaluate(self.blocks, 0.0)
        self._accept(self.blocks, 0.0)

    def _floored(self, sizes: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """Return the sizes, none of them zero."""
        return sizes.clamp_min(self.settings.least_scale * sizes.amax())

    def step(self) -> float:
        """Take a damped Newton step; return its length, 0 where none lowered the objective."""
        spread = self.problem.features.spread(self.left[: len(self.problem.targets)])
        for slab in self.slabs:
            slab.set_residual(spread)
        gradient = self._gradient()
        move = self._newton_move(gradient)
        self.gain = -float((move * gradient).sum())
        if self.gain > 0:
            for slab in self.slabs:
                slab.set_direction(move)
            for length in (0.5**k for k in range(self.settings.most_halvings)):
                ahead = self.blocks + length * move
                value = self._evaluate(ahead, length)
                if value <= self.value - self.settings.sufficient_decrease * length * self.gain:
                    self._accept(ahead, length)
                    self.value = value
                    self._adapt_damping(length)
                    return length
        self._adapt_damping(0.0)
        return 0.0

    def _adapt_damping(self, length: float) -> None:
        """Damp less after a full step, more after a short one."""
        change = 10.0 if length else 1e4
        if length >= self.settings.long_step:
            change = 0.1 if length == 1.0 else 1.0
        self.damping = max(self.damping * change, self.least_damping)

    def _evaluate(self, blocks: Float[Tensor, "m d"], length: float) -> float:
        """Return the softened objective at ``blocks``, ``length`` ahead of the present ones."""
        problem, norm = self.problem, self.problem.features.norm
        fitted = torch.cat([slab.evaluate(length, self.widths) for slab in self.slabs])
        self.left_ahead = problem.leave(problem.targets[:, 0] - fitted)
        self.norm_ahead = SoftNorm.of(norm.grouped(blocks), self.norm_widths)
        penalty = problem.beta * (self.norm_ahead.lengths @ norm.weights).sum()
        return float(0.5 * self.left_ahead.dot(self.left_ahead) + penalty)

    def _accept(self, blocks: Float[Tensor, "m d"], length: float) -> None:
        """Move to the blocks that were evaluated last, and update the duals."""
        for slab in self.slabs:
            slab.accept(length)
        if self.norm_duals is None:
            self.norm_duals = self.norm_ahead.slopes
        elif length:
            moves = self.problem.features.norm.grouped(blocks - self.blocks)
            self.norm_duals = self.norm.next_duals(self.norm_duals, moves)
        self.blocks, self.left, self.norm = blocks, self.left_ahead, self.norm_ahead

    def _gradient(self) -> Float[Tensor, "m d"]:
        """Return the gradient of the softened objective."""
        weights = self.problem.beta * self.problem.features.norm.weights
        penalty = (self.norm.slopes * weights[:, None]).flatten(1)
        return penalty - torch.stack([slab.gradient() for slab in self.slabs]).sum(0)

    def _newton_move(self, gradient: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the Newton step; the damping grows until the matrix can be factorised."""
        blocks = torch.stack([slab.kinks() for slab in self.slabs]).sum(0) + self._norm_hessian()
        skip = self.problem.skip
        cross = None if skip is None else torch.stack(
            [slab.projected() for slab in self.slabs]).sum(0)
        shrunk = [] if skip is None or cross is None else [skip.shrunk(cross)]
        columns = (slab.columns(cross) for slab in self.slabs)
        system = newton_system(blocks, [*shrunk, *columns], self.problem.features.n_samples)
        while not system.factorise(self.damping) and self.damping <= self.settings.most_damping:
            self.damping *= 10
        return -system.solve(gradient)

    def _norm_hessian(self) -> Float[Tensor, "m d d"]:
        """Return the Hessian of the penalty, one matrix per block."""
        assert self.norm_duals is not None
        weights = self.problem.beta * self.problem.features.norm.weights
        parts = self.norm.curvatures(self.norm_duals) * weights[:, None, None]
        m, n_groups, size, _ = parts.shape
        whole = parts.new_zeros(m, n_groups, size, n_groups, size)
        whole.diagonal(dim1=1, dim2=3).copy_(parts.permute(0, 2, 3, 1))
        return whole.view(m, n_groups * size, n_groups * size)


class _Slab:
    """Some samples, and the kinks of all neurons on them."""

    def __init__(self, problem: Problem, neurons: Neurons, samples: slice) -> None:
        self.patches = problem.features.n_patches
        self.own = problem.features.rows_of(samples)
        self.rows = problem.features.rows[self.own]
        self.products = TriangularProducts.of(self.rows)
        self.signs = neurons.heads[:, 0]
        self.skip = None if problem.skip is None else problem.skip.rows(samples)
        self.outputs = self.rows @ neurons.blocks.T
        self.soft: SoftModulus
        self.curvatures: Tensor
        self.duals: Tensor | None = None

    def set_direction(self, move: Float[Tensor, "m d"]) -> None:
        """Compute how a full step along ``move`` changes the outputs."""
        self.change = self.rows @ move.T

    def evaluate(self, length: float, widths: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """Return what the network puts out ``length`` ahead, its kinks softened."""
        ahead = self.outputs
        if length:
            ahead = torch.add(ahead, self.change, alpha=length)
        self.ahead, self.soft_ahead = ahead, SoftModulus.of(ahead, widths)
        fitted = (ahead + self.soft_ahead.lengths) @ (self.signs / 2)
        return fitted if self.patches == 1 else fitted.view(-1, self.patches).sum(1)

    def accept(self, length: float) -> None:
        """Move to what was evaluated last, and update the duals."""
        if self.duals is None:
            self.duals = self.soft_ahead.slopes
        elif length:
            self.duals = self.soft.next_duals(self.curvatures, self.change * length)
        self.outputs, self.soft = self.ahead, self.soft_ahead
        self.gated = (1 + self.soft.slopes) * (self.signs / 2)

    def set_residual(self, spread: Float[Tensor, " N"]) -> None:
        """Set the residual, given at all rows."""
        self.residual = spread[self.own]

    def gradient(self) -> Float[Tensor, "m d"]:
        """Return ``A'v`` of these samples, block by block."""
        return (self.gated * self.residual[:, None]).T @ self.rows

    def kinks(self) -> Float[Tensor, "m d d"]:
        """Return the curvature of the kinks that bend the objective up, one matrix per block."""
        assert self.duals is not None
        self.curvatures = self.soft.curvatures(self.duals)
        bent = (self.signs * self.residual[:, None]).clamp_max_(0.0)
        bent.mul_(self.curvatures).mul_(-0.5)
        return self.products.weighted_grams(bent.T)

    def columns(self, cross: Float[Tensor, "r md"] | None = None) -> Float[Tensor, "n md"]:
        """Return these rows of A, less what the skip takes up: ``Q cross`` with ``cross = Q'A``."""
        d = self.rows.shape[1]
        if self.patches == 1:
            columns = (self.gated[:, :, None] * self.rows[:, None, :]).flatten(1)
        else:
            by_sample = self.gated.view(-1, self.patches, len(self.signs)).transpose(1, 2)
            columns = (by_sample @ self.rows.view(-1, self.patches, d)).flatten(1)
        if cross is not None and self.skip is not None:
            self.skip.subtract(columns, cross)
        return columns

    def projected(self) -> Float[Tensor, "r md"]:
        """Return the share of these samples in ``Q'A``."""
        assert self.skip is not None
        return self.skip.products(self.columns())


def _slabs(problem: Problem, neurons: Neurons) -> Iterator[_Slab]:
    """Cut the samples into slabs that a processor's cache holds."""
    features = problem.features
    per_sample = len(neurons) * max(features.width, features.n_patches)
    size = rows_per_slab(SUMMED.on(features.rows.device), per_sample)
    for own in slices(features.n_samples, size):
        yield _Slab(problem, neurons, own)
