"""Time a sample of a stream beside what takes its place, and let a stream run for a day.

``OMP_NUM_THREADS=1 python -m benchmarks.streaming push`` times `Stream.push` of one network, of the
default committee and of a thousand channels, `update` and ``predict(1)`` of the same network, and
River's SNARIMAX where ``make peers`` has set up its environment. ``python -m benchmarks.streaming
soak [HOURS]`` sends 24 hours of a signal at 360 Hz through one stream (some ten minutes of a core),
and prints memory, latency and coverage for each hour. ``--docs`` puts the table into
docs/streaming.md between its marks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.report import insert_into, lay_out
from relu_forecast import ReLUForecaster, load_ecg
from relu_forecast.streaming import Stream

RATE, LAGS, H, LEVEL, CHANNELS = 360, 60, 30, 90, 1000
TRAINED = slice(20_000, 25_000)
"""Samples of the shipped electrocardiogram, 208, that models are fitted to; others follow."""
_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENT = _ROOT / "docs" / "streaming.md"
_RIVER = _ROOT / ".venv-river" / "bin" / "python"
_BLOCK = 36_000
"""Samples of the long signal that are made at a time, 100 seconds."""

Floats = npt.NDArray[np.float64]


def network() -> ReLUForecaster:
    """Return one network with intervals, unfitted."""
    return ReLUForecaster(LAGS, horizon=H, beta_ratio=0.03)


def seconds_of(act: Callable[[float], object], samples: Iterable[float]) -> Floats:
    """Return the seconds that each sample takes."""
    seconds = []
    for sample in samples:
        began = perf_counter()
        act(sample)
        seconds.append(perf_counter() - began)
    return np.array(seconds)


def push() -> str:
    """Time one sample of everything, in one process and on one thread."""
    torch.set_num_threads(1)
    values = load_ecg().to_numpy()
    past, after = values[TRAINED], values[TRAINED.stop :]
    one = network().fit(past, intervals="adaptive")
    stream = one.stream(level=LEVEL)
    stream.push(after[:1000])
    found = {"`push`, one network": seconds_of(stream.push, after[1000:21_000].tolist())}
    committee = ReLUForecaster(horizon=H).fit(past, intervals="adaptive").stream(level=LEVEL)
    committee.push(after[:1000])
    found["`push`, the default committee"] = seconds_of(
        committee.push, after[1000:6000].tolist())
    side_by_side = one.stream(level=LEVEL, channels=CHANNELS)
    shifted = np.stack([np.roll(after, 37 * place) for place in range(CHANNELS)], axis=1)
    side_by_side.push(shifted[:200])
    found[f"`push`, {CHANNELS:,} channels of one network"] = seconds_of(
        side_by_side.push, shifted[200:700])
    found["`predict(1)` of the network"] = seconds_of(lambda _: one.predict(1), after[:200])
    bare = network().fit(past)
    found["`update`, a refit, of the network without intervals"] = seconds_of(
        lambda sample: bare.update([sample]), after[:5].tolist())
    river = _river(after[:1200])
    if river is not None:
        found[f"River's SNARIMAX({LAGS}), learn and forecast"] = river
    base = float(np.median(found["`push`, one network"]))
    rows = [[name, f"{len(one):,}", *_microseconds(one), f"{np.median(one) / base:,.1f}"]
            for name, one in found.items()]
    return lay_out(["of one sample", "samples", "median, us", "99 percent within, us",
                    "medians over the first"], rows)


def _microseconds(seconds: Floats) -> list[str]:
    """Return the median and the 99th percentile."""
    return [f"{1e6 * found:,.0f}" for found in np.quantile(seconds, [0.5, 0.99])]


def _river(values: Floats) -> Floats | None:
    """Return the seconds that River takes; None, and a message, where it is not there."""
    if not _RIVER.exists():
        print("River is left out: make peers sets up its environment.", flush=True)
        return None
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "values.npy", values)
        done = subprocess.run(
            [str(_RIVER), str(_ROOT / "benchmarks" / "adapters" / "snarimax.py"),
             str(Path(folder) / "values.npy"), str(LAGS), str(H)],
            capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout))


def electrocardiogram(n_blocks: int, seed: int = 0) -> Iterator[Floats]:
    """Yield blocks of a made-up electrocardiogram in millivolts that never stops to change.

    Beats are sums of five bells (after McSharry et al., 2003, IEEE Trans Biomed Eng 50(3):289-294)
    whose rate, size and baseline wander for hours, and so does the size of the noise.
    """
    generator, phase, start = np.random.default_rng(seed), 0.0, 0
    circle = np.linspace(0.0, 1.0, 2001)
    bells = ((0.20, 0.15, 0.025), (0.36, -0.12, 0.010), (0.40, 1.20, 0.011),
             (0.44, -0.25, 0.010), (0.70, 0.30, 0.040))
    beat = sum(size * np.exp(-0.5 * ((circle - place) / width) ** 2)
               for place, size, width in bells)
    for _ in range(n_blocks):
        seconds = (start + np.arange(_BLOCK)) / RATE
        hours = seconds / 3600
        pulse = 1.15 + 0.25 * np.sin(2 * np.pi * hours / 5) + 0.06 * np.sin(
            2 * np.pi * seconds / 4.3)
        phases = phase + np.cumsum(pulse / RATE)
        noise = 0.012 * np.exp(0.7 * np.sin(2 * np.pi * hours / 3)) * generator.normal(size=_BLOCK)
        yield ((1 + 0.3 * np.sin(2 * np.pi * hours / 7)) * np.interp(phases % 1, circle, beat)
               + 0.15 * np.sin(2 * np.pi * seconds / 3.7) + 0.5 * np.sin(2 * np.pi * hours / 9)
               + noise)
        phase, start = float(phases[-1] % 1), start + _BLOCK


class Coverage:
    """Counts how many samples the intervals of each step covered; in constant memory."""

    def __init__(self) -> None:
        self._lower = self._upper = np.empty((0, H))
        self._hits, self._count = np.zeros(H), np.zeros(H)

    def add(self, values: Floats, lower: Floats, upper: Floats) -> None:
        """Book the intervals (n, H) that were said after each of n samples, and these samples."""
        said, before = len(self._lower), (self._lower, self._upper)
        low, high = np.concatenate([before[0], lower]), np.concatenate([before[1], upper])
        for step in range(H):
            # What was said step + 1 samples before each of these samples.
            rows = slice(max(0, said - step - 1), said + len(values) - step - 1)
            seen = values[len(values) - (rows.stop - rows.start) :]
            self._hits[step] += np.count_nonzero(
                (low[rows, step] <= seen) & (seen <= high[rows, step]))
            self._count[step] += len(seen)
        self._lower, self._upper = low[-H:].copy(), high[-H:].copy()

    def take(self) -> Floats:
        """Return the percentages since the last call, of each step."""
        shares = 100 * self._hits / self._count
        self._hits, self._count = np.zeros(H), np.zeros(H)
        return shares


def soak(n_hours: int = 24) -> str:
    """Send hours of samples through one stream."""
    torch.set_num_threads(1)
    blocks = electrocardiogram(1 + n_hours * 3600 * RATE // _BLOCK)
    stream = network().fit(next(blocks)[-5000:], intervals="adaptive").stream(level=LEVEL)
    coverage, whole = Coverage(), Coverage()
    rows: list[list[str]] = []
    for hour in range(1, n_hours + 1):
        latencies = []
        for _ in range(3600 * RATE // _BLOCK):
            values = next(blocks)
            seconds, lower, upper = through(stream, values)
            coverage.add(values, lower, upper)
            whole.add(values, lower, upper)
            latencies.append(seconds)
        shares, times = coverage.take(), np.concatenate(latencies)
        rows.append([str(hour), f"{stream.count:,}", f"{_resident_megabytes():.1f}",
                     *(f"{1e6 * one:.1f}" for one in np.quantile(times, [0.5, 0.99])),
                     f"{shares.min():.2f}", f"{shares.max():.2f}"])
        print(*rows[-1], flush=True)
    shares = whole.take()
    rows.append(["all", f"{stream.count:,}", "", "", "", f"{shares.min():.2f}",
                 f"{shares.max():.2f}"])
    return lay_out(["hour", "samples", "memory, MB", "median, us", "99 percent within, us",
                    "least coverage of any step, %", "most"], rows)


def through(stream: Stream, values: Floats) -> tuple[npt.NDArray[np.float32], Floats, Floats]:
    """Push samples; return the seconds of each, and the intervals that were said after it."""
    lower, upper = np.empty((2, len(values), H))
    seconds, take = np.empty(len(values), dtype=np.float32), stream.push
    for place, value in enumerate(values.tolist()):
        began = perf_counter()
        reading = take(value)
        seconds[place] = perf_counter() - began
        lower[place], upper[place] = reading.lower[0], reading.upper[0]
    return seconds, lower, upper


def _resident_megabytes() -> float:
    """Return how much memory the process takes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    """Print a table, and put it into the document if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("push", "soak"))
    parser.add_argument("hours", type=int, nargs="?", default=24)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    table = push() if given.what == "push" else soak(given.hours)
    print(table)
    if given.docs:
        insert_into(_DOCUMENT, table, f"<!-- {given.what} -->", f"<!-- end of {given.what} -->")


if __name__ == "__main__":
    main()
