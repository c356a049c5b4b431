"""A stream that is fitted anew in the background: no sample waits, and intervals keep their share.

``python -m benchmarks.refits [MINUTES]`` simulates so many minutes (60 by default) of the shipped
electrocardiogram, over and over at another size and level, at 360 Hz. Once a simulated minute, a
network of 60 lags and 30 steps is fitted to the last 5,000 samples. Samples come as fast as they
are taken; at the end of a minute they wait for its fit, as they would not have to at 360 Hz.
"""

from __future__ import annotations

import sys
from time import perf_counter, sleep

import numpy as np

from relu_forecast import ReLUForecaster, load_ecg

_RATE, _STEPS, _LEVEL = 360, 30, 90


def signal(n_samples: int) -> np.ndarray:
    """Return the electrocardiogram again and again, of a size and a level that wander."""
    ecg = load_ecg("208").to_numpy()[25_000:100_000]
    values = np.resize(ecg, n_samples)
    hours = np.arange(n_samples) / (3600 * _RATE)
    return values * (1 + 0.5 * np.sin(20 * hours)) + 0.3 * np.sin(50 * hours)


def main(minutes: int = 60) -> None:
    """Push the samples, a fit a minute; print latencies, fits and coverage as tables."""
    past = load_ecg("208").to_numpy()[20_000:25_000]
    model = ReLUForecaster(lags=60, beta_ratio=0.03).fit(past, horizon=_STEPS, intervals="adaptive")
    values = signal(minutes * 60 * _RATE)
    seconds: list[float] = []
    busy: list[bool] = []
    fits: list[float] = []
    gaps: list[float] = []
    lower, upper = np.empty((2, len(values), _STEPS))
    with model.live(every=60 * _RATE, level=_LEVEL) as live:
        for place, sample in enumerate(values.tolist()):
            if live.stream.count + 2 >= live._next:
                while live._running is not None and not live._running.done():
                    sleep(0.02)
            running = live._running is not None
            began = perf_counter()
            reading = live.push(sample)
            seconds.append(perf_counter() - began)
            busy.append(running)
            lower[place], upper[place] = reading.lower[0], reading.upper[0]
            if live.fitted.count and (not fits or fits[-1] != live.fitted.seconds):
                fits.append(live.fitted.seconds)
                gaps.append(live.fitted.certificate.gap)
    took, fitting = 1e6 * np.array(seconds), np.array(busy)
    print("| a sample | samples | median | 99 % | longest |\n| --- | --- | --- | --- | --- |")
    for name, part in (("while a fit runs", took[fitting]), ("else", took[~fitting])):
        print(f"| {name} | {len(part):,} | {np.median(part):.0f} µs |"
              f" {np.percentile(part, 99):.0f} µs | {part.max() / 1e3:.1f} ms |")
    shares = [np.mean((values[step:] >= lower[: len(values) - step, step - 1])
                      & (values[step:] <= upper[: len(values) - step, step - 1]))
              for step in range(1, _STEPS + 1)]
    print(f"\n{len(fits)} fits, {np.median(fits):.2f} s in the median, largest gap {max(gaps):.1e};"
          f" coverage {100 * min(shares):.2f} to {100 * max(shares):.2f} % over the steps")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
