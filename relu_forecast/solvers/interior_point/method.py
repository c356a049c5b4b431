"""Primal-dual interior point method for conic quadratic programs, in torch, on CPU or GPU.

    min 1/2 z'Gz - b'z + sum_kg h_g tau_kg    s.t.  (tau_kg, z_kg) in Q,   s_k = S_k R_k z_k >= 0

with Q the second-order cone, one for each group g of each block k. For the convex program of a
network G is its blocks' Gram matrix A'MA, ``b = A'My``, ``h_g = beta omega_g``, and all R_k are
the data's rows. Nesterov-Todd scaling eliminates tau, s and all multipliers, so a Newton step is
one Cholesky of G plus block-diagonal terms, the second of them one per group:

    H = G + blockdiag( R_k' Diag(lambda_k / s_k) R_k + theta^-2 (I - 2/(2 w0^2 - 1) w1 w1') ).

Mehrotra's predictor-corrector; the iterates stay strictly inside their cones, so every one of
them is a network. THEORY section 6.1; Nesterov & Todd, Math. Oper. Res. 22 (1997) 1-42;
Vandenberghe, "The CVXOPT linear and quadratic cone program solvers" (2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.design import add_to_diagonal_blocks
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import by_field, joined
from relu_forecast.solvers.cones import BlockCones, Cones, SharedRows, cones_of
from relu_forecast.solvers.second_order_cone import Boundary, ConePoint, NesterovTodd
from relu_forecast.solvers.settings import InteriorPointSettings


@dataclass(frozen=True)
class InteriorState:
    """A strictly interior primal-dual point, or a direction between such points."""

    norms: Float[Tensor, "m G"]
    """tau_kg > ||z_kg||."""
    blocks: Float[Tensor, "m d"]
    """z_k."""
    outputs: Float[Tensor, "c N"]
    multipliers: Float[Tensor, "c N"]
    """Signed slacks ``o_k = R_k z_k``, inside the cone of block k, and signed multipliers l_k of
    the same signs, see `cones`; of zero columns when there are no cones."""
    duals: Float[Tensor, "m d"]
    """xi_k with ``||xi_kg|| < h_g``, the dual of (tau_kg, z_kg) being (h_g, xi_kg)."""
    jitter: Float[Tensor, ""]
    """Added to the Newton matrix once its diagonal is scaled to one."""


@dataclass(frozen=True)
class InteriorPoint:
    """The method on one program; `step` is free of host synchronisation."""

    gram: Float[Tensor, "md md"]
    """G, positive semidefinite."""
    linear: Float[Tensor, "m d"]
    """b."""
    norm: GroupNorm
    """The groups of a block, and their weights omega."""
    beta: float
    """Weight of the norms."""
    cones: Cones
    """Rows of the polyhedral cones, or none."""
    settings: InteriorPointSettings = InteriorPointSettings()
    """Lengths of steps, and the jitter."""

    @classmethod
    def of(
        cls, program: ConvexProgram, settings: InteriorPointSettings = InteriorPointSettings(),
        known: InteriorPoint | None = None,
    ) -> InteriorPoint:
        """Set the method up for a convex program; that of its first blocks may be known."""
        gram = program.gram(None if known is None else known.gram)
        linear = program.design.adjoint(program.annihilate(program.targets))
        before = None if known is None else known.cones
        cones = cones_of(program, before.products if isinstance(before, SharedRows) else None)
        return cls(gram, linear, program.norm, program.beta, cones, settings)

    @property
    def heads(self) -> Float[Tensor, " mG"]:
        """``h_g = beta omega_g`` of every second-order cone."""
        return (self.beta * self.norm.weights).repeat(len(self.linear))

    @property
    def degree(self) -> int:
        """Number of cones."""
        return len(self.linear) * (self.norm.n_groups + self.cones.n_rows)

    def centred(self, blocks: Float[Tensor, "m d"], share: Float[Tensor, ""]) -> InteriorState:
        """Return a state over blocks strictly inside their cones, with given products.

        Products are ``share`` in each second-order cone, and ``share / N`` in each row.
        """
        tails, heads = self.norm.tails(blocks), self.heads
        norms = (share + (share**2 + 4 * (heads * tails.norm(dim=1)) ** 2).sqrt()) / (2 * heads)
        duals = -((heads / norms)[:, None] * tails).view_as(blocks)
        outputs = self.cones.interior_outputs(blocks)
        jitter = share.new_full((), self.settings.jitter * torch.finfo(share.dtype).eps)
        return InteriorState(norms.view(len(blocks), -1), blocks, outputs,
                             share / max(1, self.cones.n_rows) / outputs, duals, jitter)

    def step(self, state: InteriorState, floor: float = 0.0) -> InteriorState:
        """Return the next iterate of Mehrotra's predictor-corrector method.

        Products that sum to ``floor`` are not made smaller: they would outrun the defect of the
        stationarity condition.
        """
        primal = ConePoint(state.norms.flatten(), self.norm.tails(state.blocks))
        dual = ConePoint(self.heads, self.norm.tails(state.duals))
        scaling, boundary = NesterovTodd.of(primal, dual), Boundary.around(joined(primal, dual))
        weights = state.multipliers / state.outputs
        solve = self.factored(weights, scaling, state.jitter)
        descent = self.descent(state.blocks)

        force = ConePoint(-dual.head, -dual.tail)
        pull = scaling.eliminated(force).view_as(descent)
        blocks = solve.roughly(descent + state.duals + pull)
        norms, duals = self._recover(scaling, force, blocks)
        ratios = self.cones.outputs(blocks) / state.outputs
        reach = self._cone_step(boundary, norms, blocks, duals)
        if self.cones.n_rows:
            reach = torch.minimum(reach, _affine_step(ratios))
        products = state.outputs * state.multipliers
        bends = products * ratios * (1 + ratios)
        total = (1 - reach) * products.sum() - reach**2 * bends.sum() + self._second_order_products(
            state.norms + reach * norms, state.blocks + reach * blocks,
            state.duals + reach * duals)
        mu = self.complementarity(state) / self.degree
        target = mu * (total / (mu * self.degree)).clamp(0.0, 1.0) ** 3
        target = target.clamp_min(floor / self.degree)

        force = scaling.complementarity_force(target, self._moves(norms, blocks, duals))
        pushes = (target + bends) / state.outputs
        pull = scaling.eliminated(force).view_as(descent)
        blocks = solve(descent + state.duals + pull + self.cones.adjoint(pushes))
        norms, duals = self._recover(scaling, force, blocks)
        outputs = self.cones.outputs(blocks)
        multipliers = pushes - state.multipliers - weights * outputs
        move = InteriorState(norms, blocks, outputs, multipliers, duals, state.jitter)
        return self._accept(state, boundary, move, solve.failed)

    def descent(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return ``b - Gz``."""
        return self.linear - (self.gram @ blocks.flatten()).view_as(self.linear)

    def factored(
        self, weights: Float[Tensor, "c N"], scaling: NesterovTodd, jitter: Float[Tensor, ""]
    ) -> Factor:
        """Return the factor of the Newton matrix."""
        return ScaledCholesky(self.newton_matrix(weights, scaling), jitter)

    def newton_matrix(
        self, weights: Float[Tensor, "m N"], scaling: NesterovTodd
    ) -> Float[Tensor, "md md"]:
        """Return H: the Gram matrix plus the barriers' block-diagonal terms."""
        matrix = self.gram.clone()
        add_to_diagonal_blocks(matrix, scaling.eliminated_hessian())
        if self.cones.n_rows:
            cones = cast(BlockCones, self.cones)
            add_to_diagonal_blocks(matrix, cones.weighted_grams(weights))
        return matrix

    def complementarity(self, state: InteriorState) -> Float[Tensor, ""]:
        """Return the sum of the complementarity products of all cones."""
        total = (state.outputs * state.multipliers).sum()
        return total + self._second_order_products(state.norms, state.blocks, state.duals)

    def share(self, total: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return the ``share`` of a centred state whose products sum to ``total``."""
        return total / (len(self.linear) * (self.norm.n_groups + min(1, self.cones.n_rows)))

    def _second_order_products(
        self, norms: Float[Tensor, "m G"], blocks: Float[Tensor, "m d"],
        duals: Float[Tensor, "m d"],
    ) -> Float[Tensor, ""]:
        """Return the sum of the complementarity products of the second-order cones."""
        return self.heads.dot(norms.flatten()) + (blocks * duals).sum()

    def _recover(
        self, scaling: NesterovTodd, force: ConePoint, blocks: Float[Tensor, "m d"]
    ) -> tuple[Float[Tensor, "m G"], Float[Tensor, "m d"]]:
        """Return the directions of norms and duals that go with that of the blocks."""
        norms, tails = scaling.recover(force, self.norm.tails(blocks))
        return norms.view(len(blocks), -1), tails.view_as(blocks)

    def _moves(
        self, norms: Float[Tensor, "m G"], blocks: Float[Tensor, "m d"],
        duals: Float[Tensor, "m d"],
    ) -> tuple[ConePoint, ConePoint]:
        """Return directions as those of the second-order cones' primal and dual points."""
        flat = norms.flatten()
        return (ConePoint(flat, self.norm.tails(blocks)),
                ConePoint(torch.zeros_like(flat), self.norm.tails(duals)))

    def _cone_step(
        self, boundary: Boundary, norms: Float[Tensor, "m G"], blocks: Float[Tensor, "m d"],
        duals: Float[Tensor, "m d"],
    ) -> Float[Tensor, ""]:
        """Return the largest step that keeps all second-order cones, not much more than one."""
        move = joined(*self._moves(norms, blocks, duals))
        return boundary.max_step(move).clamp_max(1 / self.settings.step_back)

    def _accept(
        self, state: InteriorState, boundary: Boundary, move: InteriorState, failed: Int[Tensor, ""]
    ) -> InteriorState:
        """Go almost to the boundary; where the Cholesky failed, stay and add more jitter."""
        reach = self._cone_step(boundary, move.norms, move.blocks, move.duals)
        if self.cones.n_rows:
            reach = torch.minimum(reach, torch.minimum(
                _orthant_step(move.outputs / state.outputs),
                _orthant_step(move.multipliers / state.multipliers)))
        length = (self.settings.step_back * reach).clamp_max(1.0)
        good = (failed == 0) & torch.isfinite(state.blocks + length * move.blocks).all()
        length = length.where(good, 0.0)
        jitter = state.jitter.where(good, self.settings.jitter_growth * state.jitter)
        return replace(by_field(lambda x, step: (x + length * step).where(good, x), state, move),
                       jitter=jitter)


@runtime_checkable
class Factor(Protocol):
    """A factored Newton matrix."""

    failed: Int[Tensor, ""]
    """Non-zero where the factorisation met a negative pivot."""

    def __call__(self, right: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the solution for one right-hand side."""

    def roughly(self, right: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the solution, perhaps less exactly."""


class ScaledCholesky:
    """Solves by the Cholesky factor of the matrix, scaled to a unit diagonal.

    `failed` is a scalar tensor, non-zero where the factorisation met a negative pivot. The matrix
    is scaled in place.
    """

    def __init__(self, matrix: Float[Tensor, "md md"], jitter: Float[Tensor, ""]) -> None:
        self.scale = matrix.diagonal().rsqrt()
        self.scaled = matrix.mul_(self.scale).mul_(self.scale[:, None])
        self.jitter = jitter
        self.scaled.diagonal().add_(jitter)
        self.factor, self.failed = torch.linalg.cholesky_ex(self.scaled)

    def __call__(self, right: Float[Tensor, "*md"]) -> Float[Tensor, "*md"]:
        """Return the solution for one right-hand side, refined once against the jitter too."""
        target = self.scale * right.flatten()
        first = self._backsolve(target)
        left = target - self.scaled @ first + self.jitter * first
        return (self.scale * (first + self._backsolve(left))).view_as(right)

    def roughly(self, right: Float[Tensor, "*md"]) -> Float[Tensor, "*md"]:
        """Return the solution without the refinement."""
        return (self.scale * self._backsolve(self.scale * right.flatten())).view_as(right)

    def _backsolve(self, right: Float[Tensor, " md"]) -> Float[Tensor, " md"]:
        """Apply the inverse of the factored matrix."""
        half = torch.linalg.solve_triangular(self.factor, right[:, None], upper=False)
        whole: Tensor = torch.linalg.solve_triangular(self.factor.mT, half, upper=True)
        return whole[:, 0]


def _orthant_step(ratios: Float[Tensor, "c N"]) -> Float[Tensor, ""]:
    """Return the largest step, at most 1e3, that keeps ``1 + step * ratios >= 0``."""
    longest: Tensor = 1 / (-ratios.amin()).clamp_min(1e-3)
    return longest


def _affine_step(ratios: Float[Tensor, "c N"]) -> Float[Tensor, ""]:
    """Return the step of the predictor, in which multipliers change by ``-(1 + ratios)``."""
    return torch.minimum(_orthant_step(ratios), 1 / (1 + ratios.amax()).clamp_min(1e-3))
