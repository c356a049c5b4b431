"""Relaxations for a norm of several groups: each group is a second-order cone.

    max_{u, tau} g'u  s.t.  sum_g omega_g tau_g = 1,  (tau_g, u_g) in Q,  C u >= 0

Its value is the support function of the unit ball of N within the cone. Newton's equations are
reduced to u: tau, the slacks and all duals are eliminated by Nesterov-Todd scaling.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.relaxations import (
    BatchedCholesky,
    NewtonEquations,
    Relaxations,
    inverse_row_steps,
)
from relu_forecast.solvers.second_order_cone import Boundary, ConePoint, NesterovTodd


@dataclass(frozen=True)
class SupportState:
    """Iterates of B programs, and the directions between them."""

    points: Float[Tensor, "B d"]
    """u."""
    norms: Float[Tensor, "B G"]
    """tau_g > ||u_g||."""
    slacks: Float[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]
    """s = C u > 0 and alpha > 0."""
    levels: Float[Tensor, "B 1"]
    """t, the dual objective: ``(omega_g t, -xi_g) in Q``."""
    duals: Float[Tensor, "B d"]
    """xi, which is ``g + C'alpha`` in the end."""


class Support(NewtonEquations[SupportState]):
    """Newton's equations of the programs, tau, t and all duals eliminated."""

    def __init__(self, norm: GroupNorm, problems: Relaxations, state: SupportState) -> None:
        self.norm, self.cones, self.state = norm, problems.cones, state
        self.primal, self.dual = self._points(state)
        self.scaling = NesterovTodd.of(self.primal, self.dual)
        w0 = self.scaling.direction.head.view_as(state.norms)
        self.lean = self._spread(2 * w0 / (2 * w0**2 - 1)) * self._blocks(
            self.scaling.direction.tail)
        self.stiffness = (2 * w0**2 - 1) / self.scaling.theta.view_as(w0) ** 2
        self.column = -self._spread(norm.weights.expand_as(w0)) * self.lean
        self.pivot = (norm.weights**2 / self.stiffness).sum(1, keepdim=True)
        self.defect = problems.targets + self.cones.adjoint(state.multipliers) - state.duals
        self.solve = BatchedCholesky(self._matrix())

    @staticmethod
    def start(norm: GroupNorm, problems: Relaxations) -> SupportState:
        """Return half the inner point, with what is left of the norm shared by the groups."""
        points = 0.5 * problems.inner
        spare = 0.5 / (norm.n_groups * norm.weights)
        slacks = problems.slacks(points)
        levels = norm.dual_norms(problems.targets)[:, None]
        product = 0.01 * levels / max(1, slacks.shape[1])
        return SupportState(points, norm.group_norms(points) + spare, slacks,
                            product / slacks, levels, torch.zeros_like(points))

    def _points(self, state: SupportState) -> tuple[ConePoint, ConePoint]:
        """Return the primal and dual points of the second-order cones, or their directions."""
        heads = (self.norm.weights * state.levels).flatten()
        return (ConePoint(state.norms.flatten(), self.norm.tails(state.points)),
                ConePoint(heads, self.norm.tails(-state.duals)))

    def _blocks(self, tails: Float[Tensor, "BG size"]) -> Float[Tensor, "B d"]:
        """Undo `GroupNorm.tails`."""
        return tails.reshape(self.state.points.shape)

    def _spread(self, values: Float[Tensor, "B G"]) -> Float[Tensor, "B d"]:
        """Return each group's value on all its coordinates."""
        size = self.state.points.shape[1] // self.norm.n_groups
        return values.repeat_interleave(size, dim=1)

    def _matrix(self) -> Float[Tensor, "B d d"]:
        """Return ``C' Diag(alpha/s) C + blockdiag(V_g) + a a'/kappa``."""
        matrix = self.cones.weighted_grams(self.state.multipliers / self.state.slacks)
        terms = self.scaling.eliminated_hessian()
        groups, size = self.norm.n_groups, terms.shape[1]
        tiles = matrix.view(-1, groups, size, groups, size).diagonal(dim1=1, dim2=3)
        tiles.add_(terms.view(-1, groups, size, size).permute(0, 2, 3, 1))
        column = self.column
        return matrix.add_(column[:, :, None] * (column / self.pivot)[:, None, :])

    def complementarity(self, state: SupportState) -> Float[Tensor, "B 1"]:
        """Return the mean complementarity product of each block."""
        total = (state.slacks * state.multipliers).sum(1, keepdim=True)
        total = total + (self.norm.weights * state.norms * state.levels).sum(1, keepdim=True)
        total = total - (state.points * state.duals).sum(1, keepdim=True)
        return total / (self.norm.n_groups + state.slacks.shape[1])

    def direction(
        self, target: Float[Tensor, "B 1"], predictor: SupportState | None
    ) -> SupportState:
        """Return the direction towards complementarity products equal to ``target``."""
        state, cones = self.state, self.cones
        centre = target - state.slacks * state.multipliers
        if predictor is not None:
            centre = centre - predictor.slacks * predictor.multipliers
        force = self.scaling.complementarity_force(
            target.expand_as(state.norms).flatten(),
            None if predictor is None else self._points(predictor))
        heads, tails = force.head.view_as(state.norms), self._blocks(force.tail)
        pull = (self.norm.weights * heads / self.stiffness).sum(1, keepdim=True)
        right = tails + self._spread(heads) * self.lean + self.defect
        right = right + cones.adjoint(centre / state.slacks) + self.column * (pull / self.pivot)
        points = self.solve(right)
        levels = (pull - (self.column * points).sum(1, keepdim=True)) / self.pivot
        along = self.norm.grouped(self.lean * points).sum(2)
        norms = (heads - self.norm.weights * levels) / self.stiffness + along
        slacks = cones.outputs(points)
        multipliers = (centre - state.multipliers * slacks) / state.slacks
        duals = cones.adjoint(multipliers) + self.defect
        return SupportState(points, norms, slacks, multipliers, levels, duals)

    def inverse_reach(self, step: SupportState) -> Float[Tensor, " B"]:
        """Return one over the longest step that keeps all cones, negative where none ends it."""
        shortest = inverse_row_steps(self.state, step)
        for point, move in zip((self.primal, self.dual), self._points(step), strict=True):
            limits = Boundary.around(point).inverse_steps(move).view_as(step.norms).amax(1)
            shortest = torch.maximum(shortest, limits)
        return shortest
