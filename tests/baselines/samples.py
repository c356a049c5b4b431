"""Series that the tests of baselines share, and models of statistics for them."""

import numpy as np
from scipy.signal import lfilter

from relu_forecast.baselines import ARIMA, ETS, Theta

SIGNAL = np.sin(np.arange(90) / 4) + 0.3 * np.random.default_rng(0).normal(size=90)
RNG = np.random.default_rng(0)
SEASONAL = 9 + np.tile([0.0, 4.0, 1.0, -2.0], 30) + np.cumsum(0.4 * RNG.normal(size=120))
"""Positive samples with a season of four and a level that wanders."""
WANDERING = 20 + np.cumsum(lfilter([1.0, 0.5], [1.0, -0.4], RNG.normal(size=120)))
"""Without a season; once integrated."""
TRAINING = 96
CUTOFFS = np.arange(TRAINING - 1, 115, 2)
STATISTICAL = [
    ARIMA(max_order=1), ARIMA((1, 0, 1)), ARIMA((1, 1, 0), 4, (0, 1, 1)),
    ARIMA(season_length=4, max_order=1),
    ETS(), ETS("mul", "add", True, 4, "mul"), ETS(season_length=4),
    Theta(), Theta(4), Theta(4, "add", 3.0)]
"""Models for positive samples."""
