"""Relaxations for a norm of several groups: each group is a second-order cone.

    max_{u, tau} g'u  s.t.  sum_g omega_g tau_g = 1,  (tau_g, u_g) in Q,  C u >= 0

Its value is the support function of the unit ball of N within the cone. Newton's equations are
reduced to u: tau, the slacks and all duals are eliminated by Nesterov-Todd scaling.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.relaxations import BatchedCholesky, Relaxations, moved, plus
from relu_forecast.solvers.second_order_cone import Boundary, ConePoint, NesterovTodd


@dataclass(frozen=True)
class SupportState:
    """Iterates of B programs, and the directions between them.

    Attributes
    ----------
    points : Tensor, shape (B, d)
        u.
    norms : Tensor, shape (B, G)
        tau_g > ||u_g||.
    slacks, multipliers : Tensor, shape (B, q)
        s = C u > 0 and alpha > 0.
    levels : Tensor, shape (B, 1)
        t, the dual objective: ``(omega_g t, -xi_g) in Q``.
    duals : Tensor, shape (B, d)
        xi, which is ``g + C'alpha`` in the end.
    """

    points: Float[Tensor, "B d"]
    norms: Float[Tensor, "B G"]
    slacks: Float[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]
    levels: Float[Tensor, "B 1"]
    duals: Float[Tensor, "B d"]


@dataclass(frozen=True)
class Support:
    """Interior point steps for the norm of several groups; attributes as of `Projection`."""

    norm: GroupNorm
    step_back: float

    def start(self, problems: Relaxations) -> SupportState:
        """Return half the inner point, with what is left of the norm shared by the groups."""
        points = 0.5 * problems.inner
        spare = 0.5 / (self.norm.n_groups * self.norm.weights)
        slacks = problems.slacks(points)
        levels = self.norm.dual_norms(problems.targets)[:, None]
        product = 0.1 * levels / max(1, slacks.shape[1])
        return SupportState(points, self.norm.group_norms(points) + spare, slacks,
                            product / slacks, levels, torch.zeros_like(points))

    def step(
        self, problems: Relaxations, state: SupportState, wanted: Bool[Tensor, " B"]
    ) -> SupportState:
        """Return the next iterate, and the same one where none is wanted."""
        newton = _NewtonEquations(self.norm, problems, state)
        now = newton.complementarity(state)
        step = newton.direction(torch.zeros_like(now), None)
        reach = self._reach(newton, step).clamp_max(1.0)
        ahead = newton.complementarity(plus(state, step, reach))
        target = (ahead / now).clamp(0.0, 1.0) ** 3 * now
        step = newton.direction(target, step)
        length = self.step_back * self._reach(newton, step)
        return moved(state, step, length, wanted & (newton.solve.failed == 0))

    def _reach(self, newton: _NewtonEquations, step: SupportState) -> Float[Tensor, " B"]:
        """Return the longest step that keeps all cones, at most one over ``step_back``."""
        return (1 / newton.inverse_reach(step).clamp_min(1e-3)).clamp_max(1 / self.step_back)


class _NewtonEquations:
    """Newton's equations at one iterate of `Support`, tau, t and all duals eliminated."""

    def __init__(self, norm: GroupNorm, problems: Relaxations, state: SupportState) -> None:
        self.norm, self.problems, self.state = norm, problems, state
        self.primal = ConePoint(state.norms.flatten(), self._tails(state.points))
        self.dual = ConePoint(self._heads(state.levels), self._tails(-state.duals))
        self.scaling = NesterovTodd.of(self.primal, self.dual)
        w0 = self.scaling.direction.head.view_as(state.norms)
        self.lean = self._spread(2 * w0 / (2 * w0**2 - 1)) * self._blocks(
            self.scaling.direction.tail)
        self.stiffness = (2 * w0**2 - 1) / self.scaling.theta.view_as(w0) ** 2
        self.column = -self._spread(norm.weights.expand_as(w0)) * self.lean
        self.pivot = (norm.weights**2 / self.stiffness).sum(1, keepdim=True)
        self.defect = problems.targets + problems.pull(state.multipliers) - state.duals
        self.solve = BatchedCholesky(self._matrix())

    def _tails(self, blocks: Float[Tensor, "B d"]) -> Float[Tensor, "BG size"]:
        """Return the groups of all blocks, the tails of the second-order cones."""
        return self.norm.grouped(blocks).flatten(0, 1)

    def _heads(self, levels: Float[Tensor, "B 1"]) -> Float[Tensor, " BG"]:
        """Return ``omega_g t``, the heads of the dual cone points."""
        return (self.norm.weights * levels).flatten()

    def _blocks(self, tails: Float[Tensor, "BG size"]) -> Float[Tensor, "B d"]:
        """Undo `_tails`."""
        return tails.reshape(self.state.points.shape)

    def _spread(self, values: Float[Tensor, "B G"]) -> Float[Tensor, "B d"]:
        """Return each group's value on all its coordinates."""
        size = self.state.points.shape[1] // self.norm.n_groups
        return values.repeat_interleave(size, dim=1)

    def _matrix(self) -> Float[Tensor, "B d d"]:
        """Return ``C' Diag(alpha/s) C + blockdiag(V_g) + a a'/kappa``."""
        matrix = self.problems.curvature(self.state.multipliers / self.state.slacks)
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
        state, problems = self.state, self.problems
        centre = target - state.slacks * state.multipliers
        if predictor is not None:
            centre = centre - predictor.slacks * predictor.multipliers
        force = self._force(target, predictor)
        heads, tails = force.head.view_as(state.norms), self._blocks(force.tail)
        pull = (self.norm.weights * heads / self.stiffness).sum(1, keepdim=True)
        right = tails + self._spread(heads) * self.lean + self.defect
        right = right + problems.pull(centre / state.slacks) + self.column * (pull / self.pivot)
        points = self.solve(right)
        levels = (pull - (self.column * points).sum(1, keepdim=True)) / self.pivot
        along = self.norm.grouped(self.lean * points).sum(2)
        norms = (heads - self.norm.weights * levels) / self.stiffness + along
        slacks = problems.margins(points)
        multipliers = (centre - state.multipliers * slacks) / state.slacks
        duals = problems.pull(multipliers) + self.defect
        return SupportState(points, norms, slacks, multipliers, levels, duals)

    def _force(self, target: Float[Tensor, "B 1"], predictor: SupportState | None) -> ConePoint:
        """Return q of ``dx = q - W^-2 dp`` that drives the second-order cones to ``target``."""
        scaling = self.scaling
        heads = target.expand_as(self.state.norms).flatten()
        aim = ConePoint(heads, torch.zeros_like(scaling.point.tail))
        if predictor is not None:
            primal, dual = self._moves(predictor)
            second = scaling.apply_inverse(primal).product(scaling.apply(dual))
            aim = ConePoint(aim.head - second.head, aim.tail - second.tail)
        ratio = scaling.point.divide(aim)
        return scaling.apply_inverse(ConePoint(
            ratio.head - scaling.point.head, ratio.tail - scaling.point.tail))

    def _moves(self, step: SupportState) -> tuple[ConePoint, ConePoint]:
        """Return the directions of the primal and the dual cone points."""
        return (ConePoint(step.norms.flatten(), self._tails(step.points)),
                ConePoint(self._heads(step.levels), self._tails(-step.duals)))

    def inverse_reach(self, step: SupportState) -> Float[Tensor, " B"]:
        """Return one over the longest step that keeps all cones, negative where none ends it."""
        state = self.state
        shortest = torch.maximum(
            -step.slacks / state.slacks, -step.multipliers / state.multipliers).amax(1)
        for point, move in zip((self.primal, self.dual), self._moves(step), strict=True):
            limits = Boundary.around(point).inverse_steps(move).view_as(state.norms).amax(1)
            shortest = torch.maximum(shortest, limits)
        return shortest
