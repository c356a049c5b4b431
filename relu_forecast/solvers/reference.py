"""Reference solver: the program written out in CVXPY and handed to Clarabel.

Slow and independent: the skip connection is a variable here and every cone row is a
constraint, so agreement with the other solvers says something.
"""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.solution import Solution, status_of


def solve_cvxpy(program: ConvexProgram, tol: float, max_iter: int) -> Solution:
    """Solve by CVXPY + Clarabel, to its tolerances or ``tol``, whichever is tighter.

    The blocks may leave their cones by about 1e-8; see `ConvexProgram.cone_violation`.
    """
    blocks = cp.Variable((program.features.width, program.n_blocks))
    cones = _cones(program, blocks)
    problem = cp.Problem(cp.Minimize(_objective(program, blocks)), cones)
    tight = min(1e-8, tol / 10)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        problem.solve(solver=cp.CLARABEL, max_iter=max_iter, tol_gap_rel=tight,
                      tol_gap_abs=tight, tol_feas=tight)
    point = torch.as_tensor(blocks.value.T.copy()).to(program.X)
    multipliers = None
    if cones:
        values = np.stack([cone.dual_value for cone in cones]).clip(0.0)
        multipliers = torch.as_tensor(values).to(program.X)
    point, certificate = prune(
        program, point, multipliers, program.certificate(point, multipliers), tol)
    n_iter = int(problem.solver_stats.num_iters)
    status = status_of(certificate, tol, n_iter < max_iter)
    return Solution(program, point, certificate, status, "cvxpy", n_iter)


def _objective(program: ConvexProgram, blocks: cp.Variable) -> Any:
    """Return the objective (2) as a CVXPY expression."""
    rows, masks = _array(program.features.rows), program.design.masks.cpu().numpy()
    signed = masks.T * _array(program.design.heads[:, 0])
    active = cp.sum(cp.multiply(signed, rows @ blocks), axis=1)
    if program.features.n_patches > 1:
        shape = (program.features.n_samples, program.features.n_patches)
        active = cp.sum(cp.reshape(active, shape, "C"), axis=1)
    error, penalty = active - _array(program.targets[:, 0]), program.beta * _norms(program, blocks)
    if program.task.linear_skip:
        X = _array(program.X.flatten(1))
        weight, bias = cp.Variable(X.shape[1]), cp.Variable()
        error = error + X @ weight + bias
        penalty = penalty + program.task.skip_penalty / 2 * cp.sum_squares(weight)
    return 0.5 * cp.sum_squares(error) + penalty


def _norms(program: ConvexProgram, blocks: cp.Variable) -> Any:
    """Return ``sum_k N(z_k)``, norms of the groups one by one."""
    size = program.features.width // program.norm.n_groups
    return cp.sum([
        weight * cp.sum(cp.norm(blocks[g * size : (g + 1) * size], 2, axis=0))
        for g, weight in enumerate(_array(program.norm.weights))])


def _cones(program: ConvexProgram, blocks: cp.Variable) -> list[Any]:
    """Return one constraint per block, ``(2 D_k - I) R z_k >= 0``; none for gated ReLU."""
    if not program.has_cones:
        return []
    rows = _array(program.features.rows)
    signs = np.where(program.design.masks.cpu().numpy(), 1.0, -1.0)
    return [cp.multiply(sign, rows @ blocks[:, k]) >= 0 for k, sign in enumerate(signs)]


def _array(values: Tensor) -> npt.NDArray[np.float64]:
    """Return a tensor as a NumPy array."""
    return np.asarray(values.double().cpu().numpy())
