"""Solvers of convex programs; they know nothing of architectures."""

from __future__ import annotations

from typing import Literal

import torch

from relu_forecast.program import ConvexProgram
from relu_forecast.solvers.solution import Solution
from relu_forecast.solvers.working_set import Callback, solve_interior_point
from relu_forecast.validation import check_choice, check_positive, check_positive_int

__all__ = ["Solution", "solve"]

Method = Literal["auto", "interior_point", "cvxpy"]


def solve(
    program: ConvexProgram,
    *,
    method: Method = "auto",
    tol: float = 1e-6,
    max_iter: int = 200,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Solve a convex program to a certified relative duality gap.

    Parameters
    ----------
    program : ConvexProgram
        What to solve.
    method : {"auto", "interior_point", "cvxpy"}, default "auto"
        ``"interior_point"``: our primal-dual method in torch, on the program's device;
        ``"auto"`` picks it. ``"cvxpy"``: Clarabel through CVXPY, the slow reference.
    tol : float, default 1e-6
        Relative duality gap ``(objective - dual_objective) / objective`` to reach.
    max_iter : int, default 200
        Most iterations; 10 to 40 are usual.
    device, dtype : optional
        Where and in what precision to solve; by default as the program is.
    callback : callable, optional
        Called as ``callback(iteration, certificate)`` at every convergence check of the
        interior point method.

    Returns
    -------
    Solution
        With the certificate, scope "program", or "network" where the patterns are all those of
        X (`enumerate_patterns`). A solve that ends above ``tol`` warns.

    Warns
    -----
    ConvergenceWarning
        The gap is above ``tol``; the message carries the gap.

    Notes
    -----
    Cost of an interior point iteration: O(n K d^2 + (K d)^3) for K blocks, after a Gram
    matrix of O(n K^2 d^2). THEORY section 6.1.

    Examples
    --------
    >>> from relu_forecast.arrangements import sample_patterns
    >>> X = torch.tensor([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
    >>> program = ConvexProgram(X, [1.0, 2.0, -1.0], sample_patterns(X, 50, 0), beta=0.1)
    >>> solution = solve(program)
    >>> solution.status, solution.gap <= 1e-6
    ('optimal', True)
    """
    check_choice(method, "method", ("auto", "interior_point", "cvxpy"))
    check_positive(tol, "tol")
    check_positive_int(max_iter, "max_iter")
    program = program.to(device, dtype)
    if method == "cvxpy":
        from relu_forecast.solvers.reference import solve_cvxpy

        return solve_cvxpy(program, tol, max_iter).warn_unless_optimal(tol)
    return solve_interior_point(program, tol, max_iter, callback).warn_unless_optimal(tol)
