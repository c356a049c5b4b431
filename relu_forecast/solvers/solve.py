"""One function for all solvers: `solve`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.held import WorkingSetTooLargeError
from relu_forecast.solvers.interior_point.solve import solve_interior_point
from relu_forecast.solvers.proximal.working_set import solve_proximal
from relu_forecast.solvers.selection import METHODS, Choice, Method, SolverName, choose
from relu_forecast.solvers.settings import SolverSettings
from relu_forecast.solvers.solution import Callback, Solution
from relu_forecast.validation import as_finite, check_choice, check_positive, check_positive_int


def solve(
    program: ConvexProgram, *, method: Method = "auto", tol: float = 1e-6, max_iter: int = 200,
    start: Any = None, memory_limit: float = 2**32, device: str | torch.device | None = None,
    dtype: torch.dtype | None = None, callback: Callback | None = None,
    settings: SolverSettings | None = None
) -> Solution:
    """Solve a convex program to a certified relative duality gap.

    Parameters
    ----------
    program : ConvexProgram
        What to solve.
    method : {"auto", "interior_point", "proximal", "cvxpy"}, default "auto"
        ``"interior_point"``: our primal-dual Newton method in torch, on a working set of blocks.
        ``"proximal"``: our proximal Newton method in torch, for what does not fit the other: it
        passes over the samples in slabs. ``"auto"``: the interior point method where it fits
        ``memory_limit``, else the proximal one; `Solution.reason` says why.
        ``"cvxpy"``: Clarabel through CVXPY, the slow reference.
    tol : float, default 1e-6
        Relative duality gap ``(objective - dual_objective) / objective`` to reach.
    max_iter : int, default 200
        Most iterations; 10 to 80 are usual.
    start : array_like or Tensor, shape (K, d), optional
        Blocks near the optimum, for example `Solution.blocks` at another beta: our own methods
        start from them, in about half the time. They are moved into their cones.
    memory_limit : float, default 2**32
        Bytes that the solver may take beside the program, by default 4 GiB. For the interior
        point method see `selection.newton_bytes`, for the proximal one `proximal.budget.Budget`.
    device, dtype : optional
        Where and in what precision to solve; by default as the program is. In float32 blocks are
        priced in single precision, and those of the working set are solved for in double.
    callback : callable, optional
        Called as ``callback(iteration, certificate)`` at every convergence check of our own
        methods. Its bound is the best one over all blocks so far.
    settings : SolverSettings, optional
        Tuning of our own methods, for experts. None takes the defaults, which serve all programs
        that we know.

    Returns
    -------
    Solution
        With the certificate, scope "program", or "network" where the patterns are all those of
        X (`enumerate_patterns`). A solve that ends above ``tol`` warns.

    Raises
    ------
    InvalidArgumentError
        Bad arguments; a working set or a slab that does not fit the memory.

    Warns
    -----
    ConvergenceWarning
        The gap is above ``tol``; the message carries the gap.

    Notes
    -----
    Cost of an interior point iteration: O(N m d^2 + (m d)^3) for the m blocks of the working set,
    after a Gram matrix of O(n m^2 d^2); each pricing of all K blocks is some five products of
    O(N K d). THEORY sections 6.1 and 6.2.

    Examples
    --------
    >>> from relu_forecast.patterns.arrangements import sample_patterns
    >>> X = torch.tensor([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
    >>> program = ConvexProgram(X, [1.0, 2.0, -1.0], sample_patterns(X, 50, 0), beta=0.1)
    >>> solution = solve(program)
    >>> solution.status, solution.gap <= 1e-6
    ('optimal', True)
    """
    check_choice(method, "method", METHODS)
    check_positive(tol, "tol")
    check_positive_int(max_iter, "max_iter")
    check_positive(memory_limit, "memory_limit")
    settings = SolverSettings() if settings is None else settings
    if not isinstance(settings, SolverSettings):
        raise InvalidTypeError("settings", "SolverSettings or None", repr(settings)[:80],
                               "Pass relu_forecast.solvers.settings.SolverSettings(...).")
    program = program.to(device, dtype)
    given = (program, tol, max_iter, callback, settings, _checked_start(program, start))
    choice = choose(program, method, memory_limit, settings.selection)
    try:
        solution = _solve_with(choice.solver, given, int(memory_limit))
    except WorkingSetTooLargeError as error:
        if method != "auto":
            raise
        choice = Choice("proximal", f"the working set of the Newton method had {error.got}")
        solution = _solve_with("proximal", given, int(memory_limit))
    return replace(solution, reason=choice.reason).warn_unless_optimal(tol)


def _solve_with(solver: SolverName, given: tuple[Any, ...], memory_limit: int) -> Solution:
    """Solve with one of the solvers, from the arguments that our own methods share."""
    began = time.perf_counter()
    if solver == "interior_point":
        solution = solve_interior_point(*given)
    elif solver == "proximal":
        solution = solve_proximal(*given, memory_limit=memory_limit)
    else:
        from relu_forecast.solvers.reference import solve_cvxpy

        solution = solve_cvxpy(*given[:3])
    return replace(solution, seconds=time.perf_counter() - began)


def _checked_start(program: ConvexProgram, start: Any) -> Tensor | None:
    """Return a start as finite blocks of the program, or None."""
    if start is None:
        return None
    blocks = as_finite(start, "start").to(program.X)
    shape = (program.n_blocks, program.features.width)
    if tuple(blocks.shape) != shape:
        raise InvalidArgumentError("start", f"of shape {shape}", f"shape {tuple(blocks.shape)}",
                                   "Pass the blocks of a Solution of the same patterns.")
    return blocks
