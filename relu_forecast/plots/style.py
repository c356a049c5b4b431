"""What pictures share: colours, and how times and names are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

# Okabe & Ito's palette, told apart by colour-blind eyes.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999933")
TRUTH = "black"
"""Colour of what happened."""


def colours(count: int) -> list[str]:
    """Return ``count`` colours, from the beginning again when they run out."""
    return [PALETTE[position % len(PALETTE)] for position in range(count)]


def on_axis(times: pd.Index | pd.Series) -> npt.NDArray[Any]:
    """Return times in seconds, or as they are where they are not durations."""
    index = pd.Index(times)
    return np.asarray(index.total_seconds() if isinstance(index, pd.TimedeltaIndex) else index)


def plain(name: object) -> str:
    """Return a name as matplotlib shows it letter by letter; between two $ it expects TeX."""
    return str(name).replace("$", r"\$")
