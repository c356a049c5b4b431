"""Forecast an electrocardiogram while it comes in, 360 samples a second, and watch for faults.

A generator plays the shipped record, into which it puts a spike, a lead that comes off and a burst
of noise. Each sample is pushed into a stream, which says what comes next and how unusual the sample
was.

python examples/live_ecg.py [SECONDS] [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from relu_forecast import ReLUForecaster, load_ecg
from relu_forecast.plots.style import PALETTE, TRUTH, name_lines
from relu_forecast.streaming import Reading, Stream
from relu_forecast.streaming.alarms import AlarmSettings

RATE, STEP, LEVEL, PER_HOUR = 360, 10, 90, 60
"""Samples a second; the step ahead that is drawn; the percentage that intervals should cover; the
false alarms that may come an hour."""
FAULTS = {"spike": (0.25, 0.005), "lead off": (0.45, 0.08), "noise": (0.75, 0.10)}
"""When each fault begins, and how long it lasts, as shares of all samples."""


def electrocardiogram(signal: np.ndarray) -> Iterator[float]:
    """Yield the samples of a signal with faults in it, one after another."""
    noise = np.random.default_rng(0).normal(scale=0.4, size=len(signal))
    start = {name: int(begins * len(signal)) for name, (begins, _) in FAULTS.items()}
    stop = {name: start[name] + int(lasts * len(signal)) for name, (_, lasts) in FAULTS.items()}
    for place, sample in enumerate(signal.tolist()):
        if start["spike"] <= place < start["spike"] + 3:
            yield sample + 1.5
        elif start["lead off"] <= place < stop["lead off"]:
            yield 0.0
        elif start["noise"] <= place < stop["noise"]:
            yield sample + float(noise[place])
        else:
            yield sample


def listen(stream: Stream, samples: Iterator[float]) -> pd.DataFrame:
    """Push samples into a stream; return a row for each, with what had been said of it before."""
    unknown = np.full_like(stream.reading.lower, np.nan)
    rows, due = [], [stream.reading._replace(lower=unknown, upper=unknown)] * STEP
    for sample in samples:
        before = due[stream.count % STEP]  # what was said STEP samples ago
        began = perf_counter()
        reading: Reading = stream.push(sample)
        seconds = perf_counter() - began
        due[(stream.count - 1) % STEP] = reading
        if reading.onset:
            print(f"alarm at {(stream.count - 1) / RATE:.2f} s: {reading.kind}")
        rows.append((sample, before.lower[0, -1], before.upper[0, -1], reading.p_value,
                     bool(reading.alarm), seconds))
    frame = pd.DataFrame(rows, columns=["sample", "lower", "upper", "p_value", "alarm", "seconds"])
    return frame.set_index(np.arange(len(frame)) / RATE)


def draw(heard: pd.DataFrame) -> Figure:
    """Draw the signal, the intervals said before it, and p-values and alarms where there are."""
    told = heard["p_value"].notna().any()
    figure = Figure(figsize=(9, 5.5 if told else 3.6), layout="constrained")
    axes = figure.subplots(2 if told else 1, 1, sharex=True, squeeze=False,
                           height_ratios=[2, 1] if told else [1])[:, 0]
    axes[0].fill_between(heard.index, heard["lower"], heard["upper"], color=PALETTE[0], alpha=0.35,
                         linewidth=0, label=f"{LEVEL} % interval, {STEP} samples before")
    axes[0].plot(heard.index, heard["sample"], color=TRUTH, linewidth=0.9, label="signal")
    axes[0].set_ylabel("signal [mV]")
    axes[0].set_ylim(heard["sample"].min() - 0.5, heard["sample"].max() + 0.5)
    if told:
        axes[1].semilogy(heard.index, heard["p_value"], color=PALETTE[4], linewidth=0.8)
        axes[1].set_ylabel("p-value")
    for ax in axes:
        for first, last in alarms(heard):
            ax.axvspan(first, last, color=PALETTE[2], alpha=0.3, linewidth=0)
    for name, (begins, _) in FAULTS.items():
        axes[0].annotate(name, (begins * heard.index[-1], 0.98), va="top", fontsize=8,
                         xycoords=("data", "axes fraction"))
    axes[-1].set_xlabel("time [s]")
    name_lines(axes[-1] if not told else axes[0])
    return figure


def alarms(heard: pd.DataFrame) -> list[tuple[float, float]]:
    """Return when alarms begin and end."""
    times = heard.index[heard["alarm"]].to_numpy()
    breaks = np.flatnonzero(np.diff(times) > 1.5 / RATE) + 1
    return [(part[0], part[-1]) for part in np.split(times, breaks) if len(part)]


def main(n_seconds: int = 20, folder: Path | None = None) -> None:
    """Listen for some seconds; draw into ``folder`` if one is given."""
    ecg = load_ecg().to_numpy()
    past, live = ecg[23_000:25_000], ecg[25_000 : 25_000 + n_seconds * RATE]
    model = ReLUForecaster(lags=60, beta_ratio=0.1).fit(past, horizon=STEP, intervals="adaptive")
    print(model.regressor_.certificate_)
    settings = AlarmSettings(samples_per_hour=3600 * RATE, per_hour=PER_HOUR)
    heard = listen(model.stream(level=LEVEL, alarms=settings), electrocardiogram(live))
    inside = heard["sample"].between(heard["lower"], heard["upper"])
    print(f"{len(heard)} samples, {inside.mean():.1%} of them within the intervals"
          f" {STEP} samples before")
    print(f"{1e6 * heard['seconds'].median():.0f} microseconds a sample in the median")
    if folder is not None:
        draw(heard).savefig(folder / "live_ecg.png", dpi=120)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
