"""Whether a series has a season, and of how many samples."""

from __future__ import annotations

import numpy as np

from relu_forecast.validation import Array

_LEAST_CORRELATION = 0.3
"""Correlation of steps with those a season before, below which there is none."""


def find_season(values: Array, longest: int) -> int | None:
    """Return the length of the season of a series, in samples; None where there is none.

    It is the lag, of 2 to ``longest`` samples, at which steps between samples are most like
    earlier ones, if they are at all: a peak of their autocorrelation.
    """
    steps = np.diff(values)
    size = np.abs(steps).max(initial=0.0)
    longest = min(longest, len(steps) // 2)
    if longest < 3 or size == 0:
        return None
    steps = steps / size
    steps = steps - steps.mean()
    spectrum = np.fft.rfft(steps, 2 * len(steps))
    sums = np.fft.irfft(np.abs(spectrum) ** 2)[: longest + 2]
    # Unbiased: a long lag has fewer products.
    correlations = sums / (len(steps) - np.arange(len(sums))) * len(steps) / max(sums[0], 1e-300)
    inner = correlations[1:-1]
    peaks = np.flatnonzero((inner > correlations[:-2]) & (inner >= correlations[2:])) + 1
    peaks = peaks[(peaks >= 2) & (correlations[peaks] >= _LEAST_CORRELATION)]
    return int(peaks[np.argmax(correlations[peaks])]) if len(peaks) else None
