"""What people watch signals with: z-scores, whose thresholds are chosen for equal false alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
WINDOW = 3_600
"""Samples that means and standard deviations are of, those before each sample."""
HOLD = 60
"""Samples below the threshold that end an alarm, as of ours."""


@dataclass(frozen=True)
class Peer:
    """A score of each sample of a signal, NaN where too little is known."""

    name: str
    scores: Callable[[Array], Array]


def z_of_naive_errors(values: Array) -> Array:
    """Return how unusual the errors of forecasts by the last sample are."""
    return rolling_z(np.abs(np.diff(values, prepend=values[0])))


def z_of_values(values: Array) -> Array:
    """Return how far samples are from the mean, on either side."""
    return np.abs(rolling_z(values))


def rolling_z(values: Array) -> Array:
    """Return values minus the mean of those before, over their standard deviation."""
    offset = values - values.mean()  # sums of squares lose less
    sums, squares = (np.concatenate([[0.0], np.cumsum(one)]) for one in (offset, offset**2))
    mean = (sums[WINDOW:-1] - sums[: -WINDOW - 1]) / WINDOW
    variance = (squares[WINDOW:-1] - squares[: -WINDOW - 1]) / WINDOW - mean**2
    scores = np.full(len(values), np.nan)
    scores[WINDOW:] = (offset[WINDOW:] - mean) / np.sqrt(np.maximum(variance, 1e-12))
    return scores


PEERS = (Peer("z-score of naive errors", z_of_naive_errors), Peer("z-score of values", z_of_values))


def onsets(scores: Array, threshold: float) -> npt.NDArray[np.intp]:
    """Return where alarms begin: above a threshold, and not within an alarm."""
    above = np.flatnonzero(scores > threshold)
    return above[np.diff(above, prepend=-HOLD - 2) > HOLD]


def threshold_for(scores: Array, n_alarms: int) -> float:
    """Return the lowest threshold found with at most so many alarms."""
    low, high = np.nanmedian(scores), np.nanmax(scores)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if len(onsets(scores, middle)) <= n_alarms else (middle, high)
    return float(high)
