"""Sizes of slabs: how much of a large array is worked on at a time, by type of device.

Outputs of many blocks on many rows, or the columns of a design, are never made as a whole. They
are made slab by slab and summed, so that memory stays bounded; and a slab that stays in a
processor's cache is several times faster than one that does not. Accelerators want larger ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from relu_forecast.storage import stored
from relu_forecast.validation import check_positive_int


@stored()
@dataclass(frozen=True)
class PerDevice:
    """A positive whole number for the CPU, and another one for accelerators."""

    cpu: int
    """On the CPU."""
    elsewhere: int
    """On devices of any other type."""

    def __post_init__(self) -> None:
        check_positive_int(self.cpu, "cpu")
        check_positive_int(self.elsewhere, "elsewhere")

    def on(self, device: torch.device) -> int:
        """Return the number for a device."""
        return self.cpu if device.type == "cpu" else self.elsewhere


SUMMED = PerDevice(2**18, 2**25)
"""Entries of a slab whose products are summed: columns of a design, or blocks x rows."""
SEARCHED = PerDevice(2**16, 2**24)
"""Entries of a slab (rows x neurons) in the search for violating neurons."""
CLIMBED = PerDevice(2**19, 2**26)
"""Entries (rows x neurons) of neurons that climb at the same time by conjugate gradients."""
MASKED = 2**22
"""Entries of the outputs (gates x rows) that masks are made of, and compared with."""
LISTED = 2**18
"""Entries of the outputs (gates x rows) of enumerated gates; these are always on the CPU."""
SWEPT = 2**17
"""Entries of a slab of exact pricing (circles or directions x rows), always on the CPU."""
TILE_BLOCKS, PRICED_BLOCKS, CORRELATED_BLOCKS = 128, 1024, 512
"""Blocks of a tile of cone rows, blocks whose small problems of pricing are solved at a time, and
blocks whose correlations with a residual are made in one pass."""
WHITENED = 2**16
"""Samples whose leverage is computed at a time."""
FEWEST_ROWS = 256
"""Rows of a slab, however many entries each of them has."""


def rows_per_slab(entries: int, entries_per_row: int, fewest: int = FEWEST_ROWS) -> int:
    """Return how many rows make a slab of about so many entries, but no fewer than ``fewest``."""
    return max(fewest, entries // max(1, entries_per_row))


def slices(n_rows: int, size: int) -> Iterator[slice]:
    """Yield slices of ``size`` rows each, the last one shorter, that make up all rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
