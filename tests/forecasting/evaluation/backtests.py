"""Backtests that nobody ran."""

import numpy as np
import pandas as pd

from relu_forecast.forecasting import Backtest
from relu_forecast.forecasting.data.panel import Columns


def made(n_series=3, n_cutoffs=12, h=4, step_size=3, gap=1, models=("p", "q"), levels=(80, 97.5),
         prefix="s"):
    """A backtest of made-up forecasts with intervals; every tenth target was not observed."""
    rng = np.random.default_rng(0)
    names = [f"{prefix}{i}" for i in range(n_series)]
    cutoffs = np.tile(np.repeat(step_size * np.arange(n_cutoffs), h), n_series)
    frame = pd.DataFrame({
        "unique_id": np.repeat(names, n_cutoffs * h),
        "ds": cutoffs + gap + np.tile(np.arange(1, h + 1), n_series * n_cutoffs),
        "cutoff": cutoffs,
    })
    frame["y"] = rng.normal(size=len(frame))
    frame.loc[::10, "y"] = np.nan
    for model in models:
        frame[model] = rng.normal(size=len(frame))
        for level in levels:
            frame[f"{model}-lo-{level:g}"] = frame[model] - level / 50
            frame[f"{model}-hi-{level:g}"] = frame[model] + level / 60
    scales = pd.DataFrame(rng.random((n_series, 2)) + 1, index=names, columns=["mase", "rmsse"])
    return Backtest(frame, pd.Series(1.0, index=list(models)), scales,
                    Columns("unique_id", "ds", "y"), tuple(map(float, levels)), step_size, gap)
