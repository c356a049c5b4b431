"""Pictures of explanations: what a forecast is the sum of, its autoregression, and neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from relu_forecast.plots.style import (
    PALETTE,
    TRUTH,
    axes_of,
    count_on,
    draw_line,
    looks,
    name_lines,
)

_SUMMANDS = {"linear": ("linear part", PALETTE[0], ""), "neurons": ("neurons", PALETTE[1], "////"),
             "analogs": ("analogs", PALETTE[2], "....")}
"""Columns of a table of steps, with their names, colours and hatches."""


def plot_contributions(steps: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what forecasts are the sums of, as bars on what they start from.

    Parameters
    ----------
    steps : pandas.DataFrame
        A row per step ahead, as `relu_forecast.explain.forecast(model).steps`: ``step``,
        ``forecast``, ``start``, and some of ``linear``, ``neurons`` and ``analogs``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Where it was drawn.
    """
    ax = axes_of(ax)
    places, width = steps["step"].to_numpy(), 0.8
    start = steps["start"].to_numpy() if "start" in steps else np.zeros(len(steps))
    above, below = start.copy(), start.copy()
    for column, (name, colour, hatch) in _SUMMANDS.items():
        if column not in steps:
            continue
        heights = steps[column].to_numpy()
        bottoms = np.where(heights >= 0, above, below)
        ax.bar(places, heights, width, bottoms, label=name, color=colour, hatch=hatch,
               edgecolor="white", linewidth=0.5)
        above, below = above + np.maximum(heights, 0), below + np.minimum(heights, 0)
    ax.step(places, start, where="mid", color="0.5", linestyle=":", label="starts from")
    ax.plot(places, steps["forecast"], color=TRUTH, marker="o", markersize=4, label="forecast")
    count_on(ax, "x")
    ax.set(xlabel="steps ahead", ylabel="forecast")
    name_lines(ax)
    return ax


def plot_autoregression(coefficients: pd.DataFrame, *, most_lags: int = 60,
                        ax: Axes | None = None) -> Axes:
    """Draw the coefficients of the autoregressions that forecasts are, a line per step.

    Parameters
    ----------
    coefficients : pandas.DataFrame
        As `relu_forecast.explain.forecast(model).coefficients`: ``step``, ``lag``, ``coefficient``.
        Of more than four steps the first, the last and two between are drawn.
    most_lags : int, default 60
        The newest so many samples are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Where it was drawn.
    """
    ax = axes_of(ax)
    steps = coefficients["step"].unique()
    shown = steps[np.unique(np.linspace(0, len(steps) - 1, 4).astype(int))]
    for place, step in enumerate(shown):
        own = coefficients[(coefficients["step"] == step) & (coefficients["lag"] <= most_lags)]
        draw_line(ax, own["lag"], own["coefficient"], looks(4)[place], place, f"step {step}")
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.invert_xaxis()
    count_on(ax, "x")
    ax.set(xlabel="samples back (1: the last known)", ylabel="coefficient")
    name_lines(ax)
    return ax


def plot_neurons(atlas: Any, *, most: int = 8) -> Figure:
    """Draw neurons, a row for each: filter, frequency response, and head over the horizon.

    Parameters
    ----------
    atlas : relu_forecast.explain.NeuronAtlas
        Of the neurons.
    most : int, default 8
        How many are drawn, those first that add most.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    rows = atlas.summary.head(most)
    figure = Figure(figsize=(9, 0.6 + 1.5 * max(1, len(rows))), layout="constrained")
    if rows.empty:
        figure.text(0.5, 0.5, "no neurons: the model is linear", ha="center", va="center")
        return figure
    grid = figure.subplots(len(rows), 3, sharex="col", squeeze=False)
    filters, responses = atlas.filters, atlas.responses
    heads = atlas.heads.groupby(["neuron", "step"])["weight"].sum().reset_index()
    for axes, row in zip(grid, rows.itertuples(), strict=True):
        _draw(axes[0], filters, row.neuron, "lag", "weight")
        _draw(axes[1], responses, row.neuron, "frequency", "gain")
        _draw(axes[2], heads, row.neuron, "step", "weight")
        axes[0].set_ylabel(f"neuron {row.neuron}\nfires {row.fires:.0%}\nadds {row.adds:.0%}",
                           rotation=0, ha="right", va="center")
    grid[0, 0].invert_xaxis()
    for place, (title, label) in enumerate([
            ("filter", "samples back"), ("frequency response", "cycles per sample"),
            ("head", "steps ahead")]):
        grid[0, place].set_title(title)
        grid[-1, place].set_xlabel(label)
        if place != 1:
            count_on(grid[-1, place], "x")
    return figure


def _draw(ax: Axes, table: pd.DataFrame, neuron: int, across: str, value: str) -> None:
    """Draw the values of one neuron; a dot where there is one alone."""
    own = table[table["neuron"] == neuron]
    ax.plot(own[across], own[value], color=PALETTE[0], marker="o" if len(own) < 40 else "",
            markersize=3)
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.tick_params(labelsize=8)

