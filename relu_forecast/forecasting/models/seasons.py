"""Whether a series has a season, and of how many samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from relu_forecast.validation import Array

_LEAST_CORRELATION = 0.3
"""Correlation of steps with those a season before, below which there is none."""
_CHANCE = 3.0
"""The same of few steps: so many times the standard deviation of correlations of noise."""
_AS_GOOD = 0.03
"""By how much the correlation may be below the largest: multiples of a season are as good."""
_TINY = 1e-300
_ROUNDING = 1e-12
"""Sums of squares, as a share of that of all steps, that may be rounding where there are gaps."""


def find_season(values: Array, longest: int) -> int | None:
    """Return the length of the season of a series, in samples; None where there is none.

    It is the lag, of 2 to ``longest`` samples, at which steps between samples are most like
    earlier ones, if they are at all: a peak of their autocorrelation. Of several that are about as
    good, it is the shortest. Steps to and from samples that are missing, NaN, are left out.
    """
    seasons = find_seasons(values, longest)
    return seasons[0] if seasons else None


def find_seasons(values: Array, longest: int) -> list[int]:
    """Return the season of a series, and the best lag where it is another, as a week of days."""
    peaks, heights = _peaks(values, longest)
    good = peaks[heights >= heights.max(initial=0.0) - _AS_GOOD]
    return sorted({int(good[0]), int(peaks[np.argmax(heights)])}) if len(good) else []


def _peaks(values: Array, longest: int) -> tuple[npt.NDArray[np.intp], Array]:
    """Return lags at which the autocorrelation of steps has a peak that is no chance, and these."""
    none = np.empty(0, dtype=np.intp), np.empty(0)
    steps = np.diff(values)
    size = np.abs(steps[~np.isnan(steps)]).max(initial=0.0)
    longest = min(longest, len(steps) // 2)
    if longest < 3 or size == 0:
        return none
    correlations, pairs = _autocorrelations(steps / size, longest + 1)
    inner = correlations[1:-1]
    peaks = np.flatnonzero((inner > correlations[:-2]) & (inner >= correlations[2:])) + 1
    least = np.maximum(_LEAST_CORRELATION, _CHANCE / np.sqrt(np.maximum(pairs[peaks], 1)))
    peaks = peaks[(peaks >= 2) & (correlations[peaks] >= least)]
    return peaks, correlations[peaks]


def _autocorrelations(steps: Array, longest: int) -> tuple[Array, Array]:
    """Return correlations of steps with those 0 to ``longest`` samples before, and of how many.

    NaN stands for steps that are not known.
    """
    known = ~np.isnan(steps)
    steps = np.where(known, steps - steps[known].mean(), 0.0)
    sums = _lagged(steps, steps, longest)
    if known.all():
        # Sums of squares of the steps that are multiplied: a long lag has fewer of them.
        energies = np.concatenate([[0.0], np.cumsum(steps**2)])
        lags = np.arange(longest + 1)
        pairs: Array = len(steps) - lags.astype(np.float64)
        squares = energies[len(steps) - lags] * (energies[-1] - energies[lags])
    else:
        seen = known.astype(np.float64)
        pairs = np.rint(_lagged(seen, seen, longest))
        squares = _lagged(steps**2, seen, longest) * _lagged(seen, steps**2, longest)
        squares = np.maximum(squares, _ROUNDING**2 * squares[0])
    sizes = np.sqrt(squares)
    correlations: Array = np.where(pairs > 0, sums / np.maximum(sizes, _TINY), 0.0)
    return correlations, pairs


def _lagged(first: Array, second: Array, longest: int) -> Array:
    """Return the sums of products with what is 0 to ``longest`` samples later, (longest + 1,)."""
    spectra = [np.fft.rfft(values, 2 * len(first)) for values in (first, second)]
    sums: Array = np.fft.irfft(spectra[0].conj() * spectra[1])[: longest + 1]
    return sums
