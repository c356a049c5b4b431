"""The choice of a solver by the memory that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.settings import SelectionSettings

Method = Literal["auto", "interior_point", "proximal", "cvxpy"]
"""How a program is solved: by one of three methods, or by the one that its size asks for."""
METHODS: tuple[Method, ...] = get_args(Method)
"""The names of all methods."""
SolverName = Literal["interior_point", "proximal", "cvxpy"]


@dataclass(frozen=True)
class Choice:
    """A solver, and why it was chosen."""

    solver: SolverName
    """Which one."""
    reason: str
    """A sentence for people."""


def newton_bytes(program: ConvexProgram, settings: SelectionSettings) -> int:
    """Return about how much memory the interior point method needs beside the program.

    With N rows and m = min(K, 960 / d) blocks held, 960, 14 and 3 * 2^22 being the defaults of the
    settings, these are ``8 (14 m N + N d (d + 1) / 2 + 3 * 2^22)`` bytes with cones, and ``32 (m
    d)^2`` in any case.
    """
    d, n_rows = program.features.width, len(program.features.rows)
    held = min(program.n_blocks, max(1, settings.held_weights // d))
    numbers = 4 * (held * d) ** 2
    if program.has_cones:
        numbers += settings.cone_arrays * held * n_rows + n_rows * d * (d + 1) // 2
        numbers += settings.pricing_entries
    return 8 * numbers


def choose(
    program: ConvexProgram, method: Method, memory_limit: float, settings: SelectionSettings
) -> Choice:
    """Return the solver asked for, or the one that is faster where it fits the memory.

    With cones that is the interior point method: a few dozen passes over the rows of a few blocks.
    Without cones many blocks are used at an optimum, and from some ten thousand samples on their
    Gram matrix, O(n m^2 d^2), costs more than all passes of the proximal method.
    """
    if method != "auto":
        return Choice(method, "asked for")
    samples = program.features.n_samples
    if not program.has_cones and samples > settings.most_free_samples:
        return Choice("proximal", f"{samples:,} samples of free blocks: their Gram matrix would "
                      "cost more than the passes of the proximal method")
    needed = newton_bytes(program, settings)
    compared = (f"the interior point method on a working set takes about {needed / 2**20:,.0f} MiB"
                f" of the {memory_limit / 2**20:,.0f} MiB allowed")
    if needed <= memory_limit:
        return Choice("interior_point", compared)
    return Choice("proximal", f"{compared}, which is too much")
