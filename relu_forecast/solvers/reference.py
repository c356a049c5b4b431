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
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
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


def solve_over_heads(
    task: TrainingTask, patterns: ActivationPatterns, beta: float
) -> tuple[float, Float[Tensor, "P d SC"]]:
    """Solve the gated program of given patterns over all heads: a nuclear norm takes their place.

    See `problems.pairs`. For few patterns of few samples.

    Returns
    -------
    float
        The least objective over all gated networks with these patterns as gates.
    Tensor, shape (P, d, S*C)
        ``Z_k``, the sum of ``z_j h_j'`` over the blocks of each pattern.
    """
    features, norm = task.features, task.features.norm
    rows, pools = _array(features.rows), _pools(features)
    n_targets, size = task.targets.shape[1], features.width // norm.n_groups
    matrices, outputs, penalty = [], 0, 0
    for mask in patterns.masks.flatten(1).cpu().numpy():
        matrix = cp.Variable((features.width, len(pools) * n_targets))
        for site, pool in enumerate(pools):
            own = matrix[:, site * n_targets : (site + 1) * n_targets]
            outputs = outputs + (pool @ (mask[:, None] * rows)) @ own
        for group, weight in enumerate(_array(norm.weights)):
            penalty = penalty + weight * cp.normNuc(matrix[group * size : (group + 1) * size])
        matrices.append(matrix)
    problem = cp.Problem(cp.Minimize(_loss(task, outputs) + beta * penalty))
    value = float(problem.solve(solver=cp.CLARABEL))
    return value, torch.as_tensor(np.stack([each.value for each in matrices])).to(task.X)


def _objective(program: ConvexProgram, blocks: cp.Variable) -> Any:
    """Return the objective (2) as a CVXPY expression."""
    rows, masks = _array(program.features.rows), program.design.masks.cpu().numpy()
    sites, heads = program.features.n_sites, _array(program.design.heads)
    active = cp.multiply(masks.T.astype(float), rows @ blocks)
    by_site = heads.reshape(len(heads), sites, -1).transpose(1, 0, 2)
    outputs = cp.sum([pool @ active @ head for pool, head in zip(
        _pools(program.features), by_site, strict=True)])
    return _loss(program.task, outputs) + program.beta * _norms(program, blocks)


def _loss(task: TrainingTask, outputs: Any) -> Any:
    """Return the loss beside the best linear skip, whose weights are variables here."""
    error = outputs - _array(task.targets)
    if not task.linear_skip:
        return 0.5 * cp.sum_squares(error)
    X, n_targets = _array(task.weighted(task.X.flatten(1))), task.targets.shape[1]
    ones = _array(task.weighted(task.X.new_ones(len(X), 1)))
    weight, bias = cp.Variable((X.shape[1], n_targets)), cp.Variable((1, n_targets))
    error = error + X @ weight + ones @ bias
    return 0.5 * cp.sum_squares(error) + task.skip_penalty / 2 * cp.sum_squares(weight)


def _pools(features: Features) -> list[Any]:
    """Return P_s (n, N) of each site, as sparse matrices."""
    weights = [np.ones(features.n_patches)] if features.pooling is None else _array(
        features.pooling)
    each = sparse.identity(features.n_samples)
    return [sparse.kron(each, weight[None], format="csr") for weight in weights]


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
