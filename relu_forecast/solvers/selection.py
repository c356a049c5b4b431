"""The choice of a solver by the memory that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from relu_forecast.problems.program import ConvexProgram

Method = Literal["auto", "interior_point", "proximal", "cvxpy"]
METHODS: tuple[Method, ...] = get_args(Method)
SolverName = Literal["interior_point", "proximal", "cvxpy"]

_HELD_WEIGHTS = 960
"""Weights of a working set that is large, as one seldom is."""
_CONE_ARRAYS = 14
_PRICING_ENTRIES = 3 * 2**22
_MANY_SAMPLES = 20_000


@dataclass(frozen=True)
class Choice:
    """A solver, and why it was chosen.

    Attributes
    ----------
    solver : {"interior_point", "proximal", "cvxpy"}
        Which one.
    reason : str
        A sentence for people.
    """

    solver: SolverName
    reason: str


def newton_bytes(program: ConvexProgram) -> int:
    """Return about how much memory the interior point method needs beside the program.

    With a working set of m = min(K, 960 / d) blocks, N rows and numbers of 8 bytes:

        8 (14 m N + N d (d + 1) / 2 + 3 * 2^22)  with cones,  and  8 * 4 (m d)^2  in any case.
    """
    d, n_rows = program.features.width, len(program.features.rows)
    held = min(program.n_blocks, max(1, _HELD_WEIGHTS // d))
    numbers = 4 * (held * d) ** 2
    if program.has_cones:
        numbers += _CONE_ARRAYS * held * n_rows + n_rows * d * (d + 1) // 2 + _PRICING_ENTRIES
    return 8 * numbers


def choose(program: ConvexProgram, method: Method, memory_limit: float) -> Choice:
    """Return the solver asked for, or the one that is faster where it fits the memory.

    In cones that is the interior point method: a few dozen passes over the rows of a few blocks.
    Free blocks are many at an optimum, and from some ten thousand samples on their Gram matrix,
    O(n m^2 d^2), costs more than all passes of the proximal method, which needs nothing
    that grows with rows times blocks.
    """
    if method != "auto":
        return Choice(method, "asked for")
    samples = program.features.n_samples
    if not program.has_cones and samples > _MANY_SAMPLES:
        return Choice("proximal", f"{samples:,} samples of free blocks: their Gram matrix would "
                      "cost more than the passes of the proximal method")
    needed = newton_bytes(program)
    compared = (f"the interior point method on a working set takes about {needed / 2**20:,.0f} MiB"
                f" of the {memory_limit / 2**20:,.0f} MiB allowed")
    if needed <= memory_limit:
        return Choice("interior_point", compared)
    return Choice("proximal", f"{compared}, which is too much")
