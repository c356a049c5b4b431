"""The sizes of the proximal method that a memory limit allows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.slabs import SUMMED
from relu_forecast.problems.program import ConvexProgram


@dataclass(frozen=True)
class Budget:
    """Sizes of what is held at a time, so that it all fits in the memory limit.

    With n samples of C targets, N rows, K blocks of d weights, and m blocks held, the method
    allocates about ``10 n C + 8 K d + 4 slab_entries + 8 (m d)^2`` numbers beside the program, and
    ``N d + 16 K d`` more with cones. The 10 n C are targets, errors, what the skip leaves of them,
    and the probabilities of the samples of the sketch.
    """

    slab_entries: int
    """Entries of the slabs (blocks x rows)."""
    most_blocks: int
    """Most blocks held, m."""

    @classmethod
    def of(cls, program: ConvexProgram, memory_limit: int, fewest_blocks: int) -> Budget:
        """Share out the limit: at most a third of what is free to slabs, the rest to the metric.

        A limit too small for the vectors, the smallest slabs and ``fewest_blocks`` is refused.
        """
        features, size = program.features, program.X.element_size()
        d, blocks = features.width, program.n_blocks
        fixed = 10 * program.targets.numel() + 8 * blocks * d
        if program.has_cones:
            fixed += features.rows.numel() + 16 * blocks * d
        least = max(12 * 64 * features.n_patches, 2 * 8 * (fewest_blocks * d) ** 2)
        free = memory_limit // size - fixed
        if free < least:
            raise InvalidArgumentError(
                "memory_limit", f"at least {size * (fixed + least):,} bytes for this program",
                f"{memory_limit:,}", "Allow more, or pass fewer samples or patterns.")
        slab = min(SUMMED.on(program.X.device), free // 12)
        return cls(slab, math.isqrt((free - 4 * slab) // 8) // d)
