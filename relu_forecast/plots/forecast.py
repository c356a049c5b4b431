"""Pictures of what follows a series: its recent past, the forecast and its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from relu_forecast.plots.style import PALETTE, TRUTH, on_axis, plain

_RECENT, _FEWEST = 4, 50
"""Horizons of the past that are drawn, and samples at least."""


def plot_forecast(history: pd.Series, forecasts: pd.DataFrame, *, alias: str,
                  levels: Sequence[Any] = (), ax: Axes | None = None) -> Axes:
    """Draw the recent past of one series, the forecast that follows, and its intervals.

    Parameters
    ----------
    history : pandas.Series
        Samples; the index is time. The last ones are drawn: four times as many as are forecast,
        and 50 at least. Missing ones leave gaps.
    forecasts : pandas.DataFrame
        The index is time; forecasts are in the column ``alias``, the bounds of intervals in
        ``<alias>-lo-<level>`` and ``<alias>-hi-<level>``.
    alias : str
        Which forecast.
    levels : sequence of float, optional
        Levels of the intervals that are drawn as bands, the lower ones darker.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
        ``ax.figure.savefig("forecast.png")`` writes the picture.

    Examples
    --------
    >>> ahead = pd.DataFrame({"Naive": [3.0, 3.0]}, index=[3, 4])
    >>> axes = plot_forecast(pd.Series([1.0, 2.0, 3.0]), ahead, alias="Naive")
    >>> [line.get_label() for line in axes.lines]
    ['past', 'Naive']
    """
    axes = Figure(figsize=(9, 4), layout="constrained").subplots() if ax is None else ax
    past = history.iloc[-max(_FEWEST, _RECENT * len(forecasts)):]
    axes.plot(_times(past.index), past, color=TRUTH, linewidth=1.8, label="past")
    ahead = _times(forecasts.index)
    axes.plot(ahead, forecasts[alias], color=PALETTE[0], marker=".", markersize=4,
              label=plain(alias))
    for level in levels:
        axes.fill_between(ahead, forecasts[f"{alias}-lo-{level:g}"],
                          forecasts[f"{alias}-hi-{level:g}"], color=PALETTE[0], alpha=0.15,
                          linewidth=0, label=f"{level:g} %")
    if isinstance(past.index, pd.DatetimeIndex):
        axes.xaxis_date(tz=past.index.tz)
    seconds = " [s]" if isinstance(past.index, pd.TimedeltaIndex) else ""
    axes.set(xlabel=f"time{seconds}", ylabel=plain(history.name or "value"))
    axes.legend(fontsize=8, ncols=2)
    return axes


def plot_forecasts(histories: Sequence[pd.Series], forecasts: Sequence[pd.DataFrame], *,
                   alias: str, levels: Sequence[Any] = ()) -> Figure:
    """Draw `plot_forecast` of several series, one below the other, each named as its history.

    ``histories`` and ``forecasts`` have one entry for each series.
    """
    figure = Figure(figsize=(9, 1 + 3 * len(histories)), layout="constrained")
    below = figure.subplots(len(histories), 1, squeeze=False)[:, 0]
    for axes, history, ahead in zip(below, histories, forecasts, strict=True):
        plot_forecast(history, ahead, alias=alias, levels=levels, ax=axes)
    return figure


def _times(index: pd.Index) -> pd.Index:
    """Return times as axes take them."""
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    return index if isinstance(index, pd.DatetimeIndex) else pd.Index(on_axis(index))
