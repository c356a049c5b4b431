"""Many small cone programs at once: the largest ``g'u / N(u)`` over cones of a few rows each.

    max g_b'u  s.t.  N(u) <= 1,  C_b u >= 0     =     min_{alpha >= 0} N*(g_b + C_b'alpha)

for b = 1..B, N a group norm and N* its dual norm. Any alpha >= 0 proves an upper bound, any u
inside its cone a lower one. With one group the maximiser is the normalised projection of g_b, a
quadratic program in d variables; with several, each group is a second-order cone. Both are
solved by Mehrotra's predictor-corrector, one d x d Cholesky per block and step, in batches
without host synchronisation; blocks that are finished leave the batch between bursts of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.second_order_cone import ConePoint, NesterovTodd

_STEP_BACK = 0.99
_BURST = 3
"""Steps between two looks at which blocks are finished."""

_MOST_BURSTS = 14


@dataclass(frozen=True)
class Relaxations:
    """B problems; the norm and beta are those of all.

    Attributes
    ----------
    cones : Tensor, shape (B, q, d)
        C_b, zero in the rows that are not `present`.
    present : Tensor of bool, shape (B, q)
        Which rows there are.
    targets : Tensor, shape (B, d)
        g_b.
    inner : Tensor, shape (B, d)
        A point strictly inside each cone, of norm N one.
    """

    cones: Float[Tensor, "B q d"]
    present: Bool[Tensor, "B q"]
    targets: Float[Tensor, "B d"]
    inner: Float[Tensor, "B d"]

    def margins(self, points: Float[Tensor, "B d"]) -> Float[Tensor, "B q"]:
        """Return ``C_b u_b``."""
        return (self.cones @ points[:, :, None])[:, :, 0]

    def pull(self, multipliers: Float[Tensor, "B q"]) -> Float[Tensor, "B d"]:
        """Return ``C_b'alpha_b``."""
        return (multipliers[:, None, :] @ self.cones)[:, 0]

    def curvature(self, weights: Float[Tensor, "B q"]) -> Float[Tensor, "B d d"]:
        """Return ``C_b' Diag(w_b) C_b``."""
        return (self.cones * weights[:, :, None]).transpose(1, 2) @ self.cones


@dataclass(frozen=True)
class Stop:
    """When a block is finished.

    Attributes
    ----------
    norm : GroupNorm
        N.
    beta : float
        A block whose upper bound is at most this is certified, and finished.
    width : float
        Share of beta within which the two bounds of any other block must agree,
    looseness : float
        or this share of the excess of the lower bound over beta.
    """

    norm: GroupNorm
    beta: float
    width: float
    looseness: float

    def unfinished(
        self, problems: Relaxations, state: ProjectionState | SupportState
    ) -> Bool[Tensor, " B"]:
        """Tell which blocks go on."""
        upper = self.norm.dual_norms(problems.targets + problems.pull(state.multipliers))
        lower = (problems.targets * state.points).sum(1) / self.norm.norms(state.points)
        rounding = 50 * torch.finfo(upper.dtype).eps * self.norm.dual_norms(problems.targets)
        width = upper - lower
        wanted = self.looseness * (lower - self.beta).clamp_min(0.0)
        return (upper > self.beta) & (width > wanted + self.width * self.beta + rounding)


@dataclass(frozen=True)
class ProjectionState:
    """An interior point of ``min 1/2||u - g||^2, Cu >= 0``; s = Cu, dual residual not zero."""

    points: Float[Tensor, "B d"]
    slacks: Float[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]


