"""The one optimisation problem: its loss, its residual, its lower bound and its certificate.

    min  1/2 sum_c (y_c - f_c)' M (y_c - f_c) + beta sum_j N(z_j),   f = sum_js P_s (R z_j)_+ h_js'

over networks of any width; R, P_s and the norm N are the features of the architecture, h_j is a
head of length one, M is what the linear skip leaves, the identity without one. The objective of
balanced weights, (1) and (3) of THEORY, is the same number. A convex program is this problem
restricted to given patterns and heads, and a network is a point of it; both use the loss and the
bound that are written here.
THEORY sections 1, 4, 5 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.certificates import Certificate, Scope
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons


@dataclass(frozen=True, eq=False)
class Problem:
    """Data and penalty; points of it are networks, as `Neurons`."""

    features: Features
    """R, P and the norm N of a block."""
    targets: Float[Tensor, "n C"]
    """y_c, the columns; C = 1 for a network of one output."""
    beta: float
    """Weight of the penalty."""
    skip: LinearSkip | None = None
    """The linear part beside the network, eliminated; None without one."""
    unit: float = 1.0
    """Size, in the units of the data, of a block of size one; see `standardised`."""

    @property
    def norm(self) -> GroupNorm:
        """The norm N of a block."""
        return self.features.norm

    @property
    def n_targets(self) -> int:
        """Outputs of the network, C."""
        return self.targets.shape[1]

    @property
    def n_head_entries(self) -> int:
        """Entries of a neuron's head: sites times outputs, S C."""
        return self.features.n_sites * self.n_targets

    @cached_property
    def row_gram(self) -> Float[Tensor, "d d"]:
        """``R'R``."""
        return self.features.rows.T @ self.features.rows

    def annihilate(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "n *m"]:
        """Return ``M v``, what the best linear skip leaves of a vector, or of columns."""
        return values if self.skip is None else self.skip.annihilate(values)

    def leave(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "nd *m"]:
        """Return vectors whose inner products are those of M, their first n rows being ``M v``.

        See `LinearSkip.leave`; the values themselves without a skip.
        """
        return values if self.skip is None else self.skip.leave(values)

    @cached_property
    def left_targets(self) -> Float[Tensor, "nd C"]:
        """What the skip leaves of the targets, see `leave`."""
        return self.leave(self.targets)

    def penalty(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """Return ``beta sum_j N(z_j)``."""
        return self.beta * self.norm.norms(blocks).sum()

    def value(self, error: Float[Tensor, "n C"], blocks: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """Return the objective at blocks that leave ``error`` of the targets, ``y - f``."""
        return 0.5 * self.leave(error).square().sum() + self.penalty(blocks)

    def dual_bound(
        self, left: Float[Tensor, "nd C"], violation: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Return the best lower bound that a multiple of a residual gives; see `scaled_bound`."""
        return scaled_bound(self.left_targets, left, violation)

    def certify(
        self, scope: Scope, left: Float[Tensor, "nd C"], blocks: Float[Tensor, "m d"],
        violation: float
    ) -> Certificate:
        """Return how far blocks are from the optimum, given the worst neuron of a scope.

        ``left`` is what the blocks and the best skip leave of the targets, see `left_of`.
        ``violation`` is the largest ``||[P_s(Ru)_+'V_c]_sc||`` over the scope's neurons u with
        N(u) = 1, V being the residual, the first n rows of ``left``, as a share of beta. An
        estimated bound that the point itself refutes is lowered to its objective.
        """
        objective = float(0.5 * left.square().sum() + self.penalty(blocks))
        bound = float(self.dual_bound(left, left.new_tensor(violation)))
        return Certificate(scope, objective, min(bound, objective), violation)

    def error_of(self, neurons: Neurons) -> Float[Tensor, "n C"]:
        """Return ``y - f``: what a network leaves of the targets, for the skip to fit."""
        return self.targets - neurons.outputs(self.features)

    def left_of(self, neurons: Neurons) -> Float[Tensor, "nd C"]:
        """Return what a network and the best skip leave of the targets, see `leave`.

        The first n rows are the residual.
        """
        return self.leave(self.error_of(neurons))

    def residual_of(self, neurons: Neurons) -> Float[Tensor, "n C"]:
        """Return ``M (y - f)``: what a network and the best skip leave of the targets."""
        return self.annihilate(self.error_of(neurons))

    def objective_of(self, neurons: Neurons) -> float:
        """Return the objective of a network, the skip at its best."""
        return float(self.value(self.error_of(neurons), neurons.blocks))

    def standardised(self) -> Problem:
        """Return the problem in units in which its scale does not matter.

        Rows and what the skip leaves of the targets have a root mean square of one; beta goes
        along. A network of it, its blocks multiplied by `unit`, is one of this problem.
        """
        unit_x = _root_mean_square(self.features.rows)
        unit_y = _root_mean_square(self.left_targets[: len(self.targets)])
        return Problem(self.features.scaled(1 / unit_x), self.targets / unit_y,
                       self.beta / (unit_x * unit_y), self.skip, self.unit * unit_y / unit_x)

    def subsampled(self, kept: Int[Tensor, " k"]) -> Problem:
        """Return the problem on some samples, given by their indices, penalties in proportion."""
        beta = self.beta * len(kept) / len(self.targets)
        skip = None if self.skip is None else self.skip.restricted(kept)
        return Problem(self.features.restricted(kept), self.targets[kept], beta, skip, self.unit)


def scaled_bound(
    targets: Float[Tensor, "nd C"], left: Float[Tensor, "nd C"], violation: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Return the largest of ``c <y, e>_M - c^2/2 <e, e>_M`` over ``0 <= c <= 1/violation``.

    Targets y and error e come as `Problem.leave` returns them. For every c in this range ``V = c M
    e`` is feasible for the dual, so that the value is a lower bound on the objective over all
    networks whose neurons ``violation`` was taken over: their largest ``||[P(Ru)_+]' M e||`` at
    ``N(u) = 1``, as a share of beta. THEORY sections 5 and 8.
    """
    linear, quadratic = targets.flatten().dot(left.flatten()), left.square().sum()
    scale = (linear / quadratic.clamp_min(torch.finfo(quadratic.dtype).tiny)).clamp_min(0.0)
    scale = torch.minimum(scale, 1 / violation)
    return scale * linear - 0.5 * scale**2 * quadratic


def _root_mean_square(values: Tensor) -> float:
    """Return the root mean square, or 1 for zeros."""
    return float(values.square().mean().sqrt()) or 1.0
