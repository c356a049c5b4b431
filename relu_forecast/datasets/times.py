"""Times of samples at a constant rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd

_NANOSECONDS_PER_SECOND = 1_000_000_000


def sample_times(length: int, rate: Fraction) -> pd.TimedeltaIndex:
    """Return the times of samples at a constant rate in Hz: ``k / rate`` seconds, k < length.

    Each is rounded to the nearest nanosecond; the index is named ``"ds"``.
    """
    per_sample = _NANOSECONDS_PER_SECOND / rate
    whole, rest = divmod(per_sample.numerator, per_sample.denominator)
    k = np.arange(length, dtype=np.int64)
    # The whole nanoseconds apart, as their product with the denominator would overflow.
    nanoseconds = k * whole + (
        (2 * k * rest + per_sample.denominator) // (2 * per_sample.denominator))
    return pd.TimedeltaIndex(nanoseconds.astype("timedelta64[ns]"), name="ds")
