"""CVXPY with a conic solver, as a competent user writes the program; no part of the package.

Settings: solver ("CLARABEL" or "SCS"), options (passed to the solver).
"""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.instances import Floats, Instance
from benchmarks.jobs import Answer, Settings


def prepare(threads: int) -> None:
    """Nothing is left to do: both solvers run on one thread, NumPy's are set by environment."""


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Write the program out, hand it over, and read the blocks."""
    d, p = instance.X.shape[1], len(instance.masks)
    blocks = [cp.Variable((d, p)) for _ in range(2 if instance.has_cones else 1)]
    problem = cp.Problem(cp.Minimize(_objective(instance, blocks)), _cones(instance, blocks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an inaccurate solution is graded as it is
        problem.solve(solver=settings["solver"], **settings.get("options", {}))
    values = np.concatenate([block.value.T for block in blocks])
    stats = problem.solver_stats
    return Answer(blocks=values, notes={
        "status": problem.status, "iterations": stats.num_iters,
        "solver seconds": stats.solve_time, "version": cp.__version__})


def _objective(instance: Instance, blocks: list[cp.Variable]) -> Any:
    """Return the objective (2)."""
    difference = blocks[0] - blocks[1] if instance.has_cones else blocks[0]
    outputs = cp.sum(cp.multiply(instance.masks.T, instance.X @ difference), axis=1)
    penalty = cp.sum([_norms(instance, block) for block in blocks])
    return 0.5 * cp.sum_squares(outputs - instance.y) + instance.beta * penalty


def _norms(instance: Instance, block: cp.Variable) -> Any:
    """Return what all blocks cost: Euclidean norms, or moduli of their Fourier coefficients."""
    if not instance.circular:
        return cp.sum(cp.norm(block, 2, axis=0))
    real, imaginary, weights = _fourier_rows(block.shape[0])
    moduli = cp.norm(cp.vstack([cp.vec(real @ block, order="C"),
                                cp.vec(imaginary @ block, order="C")]), 2, axis=0)
    return moduli @ np.repeat(weights, block.shape[1])


def _fourier_rows(d: int) -> tuple[Floats, Floats, Floats]:
    """Return real and imaginary parts of the unitary DFT up to d/2, and weights by conjugates."""
    transform = np.fft.fft(np.eye(d), norm="ortho")[: d // 2 + 1]
    doubled = np.where((np.arange(len(transform)) * 2) % d == 0, 1.0, 2.0)
    return transform.real.copy(), transform.imag.copy(), doubled / d**0.5


def _cones(instance: Instance, blocks: list[cp.Variable]) -> list[Any]:
    """Return ``(2 D_k - I) X z_k >= 0`` for all blocks, none for gated ReLU."""
    if not instance.has_cones:
        return []
    signs = 2.0 * instance.masks.T - 1.0
    return [cp.multiply(signs, instance.X @ block) >= 0 for block in blocks]
