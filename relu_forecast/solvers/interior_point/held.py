"""What the interior point method holds of a program: some blocks, and an iterate on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.method import InteriorPoint, InteriorState

Method = TypeVar("Method", bound=InteriorPoint)


class WorkingSetTooLargeError(InvalidArgumentError):
    """More blocks must be held at a time than a Newton matrix has room for."""


@dataclass(frozen=True)
class Held(Generic[Method]):
    """Some blocks of a program, whole or in part, and the Newton method on them."""

    index: Int[Tensor, " m"]
    """Their numbers in the whole program."""
    program: ConvexProgram
    """The program of these blocks alone."""
    method: Method
    """The method on that program."""
    state: InteriorState
    """Its iterate."""

    @property
    def blocks(self) -> Float[Tensor, "m d"]:
        """The blocks of the iterate."""
        return self.state.blocks

    @property
    def multipliers(self) -> Float[Tensor, "m N"] | None:
        """The cone multipliers alpha of the iterate, or None without cones."""
        if not self.program.has_cones:
            return None
        return self.state.multipliers.abs().where(self.program.cone_rows, 0.0)

    @cached_property
    def error(self) -> Float[Tensor, "n C"]:
        """What the iterate leaves of the targets."""
        return self.program.error(self.blocks)


def check_room(count: int, size: int, unit: str, most: int) -> None:
    """Refuse more weights, so many units of a size, than a Newton matrix may have."""
    if count * size > most:
        raise WorkingSetTooLargeError(
            "method", f"'proximal' where a Newton matrix has more than {most:,} rows",
            f"{count:,} {unit} of {size} weights",
            "Pass method='proximal', fewer patterns or a larger beta.")


def moved_inside(program: ConvexProgram, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K d"]:
    """Return the blocks moved along their gates into their cones, or zero where that is far."""
    if not program.has_cones:
        return blocks
    gates = program.norm.normalised(program.gates)
    violations = -program.design.margins(blocks) / program.design.margins(gates)
    reach = violations.where(program.cone_rows, 0.0).amax(dim=1).clamp_min(0.0)
    near = reach < program.norm.norms(blocks)
    return (blocks + reach[:, None] * gates).where(near[:, None], 0.0)
