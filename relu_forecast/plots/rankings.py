"""Pictures of models that are ranked over many series."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from relu_forecast.plots.style import PALETTE, axes_of, short


def plot_ranking(table: pd.DataFrame, *, title: str = "", n_series: int | None = None,
                 ax: Axes | None = None) -> Axes:
    """Draw mean ranks with half a critical difference to either side, the best model on top.

    A multiple-comparisons-with-the-best picture (Koning et al., 2005): models that do not differ
    significantly from the best are full circles, the others hollow and grey.

    Parameters
    ----------
    table : pandas.DataFrame
        `Ranking.frame`: rows models, columns ``mean_rank``, ``lower``, ``upper``, ``with_best``.
    title : str, default ""
        What was tested, say.
    n_series : int, optional
        How many series were ranked, for the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_of(ax, (7, 1.6 + 0.35 * len(table)))
    heights = np.arange(len(table))
    if table["lower"].notna().all():
        ax.axvspan(table["lower"].iloc[0], table["upper"].iloc[0], color="0.92")
    colours = [PALETTE[0] if best else "0.45" for best in table["with_best"]]
    faces = [PALETTE[0] if best else "white" for best in table["with_best"]]
    ax.hlines(heights, table["lower"], table["upper"], colors=colours, linewidth=2)
    ax.scatter(table["mean_rank"], heights, c=faces, edgecolors=colours, linewidths=1.6, zorder=3)
    ax.set_yticks(heights, [short(name) for name in table.index])
    over = "" if n_series is None else f" over {n_series} series"
    ax.set(xlabel=f"mean rank{over} (1 is best)", title=title, ylim=(len(table) - 0.5, -0.5))
    return ax
