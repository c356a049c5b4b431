"""The bars of the project, each with what the results say of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.race import Result, distance
from benchmarks.report import Entries

Figure = Callable[[list[Result]], float]
"""The results of a contest, ours first, to what is measured against a bar."""


@dataclass(frozen=True)
class Bar:
    """Something promised.

    Attributes
    ----------
    text : str
        What.
    contest : str
        Whose results it takes.
    figure : callable
        Those results to the figure that is measured against the bar.
    most, least : float
        Where the figure must lie.
    """

    text: str
    contest: str
    figure: Figure
    most: float = math.inf
    least: float = -math.inf


def named(results: list[Result], beginning: str) -> list[Result]:
    """Return the results of the contestants whose names begin so, that met their goals."""
    return [one for one in results if one.name.startswith(beginning) and one.is_met]


def seconds(results: list[Result]) -> float:
    """Return our median time."""
    return results[0].median


def ours(name: str) -> Figure:
    """Return a figure of our last run, NaN where there is none."""
    def figure(results: list[Result]) -> float:
        value = getattr(results[0].last, name)
        return math.nan if value is None else value
    return figure


def own_violation(results: list[Result]) -> float:
    """Return the violation that our certificate states."""
    return float(results[0].last.notes.get("own violation", math.nan))


def memory(results: list[Result]) -> float:
    """Return our peak memory in GiB."""
    return ours("peak_mib")(results) / 1024


def ratio(*peers: str) -> Figure:
    """Return how many times as long as we the fastest of the peers takes that got there."""
    def figure(results: list[Result]) -> float:
        found = [one.median for peer in peers for one in named(results, peer)]
        return min(found, default=math.nan) / seconds(results)
    return figure


def away(peer: str) -> Figure:
    """Return how far a peer's objective is from ours, relatively."""
    def figure(results: list[Result]) -> float:
        found = [distance(one.last.objective, results[0].last.objective)
                 for one in named(results, peer)]
        return max((abs(one) for one in found if one is not None), default=math.nan)
    return figure


def passage(target: float, peers: str) -> Figure:
    """Return the ratio of first passages; of the peer's whole run where it never gets there."""
    def figure(results: list[Result]) -> float:
        us = results[0].first_at(target)
        found = named(results, peers)
        times = [time for one in found if (time := one.first_at(target)) is not None]
        lowest = min(found, key=lambda one: one.last.objective or math.inf, default=None)
        if us is None or lowest is None:
            return math.nan
        return min(times, default=lowest.median) / us
    return figure


CLARABEL = "CVXPY + Clarabel"
PACKAGES = ("adelie", "skglm", "celer")
"""Of the group lasso."""
BARS = (
    *(bar for n, least in ((500, 40.0), (1000, 80.0)) for bar in (
        Bar(f"ReLU ({n}, 50): times faster than Clarabel", f"relu-{n}", ratio(CLARABEL),
            least=least),
        Bar(f"ReLU ({n}, 50): relative gap", f"relu-{n}", ours("gap"), most=1e-6),
        Bar(f"ReLU ({n}, 50): objective, distance from Clarabel's", f"relu-{n}", away(CLARABEL),
            most=1e-6))),
    Bar("ReLU (5000, 100): seconds", "relu-5000", seconds, most=2.0),
    Bar("ReLU (5000, 100): relative gap", "relu-5000", ours("gap"), most=1e-6),
    Bar("ReLU (10000, 500): seconds", "relu-10000", seconds, most=10.0),
    Bar("ReLU (10000, 500): relative gap", "relu-10000", ours("gap"), most=1e-6),
    Bar("Gated (10000, 200): seconds", "gated", seconds, most=2.0),
    Bar("Gated (10000, 200): relative gap", "gated", ours("gap"), most=1e-6),
    Bar("Gated (10000, 200): times faster than the best package", "gated", ratio(*PACKAGES),
        least=1.0),
    Bar("Circular, d = 64, (5000, 100): seconds", "circular", seconds, most=5.0),
    Bar("Circular, d = 64, (5000, 100): relative gap", "circular", ours("gap"), most=1e-6),
    Bar("Circular, d = 64, (1500, 30): times faster than Clarabel", "circular-1500",
        ratio(CLARABEL), least=40.0),
    Bar("Network, n = 1,000: objective", "network-1000", ours("objective"), most=40.597),
    Bar("Network, n = 1,000: worst neuron / beta, by the certificate", "network-1000",
        own_violation, most=1.001),
    Bar("Network, n = 1,000: worst neuron / beta of the final weights, by the judge",
        "network-1000", ours("violation"), most=1.001),
    *(Bar(f"Network, n = 1,000: times faster than {peer} to 40.597", "network-1000",
          passage(40.597, f"{peer}, seed"), least=10.0)
      for peer in ("Adam + L-BFGS", "Adam + L-BFGS, gradients written out")),
    Bar("Network, n = 20,000: objective", "network-20000", ours("objective"), most=756.450),
    *(Bar(f"Network, n = 20,000: times faster than {peer} to 756.51", "network-20000",
          passage(756.51, peer), least=3.0)
      for peer in ("Adam, 100 neurons", "Adam, 30 neurons")),
    Bar("Network, n = 20,000: times faster than L-BFGS to 756.51 (no bar was set)",
        "network-20000", passage(756.51, "L-BFGS"), least=1.0),
    Bar("Gated (1000000, 512): peak GiB", "million", memory, most=4.0),
    Bar("Gated (1000000, 512): relative gap", "million", ours("gap"), most=1e-6),
)


def bars_table(entries: Entries) -> str:
    """Return all bars that there are results for, with figures and verdicts."""
    lines = ["| bar | limit | measured | met |", "|---|---|---|---|"]
    for bar in BARS:
        if bar.contest not in entries:
            continue
        value = bar.figure(entries[bar.contest].results)
        limit = f"<= {bar.most:g}" if math.isfinite(bar.most) else f">= {bar.least:g}"
        verdict = "yes" if bar.least <= value <= bar.most else "no"
        shown = "nobody got there" if math.isnan(value) else f"{value:.6g}"
        lines.append(f"| {bar.text} | {limit} | {shown} | {verdict} |")
    return "\n".join(lines)
