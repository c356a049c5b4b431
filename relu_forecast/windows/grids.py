"""Samples as whole numbers of steps that are far finer than any noise.

Training is a long way with many forks. Samples in another unit, or at another level, are rounded
otherwise in their last digits, and would take other turns. As numbers of steps they are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_forecast.validation import Array

_FINENESS = 16
"""Binary digits of the usual distance of samples from their median that are kept."""
_MOST = 40
"""Binary digits of the standard deviation that are kept at most, so that sums are exact."""


@dataclass(frozen=True)
class Grid:
    """Where whole numbers stand for samples of a series.

    The step moves with the unit of the samples, and the origin with their level. Both hardly feel
    how samples are rounded, nor, as to what is usual, a few samples that are far from the others.
    """

    origin: float
    step: float
    """In the unit of the data, above 0."""

    @classmethod
    def of(cls, samples: Array, relative: bool = True) -> Grid:
        """Find the grid of samples, (n,), of which NaN do not count.

        ``relative`` measures them from the first; else zero remains zero.
        """
        known = samples[~np.isnan(samples)]
        origin = float(known[0]) if relative and len(known) else 0.0
        known = known - origin
        largest = float(np.abs(known).max(initial=0.0))
        if not largest:
            return cls(origin, 1.0)
        known = known / largest  # the squares of very small numbers are 0
        size = float(known.std() or 1.0)
        apart = np.abs(known - np.median(known))
        usual = float(np.median(apart[apart > 0])) if apart.any() else size
        digits = int(np.clip(_FINENESS + np.rint(np.log2(size / usual)), _FINENESS, _MOST))
        return cls(origin, max(largest * size * 2.0**-digits, np.finfo(np.float64).tiny))

    def steps(self, samples: Array) -> Array:
        """Return the whole numbers that stand for samples."""
        return np.rint((samples - self.origin) / self.step)
