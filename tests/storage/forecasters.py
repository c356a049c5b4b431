"""Forecasters in files: what is fitted, saved, and compared with what comes back."""

import numpy as np
import pandas as pd

SIGNAL = (np.cumsum(np.random.default_rng(0).normal(size=60))
          + 3 * np.sin(np.arange(60) / 3))


def titled(value):
    """Name a case by its class."""
    return type(value).__name__


def saved(forecaster, folder):
    """Save and load."""
    path = folder / "forecaster.safetensors"
    forecaster.save(path)
    return type(forecaster).load(path)


def assert_same(forecaster, loaded, h=3, **options):
    """Compare what two forecasters forecast, exactly."""
    pd.testing.assert_frame_equal(
        forecaster.predict(h, **options), loaded.predict(h, **options), check_exact=True)
