"""How often alarms are false, which faults they find, how soon, and what an alarm costs.

``python -m benchmarks.alarms`` takes two electrocardiograms and two simulated signals at 360 Hz.
A forecaster is fitted to the first 5,000 samples; all that follows is without a fault of ours,
and every alarm in it counts as false. Faults are then put in at 200 random places of it, and
forecasts after them are made from windows that hold the faulty samples, as in a stream. See
docs/alarms.md.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.alarm_peers import PEERS, WINDOW, threshold_for
from benchmarks.alarm_signals import HORIZON, LAGS, RATE, Array, Case, cases
from benchmarks.jobs import ROOT
from benchmarks.report import insert_into, lay_out
from relu_forecast.streaming.alarms import AlarmMonitor, AlarmSettings, faults

_DOCUMENT = ROOT / "docs" / "alarms.md"
SETTINGS = AlarmSettings(samples_per_hour=3600 * RATE, per_hour=60)
SHARE = 0.95
"""Share of the trials in which a fault must be found."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault, from sizes that are hard to find to those that are easy."""

    name: str
    unit: str
    sizes: tuple[float, ...]
    within: Callable[[float], int]
    """Samples after its beginning in which one of a size is to be found."""
    inject: Callable[[Array, int, float, float, int], Array]
    """Takes values, start, size, unit of the signal and seed."""

    @property
    def longest(self) -> int:
        """Samples of the clean signal after the start that the largest of them needs."""
        return max(int(self.within(size) * max(size, 1.0)) for size in self.sizes)


def _sign(seed: int) -> float:
    """Return 1 or -1."""
    return 1.0 if seed % 2 else -1.0


_TIMES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
FAULTS = (
    Fault("spike of one sample", "sd", _TIMES, lambda size: RATE // 6,
          lambda y, at, size, sd, seed: faults.spike(y, at, _sign(seed) * size * sd)),
    Fault("baseline jump", "sd", _TIMES, lambda size: RATE,
          lambda y, at, size, sd, seed: faults.baseline_jump(y, at, _sign(seed) * size * sd)),
    Fault("noise burst, 1 s", "sd", _TIMES, lambda size: RATE,
          lambda y, at, size, sd, seed: faults.noise_burst(y, at, RATE, size * sd,
                                                           random_state=seed)),
    Fault("flat line", "s", (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0),
          lambda size: int(size * RATE),
          lambda y, at, size, sd, seed: faults.flat_line(y, at, int(size * RATE))),
    Fault("lead off, 5 s", "sd away", (0.0, 0.5, 1.0, 2.0, 3.0, 5.0), lambda size: 5 * RATE,
          lambda y, at, size, sd, seed: faults.lead_off(
              y, at, float(y[at]) + _sign(seed) * size * sd, noise=0.002 * sd,
              random_state=seed)),
    Fault("faster, 10 s", "times", (1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0),
          lambda size: 10 * RATE,
          lambda y, at, size, sd, seed: faults.change_of_rhythm(y, at, size)),
    Fault("slower, 10 s", "times", (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3), lambda size: 10 * RATE,
          lambda y, at, size, sd, seed: faults.change_of_rhythm(y, at, size)),
)


@dataclass(frozen=True)
class Trials:
    """Places at which faults begin, and the monitor as it was just before each."""

    starts: tuple[int, ...]
    monitors: tuple[dict[str, Any], ...]

    def together(self) -> AlarmMonitor:
        """Return a monitor with a channel for each trial."""
        first = self.monitors[0]
        joined = {name: first[name] if name.startswith(("settings.", "horizon"))
                  else np.stack([one[name] for one in self.monitors])
                  for name in first if name not in ("n_channels", "which")}
        return AlarmMonitor.from_state({**joined, "n_channels": len(self.monitors),
                                        "which": np.arange(len(self.monitors))})


@dataclass(frozen=True)
class Found:
    """In which trials a fault was found, and after how many samples."""

    delays: Array
    """NaN where it was not."""

    @property
    def share(self) -> float:
        """Share of the trials in which it was found."""
        return float((~np.isnan(self.delays)).mean())

    def quantile(self, share: float) -> float:
        """Return a quantile of the delays, in milliseconds."""
        return 1000 * float(np.nanquantile(self.delays, share)) / RATE


def count_false(case: Case, errors: Array, per_hour: float) -> tuple[list[str], int]:
    """Return the kinds of the alarms in a clean signal, and the samples that lie in them."""
    monitor = AlarmMonitor.start(case.held_out, replace(SETTINGS, per_hour=per_hour))
    kinds, inside = [], 0
    for row in errors:
        verdict = monitor.observe(row)
        inside += verdict.alarm
        if verdict.onset:
            kinds.append(verdict.kind)
    return kinds, inside


def false_alarms(found: Sequence[tuple[Case, Array]]) -> Iterator[list[str]]:
    """Yield a row for each signal and rate."""
    for case, errors in found:
        hours = len(errors) / SETTINGS.samples_per_hour
        for per_hour in (1200.0, 600.0, 300.0, 60.0, 20.0):
            if per_hour * hours < 9:
                continue
            kinds, inside = count_false(case, errors, per_hour)
            yield [case.name, f"{60 * hours:.1f} min", f"{per_hour:g}", f"{per_hour * hours:.0f}",
                   f"{len(kinds)}", f"{len(kinds) / (per_hour * hours):.2f}",
                   " / ".join(str(kinds.count(kind)) for kind in ("point", "rise", "fall")),
                   f"{100 * inside / len(errors):.1f} %"]


