"""Pictures of forecasts: what comes next, what was forecast and what happened, errors by step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.plots.style import (
    MOST_NAMED,
    OTHERS,
    TRUTH,
    axes_of,
    count_on,
    draw_line,
    looks,
    name_lines,
    name_times,
    on_axis,
    short,
    with_unit,
)
from relu_forecast.validation import check_choice, check_positive_int

_FEWEST_SHOWN = 50
"""Samples of the history that are drawn, where there are so many."""


def plot_forecast(history: Any, forecasts: pd.DataFrame, *, alias: str,
                  levels: Sequence[Any] = (), n_history: int | None = None,
                  unit: str | None = None, time_col: str = "ds", target_col: str = "y",
                  ax: Axes | None = None) -> Axes:
    """Draw the end of a series and the forecasts that follow, with their intervals as bands.

    Parameters
    ----------
    history : array_like (n,), pandas.Series or pandas.DataFrame
        One series: an array has times 0, 1, 2, ..., a Series its index, a frame the columns
        ``time_col`` and ``target_col``. Missing samples leave gaps.
    forecasts : pandas.DataFrame
        Rows of one series from `Forecaster.predict`; without the column ``time_col`` its index
        has the times.
    alias : str
        Column of the forecasts.
    levels : sequence of float, default ()
        Levels of the intervals to draw, in percent; the lower ones are darker.
    n_history : int, optional
        Samples of the history to draw, the last ones. None draws four times as many as were
        forecast, or 50 if these are more.
    unit : str, optional
        Of the samples, for example ``"mV"``.
    time_col, target_col : str
        Columns of times and samples; a Series with a name keeps it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidArgumentError
        If a column is missing, or forecasts are of several series.

    Examples
    --------
    >>> from relu_forecast.baselines import Drift
    >>> forecasts = Drift().fit([1.0, 2.0, 4.0]).predict(2)
    >>> plot_forecast([1.0, 2.0, 4.0], forecasts, alias="Drift").get_ylabel()
    'y'
    """
    columns = [alias, *(name for level in levels for name in _ends(alias, level))]
    _check_columns(forecasts, columns, "forecasts")
    ahead = pd.Index(forecasts[time_col]) if time_col in forecasts else forecasts.index
    if ahead.has_duplicates:
        raise InvalidArgumentError(
            "forecasts", "of one series", "several rows of the same time",
            "Pass forecasts[forecasts['unique_id'] == name].")
    samples = _series_of(history, time_col, target_col)
    fewest = max(_FEWEST_SHOWN, 4 * len(forecasts))
    shown = samples.iloc[-(fewest if n_history is None
                           else check_positive_int(n_history, "n_history")):]
    ax, look = axes_of(ax), looks(1)[0]
    ax.plot(on_axis(shown.index), shown, color=TRUTH, linewidth=1.6, label="history")
    times = on_axis(ahead)
    _draw_bands(ax, times, forecasts, alias, levels, look.colour, labelled=True)
    draw_line(ax, times, forecasts[alias], look, 0, short(alias))
    ax.set_ylabel(with_unit(samples.name, unit))
    name_times(ax, ahead)
    name_lines(ax)
    return ax


def plot_backtest(predictions: pd.DataFrame, models: Sequence[str], *,
                  levels: Sequence[Any] = (), series: Hashable = None, n_cutoffs: int = 6,
                  unit: str | None = None, id_col: str = "unique_id", time_col: str = "ds",
                  target_col: str = "y", ax: Axes | None = None) -> Axes:
    """Draw what models forecast from some cutoffs, and what happened.

    The first model lies on top of the others. Bands are the intervals of the first one that has
    some: those of several would cover each other.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``predictions`` of a `Backtest`: identifier, time, ``"cutoff"``, target, and a column per
        model.
    models : sequence of str
        Columns of the models; all are drawn, the first six with a name.
    levels : sequence of float, default ()
        Levels of the intervals, in percent.
    series : hashable, optional
        Identifier of the series that is drawn; the first one by default.
    n_cutoffs : int, default 6
        How many cutoffs to draw, from the middle of the backtest, whose forecasts do not overlap.
    unit, time_col, target_col, ax
        As for `plot_forecast`.
    id_col : str
        Column of identifiers.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidArgumentError
        If there is no such column or series, or ``n_cutoffs`` is below 1.
    """
    check_positive_int(n_cutoffs, "n_cutoffs")
    _check_columns(predictions, [id_col, time_col, target_col, "cutoff", *models], "predictions")
    rows = _rows_of(predictions, id_col, series)
    chosen = _spread_cutoffs(rows, time_col, n_cutoffs)
    shown = rows[rows["cutoff"].isin(chosen)]
    truth = rows.drop_duplicates(time_col)
    truth = truth[(truth[time_col] >= chosen.iloc[0]) & (truth[time_col] <= shown[time_col].max())]
    ax = axes_of(ax)
    ax.plot(on_axis(truth[time_col]), truth[target_col], color=TRUTH, linewidth=2.4,
            label="observed")
    _draw_models(ax, shown, models, levels, time_col)
    ax.set_ylabel(with_unit(target_col, unit))
    name_times(ax, truth[time_col])
    name_lines(ax)
    return ax


def plot_one_step(observed: pd.Series, forecasts: pd.DataFrame, *, name: str = "observed",
                  unit: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a signal, and forecasts of the same samples.

    Parameters
    ----------
    observed : pandas.Series
        The signal, with times as its index.
    forecasts : pandas.DataFrame
        With the same index, a column per model; the first lies on top of the others.
    name : str, default "observed"
        What the samples are called on the axis.
    unit, ax
        As for `plot_forecast`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, times = axes_of(ax), on_axis(observed.index)
    ax.plot(times, observed, color=TRUTH, linewidth=2.4, label=short(name))
    for place, (model, look) in enumerate(zip(forecasts, looks(forecasts.shape[1]), strict=True)):
        draw_line(ax, times, forecasts[model], look, place, short(model), n_markers=60)
    ax.set_ylabel(with_unit(name, unit))
    name_times(ax, observed.index)
    name_lines(ax)
    return ax


def plot_step_errors(errors: pd.DataFrame, *, metric: str = "RMSE", unit: str | None = None,
                     ax: Axes | None = None) -> Axes:
    """Draw the error of models at every step ahead.

    Parameters
    ----------
    errors : pandas.DataFrame
        Rows steps ahead, columns models; the first six have names, the rest is grey.
    metric : str, default "RMSE"
        What the errors are.
    unit, ax
        As for `plot_forecast`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, steps = axes_of(ax), errors.index.to_numpy()
    for place, (name, look) in enumerate(zip(errors, looks(MOST_NAMED), strict=False)):
        draw_line(ax, steps, errors[name], look, place, short(name))
    others = errors.iloc[:, MOST_NAMED:]
    for place, name in enumerate(others):
        ax.plot(steps, others[name], color=OTHERS, linewidth=0.8, zorder=1,
                label=None if place else _counted(others.shape[1]))
    ax.set(xlabel="steps ahead [samples]", ylabel=with_unit(metric, unit))
    ax.set_ylim(0, 1.05 * (np.nanmax(errors.to_numpy(), initial=0.0) or 1.0))
    count_on(ax, "x")
    name_lines(ax)
    return ax


