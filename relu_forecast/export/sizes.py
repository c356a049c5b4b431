"""What an exported model takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What an exported model takes.

    Attributes
    ----------
    length : int
        Samples that a forecast looks back on.
    n_steps : int
        Steps ahead.
    constants : int
        Bytes of the numbers that it consists of.
    memory : int
        Bytes that it writes to: state, and scratch on the stack; 0 where that is not known.
    operations : int
        Multiplications and additions of a forecast, at most, in pairs.
    """

    length: int
    n_steps: int
    constants: int
    memory: int
    operations: int

    def __str__(self) -> str:
        """Return it in a sentence."""
        memory = f"{self.memory:,} bytes of memory, " if self.memory else ""
        return (f"{self.n_steps} steps ahead from {self.length} samples: {self.constants:,} bytes"
                f" of constants, {memory}{self.operations:,} multiply-adds a forecast at most")
