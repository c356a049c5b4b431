"""The interior point method on a program: on whole blocks, or on groups of them."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.block_working_set import BlockWorkingSet
from relu_forecast.solvers.interior_point.grouped_working_set import GroupedWorkingSet
from relu_forecast.solvers.settings import SolverSettings
from relu_forecast.solvers.solution import Callback, Solution


def solve_interior_point(
    program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
    settings: SolverSettings, start: Float[Tensor, "K d"] | None = None
) -> Solution:
    """Solve to a relative gap of ``tol`` or until ``max_iter`` or rounding stops progress."""
    nothing = program.X.new_zeros(program.n_blocks, program.features.width)
    certificate = program.certificate(nothing, None)
    if certificate.gap <= tol:
        return Solution(program, nothing, certificate, "optimal", "interior_point", 0)
    grouped = program.norm.n_groups > 1 and program.features.n_patches == 1
    kind = GroupedWorkingSet if grouped else BlockWorkingSet
    return kind(program, tol, max_iter, callback, settings).solve(start)