def run_up(case: Case, errors: Array, n_trials: int, longest: int) -> tuple[Trials, int]:
    """Watch a clean signal; return trials at random places of it, and how many alarms it had."""
    rng = np.random.default_rng(0)
    wanted = set(rng.choice(np.arange(len(errors) // 4, len(errors) - longest - 2),
                            size=2 * n_trials, replace=False).tolist())
    monitor = AlarmMonitor.start(case.held_out, SETTINGS)
    places, states, n_alarms, inside = [], [], 0, False
    for place, row in enumerate(errors):
        if place in wanted and not inside:
            places.append(place)
            states.append(monitor.state())
        verdict = monitor.observe(row)
        inside, n_alarms = bool(verdict.alarm), n_alarms + bool(verdict.onset)
    chosen = np.sort(rng.choice(len(places), size=n_trials, replace=False))
    return Trials(tuple(places[i] for i in chosen), tuple(states[i] for i in chosen)), n_alarms


def detect_ours(case: Case, trials: Trials, fault: Fault, size: float) -> Found:
    """Return when alarms begin after faults of a size."""
    before, within = LAGS + HORIZON, fault.within(size)
    errors = np.stack([
        case.errors(one[: before + within])[before:]
        for one in faulty(case, trials, fault, size, before)])
    monitor = trials.together()
    delays = np.full(len(errors), np.nan)
    for tick in range(within):
        onset = monitor.observe(errors[:, tick]).onset
        delays[onset & np.isnan(delays)] = tick
    return Found(delays)


def detect_peer(case: Case, trials: Trials, fault: Fault, size: float,
                scores: Callable[[Array], Array], threshold: float) -> Found:
    """Return when a peer's scores are above its threshold after faults of a size."""
    within, delays = fault.within(size), []
    for one in faulty(case, trials, fault, size, WINDOW):
        above = np.flatnonzero(scores(one)[WINDOW : WINDOW + within] > threshold)
        delays.append(float(above[0]) if len(above) else np.nan)
    return Found(np.array(delays))


def faulty(case: Case, trials: Trials, fault: Fault, size: float, before: int) -> Iterator[Array]:
    """Yield the signal of each trial: so many samples before the fault, and those after it."""
    values = case.clean
    for seed, start in enumerate(trials.starts):
        part = values[start - before : start + fault.longest + 2]
        yield fault.inject(part, before, size, case.unit, seed)


def smallest(fault: Fault, detect: Callable[[float], Found]) -> tuple[float | None, Found | None]:
    """Return the first size from which on faults are found often enough, and how."""
    kept: tuple[float | None, Found | None] = (None, None)
    for size in reversed(fault.sizes):
        found = detect(size)
        if found.share < SHARE:
            break
        kept = (size, found)
    return kept


def detection(case: Case, errors: Array, n_trials: int) -> Iterator[list[str]]:
    """Yield a row for each fault: what is found by ours and by peers, at equal false alarms."""
    trials, n_alarms = run_up(case, errors, n_trials, max(fault.longest for fault in FAULTS))
    scores = [peer.scores(case.clean) for peer in PEERS]
    thresholds = [threshold_for(one, n_alarms) for one in scores]
    for fault in FAULTS:
        size, found = smallest(fault, lambda size, fault=fault: detect_ours(
            case, trials, fault, size))
        row = [case.name, fault.name, _said(size, fault.unit)]
        row += ["", ""] if found is None else [
            f"{found.quantile(0.5):.0f} ms", f"{found.quantile(0.95):.0f} ms"]
        for peer, threshold in zip(PEERS, thresholds, strict=True):
            theirs, _ = smallest(fault, lambda size, fault=fault, peer=peer, threshold=threshold:
                                 detect_peer(case, trials, fault, size, peer.scores, threshold))
            row.append(_said(theirs, fault.unit))
        yield row


def _said(size: float | None, unit: str) -> str:
    """Return a size with its unit, or that none was found."""
    return "none" if size is None else f"{size:g} {unit}"


def speed(n_channels: int = 1000) -> Iterator[list[str]]:
    """Yield what a sample costs, of one channel and of many."""
    rng = np.random.default_rng(0)
    for channels, n_samples in ((None, 50_000), (n_channels, 1_000)):
        shape = (HORIZON,) if channels is None else (channels, HORIZON)
        held_out = np.abs(rng.standard_normal((*shape[:-1], 1250, HORIZON)))
        monitor, times = AlarmMonitor.start(held_out, SETTINGS), []
        for _ in range(n_samples):
            errors = np.abs(rng.standard_normal(shape))
            began = perf_counter_ns()
            monitor.observe(errors)
            times.append((perf_counter_ns() - began) / 1000)
        median, last = np.quantile(times, [0.5, 0.99])
        yield [f"{channels or 1:,}", f"{median:,.1f} µs", f"{last:,.1f} µs"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and put them into the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alarms", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=30, help="of the simulated signals")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/alarms.md")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        found = [(case, case.errors(case.values)[len(case.values) - len(case.clean):])
                 for case in cases(options.minutes)]
        tables = {
            "false alarms": lay_out(
                ["signal", "clean", "asked for an hour", "alarms asked for", "alarms", "ratio",
                 "point / rise / fall", "time in alarm"], list(false_alarms(found))),
            "faults": lay_out(
                ["signal", "fault", "found from", "delay, median", "delay, 95 %",
                 *(f"{peer.name}, from" for peer in PEERS)],
                [row for case, errors in found for row in detection(case, errors, options.trials)]),
            "speed": lay_out(["channels", "median", "99 %"], list(speed()))}
    for name, table in tables.items():
        print(f"\n{name}\n\n{table}")
        if options.docs:
            insert_into(_DOCUMENT, table, f"<!-- {name} -->", f"<!-- end of {name} -->")


if __name__ == "__main__":
    main()