class Projection:
    """Steps for the norm of one group: u is the projection of g, on the way."""

    def __init__(self, norm: GroupNorm) -> None:
        self.norm = norm

    def start(self, problems: Relaxations) -> ProjectionState:
        """Return half the length of g along the inner point, and multipliers well centred."""
        length = torch.linalg.vector_norm(problems.targets, dim=1, keepdim=True)
        size = torch.linalg.vector_norm(problems.inner, dim=1, keepdim=True)
        points = 0.5 * length / size * problems.inner
        slacks = _positive(problems.margins(points)).where(problems.present, 1.0)
        share = 0.1 * length.square() / max(1, slacks.shape[1])
        return ProjectionState(points, slacks, share / slacks)

    def step(
        self, problems: Relaxations, state: ProjectionState, move: Bool[Tensor, " B"]
    ) -> ProjectionState:
        """Return the next iterate, where ``move`` says so."""
        s, alpha = state.slacks, state.multipliers
        matrix = problems.curvature(alpha / s)
        matrix.diagonal(dim1=1, dim2=2).add_(1.0)
        solve = _Factor(matrix)
        defect = problems.targets + problems.pull(alpha) - state.points

        def direction(centre: Float[Tensor, "B q"]) -> ProjectionState:
            points = solve(defect + problems.pull(centre / s))
            slacks = problems.margins(points)
            return ProjectionState(points, slacks, (centre - alpha * slacks) / s)

        def reach(way: ProjectionState) -> Float[Tensor, " B"]:
            shortest = torch.maximum(-way.slacks / s, -way.multipliers / alpha).amax(1)
            return (1 / shortest.clamp_min(1e-3)).clamp_max(1 / _STEP_BACK)

        way = direction(-s * alpha)
        length = reach(way).clamp_max(1.0)[:, None]
        now = (s * alpha).mean(1)
        ahead = ((s + length * way.slacks) * (alpha + length * way.multipliers)).mean(1)
        target = (ahead / now).clamp(0.0, 1.0) ** 3 * now
        way = direction(target[:, None] - s * alpha - way.slacks * way.multipliers)
        return _moved(state, way, _STEP_BACK * reach(way), move & (solve.failed == 0))


@dataclass(frozen=True)
class SupportState:
    """An interior point of ``max g'u, sum_g omega_g tau_g = 1, (tau_g, u_g) in Q, Cu >= 0``.

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


class Support:
    """Steps for the norm of several groups."""

    def __init__(self, norm: GroupNorm) -> None:
        self.norm = norm

    def start(self, problems: Relaxations) -> SupportState:
        """Return half the inner point, with what is left of the norm shared by the groups."""
        points = 0.5 * problems.inner
        spare = 0.5 / (self.norm.n_groups * self.norm.weights)
        slacks = _positive(problems.margins(points)).where(problems.present, 1.0)
        levels = self.norm.dual_norms(problems.targets)[:, None]
        share = 0.1 * levels / max(1, slacks.shape[1])
        return SupportState(points, self.norm.group_norms(points) + spare, slacks, share / slacks,
                            levels, torch.zeros_like(points))

    def step(
        self, problems: Relaxations, state: SupportState, move: Bool[Tensor, " B"]
    ) -> SupportState:
        """Return the next iterate, where ``move`` says so."""
        newton = _SupportNewton(self.norm, problems, state)
        now = newton.complementarity(state)
        way = newton.direction(torch.zeros_like(now), None)
        ahead = newton.complementarity(_plus(state, way, newton.reach(way).clamp_max(1.0)))
        target = (ahead / now).clamp(0.0, 1.0) ** 3 * now
        way = newton.direction(target, way)
        good = move & (newton.solve.failed == 0)
        return _moved(state, way, _STEP_BACK * newton.reach(way), good)


class _SupportNewton:
    """Newton's equations at one point of `Support`, tau, t and all duals eliminated."""

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
        self.solve = _Factor(self._matrix())

    def _tails(self, blocks: Float[Tensor, "B d"]) -> Float[Tensor, "BG size"]:
        """Return the groups of all blocks."""
        return self.norm.grouped(blocks).flatten(0, 1)

    def _heads(self, levels: Float[Tensor, "B 1"]) -> Float[Tensor, " BG"]:
        """Return ``omega_g t``."""
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
            moved = ConePoint(predictor.norms.flatten(), self._tails(predictor.points))
            other = ConePoint(self._heads(predictor.levels), self._tails(-predictor.duals))
            second = scaling.apply_inverse(moved).product(scaling.apply(other))
            aim = ConePoint(aim.head - second.head, aim.tail - second.tail)
        ratio = scaling.point.divide(aim)
        return scaling.apply_inverse(ConePoint(
            ratio.head - scaling.point.head, ratio.tail - scaling.point.tail))

    def reach(self, way: SupportState) -> Float[Tensor, " B"]:
        """Return the longest step that keeps all cones, at most 1 / 0.99."""
        state = self.state
        shortest = torch.maximum(
            -way.slacks / state.slacks, -way.multipliers / state.multipliers).amax(1)
        sides = ((self.primal, ConePoint(way.norms.flatten(), self._tails(way.points))),
                 (self.dual, ConePoint(self._heads(way.levels), self._tails(-way.duals))))
        for point, move in sides:
            limits = _inverse_steps(point, move).view_as(state.norms).amax(1)
            shortest = torch.maximum(shortest, limits)
        return (1 / shortest.clamp_min(1e-3)).clamp_max(1 / _STEP_BACK)


