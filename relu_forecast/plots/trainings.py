"""Pictures of one-step forecasts and of trainings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from relu_forecast.plots.forecasts import TRUTH, colours, on_axis, plain
from relu_forecast.plots.inputs import LowerBound, Training


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


def plot_trainings(trainings: Mapping[str, Training], certificate: LowerBound) -> Figure:
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
    for (name, run), colour in zip(trainings.items(), colours(len(trainings)), strict=True):
        seconds = np.array([point.seconds for point in run.trace] or [run.seconds])
        values = np.array([point.objective for point in run.trace] or [run.objective])
        for axes, heights in ((left, values), (right, values / bound - 1)):
            if run.trace:
                axes.plot(seconds, heights, color=colour, label=plain(name))
            else:
                axes.axhline(heights[-1], color=colour, linestyle="--", linewidth=1)
                axes.plot(seconds, heights, color=colour, marker="*", markersize=13,
                          linestyle="none", label=f"{plain(name)}, done at {run.seconds:.1f} s")
    left.axhline(bound, color=TRUTH, linewidth=1, label=f"lower bound ({certificate.scope})")
    # Up to what the worst training reaches, and some way above; first steps are far higher.
    highest = 1.25 * max(run.objective for run in trainings.values())
    left.set(xlabel="time [s]", ylabel="training objective (1)", xlim=(0, None),
             ylim=(0.97 * bound - 0.03 * highest, highest))
    right.set(xlabel="time [s]", ylabel="relative distance from the lower bound", xlim=(0, None),
              yscale="log", ylim=(None, 3 * (highest / bound - 1)))
    left.legend(fontsize=8, loc="upper right")
    figure.suptitle("One objective, several trainings")
    return figure
