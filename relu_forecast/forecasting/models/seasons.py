"""Whether a series has a season, and of how many samples."""

from __future__ import annotations

import numpy as np

from relu_forecast.validation import Array

_LEAST_CORRELATION = 0.3
"""Correlation of steps with those a season before, below which there is none."""
_AS_GOOD = 0.03
"""By how much the correlation may be below the largest: multiples of a season are as good."""
_TINY = 1e-300


def find_season(values: Array, longest: int) -> int | None:
    """Return the length of the season of a series, in samples; None where there is none.

    It is the lag, of 2 to ``longest`` samples, at which steps between samples are most like
    earlier ones, if they are at all: a peak of their autocorrelation. Of several that are about as
    good, it is the shortest.
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
    # Sums of squares of the steps that are multiplied: a long lag has fewer of them.
    energies = np.concatenate([[0.0], np.cumsum(steps**2)])
    lags = np.arange(len(sums))
    sizes = np.sqrt(energies[len(steps) - lags] * (energies[-1] - energies[lags]))
    correlations = sums / np.maximum(sizes, _TINY)
    inner = correlations[1:-1]
    peaks = np.flatnonzero((inner > correlations[:-2]) & (inner >= correlations[2:])) + 1
    peaks = peaks[(peaks >= 2) & (correlations[peaks] >= _LEAST_CORRELATION)]
    good = peaks[correlations[peaks] >= correlations[peaks].max(initial=0.0) - _AS_GOOD]
    return int(good[0]) if len(good) else None
