"""Lines of C, and the constants and scratch memory that they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from relu_forecast.validation import Array

DType = Literal["double", "float"]
_PER_LINE = 6


@dataclass
class CSource:
    """A piece of C that grows: constants first, then functions.

    ``@`` stands for the prefix of all names, and ``REAL`` for the type of numbers.
    """

    dtype: DType
    constants: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    n_bytes: int = 0
    """Of constants."""
    scratch: int = 0
    """Numbers on the stack, at most, beside the state."""
    operations: int = 0
    """Multiply-adds of a forecast, at most."""

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return 8 if self.dtype == "double" else 4

    def numbers(self, name: str, values: Array) -> str:
        """Add an array of numbers, of one axis or two; return its name."""
        values = np.asarray(values, dtype=float)
        self.n_bytes += values.size * self.width
        dims = "".join(f"[{max(size, 1)}]" for size in values.shape)
        rows = values if values.ndim == 2 else values[np.newaxis]
        text = ",\n".join("  {" + self._listed(row) + "}" for row in rows)
        body = f"{{\n{text}\n}}" if values.ndim == 2 else text.strip()
        given = body if values.size else "{0}"
        self.constants.append(f"static const REAL @{name}{dims} = {given};")
        return f"@{name}"

    def counts(self, name: str, values: npt.NDArray[np.integer]) -> str:
        """Add an array of whole numbers below 2^15; return its name."""
        self.n_bytes += 4 * len(values)
        listed = ", ".join(str(int(one)) for one in values)
        self.constants.append(f"static const int @{name}[{len(values)}] = {{{listed}}};")
        return f"@{name}"

    def function(self, text: str) -> None:
        """Add a function."""
        self.functions.append(text.strip("\n"))

    def need(self, count: int) -> None:
        """Say how many numbers a function has on the stack."""
        self.scratch = max(self.scratch, count)

    def literal(self, value: float) -> str:
        """Return a number in C, to its last digit."""
        if self.dtype == "float":
            text = np.format_float_scientific(np.float32(value), unique=True)
            return f"{text}f" if "." in text else f"{text}.0f"
        text = repr(float(value))
        return text if any(mark in text for mark in ".en") else f"{text}.0"

    def _listed(self, row: Array) -> str:
        """Return numbers, a few to a line."""
        texts = [self.literal(one) for one in row]
        lines = [", ".join(texts[start : start + _PER_LINE])
                 for start in range(0, len(texts), _PER_LINE)]
        return ",\n   ".join(lines)
