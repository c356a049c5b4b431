"""What pictures share: how lines are told apart, and how times, names and legends are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

# Okabe & Ito's palette, told apart by colour-blind eyes. Neighbours differ in lightness, too.
PALETTE = ("#0072B2", "#E69F00", "#B04A00", "#56B4E9", "#007A59", "#CC79A7", "#5E5E1F")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1.2, 1.2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")
TRUTH = "black"
"""Colour of what happened."""
OTHERS = "0.72"
"""Grey of what is there to be compared with, without a name."""
MOST_NAMED = 6
"""Lines that a picture gives a look and a name of their own; the rest is grey."""
_LONGEST = 28
"""Letters of a name in a legend."""
_LETTER, _HANDLE = 0.058, 0.62
"""Widths in a legend, in inches: of a letter, and of a line with the space around it."""
_TICK = 0.75
"""Width that the label of a tick takes, in inches."""


@dataclass(frozen=True)
class Look:
    """How one line is told from others: by colour, and without it by dashes and marker."""

    colour: str
    dashes: Any
    marker: str


def looks(count: int) -> list[Look]:
    """Return ``count`` looks; the first 252 are all different."""
    return [Look(PALETTE[place % len(PALETTE)], _DASHES[place % len(_DASHES)],
                 _MARKERS[place % len(_MARKERS)]) for place in range(count)]


def draw_line(ax: Axes, x: Any, y: Any, look: Look, place: int, label: str | None,
              n_markers: int = 12) -> None:
    """Draw a line with a marker here and there; those of a lower place lie on top of others."""
    every = max(1, len(np.atleast_1d(y)) // n_markers)
    ax.plot(x, y, color=look.colour, linestyle=look.dashes, marker=look.marker, markersize=3.5,
            markevery=every, linewidth=1.4 + 0.25 * min(place, MOST_NAMED), label=label,
            zorder=3 - place / 1000)


def axes_of(ax: Axes | None, size: tuple[Any, Any] = (7.0, 3.6)) -> Axes:
    """Return the axes to draw on: those given, or new ones, on a figure of a size in inches."""
    if ax is not None:
        return ax
    new: Axes = Figure(figsize=size, layout="constrained").subplots()
    return new


def on_axis(times: pd.Index | pd.Series) -> npt.NDArray[Any]:
    """Return times as numbers or dates: durations in seconds, times with a zone in UTC."""
    index = pd.Index(times)
    if isinstance(index, pd.TimedeltaIndex):
        return np.asarray(index.total_seconds())
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        index = index.tz_convert(None)
    return np.asarray(index)


def name_times(ax: Axes, times: pd.Index | pd.Series) -> None:
    """Label the axis of times: as many ticks as there is room for, and their unit or zone."""
    index = pd.Index(times)
    # Where two ticks suffice and five are allowed, the locator has a step for every range of dates.
    room = max(5, int(_width(ax) / _TICK))
    dates, zone = isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)), getattr(index, "tz", None)
    if dates:
        locator: Any = AutoDateLocator(zone, 2, room)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        formatter: Any = ConciseDateFormatter(locator, zone)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_formatter(formatter)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(room - 1))
    unit = "s" if isinstance(index, pd.TimedeltaIndex) else None if zone is None else str(zone)
    # At the right end of an axis of dates is what their ticks have in common.
    ax.set_xlabel(with_unit("time", unit), loc="left" if dates else "center")


def count_on(ax: Axes, axis: str) -> None:
    """Put the ticks of the ``"x"`` or ``"y"`` axis at whole numbers."""
    chosen, room = (ax.xaxis, int(_width(ax) / 0.4)) if axis == "x" else (ax.yaxis, 8)
    chosen.set_major_locator(MaxNLocator(min(10, max(2, room)), integer=True, min_n_ticks=1))


def name_lines(ax: Axes) -> None:
    """Put the legend below the axes, where it covers nothing, in as many columns as fit."""
    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return
    widest = _HANDLE + _LETTER * max(map(len, labels))
    columns = max(1, min(len(labels), int(1.13 * _width(ax) / widest)))
    ticks = ax.xaxis.get_tick_params().get("labelbottom", True)
    below = 0.08 + 0.18 * ticks + 0.2 * bool(ax.get_xlabel())
    figure: Any = ax.figure
    shifted = ax.transAxes + ScaledTranslation(0, -below, figure.dpi_scale_trans)
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=shifted, ncols=columns,
              fontsize=8, frameon=False, borderaxespad=0, handlelength=3, columnspacing=1.2)


def with_unit(name: object, unit: str | None) -> str:
    """Return the name of an axis, and its unit in brackets where one is known."""
    return plain(name) if unit is None else f"{plain(name)} [{plain(unit)}]"


def plain(name: object) -> str:
    """Return a name as matplotlib shows it letter by letter; between two $ it expects TeX."""
    return str(name).replace("$", r"\$")


def short(name: object) -> str:
    """Return a name for a legend: letter by letter, and not longer than there is room for."""
    text = str(name)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    # A legend leaves out names that begin with an underscore.
    return plain(f"\u200b{text}" if text.startswith("_") else text)


def _width(ax: Axes) -> float:
    """Return how wide axes are, in inches, as far as is known before the layout."""
    figure: Any = ax.figure
    return float(ax.get_position().width * figure.bbox.width / figure.dpi)
