"""Pictures of forecasts, of their errors, and of models ranked by them.

A ``backtest`` is a `relu_forecast.Backtest`, and a ``ranking`` a `relu_forecast.Ranking`: Any in
the annotations, as this room knows none of the rooms above.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.plots.style import PALETTE, TRUTH, colours, on_axis, plain
from relu_forecast.validation import check_choice, check_positive_int


def plot_one_step(frame: pd.DataFrame, title: str, seconds: float = 2.0) -> Figure:
    """Draw a signal and its one-step forecasts, and below them each forecast's errors.

    Parameters
    ----------
    frame : pandas.DataFrame
        Index: time (TimedeltaIndex). First column: the signal; the others: forecasts, in mV.
    title : str
        What is shown.
    seconds : float, default 2
        How much of the beginning to draw.
    """
    shown = frame[frame.index < frame.index[0] + pd.Timedelta(seconds=seconds)]
    clock = on_axis(shown.index)
    truth, names = shown.iloc[:, 0], list(shown.columns[1:])
    figure = Figure(figsize=(9, 3 + 1.1 * len(names)), layout="constrained")
    above, *below = figure.subplots(
        1 + len(names), 1, sharex=True, height_ratios=[2.5, *[1] * len(names)])
    above.plot(clock, truth, color=TRUTH, linewidth=2.4, label=plain(truth.name))
    highest = 1.1 * shown[names].sub(truth, axis=0).abs().to_numpy().max()
    for axes, name, colour in zip(below, names, colours(len(names)), strict=True):
        above.plot(clock, shown[name], color=colour, linewidth=1.1, label=plain(name))
        axes.plot(clock, shown[name] - truth, color=colour, linewidth=0.9)
        axes.axhline(0, color=TRUTH, linewidth=0.6)
        axes.set_title(f"error of {plain(name)} [mV]", fontsize=9, loc="left")
        axes.set_ylim(-highest, highest)
    above.set(title=title, ylabel="ECG [mV]")
    below[-1].set_xlabel("time [s]")
    above.legend(loc="upper right", fontsize=8, ncols=2, framealpha=0.9)
    return figure


def plot_backtest(backtest: Any, models: Sequence[str] | None = None, n_cutoffs: int = 6,
                  unit: str = "units of the data", series: Hashable = None) -> Figure:
    """Draw forecasts from some cutoffs against the truth, and the error of every step ahead.

    Prediction intervals are bands, the lower levels darker. The errors are of all series, and the
    forecasts of one.

    Parameters
    ----------
    models : sequence of str, optional
        Which models; all by default.
    n_cutoffs : int, default 6
        How many cutoffs to draw.
    unit : str, default "units of the data"
        Of the samples, on the axes; for example ``"mV"``.
    series : hashable, optional
        Identifier of the series whose forecasts are drawn; the first one by default.

    Raises
    ------
    InvalidArgumentError
        If there is no such model or series, or ``n_cutoffs`` is below 1.
    """
    names = list(backtest.models if models is None else models)
    for name in names:
        check_choice(name, "models", backtest.models)
    check_positive_int(n_cutoffs, "n_cutoffs")
    rows = _rows_of(backtest, series)
    steps = backtest.scores(["rmse"], by="step").loc["rmse"]
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw_forecasts(above, backtest, rows, names, n_cutoffs)
    above.set_ylabel(f"{plain(backtest.columns.target)} [{plain(unit)}]")
    for name, colour in zip(names, colours(len(names)), strict=True):
        below.plot(steps.index, steps[name], color=colour, marker=".", label=plain(name))
    below.set(xlabel="steps ahead [samples]", ylabel=f"RMSE [{plain(unit)}]", ylim=(0, None))
    below.legend(fontsize=8, ncols=2)
    return figure


def plot_ranking(ranking: Any) -> Figure:
    """Draw mean ranks with half a critical difference to either side, the best model on top.

    A multiple-comparisons-with-the-best picture (Koning et al., 2005): the models that do not
    differ significantly from the best are coloured, the others grey.
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


def _rows_of(backtest: Any, series: Hashable) -> pd.DataFrame:
    """Return the predictions of one series, or of the first one."""
    frame = backtest.predictions
    ids = frame[backtest.columns.id]
    wanted = ids.iloc[0] if series is None else series
    rows: pd.DataFrame = frame[ids == wanted]
    if rows.empty:
        raise InvalidArgumentError(
            "series", "an identifier in the backtest", repr(series),
            "Pass one of predictions[id_col].unique(), or None for the first.")
    return rows


def _draw_forecasts(axes: Axes, backtest: Any, rows: pd.DataFrame, names: Sequence[str],
                    n_cutoffs: int) -> None:
    """Draw the truth and the forecasts from a run of cutoffs that do not overlap."""
    time, target = backtest.columns.time, backtest.columns.target
    chosen = _spread_cutoffs(rows, time, n_cutoffs)
    shown = rows[rows["cutoff"].isin(chosen)]
    truth = rows.drop_duplicates(time)
    truth = truth[(truth[time] >= chosen.iloc[0]) & (truth[time] <= shown[time].max())]
    axes.plot(on_axis(truth[time]), truth[target], color=TRUTH, linewidth=2.2, label="truth")
    for name, colour in zip(names, colours(len(names)), strict=True):
        for position, (_, path) in enumerate(shown.groupby("cutoff")):
            axes.plot(on_axis(path[time]), path[name], color=colour, linewidth=1.3, marker=".",
                      markersize=3, label=None if position else plain(name))
            _draw_intervals(axes, path, time, backtest.interval_columns(name), colour)
    seconds = " [s]" if isinstance(truth[time].iloc[0], pd.Timedelta) else ""
    h = int((rows["cutoff"] == chosen.iloc[0]).sum())
    axes.set(xlabel=f"time{seconds}",
             title=f"{h}-step forecasts from {len(chosen)} cutoffs, and RMSE by step ahead")
    axes.legend(fontsize=8, ncols=3)


def _spread_cutoffs(rows: pd.DataFrame, time: str, n_cutoffs: int) -> pd.Series:
    """Return a run of cutoffs from the middle whose forecasts do not overlap."""
    cutoffs = rows["cutoff"].drop_duplicates()
    end_of_first = rows.loc[rows["cutoff"] == cutoffs.iloc[0], time].iloc[-1]
    spacing = max(1, int(np.searchsorted(cutoffs, end_of_first)))
    run = 2 * spacing * n_cutoffs
    start = max(0, min(len(cutoffs) // 2, len(cutoffs) - run))
    return cutoffs.iloc[start : start + run : 2 * spacing]


def _draw_intervals(axes: Axes, path: pd.DataFrame, time: str, ends: Sequence[tuple[str, str]],
                    colour: str) -> None:
    """Draw the intervals of one forecast on top of each other, where there are some."""
    for lower, upper in ends:
        if lower in path and upper in path:
            axes.fill_between(on_axis(path[time]), path[lower], path[upper], color=colour,
                              alpha=0.15, linewidth=0)