def _counted(n_others: int) -> str:
    """Return what a legend says of the lines without names."""
    return f"{n_others} other model{'s' if n_others > 1 else ''}"


def _check_columns(frame: pd.DataFrame, names: Sequence[str], argument: str) -> None:
    """Refuse a frame without some column."""
    for name in names:
        check_choice(name, f"columns of {argument}", tuple(frame.columns))


def _series_of(history: Any, time_col: str, target_col: str) -> pd.Series:
    """Return a history as a series with a name, its times as the index."""
    if not isinstance(history, pd.DataFrame):
        samples = pd.Series(history)
        return samples.rename(target_col) if samples.name is None else samples
    _check_columns(history, [time_col, target_col], "history")
    return history.set_index(time_col)[target_col]


def _rows_of(predictions: pd.DataFrame, id_col: str, series: Hashable) -> pd.DataFrame:
    """Return the predictions of one series, or of the first one."""
    ids = predictions[id_col]
    rows: pd.DataFrame = predictions[ids == (ids.iloc[0] if series is None else series)]
    if rows.empty:
        raise InvalidArgumentError(
            "series", "an identifier in the backtest", repr(series),
            f"Pass one of predictions[{id_col!r}].unique(), or None for the first.")
    return rows


def _spread_cutoffs(rows: pd.DataFrame, time_col: str, n_cutoffs: int) -> pd.Series:
    """Return a run of cutoffs from the middle whose forecasts do not overlap."""
    cutoffs = rows["cutoff"].drop_duplicates()
    end_of_first = rows.loc[rows["cutoff"] == cutoffs.iloc[0], time_col].iloc[-1]
    spacing = max(1, int(np.searchsorted(cutoffs, end_of_first)))
    run = 2 * spacing * n_cutoffs
    start = max(0, min(len(cutoffs) // 2, len(cutoffs) - run))
    return cutoffs.iloc[start : start + run : 2 * spacing]


def _draw_models(ax: Axes, shown: pd.DataFrame, models: Sequence[str], levels: Sequence[Any],
                 time_col: str) -> None:
    """Draw the forecasts of models from each cutoff, and the bands of the first that has some."""
    banded = next((name for name in models if levels and _ends(name, levels[0])[0] in shown), None)
    for place, (name, look) in enumerate(zip(models, looks(len(models)), strict=True)):
        label = short(name) if place < MOST_NAMED else _counted(len(models) - MOST_NAMED)
        named = place <= MOST_NAMED
        for position, (_, path) in enumerate(shown.groupby("cutoff")):
            times = on_axis(path[time_col])
            if name == banded:
                _draw_bands(ax, times, path, name, levels, look.colour, labelled=not position)
            own = label if named and not position else None
            if place < MOST_NAMED:
                draw_line(ax, times, path[name], look, place, own, n_markers=5)
            else:
                ax.plot(times, path[name], color=OTHERS, linewidth=0.8, zorder=1, label=own)


def _draw_bands(ax: Axes, times: Any, rows: pd.DataFrame, alias: str, levels: Sequence[Any],
                colour: str, *, labelled: bool) -> None:
    """Draw intervals on top of each other, the narrowest one the darkest, below all lines."""
    for place, level in enumerate(sorted(levels, reverse=True)):
        lower, upper = _ends(alias, level)
        share = 0.12 + 0.22 * (place + 1) / len(levels)
        ax.fill_between(
            times, rows[lower], rows[upper], color=_lightened(colour, share), linewidth=0,
            zorder=0.5 + place / 100,
            label=f"{level:g} % of {short(alias)}" if labelled else None)


def _lightened(colour: str, share: float) -> tuple[float, float, float]:
    """Return a share of a colour on white, which covers what is below it."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _ends(alias: str, level: Any) -> tuple[str, str]:
    """Return the columns with the ends of an interval, as forecasters name them."""
    return f"{alias}-lo-{level:g}", f"{alias}-hi-{level:g}"