class _Factor:
    """Cholesky factors of a batch, scaled to unit diagonals, with a jitter far below rounding.

    `failed` is non-zero where a factorisation met a negative pivot.
    """

    def __init__(self, matrix: Float[Tensor, "B d d"]) -> None:
        self.scale = matrix.diagonal(dim1=1, dim2=2).rsqrt()
        scaled = self.scale[:, :, None] * matrix * self.scale[:, None, :]
        scaled.diagonal(dim1=1, dim2=2).add_(8 * torch.finfo(matrix.dtype).eps)
        self.factor, self.failed = torch.linalg.cholesky_ex(scaled)

    def __call__(self, right: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """Return the solutions, one right-hand side each."""
        scaled = (self.scale * right)[:, :, None]
        return self.scale * torch.cholesky_solve(scaled, self.factor)[:, :, 0]


State = TypeVar("State", ProjectionState, SupportState)


@runtime_checkable
class _Method(Protocol[State]):
    """What `Projection` and `Support` have in common."""

    def start(self, problems: Relaxations) -> State:
        """Return a first interior point."""

    def step(self, problems: Relaxations, state: State, move: Bool[Tensor, " B"]) -> State:
        """Return the next one."""


def solve_relaxations(
    problems: Relaxations, stop: Stop
) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B q"]]:
    """Return points u inside their cones and multipliers alpha > 0 that make `Stop` content.

    Cost O(B q d^2 + B d^3) per step, 5 to 25 steps. Blocks that do not get there are returned
    as they stand: their bounds hold all the same.
    """
    if stop.norm.n_groups == 1:
        return _run(Projection(stop.norm), problems, stop)
    return _run(Support(stop.norm), problems, stop)


def _run(
    method: _Method[State], problems: Relaxations, stop: Stop
) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B q"]]:
    """Run bursts of steps on the blocks that are not finished."""
    state = method.start(problems)
    points, multipliers = state.points.clone(), state.multipliers.clone()
    alive = torch.arange(len(points), device=points.device)
    for _ in range(_MOST_BURSTS):
        state = burst(method, problems, state, stop)
        points[alive], multipliers[alive] = state.points, state.multipliers
        left = stop.unfinished(problems, state).nonzero()[:, 0]
        if len(left) == 0:
            break
        alive, problems, state = alive[left], _taken(problems, left), _taken(state, left)
    return points, multipliers


def burst(method: _Method[State], problems: Relaxations, state: State, stop: Stop) -> State:
    """Take a fixed number of steps, without a host synchronisation."""
    for _ in range(_BURST):
        state = method.step(problems, state, stop.unfinished(problems, state))
    return state


Batch = TypeVar("Batch", Relaxations, ProjectionState, SupportState)


def _taken(batch: Batch, index: Int[Tensor, " m"]) -> Batch:
    """Return some of the blocks."""
    return type(batch)(*(getattr(batch, field.name)[index] for field in fields(batch)))


def _plus(state: State, way: State, length: Float[Tensor, " B"]) -> State:
    """Return ``state + length * way``."""
    return _combined(state, way, lambda x, move: x + length[:, None] * move)


def _moved(
    state: State, way: State, length: Float[Tensor, " B"], move: Bool[Tensor, " B"]
) -> State:
    """Return ``state + min(length, 1) * way`` where that is wanted and finite, else ``state``."""
    good = (move & way.points.isfinite().all(1) & length.isfinite())[:, None]
    length = length.clamp_max(1.0)[:, None]
    return _combined(state, way, lambda x, direction: (x + length * direction).where(good, x))


def _combined(
    state: State, way: State, combine: Callable[[Tensor, Tensor], Tensor]
) -> State:
    """Combine two states part by part."""
    return type(state)(*(combine(getattr(state, field.name), getattr(way, field.name))
                         for field in fields(state)))


def _positive(margins: Float[Tensor, "B q"]) -> Float[Tensor, "B q"]:
    """Lift margins that rounding has made zero or less."""
    floor = torch.finfo(margins.dtype).eps * margins.abs().amax(1, keepdim=True)
    return torch.maximum(margins, floor.clamp_min(torch.finfo(margins.dtype).tiny))


def _inverse_steps(point: ConePoint, move: ConePoint) -> Float[Tensor, " K"]:
    """Return one over the longest step inside each second-order cone, negative if unlimited."""
    root = point.root_determinant()
    unit = point.scaled(1 / root)
    inner = unit.head * move.head - (unit.tail * move.tail).sum(1)
    bend = (inner + move.head) / (unit.head + 1)
    outer = move.tail - bend[:, None] * unit.tail
    limits: Tensor = (torch.linalg.vector_norm(outer, dim=1) - inner) / root
    return limits
