"""Pictures of results; they compute nothing but what axes need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from relu_forecast.certificates import Certificate
from relu_forecast.forecasting import Backtest
from relu_forecast.training.descent import TracePoint

# Okabe & Ito's palette, told apart by colour-blind eyes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999933")
_TRUTH = "black"


@runtime_checkable
class Training(Protocol):
    """What a picture of trainings needs to know of one: `report.NetworkRun` for example."""

    @property
    def seconds(self) -> float:
        """Wall time."""

    @property
    def objective(self) -> float:
        """Objective (1) at the end."""

    @property
    def trace(self) -> tuple[TracePoint, ...]:
        """Objective against seconds; empty where there is none."""


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

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = frame[frame.index < frame.index[0] + pd.Timedelta(seconds=seconds)]
    clock = _seconds(shown.index)
    truth, names = shown.iloc[:, 0], list(shown.columns[1:])
    figure = Figure(figsize=(9, 3 + 1.1 * len(names)), layout="constrained")
    above, *below = figure.subplots(
        1 + len(names), 1, sharex=True, height_ratios=[2.5, *[1] * len(names)])
    above.plot(clock, truth, color=_TRUTH, linewidth=2.4, label=str(truth.name))
    highest = 1.1 * shown[names].sub(truth, axis=0).abs().to_numpy().max()
    for axes, name, colour in zip(below, names, _cycle(len(names)), strict=True):
        above.plot(clock, shown[name], color=colour, linewidth=1.1, label=str(name))
        axes.plot(clock, shown[name] - truth, color=colour, linewidth=0.9)
        axes.axhline(0, color=_TRUTH, linewidth=0.6)
        axes.set_title(f"error of {name} [mV]", fontsize=9, loc="left")
        axes.set_ylim(-highest, highest)
    above.set(title=title, ylabel="ECG [mV]")
    below[-1].set_xlabel("time [s]")
    above.legend(loc="upper right", fontsize=8, ncols=2, framealpha=0.9)
    return figure


def plot_backtest(
    backtest: Backtest,
    models: Sequence[str] | None = None,
    n_cutoffs: int = 6,
    unit: str = "units of the data",
) -> Figure:
    """Draw forecasts from some cutoffs against the truth, and the error of every step ahead.

    Parameters
    ----------
    backtest : Backtest
        Of one or many series; the first one is drawn.
    models : sequence of str, optional
        Which models; all by default.
    n_cutoffs : int, default 6
        How many cutoffs to draw.
    unit : str, default "units of the data"
        Of the samples, on the axes; for example ``"mV"``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    steps = backtest.scores(["rmse"], by="step").loc["rmse"]
    names = list(steps.columns if models is None else models)
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw_forecasts(above, backtest, names, n_cutoffs)
    above.set_ylabel(f"{backtest.columns.target} [{unit}]")
    for name, colour in zip(names, _cycle(len(names)), strict=True):
        below.plot(steps.index, steps[name], color=colour, marker=".", label=name)
    below.set(xlabel="steps ahead [samples]", ylabel=f"RMSE [{unit}]", ylim=(0, None))
    below.legend(fontsize=8, ncols=2)
    return figure


def _draw_forecasts(
    axes: Axes, backtest: Backtest, names: Sequence[str], n_cutoffs: int
) -> None:
    """Draw the truth and the forecasts from a run of cutoffs that do not overlap."""
    time, target = backtest.columns.time, backtest.columns.target
    frame = backtest.predictions
    series = frame[frame.iloc[:, 0] == frame.iloc[0, 0]]
    h = int((series["cutoff"] == series["cutoff"].iloc[0]).sum())
    cutoffs = series["cutoff"].drop_duplicates()
    spacing = max(1, int(np.searchsorted(cutoffs, series[time].iloc[h - 1])))
    run = 2 * spacing * n_cutoffs
    start = max(0, min(len(cutoffs) // 2, len(cutoffs) - run))
    chosen = cutoffs.iloc[start : start + run : 2 * spacing]
    first, last = chosen.iloc[0], series.loc[series["cutoff"] == chosen.iloc[-1], time].iloc[-1]
    truth = series.drop_duplicates(time)
    truth = truth[(truth[time] >= first) & (truth[time] <= last)]
    axes.plot(_axis(truth[time]), truth[target], color=_TRUTH, linewidth=2.2, label="truth")
    for name, colour in zip(names, _cycle(len(names)), strict=True):
        for position, (_, path) in enumerate(
                series[series["cutoff"].isin(chosen)].groupby("cutoff")):
            axes.plot(_axis(path[time]), path[name], color=colour, linewidth=1.3, marker=".",
                      markersize=3, label=None if position else name)
    seconds = " [s]" if isinstance(truth[time].iloc[0], pd.Timedelta) else ""
    axes.set(xlabel=f"time{seconds}",
             title=f"{h}-step forecasts from {len(chosen)} cutoffs, and RMSE by step ahead")
    axes.legend(fontsize=8, ncols=3)


def plot_trainings(trainings: Mapping[str, Training], certificate: Certificate) -> Figure:
    """Draw the training objective against seconds, and its distance from the lower bound.

    Parameters
    ----------
    trainings : mapping of str to Training
        Trainings of the same objective; one without a trace is drawn as a point and a line.
    certificate : Certificate
        Of the convex training: its lower bound is the floor.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the objective; right, ``(objective - bound) / bound`` on a logarithmic axis.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    bound = certificate.dual_objective
    for (name, run), colour in zip(trainings.items(), _cycle(len(trainings)), strict=True):
        seconds = np.array([point.seconds for point in run.trace] or [run.seconds])
        values = np.array([point.objective for point in run.trace] or [run.objective])
        for axes, heights in ((left, values), (right, values / bound - 1)):
            if run.trace:
                axes.plot(seconds, heights, color=colour, label=name)
            else:
                axes.axhline(heights[-1], color=colour, linestyle="--", linewidth=1)
                axes.plot(seconds, heights, color=colour, marker="*", markersize=13,
                          linestyle="none", label=f"{name}, done at {run.seconds:.1f} s")
    left.axhline(bound, color=_TRUTH, linewidth=1, label=f"lower bound ({certificate.scope})")
    # Up to what the worst training reaches, and some way above; first steps are far higher.
    highest = 1.25 * max(run.objective for run in trainings.values())
    left.set(xlabel="time [s]", ylabel="training objective (1)", xlim=(0, None),
             ylim=(0.97 * bound - 0.03 * highest, highest))
    right.set(xlabel="time [s]", ylabel="relative distance from the lower bound", xlim=(0, None),
              yscale="log", ylim=(None, 3 * (highest / bound - 1)))
    left.legend(fontsize=8, loc="upper right")
    figure.suptitle("One objective, several trainings")
    return figure


def _seconds(index: pd.Index) -> npt.NDArray[Any]:
    """Return times in seconds, or as they are where they are not durations."""
    if isinstance(index, pd.TimedeltaIndex):
        return np.asarray(index.total_seconds())
    return np.asarray(index)


def _axis(times: pd.Series) -> npt.NDArray[Any]:
    """Return a column of times for an axis."""
    return _seconds(pd.Index(times))


def _cycle(count: int) -> list[str]:
    """Return ``count`` colours, from the beginning again when they run out."""
    return [_COLOURS[position % len(_COLOURS)] for position in range(count)]
