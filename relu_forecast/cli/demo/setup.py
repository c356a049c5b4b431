"""What the demo trains, and on which samples of the shipped ECG."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from relu_forecast.datasets import load_ecg


@dataclass(frozen=True)
class Setup:
    """What the demo trains and tests on."""

    start: int = 20_000
    """First sample of the training part, in samples of the ECG (360 a second)."""
    n_train: int = 5_015
    n_test: int = 5_000
    """Samples to train on, and samples after them to forecast."""
    lags: int = 15
    """Samples that a model sees, 42 ms."""
    h: int = 10
    """Steps ahead of the multi-step forecasts, 28 ms."""
    beta_ratio: float = 0.03
    """Weight of the penalty, as a share of beta_max, for all networks."""
    season_length: int = 200
    """Season of the seasonal naive forecast, in samples: the largest autocorrelation of the
    training part between 0.3 and 1.5 s, that is, from beat to beat."""
    n_neurons: int = 100
    """Hidden neurons of the networks that are trained by gradients."""
    adam_steps: int = 1_000
    sgd_epochs: int = 60
    lbfgs_steps: int = 600
    """How long these train."""

    def signal(self) -> pd.Series:
        """Return the samples that are used: `n_test` cutoffs have ``h`` samples after them."""
        stop = self.start + self.n_train + self.n_test + self.h - 1
        return load_ecg().iloc[self.start : stop]


QUICK = Setup(n_train=415, n_test=500, beta_ratio=0.05, n_neurons=30, adam_steps=100, sgd_epochs=20,
              lbfgs_steps=50)
"""A tenth of the demo, to see whether everything runs; its figures mean little."""
