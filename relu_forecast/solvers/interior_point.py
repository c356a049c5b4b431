"""Primal-dual interior point method for convex ReLU programs, in torch, on CPU or GPU.

The program is the conic quadratic program

    min q(z) + beta sum_kg omega_g tau_kg    s.t.  (tau_kg, z_kg) in Q,
                                                   s_k = (2 D_k - I) R z_k >= 0

with Q the second-order cone, one for each group g of each block k. Nesterov-Todd scaling
eliminates tau, s and all multipliers, so a Newton step is one Cholesky of the blocks' Gram matrix
(formed once) plus block-diagonal terms, the second of them one per group:

    H = A'MA + blockdiag( R' Diag(lambda_k / s_k) R + theta^-2 (I - 2/(2 w0^2 - 1) w1 w1') ).

Mehrotra's predictor-corrector; the iterates stay strictly inside their cones, so every one of
them is a network. With signed outputs ``o = R z_k`` and signed multipliers
``l = (2 D_k - I) lambda`` for slacks and multipliers no mask is needed: ``lambda / s = l / o``.
THEORY section 6.1; Nesterov & Todd, Math. Oper. Res. 22 (1997) 1-42; Vandenberghe, "The CVXOPT
linear and quadratic cone program solvers" (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.designs import TriangularProducts
from relu_forecast.program import ConvexProgram
from relu_forecast.solvers.second_order_cone import Boundary, ConePoint, Force, NesterovTodd

_STEP_BACK = 0.99


@dataclass(frozen=True)
class InteriorState:
    """A strictly interior primal-dual point; all tensors on the program's device.

    Attributes
    ----------
    norms : Tensor, shape (K G,)
        tau_kg > ||z_kg||.
    blocks : Tensor, shape (K, d)
        z_k.
    outputs, multipliers : Tensor, shape (K, N)
        Signed slacks ``o_k = R z_k``, inside the cone of block k, and signed multipliers l_k of
        the same signs; of zero columns when there are no cones.
    duals : Tensor, shape (K, d)
        xi_k with ||xi_kg|| < beta omega_g, the dual of (tau_kg, z_kg) being
        (beta omega_g, xi_kg).
    jitter : Tensor, shape ()
        Added to the Newton matrix once its diagonal is scaled to one.
    """

    norms: Float[Tensor, " KG"]
    blocks: Float[Tensor, "K d"]
    outputs: Float[Tensor, "K N"]
    multipliers: Float[Tensor, "K N"]
    duals: Float[Tensor, "K d"]
    jitter: Float[Tensor, ""]

    @classmethod
    def centred(
        cls, program: ConvexProgram, blocks: Float[Tensor, "K d"], mu: Float[Tensor, ""]
    ) -> InteriorState:
        """Return a state over blocks strictly inside their cones, with given products.

        The products are mu in each row of a polyhedral cone, and N times that in a second-order
        cone.
        """
        norm, rows = program.norm, program.features.rows
        heads = program.beta * norm.weights.repeat(len(blocks))
        tails = norm.grouped(blocks).flatten(0, 1)
        share = mu * (len(rows) if program.has_cones else 1)
        norms = (share + (share**2 + 4 * (heads * tails.norm(dim=1)) ** 2).sqrt()) / (2 * heads)
        outputs = _strict_outputs(program, blocks)
        return cls(norms, blocks, outputs, mu / outputs,
                   -((heads / norms)[:, None] * tails).view_as(blocks), _least_jitter(mu))

    def joined(self, other: InteriorState) -> InteriorState:
        """Return the blocks of both, those of ``other`` behind."""
        return InteriorState(
            torch.cat([self.norms, other.norms]), torch.cat([self.blocks, other.blocks]),
            torch.cat([self.outputs, other.outputs]),
            torch.cat([self.multipliers, other.multipliers]),
            torch.cat([self.duals, other.duals]), self.jitter)

    def restricted(self, kept: Int[Tensor, " m"]) -> InteriorState:
        """Return some of the blocks."""
        norms = self.norms.view(len(self.blocks), -1)[kept].flatten()
        return InteriorState(norms, self.blocks[kept], self.outputs[kept],
                             self.multipliers[kept], self.duals[kept], self.jitter)


@dataclass(frozen=True)
class _Direction:
    """A Newton direction, part by part as in `InteriorState`."""

    norms: Float[Tensor, " KG"]
    blocks: Float[Tensor, "K d"]
    outputs: Float[Tensor, "K N"]
    multipliers: Float[Tensor, "K N"]
    duals: Float[Tensor, "K d"]


class InteriorPoint:
    """The method on one program; `step` is free of host synchronisation.

    Parameters
    ----------
    program : ConvexProgram
        With at least one block.
    gram : Tensor, shape (m d, m d), optional
        Known Gram matrix of the first m blocks.
    """

    def __init__(
        self, program: ConvexProgram, gram: Float[Tensor, "md md"] | None = None
    ) -> None:
        self.program = program
        self.rows = program.features.rows
        self.gram = program.gram(gram)
        self.products = TriangularProducts.of(self.rows) if program.has_cones else None
        self.linear = program.design.adjoint(program.annihilate(program.y))
        self.heads = (program.beta * program.norm.weights).repeat(program.n_blocks)
        self.degree = len(self.heads) + program.n_blocks * self._n_cone_rows

    @property
    def _n_cone_rows(self) -> int:
        """Rows of each block's polyhedral cone."""
        return len(self.rows) if self.program.has_cones else 0

    def _tails(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "KG size"]:
        """Return the groups of all blocks, the tails of the second-order cones."""
        return self.program.norm.grouped(blocks).flatten(0, 1)

    def _outputs(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K N"]:
        """Return ``R z_k``, of zero columns without cones."""
        return blocks @ self.rows[: self._n_cone_rows].T

    def step(self, state: InteriorState) -> InteriorState:
        """Return the next iterate of Mehrotra's predictor-corrector method."""
        primal = ConePoint(state.norms, self._tails(state.blocks))
        dual = ConePoint(self.heads, self._tails(state.duals))
        scaling, boundary = NesterovTodd.of(primal, dual), Boundary.around(primal.joined(dual))
        weights = state.multipliers / state.outputs
        solve = _Solver(self.newton_matrix(weights, scaling), state.jitter)
        descent = self.linear - (self.gram @ state.blocks.flatten()).view_as(self.linear)
        mu = self.complementarity(state)

        force = scaling.affine_force(dual)
        blocks = solve.roughly(descent + state.duals + self._pull(force))
        norms, duals = self._recover(force, blocks)
        ratios = self._outputs(blocks) / state.outputs
        reach = self._cone_step(boundary, norms, blocks, duals)
        if self.program.has_cones:
            reach = torch.minimum(reach, _affine_step(ratios))
        products = state.outputs * state.multipliers
        bends = products * ratios * (1 + ratios)
        total = (1 - reach) * products.sum() - reach**2 * bends.sum() + self._second_order_products(
            state.norms + reach * norms, state.blocks + reach * blocks,
            state.duals + reach * duals)
        target = mu * (total / (mu * self.degree)).clamp(0.0, 1.0) ** 3

        force = scaling.complementarity_force(
            target, (ConePoint(norms, self._tails(blocks)), self._tails(duals)))
        pushes = (target + bends) / state.outputs
        blocks = solve(descent + state.duals + self._pull(force) + self._rows_adjoint(pushes))
        norms, duals = self._recover(force, blocks)
        outputs = self._outputs(blocks)
        multipliers = pushes - state.multipliers - weights * outputs
        move = _Direction(norms, blocks, outputs, multipliers, duals)
        return self._accept(state, boundary, move, solve.failed)

    def cone_multipliers(self, state: InteriorState) -> Float[Tensor, "K N"] | None:
        """Return the multipliers lambda that a certificate takes, or None without cones."""
        if not self.program.has_cones:
            return None
        return state.multipliers.abs().where(self.program.cone_rows, 0.0)

    def newton_matrix(
        self, weights: Float[Tensor, "K N"], scaling: NesterovTodd
    ) -> Float[Tensor, "Kd Kd"]:
        """Return H: the Gram matrix plus the barriers' block-diagonal terms."""
        matrix = self.gram.clone()
        _add_to_diagonal_blocks(matrix, scaling.eliminated_hessian())
        if self.products is not None:
            _add_to_diagonal_blocks(matrix, self.products.weighted_grams(weights))
        return matrix

    def complementarity(self, state: InteriorState) -> Float[Tensor, ""]:
        """Return mu, the mean complementarity product over all cones."""
        total = (state.outputs * state.multipliers).sum()
        total = total + self._second_order_products(state.norms, state.blocks, state.duals)
        return total / self.degree

    def _second_order_products(
        self, norms: Float[Tensor, " KG"], blocks: Float[Tensor, "K d"],
        duals: Float[Tensor, "K d"],
    ) -> Float[Tensor, ""]:
        """Return the sum of the complementarity products of the second-order cones."""
        return self.heads.dot(norms) + (blocks * duals).sum()

    def _pull(self, force: Force) -> Float[Tensor, "K d"]:
        """Return the force on the blocks once the norms are eliminated."""
        return force.eliminated().view_as(self.linear)

    def _recover(
        self, force: Force, blocks: Float[Tensor, "K d"]
    ) -> tuple[Float[Tensor, " KG"], Float[Tensor, "K d"]]:
        """Return the directions of norms and duals that go with that of the blocks."""
        norms, tails = force.recover(self._tails(blocks))
        return norms, tails.view_as(blocks)

    def _rows_adjoint(self, values: Float[Tensor, "K N"]) -> Float[Tensor, "K d"]:
        """Return ``R' values_k``, zero without cones."""
        return values @ self.rows[: self._n_cone_rows]

    def _cone_step(
        self, boundary: Boundary, norms: Float[Tensor, " KG"], blocks: Float[Tensor, "K d"],
        duals: Float[Tensor, "K d"],
    ) -> Float[Tensor, ""]:
        """Return the largest step, at most 1 / 0.99, that keeps all second-order cones."""
        primal = ConePoint(norms, self._tails(blocks))
        dual = ConePoint(torch.zeros_like(norms), self._tails(duals))
        return boundary.max_step(primal.joined(dual)).clamp_max(1 / _STEP_BACK)

    def _accept(
        self, state: InteriorState, boundary: Boundary, move: _Direction,
        failed: Int[Tensor, ""],
    ) -> InteriorState:
        """Go 0.99 of the way to the boundary; where the Cholesky failed, stay and add jitter."""
        reach = self._cone_step(boundary, move.norms, move.blocks, move.duals)
        if self.program.has_cones:
            reach = torch.minimum(reach, torch.minimum(
                _orthant_step(move.outputs / state.outputs),
                _orthant_step(move.multipliers / state.multipliers)))
        length = (_STEP_BACK * reach).clamp_max(1.0)
        blocks = state.blocks + length * move.blocks
        good = (failed == 0) & torch.isfinite(blocks).all()
        length = length.where(good, 0.0)
        return InteriorState(
            (state.norms + length * move.norms).where(good, state.norms),
            blocks.where(good, state.blocks),
            (state.outputs + length * move.outputs).where(good, state.outputs),
            (state.multipliers + length * move.multipliers).where(good, state.multipliers),
            (state.duals + length * move.duals).where(good, state.duals),
            state.jitter.where(good, 100 * state.jitter))


def _strict_outputs(program: ConvexProgram, blocks: Float[Tensor, "K d"]) -> Tensor:
    """Return ``R z_k`` (K, N), of zero columns without cones.

    One where a zero row cuts nothing. Gates in single precision may lie on the other side of a
    row by rounding; there the output is as small as rounding, and on the mask's side.
    """
    if not program.has_cones:
        return blocks.new_zeros(len(blocks), 0)
    outputs, masks = blocks @ program.features.rows.T, program.design.masks
    least = torch.finfo(outputs.dtype).eps * outputs.abs().amax(dim=1, keepdim=True)
    outputs = torch.maximum(outputs.where(masks, -outputs), least)
    return outputs.where(masks, -outputs).where(program.cone_rows, 1.0)


def _least_jitter(like: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return what the Newton matrix gets before any Cholesky has failed."""
    return like.new_full((), 8 * torch.finfo(like.dtype).eps)


class _Solver:
    """Solves by the Cholesky factor of the matrix, scaled to a unit diagonal.

    `failed` is a scalar tensor, non-zero where the factorisation met a negative pivot. The matrix
    is scaled in place.
    """

    def __init__(self, matrix: Float[Tensor, "Kd Kd"], jitter: Float[Tensor, ""]) -> None:
        self.scale = matrix.diagonal().rsqrt()
        self.scaled = matrix.mul_(self.scale).mul_(self.scale[:, None])
        self.jitter = jitter
        self.scaled.diagonal().add_(jitter)
        self.factor, self.failed = torch.linalg.cholesky_ex(self.scaled)

    def __call__(self, right: Float[Tensor, "K d"]) -> Float[Tensor, "K d"]:
        """Return the solution for one right-hand side, refined once against the jitter too."""
        target = self.scale * right.flatten()
        first = self._backsolve(target)
        left = target - self.scaled @ first + self.jitter * first
        return (self.scale * (first + self._backsolve(left))).view_as(right)

    def roughly(self, right: Float[Tensor, "K d"]) -> Float[Tensor, "K d"]:
        """Return the solution without the refinement."""
        return (self.scale * self._backsolve(self.scale * right.flatten())).view_as(right)

    def _backsolve(self, right: Float[Tensor, " Kd"]) -> Float[Tensor, " Kd"]:
        """Apply the inverse of the factored matrix."""
        half = torch.linalg.solve_triangular(self.factor, right[:, None], upper=False)
        whole: Tensor = torch.linalg.solve_triangular(self.factor.mT, half, upper=True)
        return whole[:, 0]


def _add_to_diagonal_blocks(
    matrix: Float[Tensor, "Kd Kd"], terms: Float[Tensor, "m size size"]
) -> None:
    """Add one term to each of the equal square blocks on the diagonal."""
    m, size, _ = terms.shape
    blocks = matrix.view(m, size, m, size).diagonal(dim1=0, dim2=2)
    blocks.add_(terms.permute(1, 2, 0))


def _orthant_step(ratios: Float[Tensor, "K N"]) -> Float[Tensor, ""]:
    """Return the largest step, at most 1e3, that keeps ``1 + step * ratios >= 0``."""
    longest: Tensor = 1 / (-ratios.amin()).clamp_min(1e-3)
    return longest


def _affine_step(ratios: Float[Tensor, "K N"]) -> Float[Tensor, ""]:
    """Return the step of the predictor, in which multipliers change by ``-(1 + ratios)``."""
    return torch.minimum(_orthant_step(ratios), 1 / (1 + ratios.amax()).clamp_min(1e-3))
