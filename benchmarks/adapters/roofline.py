"""What share of the machine's matrix product rate a gradient and a Newton step reach.

The rate is that of `torch.matmul` on two square float64 matrices; operations are those of the
algorithm (a multiplication and an addition each count), so a share of one is the limit.

Settings: size (of the square matrices), repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.adapters.ours import program_of
from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.method import InteriorPoint, InteriorState


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Time the matrix product, the gradient and the Newton step of the instance's program."""
    repeats = settings["repeats"]
    peak = matmul_rate(settings["size"], repeats)
    program = program_of(instance)
    method = InteriorPoint.of(program)
    state = method.step(_inside(program, method))
    gradient = gradient_operations(program) / seconds_of(lambda: gradient_of(program), repeats)
    newton = newton_operations(program) / seconds_of(lambda: method.step(state), repeats)
    return Answer(notes={
        "matmul Gflop/s": peak / 1e9, "gradient Gflop/s": gradient / 1e9,
        "gradient share": gradient / peak, "Newton step Gflop/s": newton / 1e9,
        "Newton step share": newton / peak, "blocks": program.n_blocks})


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """Return the least wall time of some work: other processes only ever add to it."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def matmul_rate(size: int, repeats: int, dtype: torch.dtype = torch.float64) -> float:
    """Return operations per second of the product of two square matrices."""
    left, right = torch.rand(2, size, size, dtype=dtype)
    left @ right
    return 2.0 * size**3 / seconds_of(lambda: left @ right, repeats)


def _inside(program: ConvexProgram, method: InteriorPoint) -> InteriorState:
    """Return a point inside all cones: small multiples of the gates, as a solve starts from."""
    share = 0.5 * program.y.square().sum() / program.n_blocks
    return method.centred(program.norm.normalised(program.gates) * share / program.beta, share)


def gradient_of(program: ConvexProgram) -> object:
    """Return ``A'(A z - y)`` at the gates."""
    return program.design.adjoint(program.design.forward(program.gates) - program.targets)


def gradient_operations(program: ConvexProgram) -> float:
    """Return the operations of a gradient: two products of N K d."""
    return 4.0 * len(program.features.rows) * program.n_blocks * program.features.width


def newton_operations(program: ConvexProgram) -> float:
    """Return the operations that a predictor-corrector step over all blocks needs.

    Weighted Gram matrices of the cones, N K d (d + 1); Cholesky, (K d)^3 / 3; three solves with
    the factor, one of them for refinement, and two products with the matrix, 2 (K d)^2 each; two
    products with the rows one way and one the other, 2 N K d each.
    """
    n, k, d = len(program.features.rows), program.n_blocks, program.features.width
    cones = n * k * d * (d + 1) + 6 * n * k * d if program.has_cones else 0
    return float(cones + (k * d) ** 3 / 3 + 10 * (k * d) ** 2)
