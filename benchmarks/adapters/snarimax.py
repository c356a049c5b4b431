"""River's SNARIMAX, sample by sample, in its own environment: a script that needs River alone.

``python benchmarks/adapters/snarimax.py FILE.npy LAGS STEPS`` goes through the samples of a file,
learns from each and forecasts after it; it prints the seconds of each sample as a JSON list. Inputs
are standardised first, without which its gradient steps diverge on 60 lags.
"""

from __future__ import annotations

import importlib
import json
import sys
from time import perf_counter

import numpy as np

_WARM_UP = 200
"""Samples that are not timed."""


def seconds_per_sample(values: list[float], lags: int, steps: int) -> list[float]:
    """Return the seconds that each sample takes, but for the first ones."""
    river = {name: importlib.import_module(f"river.{name}")
             for name in ("linear_model", "optim", "preprocessing", "time_series")}
    regressor = river["preprocessing"].StandardScaler() | river["linear_model"].LinearRegression(
        optimizer=river["optim"].SGD(1e-3))
    model = river["time_series"].SNARIMAX(p=lags, d=0, q=0, regressor=regressor)
    seconds = []
    for value in values:
        began = perf_counter()
        model.learn_one(value)
        if len(seconds) >= lags:
            model.forecast(horizon=steps)
        seconds.append(perf_counter() - began)
    return seconds[_WARM_UP:]


if __name__ == "__main__":
    file, lags, steps = sys.argv[1:]
    print(json.dumps(seconds_per_sample(np.load(file).tolist(), int(lags), int(steps))))
