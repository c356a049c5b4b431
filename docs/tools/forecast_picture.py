"""Draw docs/forecast.png, the picture of the README: ``python -m docs.tools.forecast_picture``.

The default forecaster is fitted to 3,000 samples of the shipped electrocardiogram, and forecasts
30 samples ahead, with intervals, from cutoffs after them that no fit has seen. It takes a minute.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from relu_forecast import ReLUForecaster, load_ecg

TARGET = Path(__file__).resolve().parents[1] / "forecast.png"
START, TRAINED, SHOWN, HORIZON = 50_000, 3_000, 720, 30
APART = 90
"""Samples from one cutoff to the next: chosen by the clock, not by the signal."""


def forecasts(ecg: pd.Series) -> pd.DataFrame:
    """Return forecasts from all cutoffs after the training part, with 80 % intervals."""
    n_windows = (SHOWN - HORIZON) // APART + 1
    model = ReLUForecaster(horizon=HORIZON)
    return model.cross_validation(ecg, HORIZON, n_windows=n_windows, step_size=APART, refit=False,
                                  level=[80])


def draw(ecg: pd.Series, predictions: pd.DataFrame) -> Figure:
    """Draw the signal after the training part, and what was forecast from each cutoff."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    shown = ecg.iloc[-SHOWN:]
    axes.plot(shown.index.total_seconds(), shown, color="black", linewidth=1.2, label="ECG")
    for position, (_, path) in enumerate(predictions.groupby("cutoff")):
        seconds = path["ds"].dt.total_seconds()
        axes.plot(seconds, path["ReLU"], color="#D55E00", linewidth=2,
                  label=None if position else "forecast of 30 samples")
        axes.fill_between(seconds, path["ReLU-lo-80"], path["ReLU-hi-80"], color="#D55E00",
                          alpha=0.2, linewidth=0, label=None if position else "80 % interval")
    axes.set(xlabel="time [s]", ylabel="mV", ylim=(None, 1.3 * shown.max()))
    axes.legend(loc="upper right", fontsize=8, ncols=3)
    return figure


def main() -> None:
    """Fit, forecast and draw."""
    ecg = load_ecg()[START:START + TRAINED + SHOWN]
    draw(ecg, forecasts(ecg)).savefig(TARGET, dpi=90)


if __name__ == "__main__":
    main()
