"""The bars of the project, each with what the results say of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.race import Result, distance
from benchmarks.report import Entries


@dataclass(frozen=True)
class Bar:
    """Something promised.

    Attributes
    ----------
    text : str
        What.
    contests : tuple of str
        Whose results it takes.
    figure : callable
        Entries to the figure that is measured against the bar.
    most, least : float
        Where the figure must lie.
    """

    text: str
    contests: tuple[str, ...]
    figure: Callable[[Entries], float]
    most: float = math.inf
    least: float = -math.inf


def named(entries: Entries, contest: str, beginning: str) -> list[Result]:
    """Return a contest's results of the contestants whose names begin so, that met their goals."""
    return [one for one in entries[contest].results
            if one.name.startswith(beginning) and one.is_met]


def first(entries: Entries, contest: str) -> Result:
    """Return our result in a contest."""
    return entries[contest].results[0]


def ratio(contest: str, peers: str) -> Callable[[Entries], float]:
    """Return how many times as long as we the fastest of the peers takes that got there."""
    def figure(entries: Entries) -> float:
        found = [one.median for one in named(entries, contest, peers)]
        return min(found, default=math.nan) / first(entries, contest).median
    return figure


def seconds(contest: str) -> Callable[[Entries], float]:
    """Return our median time."""
    return lambda entries: first(entries, contest).median


def gap(contest: str) -> Callable[[Entries], float]:
    """Return our relative gap."""
    def figure(entries: Entries) -> float:
        value = first(entries, contest).last.gap
        return math.nan if value is None else value
    return figure


def away(contest: str, peer: str) -> Callable[[Entries], float]:
    """Return how far a peer's objective is from ours, relatively."""
    def figure(entries: Entries) -> float:
        found = [distance(one.last.objective, first(entries, contest).last.objective)
                 for one in named(entries, contest, peer)]
        return max((abs(one) for one in found if one is not None), default=math.nan)
    return figure


def best_of_packages(entries: Entries) -> float:
    """Return the ratio of the fastest group lasso package that met one of its goals."""
    packages = [one for name in ("adelie", "skglm", "celer")
                for one in named(entries, "gated", name)]
    return min((one.median for one in packages), default=math.nan) / first(
        entries, "gated").median


def passage(contest: str, target: float, peers: str) -> Callable[[Entries], float]:
    """Return the ratio of first passages; of the peer's whole run where it never gets there."""
    def figure(entries: Entries) -> float:
        us = first(entries, contest).first_at(target)
        found = named(entries, contest, peers)
        times = [time for one in found if (time := one.first_at(target)) is not None]
        lowest = min(found, key=lambda one: one.last.objective or math.inf, default=None)
        if us is None or lowest is None:
            return math.nan
        return min(times, default=lowest.median) / us
    return figure


def final(contest: str) -> Callable[[Entries], float]:
    """Return our final objective."""
    def figure(entries: Entries) -> float:
        value = first(entries, contest).last.objective
        return math.nan if value is None else value
    return figure


def worst_neuron(contest: str) -> Callable[[Entries], float]:
    """Return the judge's largest violation of our network."""
    def figure(entries: Entries) -> float:
        value = first(entries, contest).last.violation
        return math.nan if value is None else value
    return figure


def own_violation(contest: str) -> Callable[[Entries], float]:
    """Return the violation that our certificate states."""
    return lambda entries: float(
        first(entries, contest).last.notes.get("own violation", math.nan))


def memory(contest: str) -> Callable[[Entries], float]:
    """Return our peak memory in GiB."""
    def figure(entries: Entries) -> float:
        value = first(entries, contest).last.peak_mib
        return math.nan if value is None else value / 1024
    return figure


def _bar(
    text: str, contest: str, figure: Callable[[Entries], float], *, most: float = math.inf,
    least: float = -math.inf,
) -> Bar:
    """Return a bar on one contest."""
    return Bar(text, (contest,), figure, most, least)


