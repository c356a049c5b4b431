"""Convolutions that keep their place against dense networks: how well they forecast, how large.

``python -m benchmarks.segments`` trains on 5,000 windows of the shipped ECG and forecasts from the
next 5,000; further records, files laid out like the shipped one, may be named on the command line.
The last value of a window is taken off it and off what follows. Errors are root mean squares, in
standard deviations of the signal.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from benchmarks.instances import Floats
from benchmarks.jobs import ROOT, Settings
from benchmarks.report import lay_out
from relu_forecast import ConvexCNNRegressor, ConvexReLURegressor
from relu_forecast.networks.sites import Sites

_SHIPPED = ROOT / "data" / "ecg_mitbih_208.npz"
_FIRST, _SAMPLES, _LAGS, _STEPS = 20_000, 5000, 60, (1, 10, 30)
_FILTER = 12
_SITES: tuple[Sites, ...] = ("global", 4, 8)
_HEADS = ["record", "model", "ratio", *(f"{step} steps" for step in _STEPS), "neurons", "weights",
          "objective", "gap", "seconds"]


def main() -> None:
    """Train, and print a table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=[_SHIPPED])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.03, 0.01])
    options = parser.parse_args()
    rows = []
    for file in options.files:
        for row in compared(file, options.ratios):
            rows.append(row)
            print(*row, flush=True)
    print(lay_out(_HEADS, rows))


def compared(file: Path, ratios: list[float]) -> Iterator[list[str]]:
    """Yield a row for each model."""
    (X, Y), (X_test, Y_test) = _parts(file)

    def row(name: str, ratio: str, forecasts: Floats, *figures: str) -> list[str]:
        errors = np.sqrt(((forecasts - Y_test) ** 2).mean(0))
        return [file.stem, name, ratio, *(f"{errors[step - 1]:.4f}" for step in _STEPS), *figures]

    linear = LinearRegression().fit(X, Y)
    yield row("linear", "", linear.predict(X_test), "0", f"{X.shape[1] * Y.shape[1]}", "", "", "")
    for ratio in ratios:
        settings: Settings = {"beta_ratio": ratio, "tol": 1e-2, "random_state": 0}
        models: dict[str, Any] = {"dense": ConvexReLURegressor(**settings)} | {
            f"convolution, sites {sites}": ConvexCNNRegressor(
                _FILTER, sites=sites, **settings)
            for sites in _SITES}
        for name, model in models.items():
            began = perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the gap stands in the table
                model.fit(X, Y)
            elapsed = perf_counter() - began
            network: Any = model.network_
            weights = sum(part.numel() for part in network.hidden_weights())
            weights += network.output_weight.numel()
            yield row(name, f"{ratio:g}", model.predict(X_test), f"{model.n_neurons_}",
                      f"{weights}", f"{model.objective_:.6g}", f"{model.gap_:.1e}",
                      f"{elapsed:.0f}")


def _parts(file: Path) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return windows and what follows them, to train on and to test on."""
    with np.load(file) as record:
        signal = record["adc"][_FIRST :][: 2 * _SAMPLES + _LAGS + max(_STEPS)].astype(float)
    signal = (signal - signal[:_SAMPLES].mean()) / signal[:_SAMPLES].std()
    view = np.lib.stride_tricks.sliding_window_view(signal, _LAGS + max(_STEPS))
    last = view[:, _LAGS - 1 : _LAGS]
    X, Y = view[:, : _LAGS - 1] - last, view[:, _LAGS:] - last
    test = slice(_SAMPLES, 2 * _SAMPLES)
    return (X[:_SAMPLES], Y[:_SAMPLES]), (X[test], Y[test])


if __name__ == "__main__":
    main()
