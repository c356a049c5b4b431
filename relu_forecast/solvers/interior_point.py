"""Primal-dual interior point method for convex ReLU programs, in torch, on CPU or GPU.

The program is the conic quadratic program

    min q(z) + beta sum_k tau_k    s.t.  (tau_k, z_k) in Q,   s_k = (2 D_k - I) X z_k >= 0

with Q the second-order cone. Nesterov-Todd scaling eliminates tau, s and all multipliers, so a
Newton step is one Cholesky of the blocks' Gram matrix (formed once) plus block-diagonal terms:

    H = A'MA + blockdiag( X' Diag(lambda_k / s_k) X + theta_k^-2 (I - 2/(2 w0^2 - 1) w1 w1') ).

Mehrotra's predictor-corrector; the iterates stay strictly inside their cones, so every one of
them is a network. THEORY section 6.1; Nesterov & Todd, Math. Oper. Res. 22 (1997) 1-42;
Vandenberghe, "The CVXOPT linear and quadratic cone program solvers" (2010).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.designs import row_products, weighted_grams
from relu_forecast.program import Certificate, ConvexProgram
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.second_order_cone import ConePoint, NesterovTodd, max_step
from relu_forecast.solvers.solution import Solution, Status

Callback = Callable[[int, Certificate], None]

_STEP_BACK = 0.99
_STALL_CHECKS = 8
_CHECK_EVERY = {"cpu": 1}
_CHECK_EVERY_ELSEWHERE = 4


@dataclass(frozen=True)
class InteriorState:
    """A strictly interior primal-dual point; all tensors on the program's device.

    Attributes
    ----------
    norms : Tensor, shape (K,)
        tau_k > ||z_k||.
    blocks : Tensor, shape (K, d)
        z_k.
    slacks, multipliers : Tensor, shape (K, n)
        s_k > 0 and lambda_k > 0; of zero columns when there are no cones.
    duals : Tensor, shape (K, d)
        xi_k with ||xi_k|| < beta, the dual of (tau_k, z_k) being (beta, xi_k).
    jitter : Tensor, shape ()
        Added to the Newton matrix once its diagonal is scaled to one.
    """

    norms: Float[Tensor, " K"]
    blocks: Float[Tensor, "K d"]
    slacks: Float[Tensor, "K n"]
    multipliers: Float[Tensor, "K n"]
    duals: Float[Tensor, "K d"]
    jitter: Float[Tensor, ""]


@dataclass(frozen=True)
class _Direction:
    """A Newton direction, part by part as in `InteriorState`."""

    norms: Float[Tensor, " K"]
    blocks: Float[Tensor, "K d"]
    slacks: Float[Tensor, "K n"]
    multipliers: Float[Tensor, "K n"]
    duals: Float[Tensor, "K d"]


class InteriorPoint:
    """The method on one program; `step` is free of host synchronisation.

    Parameters
    ----------
    program : ConvexProgram
        With at least one block.
    """

    def __init__(self, program: ConvexProgram) -> None:
        self.program = program
        self.design = program.design
        basis = None if program.skip is None else program.skip.basis
        shrunk = None if program.skip is None else program.skip.shrinkage
        self.gram = self.design.gram(basis, shrunk)
        self.products = row_products(program.X) if program.has_cones else None
        self.linear = self.design.adjoint(program.annihilate(program.y))
        self.degree = program.n_blocks * (1 + self._n_cone_rows)

    @property
    def _n_cone_rows(self) -> int:
        """Rows of each block's polyhedral cone."""
        return len(self.program.X) if self.program.has_cones else 0

    def start(self) -> InteriorState:
        """Return a strictly feasible point: a small multiple of the gates of the patterns.

        Complementarity products are shares of the zero network's loss: 1.5 loss / K in each
        second-order cone, loss / (K n) in each row of a polyhedral one.
        """
        program = self.program
        k, n = program.n_blocks, self._n_cone_rows
        gates = program.patterns.gates
        size = gates.norm(dim=1, keepdim=True).clamp_min(torch.finfo(gates.dtype).tiny)
        gates = (gates / size).repeat(k // len(gates), 1)
        loss = 0.5 * program.y.dot(program.annihilate(program.y))
        length = loss / (program.beta * k)
        blocks = gates * length
        slacks = self._margins(blocks)
        if program.has_cones:  # a zero row of X cuts nothing: its slack stays one
            slacks = slacks.where(program.cone_rows, 1.0)
        return InteriorState(
            norms=(1.5 * length).expand(k), blocks=blocks, slacks=slacks,
            multipliers=(loss / (k * max(n, 1))) / slacks,
            duals=torch.zeros_like(blocks),
            jitter=loss.new_full((), 8 * torch.finfo(loss.dtype).eps))

    def _margins(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K n"]:
        """Return ``(2 D_k - I) X z_k``, of zero columns without cones."""
        if not self.program.has_cones:
            return blocks.new_zeros(len(blocks), 0)
        return self.design.margins(blocks)

    def _margins_adjoint(self, values: Float[Tensor, "K n"]) -> Float[Tensor, "K d"]:
        """Return ``X'(2 D_k - I) values_k``, zero without cones."""
        if self.products is None:
            return torch.zeros_like(self.linear)
        return self.design.margins_adjoint(values)

    def step(self, state: InteriorState) -> InteriorState:
        """Return the next iterate of Mehrotra's predictor-corrector method."""
        beta = torch.full_like(state.norms, self.program.beta)
        scaling = NesterovTodd.of(
            ConePoint(state.norms, state.blocks), ConePoint(beta, state.duals))
        solve = _Solver(self.newton_matrix(state, scaling), state.jitter)
        mu = self._complementarity(state)

        zero = torch.zeros_like(mu)
        predictor = self._direction(state, scaling, solve, zero, None)
        reach = self._max_step(state, predictor)
        ahead = self._complementarity(self._advance(state, predictor, reach))
        sigma = (ahead / mu).clamp(0.0, 1.0) ** 3
        corrector = self._direction(state, scaling, solve, sigma * mu, predictor)
        length = (_STEP_BACK * self._max_step(state, corrector)).clamp_max(1.0)
        return self._accept(state, corrector, length, solve.failed)

    def newton_matrix(
        self, state: InteriorState, scaling: NesterovTodd
    ) -> Float[Tensor, "Kd Kd"]:
        """Return H: the Gram matrix plus the barriers' block-diagonal terms."""
        k, d = state.blocks.shape
        curvature = scaling.eliminated_hessian()
        if self.products is not None:
            weights = state.multipliers / state.slacks
            curvature = curvature + weighted_grams(weights, self.products, d)
        matrix = self.gram.clone()
        matrix.view(k, d, k, d).diagonal(dim1=0, dim2=2).add_(curvature.permute(1, 2, 0))
        return matrix

    def _complementarity(self, state: InteriorState) -> Float[Tensor, ""]:
        """Return mu, the mean complementarity product over all cones."""
        total = state.slacks.flatten().dot(state.multipliers.flatten())
        total = total + self.program.beta * state.norms.sum()
        return (total + (state.blocks * state.duals).sum()) / self.degree

    def _direction(
        self,
        state: InteriorState,
        scaling: NesterovTodd,
        solve: _Solver,
        target: Float[Tensor, ""],
        predictor: _Direction | None,
    ) -> _Direction:
        """Return the Newton direction towards complementarity products equal to ``target``."""
        k, d = state.blocks.shape
        gradient = (self.gram @ state.blocks.flatten()).view(k, d) - self.linear
        centre = target - state.slacks * state.multipliers
        if predictor is None:
            force = scaling.complementarity_force(target, None)
        else:
            centre = centre - predictor.slacks * predictor.multipliers
            force = scaling.complementarity_force(target, (
                ConePoint(predictor.norms, predictor.blocks), predictor.duals))
        pull = force.eliminated()
        right = -gradient + self._margins_adjoint(
            state.multipliers + centre / state.slacks) + state.duals + pull
        blocks = solve(right.flatten()).view(k, d)
        slacks = self._margins(blocks)
        norms, duals = force.recover(blocks)
        multipliers = (centre - state.multipliers * slacks) / state.slacks
        return _Direction(norms, blocks, slacks, multipliers, duals)

    def _max_step(self, state: InteriorState, move: _Direction) -> Float[Tensor, ""]:
        """Return the largest step, at most 1 / 0.99, that keeps every cone."""
        beta = torch.full_like(state.norms, self.program.beta)
        fixed = torch.zeros_like(state.norms)
        reaches = [
            max_step(ConePoint(state.norms, state.blocks), ConePoint(move.norms, move.blocks)),
            max_step(ConePoint(beta, state.duals), ConePoint(fixed, move.duals))]
        if self.program.has_cones:
            reaches.append(_orthant_step(state.slacks, move.slacks))
            reaches.append(_orthant_step(state.multipliers, move.multipliers))
        return torch.stack(reaches).amin().clamp_max(1 / _STEP_BACK)

    def _advance(
        self, state: InteriorState, move: _Direction, length: Float[Tensor, ""]
    ) -> InteriorState:
        """Return ``state + length * move``."""
        return InteriorState(
            state.norms + length * move.norms, state.blocks + length * move.blocks,
            state.slacks + length * move.slacks,
            state.multipliers + length * move.multipliers,
            state.duals + length * move.duals, state.jitter)

    def cone_multipliers(self, state: InteriorState) -> Float[Tensor, "K n"] | None:
        """Return the multipliers that a certificate takes, or None without cones."""
        if not self.program.has_cones:
            return None
        return state.multipliers.where(self.program.cone_rows, 0.0)

    def _accept(
        self,
        state: InteriorState,
        move: _Direction,
        length: Float[Tensor, ""],
        failed: Int[Tensor, ""],
    ) -> InteriorState:
        """Advance, or stay and raise the jitter a hundredfold where the Cholesky failed."""
        ahead = self._advance(state, move, length)
        good = (failed == 0) & torch.isfinite(ahead.blocks).all()
        return InteriorState(
            ahead.norms.where(good, state.norms), ahead.blocks.where(good, state.blocks),
            ahead.slacks.where(good, state.slacks),
            ahead.multipliers.where(good, state.multipliers),
            ahead.duals.where(good, state.duals),
            state.jitter.where(good, 100 * state.jitter))


class _Solver:
    """Solves by the Cholesky factor of the matrix, scaled to a unit diagonal, and one refinement.

    `failed` is a scalar tensor, non-zero where the factorisation met a negative pivot.
    """

    def __init__(self, matrix: Float[Tensor, "Kd Kd"], jitter: Float[Tensor, ""]) -> None:
        self.matrix = matrix
        self.scale = matrix.diagonal().rsqrt()
        scaled = self.scale[:, None] * matrix * self.scale
        scaled.diagonal().add_(jitter)
        self.factor, self.failed = torch.linalg.cholesky_ex(scaled)

    def __call__(self, right: Float[Tensor, " Kd"]) -> Float[Tensor, " Kd"]:
        """Return the solution for one right-hand side."""
        first = self._backsolve(right)
        return first + self._backsolve(right - self.matrix @ first)

    def _backsolve(self, right: Float[Tensor, " Kd"]) -> Float[Tensor, " Kd"]:
        """Apply the inverse of the factored matrix."""
        scaled = (self.scale * right)[:, None]
        return self.scale * torch.cholesky_solve(scaled, self.factor)[:, 0]


def _orthant_step(point: Float[Tensor, "K n"], move: Float[Tensor, "K n"]) -> Float[Tensor, ""]:
    """Return the largest step that keeps ``point + step * move >= 0``."""
    return 1 / (-move / point).amax().clamp_min(1e-3)


def solve_interior_point(
    program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None
) -> Solution:
    """Solve to a relative gap of ``tol`` or until ``max_iter`` or rounding stops progress."""
    began = time.perf_counter()
    nothing = program.X.new_zeros(program.n_blocks, program.X.shape[1])
    certificate = program.certificate(nothing, None)
    if certificate.gap <= tol:
        return Solution(program, nothing, certificate, "optimal", "interior_point", 0,
                        time.perf_counter() - began)
    method = InteriorPoint(program)
    state = best = method.start()
    every = _CHECK_EVERY.get(program.X.device.type, _CHECK_EVERY_ELSEWHERE)
    gap, since, iteration = math.inf, 0, 0
    for iteration in range(1, max_iter + 1):
        state = method.step(state)
        if iteration % every and iteration != max_iter:
            continue
        certificate = program.certificate(state.blocks, method.cone_multipliers(state))
        since = 0 if certificate.gap < min(gap, 1.0) else since + (gap < 1.0)
        if certificate.gap < gap:
            best, gap = state, certificate.gap
        if callback is not None:
            callback(iteration, certificate)
        if gap <= tol or since >= _STALL_CHECKS:
            break
    blocks, certificate = prune(program, best.blocks, method.cone_multipliers(best), tol)
    status = _status(certificate.gap, tol, since)
    return Solution(program, blocks, certificate, status, "interior_point", iteration,
                    time.perf_counter() - began)


def _status(gap: float, tol: float, since: int) -> Status:
    """Say why the iterations ended."""
    if gap <= tol:
        return "optimal"
    return "stalled" if since >= _STALL_CHECKS else "max_iter"
