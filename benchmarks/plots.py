"""A picture of gap against seconds, a panel per contest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import Contest
from benchmarks.contests import all_contests
from benchmarks.race import Result, distance
from benchmarks.report import Entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = ("relu-500", "relu-1000", "gated", "circular-1500", "network-1000", "network-20000")
_FLOOR = 1e-9


def plot(entries: Entries, path: Path) -> None:
    """Draw the contests that have results; of the others there is no panel."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    contests = [one for one in all_contests() if one.name in _SHOWN and one.name in entries]
    if not contests:
        return
    rows = math.ceil(len(contests) / 2)
    figure, axes = plt.subplots(rows, 2, figsize=(11, 3.6 * rows), squeeze=False)
    for contest, panel in zip(contests, axes.flat, strict=False):
        _draw(panel, contest, entries[contest.name].results)
    for panel in axes.flat[len(contests) :]:
        panel.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw(panel: Axes, contest: Contest, results: list[Result]) -> None:
    """Draw one contest: lines where progress is known, marks where only the end is."""
    best = min((one.last.objective for one in results if one.last.objective is not None),
               default=math.nan)
    is_network = bool(contest.targets or contest.shares)
    for one in results:
        points = progress(one, best, is_network)
        if points:
            panel.plot(*zip(*points, strict=True), marker="o" if len(points) < 30 else "",
                       markersize=4, linewidth=1.2, label=one.name)
    panel.set(xscale="log", yscale="log", title=contest.title, xlabel="seconds", ylabel=(
        "excess over the best objective" if is_network else "relative gap"))
    panel.grid(alpha=0.3)
    panel.legend(fontsize=7)


def progress(one: Result, best: float, is_network: bool) -> list[tuple[float, float]]:
    """Return points of seconds and gap.

    Of networks, the relative excess of the objectives over the best one. Of programs the gaps of
    the trace, or those on the rungs of the first round; where no gap is known, the distance of
    the objective from the best one.
    """
    trace, last = one.last.trace, one.last
    if is_network:
        lowest, points = math.inf, []
        for seconds, value in trace:
            lowest = min(lowest, value)
            points.append((seconds, lowest / best - 1))
    elif trace:
        points = [(seconds, value) for seconds, value in trace]
    else:
        known = [*one.climb, {"seconds": last.seconds, "objective": last.objective,
                              "gap": last.gap}]
        points = [(point["seconds"], _gap(point["gap"], point["objective"], best))
                  for point in known if point["objective"] is not None]
    return [(seconds, max(value, _FLOOR)) for seconds, value in points]


def _gap(gap: float | None, objective: float, best: float) -> float:
    """Return a gap, or the distance from the best objective where it is not known."""
    return abs(distance(objective, best) or 0.0) if gap is None else gap