BARS = (
    *(_bar(f"ReLU (500, 50): {text}", "relu-500", figure, **limit) for text, figure, limit in (
        ("times faster than Clarabel", ratio("relu-500", "CVXPY + Clarabel"), {"least": 40.0}),
        ("relative gap", gap("relu-500"), {"most": 1e-6}),
        ("objective, distance from Clarabel's", away("relu-500", "CVXPY + Clarabel"),
         {"most": 1e-6}))),
    *(_bar(f"ReLU (1000, 50): {text}", "relu-1000", figure, **limit) for text, figure, limit in (
        ("times faster than Clarabel", ratio("relu-1000", "CVXPY + Clarabel"), {"least": 80.0}),
        ("relative gap", gap("relu-1000"), {"most": 1e-6}),
        ("objective, distance from Clarabel's", away("relu-1000", "CVXPY + Clarabel"),
         {"most": 1e-6}))),
    _bar("ReLU (5000, 100): seconds", "relu-5000", seconds("relu-5000"), most=2.0),
    _bar("ReLU (5000, 100): relative gap", "relu-5000", gap("relu-5000"), most=1e-6),
    _bar("ReLU (10000, 500): seconds", "relu-10000", seconds("relu-10000"), most=10.0),
    _bar("ReLU (10000, 500): relative gap", "relu-10000", gap("relu-10000"), most=1e-6),
    _bar("Gated (10000, 200): seconds", "gated", seconds("gated"), most=2.0),
    _bar("Gated (10000, 200): relative gap", "gated", gap("gated"), most=1e-6),
    _bar("Gated (10000, 200): times faster than the best package", "gated", best_of_packages,
         least=1.0),
    _bar("Circular, d = 64, (5000, 100): seconds", "circular", seconds("circular"), most=5.0),
    _bar("Circular, d = 64, (5000, 100): relative gap", "circular", gap("circular"), most=1e-6),
    _bar("Circular, d = 64, (1500, 30): times faster than Clarabel", "circular-1500",
         ratio("circular-1500", "CVXPY + Clarabel"), least=40.0),
    _bar("Network, n = 1,000: objective", "network-1000", final("network-1000"), most=40.597),
    _bar("Network, n = 1,000: worst neuron / beta, by the certificate", "network-1000",
         own_violation("network-1000"), most=1.001),
    _bar("Network, n = 1,000: worst neuron / beta of the final weights, by the judge",
         "network-1000", worst_neuron("network-1000"), most=1.001),
    *(_bar(f"Network, n = 1,000: times faster than {peer} to 40.597", "network-1000",
           passage("network-1000", 40.597, f"{peer}, seed"), least=10.0)
      for peer in ("Adam + L-BFGS", "Adam + L-BFGS, gradients written out")),
    _bar("Network, n = 20,000: objective", "network-20000", final("network-20000"), most=756.450),
    *(_bar(f"Network, n = 20,000: times faster than {peer} to 756.51", "network-20000",
           passage("network-20000", 756.51, peer), least=3.0)
      for peer in ("Adam, 100 neurons", "Adam, 30 neurons")),
    _bar("Network, n = 20,000: times faster than L-BFGS to 756.51 (no bar was set)",
         "network-20000", passage("network-20000", 756.51, "L-BFGS"), least=1.0),
    _bar("Gated (1000000, 512): peak GiB", "million", memory("million"), most=4.0),
    _bar("Gated (1000000, 512): relative gap", "million", gap("million"), most=1e-6),
)


def bars_table(entries: Entries) -> str:
    """Return all bars that there are results for, with figures and verdicts."""
    lines = ["| bar | limit | measured | met |", "|---|---|---|---|"]
    for bar in BARS:
        if not all(name in entries for name in bar.contests):
            continue
        value = bar.figure(entries)
        limit = f"<= {bar.most:g}" if math.isfinite(bar.most) else f">= {bar.least:g}"
        verdict = "yes" if bar.least <= value <= bar.most else "no"
        shown = "nobody got there" if math.isnan(value) else f"{value:.6g}"
        lines.append(f"| {bar.text} | {limit} | {shown} | {verdict} |")
    return "\n".join(lines)
