"""Pictures of rankings of models."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from relu_forecast.plots.protocols import RankingResult
from relu_forecast.plots.style import PALETTE, plain


def plot_ranking(ranking: RankingResult) -> Figure:
    """Draw mean ranks with half a critical difference to either side, the best model on top.

    A multiple-comparisons-with-the-best picture (Koning et al., 2005): the models that do not
    differ significantly from the best are coloured, the others grey.

    Parameters
    ----------
    ranking : Ranking
    """
    table = ranking.frame()
    heights = np.arange(len(table))
    figure = Figure(figsize=(7, 1.6 + 0.35 * len(table)), layout="constrained")
    axes = figure.subplots()
    if ranking.critical_difference is not None:
        axes.axvspan(table["lower"].iloc[0], table["upper"].iloc[0], color=PALETTE[0], alpha=0.12)
    chosen = [PALETTE[0] if best else "grey" for best in table["with_best"]]
    axes.hlines(heights, table["lower"], table["upper"], colors=chosen, linewidth=2)
    axes.scatter(table["mean_rank"], heights, c=chosen)
    axes.set_yticks(heights, [plain(name) for name in table.index])
    axes.set(xlabel=f"mean rank over {ranking.n_series} series (1 is best)",
             title=f"{ranking.test.capitalize()} p = {ranking.p_value:.2g}, level {ranking.level:g}"
             " %", ylim=(len(table) - 0.5, -0.5))
    return figure
