"""Primal-dual interior point method for convex ReLU programs, in torch, on CPU or GPU.

The program is the conic quadratic program

    min q(z) + beta sum_kg omega_g tau_kg    s.t.  (tau_kg, z_kg) in Q,
                                                   s_k = (2 D_k - I) R z_k >= 0

with Q the second-order cone, one for each group g of each block k. Nesterov-Todd scaling
eliminates tau, s and all multipliers, so a Newton step is one Cholesky of the blocks' Gram matrix
(formed once) plus block-diagonal terms, the second of them one per group:

    H = A'MA + blockdiag( R' Diag(lambda_k / s_k) R + theta^-2 (I - 2/(2 w0^2 - 1) w1 w1') ).

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

from relu_forecast.certificates import Certificate
from relu_forecast.designs import row_products, weighted_grams
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.program import ConvexProgram
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.second_order_cone import ConePoint, NesterovTodd, max_step
from relu_forecast.solvers.solution import Solution, Status

Callback = Callable[[int, Certificate], None]

_STEP_BACK = 0.99
_STALL_CHECKS = 8
_CHECK_EVERY = {"cpu": 1}
_CHECK_EVERY_ELSEWHERE = 4
_MOST_VARIABLES = 20_000


@dataclass(frozen=True)
class InteriorState:
    """A strictly interior primal-dual point; all tensors on the program's device.

    Attributes
    ----------
    norms : Tensor, shape (K G,)
        tau_kg > ||z_kg||.
    blocks : Tensor, shape (K, d)
        z_k.
    slacks, multipliers : Tensor, shape (K, N)
        s_k > 0 and lambda_k > 0; of zero columns when there are no cones.
    duals : Tensor, shape (K, d)
        xi_k with ||xi_kg|| < beta omega_g, the dual of (tau_kg, z_kg) being
        (beta omega_g, xi_kg).
    jitter : Tensor, shape ()
        Added to the Newton matrix once its diagonal is scaled to one.
    """

    norms: Float[Tensor, " KG"]
    blocks: Float[Tensor, "K d"]
    slacks: Float[Tensor, "K N"]
    multipliers: Float[Tensor, "K N"]
    duals: Float[Tensor, "K d"]
    jitter: Float[Tensor, ""]


@dataclass(frozen=True)
class _Direction:
    """A Newton direction, part by part as in `InteriorState`."""

    norms: Float[Tensor, " KG"]
    blocks: Float[Tensor, "K d"]
    slacks: Float[Tensor, "K N"]
    multipliers: Float[Tensor, "K N"]
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
        size = program.n_blocks * program.features.width
        if size > _MOST_VARIABLES:
            raise InvalidArgumentError(
                "patterns", f"few enough for a Newton matrix of {_MOST_VARIABLES:,} rows",
                f"{program.n_blocks:,} blocks of {program.features.width} weights",
                "Pass fewer patterns, or let training discover them (patterns='adaptive').")
        basis = None if program.skip is None else program.skip.basis
        shrunk = None if program.skip is None else program.skip.shrinkage
        self.gram = self.design.gram(basis, shrunk)
        self.products = row_products(program.features.rows) if program.has_cones else None
        self.linear = self.design.adjoint(program.annihilate(program.y))
        self.heads = (program.beta * program.norm.weights).repeat(program.n_blocks)
        self.degree = len(self.heads) + program.n_blocks * self._n_cone_rows

    @property
    def _n_cone_rows(self) -> int:
        """Rows of each block's polyhedral cone."""
        return len(self.program.features.rows) if self.program.has_cones else 0

    def _tails(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "KG size"]:
        """Return the groups of all blocks, the tails of the second-order cones."""
        return self.program.norm.grouped(blocks).flatten(0, 1)

    def start(self) -> InteriorState:
        """Return a strictly feasible point: a small multiple of the gates of the patterns.

        Complementarity products are shares of the zero network's loss: 2 loss / K in the
        second-order cones of a block, loss / (K N) in each row of a polyhedral one.
        """
        program, norm = self.program, self.program.norm
        k, n = program.n_blocks, self._n_cone_rows
        loss = 0.5 * program.leave(program.y).square().sum()
        length = loss / (program.beta * k)
        blocks = norm.normalised(program.gates) * length
        spare = 0.5 * length / (norm.n_groups * norm.weights)
        slacks = self._margins(blocks)
        if program.has_cones:  # a zero row of X cuts nothing: its slack stays one
            slacks = slacks.where(program.cone_rows, 1.0)
        return InteriorState(
            norms=(1.5 * norm.group_norms(blocks) + spare).flatten(), blocks=blocks,
            slacks=slacks,
            multipliers=(loss / (k * max(n, 1))) / slacks,
            duals=torch.zeros_like(blocks),
            jitter=loss.new_full((), 8 * torch.finfo(loss.dtype).eps))

    def _margins(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K N"]:
        """Return ``(2 D_k - I) X z_k``, of zero columns without cones."""
        if not self.program.has_cones:
            return blocks.new_zeros(len(blocks), 0)
        return self.design.margins(blocks)

    def _margins_adjoint(self, values: Float[Tensor, "K N"]) -> Float[Tensor, "K d"]:
        """Return ``X'(2 D_k - I) values_k``, zero without cones."""
        if self.products is None:
            return torch.zeros_like(self.linear)
        return self.design.margins_adjoint(values)

    def step(self, state: InteriorState) -> InteriorState:
        """Return the next iterate of Mehrotra's predictor-corrector method."""
        scaling = NesterovTodd.of(
            ConePoint(state.norms, self._tails(state.blocks)),
            ConePoint(self.heads, self._tails(state.duals)))
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
        matrix = self.gram.clone()
        _add_to_diagonal_blocks(matrix, scaling.eliminated_hessian())
        if self.products is not None:
            weights = state.multipliers / state.slacks
            _add_to_diagonal_blocks(
                matrix, weighted_grams(weights, self.products, state.blocks.shape[1]))
        return matrix

    def _complementarity(self, state: InteriorState) -> Float[Tensor, ""]:
        """Return mu, the mean complementarity product over all cones."""
        total = state.slacks.flatten().dot(state.multipliers.flatten())
        total = total + self.heads.dot(state.norms)
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
                ConePoint(predictor.norms, self._tails(predictor.blocks)),
                self._tails(predictor.duals)))
        pull = force.eliminated().view(k, d)
        right = -gradient + self._margins_adjoint(
            state.multipliers + centre / state.slacks) + state.duals + pull
        blocks = solve(right.flatten()).view(k, d)
        slacks = self._margins(blocks)
        norms, tails = force.recover(self._tails(blocks))
        duals = tails.view(k, d)
        multipliers = (centre - state.multipliers * slacks) / state.slacks
        return _Direction(norms, blocks, slacks, multipliers, duals)

    def _max_step(self, state: InteriorState, move: _Direction) -> Float[Tensor, ""]:
        """Return the largest step, at most 1 / 0.99, that keeps every cone."""
        fixed = torch.zeros_like(self.heads)
        reaches = [
            max_step(ConePoint(state.norms, self._tails(state.blocks)),
                     ConePoint(move.norms, self._tails(move.blocks))),
            max_step(ConePoint(self.heads, self._tails(state.duals)),
                     ConePoint(fixed, self._tails(move.duals)))]
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

    def cone_multipliers(self, state: InteriorState) -> Float[Tensor, "K N"] | None:
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


def _add_to_diagonal_blocks(
    matrix: Float[Tensor, "Kd Kd"], terms: Float[Tensor, "m size size"]
) -> None:
    """Add one term to each of the equal square blocks on the diagonal."""
    m, size, _ = terms.shape
    blocks = matrix.view(m, size, m, size).diagonal(dim1=0, dim2=2)
    blocks.add_(terms.permute(1, 2, 0))


def _orthant_step(point: Float[Tensor, "K N"], move: Float[Tensor, "K N"]) -> Float[Tensor, ""]:
    """Return the largest step that keeps ``point + step * move >= 0``."""
    return 1 / (-move / point).amax().clamp_min(1e-3)


def solve_interior_point(
    program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None
) -> Solution:
    """Solve to a relative gap of ``tol`` or until ``max_iter`` or rounding stops progress."""
    began = time.perf_counter()
    nothing = program.X.new_zeros(program.n_blocks, program.features.width)
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
