"""Pictures of a signal by the linear region of a network that each sample falls into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.plots.style import (
    MOST_NAMED,
    OTHERS,
    TRUTH,
    axes_of,
    looks,
    name_lines,
    name_times,
    on_axis,
    with_unit,
)


def plot_regions(signal: Any, labels: Any, *, name: str = "signal", unit: str | None = None,
                 ax: Axes | None = None) -> Axes:
    """Draw a signal, its samples marked by the region that they fall into.

    The six regions with the most samples have a colour and a marker of their own, and a line below
    the signal that shows when they are active; all others are grey.

    Parameters
    ----------
    signal : array_like (n,) or pandas.Series
        Samples; a Series has times as its index.
    labels : array_like of int, shape (n,)
        Region of each sample.
    name : str, default "signal"
        What the samples are called on the axis.
    unit : str, optional
        Of the samples.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidArgumentError
        If there is not one integer label for each sample.
    """
    samples, regions = pd.Series(signal), np.asarray(labels)
    if regions.shape != samples.shape or regions.dtype.kind not in "iu":
        raise InvalidArgumentError(
            "labels", f"{len(samples)} integers, one for each sample",
            f"{regions.dtype} of shape {regions.shape}", "Number the regions.")
    ax, times = axes_of(ax), on_axis(samples.index)
    values = samples.to_numpy(dtype=float)
    ax.plot(times, values, color=TRUTH, linewidth=0.7, zorder=2)
    counts = pd.Series(regions).value_counts(sort=True)
    named = counts.iloc[:MOST_NAMED]
    low, step = np.nanmin(values), 0.06 * (np.ptp(values[np.isfinite(values)]) or 1.0)
    for place, (region, look) in enumerate(zip(named.index, looks(len(named)), strict=True)):
        here = regions == region
        ax.plot(times[here], values[here], color=look.colour, marker=look.marker, markersize=4,
                linestyle="none", zorder=3,
                label=f"region {region}, {100 * here.mean():.0f} %")
        ax.plot(times[here], np.full(int(here.sum()), low - (place + 1) * step),
                color=look.colour, marker="|", markersize=6, linestyle="none")
    if len(counts) > len(named):
        rest = ~np.isin(regions, named.index)
        ax.plot(times[rest], values[rest], color=OTHERS, marker=".", markersize=4,
                linestyle="none", zorder=2.5,
                label=f"{len(counts) - len(named)} other regions, {100 * rest.mean():.0f} %")
    ax.set_ylabel(with_unit(name, unit))
    name_times(ax, samples.index)
    name_lines(ax)
    return ax
