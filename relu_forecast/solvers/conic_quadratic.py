"""Small conic quadratic programs whose matrix is given: the subproblems of a proximal method.

    min_z 1/2 z'Bz - b'z + beta sum_k N(z_k)   s.t.  C_k z_k >= 0,  k = 1..m,

with few rows C_k in each cone, or none. Nesterov-Todd scaling and Mehrotra's predictor-corrector
as in `InteriorPoint`, where the rows of the cones are those of the data and all blocks have all
of them; here each block has its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.penalties import GroupNorm
from relu_forecast.solvers.second_order_cone import Boundary, ConePoint, Force, NesterovTodd

_STEP_BACK = 0.99
_STALL_STEPS = 4
_PATIENCE = 20
"""Steps without a gap of half the size that end a solve: near the minimum, and far from it."""
_NEAR = 1e-3
"""Gaps below this share of the loss are near."""
_FLOOR = 0.2
"""Share of the wanted gap that the complementarity products keep."""


@dataclass(frozen=True)
class QuadraticState:
    """A strictly interior primal-dual point.

    Attributes
    ----------
    norms : Tensor, shape (m G,)
        tau_kg > ||z_kg||.
    blocks : Tensor, shape (m, d)
        z_k.
    slacks, multipliers : Tensor, shape (m, q)
        ``s_k = C_k z_k > 0`` and alpha_k > 0; one and something where there is no row.
    duals : Tensor, shape (m, d)
        xi_k with ||xi_kg|| < beta omega_g.
    jitter : Tensor, shape ()
        Added to the Newton matrix once its diagonal is scaled to one.
    """

    norms: Float[Tensor, " mG"]
    blocks: Float[Tensor, "m d"]
    slacks: Float[Tensor, "m q"]
    multipliers: Float[Tensor, "m q"]
    duals: Float[Tensor, "m d"]
    jitter: Float[Tensor, ""]


@dataclass(frozen=True)
class _Direction:
    """A Newton direction, part by part as in `QuadraticState`."""

    norms: Float[Tensor, " mG"]
    blocks: Float[Tensor, "m d"]
    slacks: Float[Tensor, "m q"]
    multipliers: Float[Tensor, "m q"]
    duals: Float[Tensor, "m d"]


@dataclass(frozen=True)
class ConicQuadratic:
    """One program, and the steps of its interior point method.

    Attributes
    ----------
    matrix : Tensor, shape (m d, m d)
        B, positive semidefinite.
    linear : Tensor, shape (m, d)
        b.
    norm : GroupNorm
        N.
    beta : float
        Weight of the penalty.
    cones : Tensor, shape (m, q, d)
        C_k, zero in rows that are not `present`; q may be zero.
    present : Tensor of bool, shape (m, q)
        Which rows there are.
    loss : Tensor, shape ()
        Value of the least squares loss near the minimum, of which the quadratic is a part: what
        a dual point loses that has to shrink.
    """

    matrix: Float[Tensor, "md md"]
    linear: Float[Tensor, "m d"]
    norm: GroupNorm
    beta: float
    cones: Float[Tensor, "m q d"]
    present: Bool[Tensor, "m q"]
    loss: Float[Tensor, ""]

    @property
    def heads(self) -> Float[Tensor, " mG"]:
        """``beta omega_g``, the heads of the dual second-order cones."""
        return (self.beta * self.norm.weights).repeat(len(self.linear))

    @property
    def degree(self) -> int:
        """Number of cones."""
        return len(self.linear) * (self.norm.n_groups + self.cones.shape[1])

    def start(self, inner: Float[Tensor, "m d"], gap: Float[Tensor, ""]) -> QuadraticState:
        """Return a state over blocks strictly inside their cones whose products sum to ``gap``."""
        mu, tails = gap / self.degree, self._tails(inner)
        reach = self.heads * torch.linalg.vector_norm(tails, dim=1)
        norms = (mu + (mu**2 + 4 * reach**2).sqrt()) / (2 * self.heads)
        slacks = self._margins(inner).clamp_min(torch.finfo(inner.dtype).tiny)
        slacks = slacks.where(self.present, 1.0)
        duals = -((self.heads / norms)[:, None] * tails).view_as(inner)
        jitter = mu.new_full((), 8 * torch.finfo(mu.dtype).eps)
        return QuadraticState(norms, inner, slacks, mu / slacks, duals, jitter)

    def gap(self, state: QuadraticState) -> Float[Tensor, ""]:
        """Return about the duality gap: the complementarity products, and what a defect costs.

        Multipliers and duals leave a defect of the stationarity condition, so the dual point
        has to shrink by the largest dual norm of a defect, as a share of beta.
        """
        defect = self._descent(state.blocks) + state.duals + self._pull(state.multipliers)
        excess = self.norm.dual_norms(defect).amax() / self.beta
        lost = excess / (1 + excess)
        penalty = self.beta * self.norm.norms(state.blocks).sum()
        return self._products(state) + lost * penalty + lost**2 * self.loss

    def value(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
        """Return the objective."""
        flat = blocks.flatten()
        smooth = 0.5 * flat.dot(self.matrix @ flat) - flat.dot(self.linear.flatten())
        return smooth + self.beta * self.norm.norms(blocks).sum()

    def step(self, state: QuadraticState, floor: float = 0.0) -> QuadraticState:
        """Return the next iterate; free of host synchronisation.

        Products that sum to ``floor`` are not made smaller: they would outrun the defect.
        """
        primal = ConePoint(state.norms, self._tails(state.blocks))
        dual = ConePoint(self.heads, self._tails(state.duals))
        scaling, boundary = NesterovTodd.of(primal, dual), Boundary.around(primal.joined(dual))
        solve = _Solver(self._newton_matrix(state, scaling), state.jitter)
        mu = self._products(state) / self.degree
        force = scaling.affine_force(dual)
        way = self._direction(state, solve, force, torch.zeros_like(state.slacks))
        reach = self._reach(state, boundary, way).clamp_max(1.0)
        ahead = self._products(_ahead(state, way, reach))
        target = mu * (ahead / (mu * self.degree)).clamp(0.0, 1.0) ** 3
        target = target.clamp_min(floor / self.degree)
        force = scaling.complementarity_force(
            target, (ConePoint(way.norms, self._tails(way.blocks)), self._tails(way.duals)))
        centre = target - way.slacks * way.multipliers
        way = self._direction(state, solve, force, centre)
        return self._accept(state, boundary, way, solve.failed)

    def _tails(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "mG size"]:
        """Return the groups of all blocks."""
        return self.norm.grouped(blocks).flatten(0, 1)

    def _margins(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m q"]:
        """Return ``C_k z_k``."""
        return (self.cones @ blocks[:, :, None])[:, :, 0]

    def _pull(self, multipliers: Float[Tensor, "m q"]) -> Float[Tensor, "m d"]:
        """Return ``C_k'alpha_k``."""
        return (multipliers[:, None, :] @ self.cones)[:, 0]

    def _descent(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return ``b - Bz``."""
        return self.linear - (self.matrix @ blocks.flatten()).view_as(self.linear)

    def _products(self, state: QuadraticState) -> Float[Tensor, ""]:
        """Return the sum of the complementarity products of all cones."""
        total = (state.slacks * state.multipliers).sum() + self.heads.dot(state.norms)
        return total + (state.blocks * state.duals).sum()

    def _newton_matrix(
        self, state: QuadraticState, scaling: NesterovTodd
    ) -> Float[Tensor, "md md"]:
        """Return B plus the block-diagonal terms of the barriers."""
        matrix = self.matrix.clone()
        _add_to_diagonal_blocks(matrix, scaling.eliminated_hessian())
        weights = state.multipliers / state.slacks
        curved = (self.cones * weights[:, :, None]).transpose(1, 2) @ self.cones
        _add_to_diagonal_blocks(matrix, curved)
        return matrix

    def _direction(
        self, state: QuadraticState, solve: _Solver, force: Force, centre: Float[Tensor, "m q"]
    ) -> _Direction:
        """Return the direction to products ``centre`` in the rows and ``force`` elsewhere."""
        pushes = centre / state.slacks
        right = self._descent(state.blocks) + state.duals + self._pull(pushes)
        blocks = solve(right + force.eliminated().view_as(right))
        norms, tails = force.recover(self._tails(blocks))
        slacks = self._margins(blocks)
        multipliers = pushes - state.multipliers * (1 + slacks / state.slacks)
        return _Direction(norms, blocks, slacks, multipliers, tails.view_as(blocks))

    def _reach(
        self, state: QuadraticState, boundary: Boundary, way: _Direction
    ) -> Float[Tensor, ""]:
        """Return the longest step that keeps all cones, at most 1 / 0.99."""
        primal = ConePoint(way.norms, self._tails(way.blocks))
        dual = ConePoint(torch.zeros_like(way.norms), self._tails(way.duals))
        reach = boundary.max_step(primal.joined(dual))
        if self.cones.shape[1]:
            shrinking = torch.minimum((way.slacks / state.slacks).amin(),
                                      (way.multipliers / state.multipliers).amin())
            reach = torch.minimum(reach, 1 / (-shrinking).clamp_min(1e-3))
        return reach.clamp_max(1 / _STEP_BACK)

    def _accept(
        self, state: QuadraticState, boundary: Boundary, way: _Direction,
        failed: Int[Tensor, ""],
    ) -> QuadraticState:
        """Go 0.99 of the way to the boundary; where the Cholesky failed, stay and add jitter."""
        good = (failed == 0) & torch.isfinite(way.blocks).all()
        length = (_STEP_BACK * self._reach(state, boundary, way)).clamp_max(1.0)
        new = _ahead(state, way, length)
        return QuadraticState(
            new.norms.where(good, state.norms), new.blocks.where(good, state.blocks),
            new.slacks.where(good, state.slacks),
            new.multipliers.where(good, state.multipliers),
            new.duals.where(good, state.duals), state.jitter.where(good, 100 * state.jitter))


class _Solver:
    """Solves by the Cholesky factor of the matrix, scaled to a unit diagonal, and one refinement.

    `failed` is a scalar tensor, non-zero where the factorisation met a negative pivot.
    """

    def __init__(self, matrix: Float[Tensor, "md md"], jitter: Float[Tensor, ""]) -> None:
        self.matrix = matrix
        self.scale = matrix.diagonal().rsqrt()
        scaled = self.scale[:, None] * matrix * self.scale
        scaled.diagonal().add_(jitter)
        self.factor, self.failed = torch.linalg.cholesky_ex(scaled)

    def __call__(self, right: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the solution for one right-hand side."""
        flat = right.flatten()
        first = self._backsolve(flat)
        return (first + self._backsolve(flat - self.matrix @ first)).view_as(right)

    def _backsolve(self, right: Float[Tensor, " md"]) -> Float[Tensor, " md"]:
        """Apply the inverse of the factored matrix."""
        half = torch.linalg.solve_triangular(
            self.factor, (self.scale * right)[:, None], upper=False)
        whole: Tensor = torch.linalg.solve_triangular(self.factor.mT, half, upper=True)
        return self.scale * whole[:, 0]


def _ahead(
    state: QuadraticState, way: _Direction, length: Float[Tensor, ""]
) -> QuadraticState:
    """Return ``state + length * way``."""
    return QuadraticState(
        state.norms + length * way.norms, state.blocks + length * way.blocks,
        state.slacks + length * way.slacks, state.multipliers + length * way.multipliers,
        state.duals + length * way.duals, state.jitter)


def _add_to_diagonal_blocks(
    matrix: Float[Tensor, "md md"], terms: Float[Tensor, "k size size"]
) -> None:
    """Add one term to each of the equal square blocks on the diagonal."""
    k, size, _ = terms.shape
    matrix.view(k, size, k, size).diagonal(dim1=0, dim2=2).add_(terms.permute(1, 2, 0))


def solve_conic_quadratic(
    program: ConicQuadratic,
    inner: Float[Tensor, "m d"],
    gap: Float[Tensor, ""],
    goal: float,
    most_steps: int = 80,
) -> QuadraticState:
    """Step from blocks strictly inside their cones until `ConicQuadratic.gap` is below ``goal``.

    Or until rounding stops progress: the state of the least gap is returned. Cost of a step:
    O((m d)^3 / 3 + m q d^2); one host synchronisation each.
    """
    state = best = program.start(inner, gap)
    least, since, loss = math.inf, 0, float(program.loss)
    for _ in range(most_steps):
        state = program.step(state, _FLOOR * goal)
        now = float(program.gap(state))
        since = 0 if now < 0.5 * least else since + 1
        if now < least:
            best, least = state, now
        if least <= goal or since >= (_STALL_STEPS if least < _NEAR * loss else _PATIENCE):
            break
    return best
