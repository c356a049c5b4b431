"""Pictures of trainings: against time, and along decreasing penalties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from matplotlib.figure import Figure

from relu_forecast.plots.style import TRUTH, colours, plain


@runtime_checkable
class Training(Protocol):
    """What `plot_trainings` draws of one training."""

    @property
    def seconds(self) -> float:
        """Wall time."""

    @property
    def objective(self) -> float:
        """Objective (1) at the end."""

    @property
    def trace(self) -> tuple[Any, ...]:
        """Points with ``seconds`` and ``objective``, in order of time; empty if there are none."""


def plot_trainings(trainings: Mapping[str, Training], certificate: Any) -> Figure:
    """Draw the training objective against seconds, and its distance from the lower bound.

    To the right is ``(objective - bound) / bound`` on a logarithmic axis.

    Parameters
    ----------
    trainings : mapping of str to Training
        Trainings of the same objective; one without a trace is drawn as a point and a line.
    certificate : Certificate
        Of the convex training: its lower bound is the floor.
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


def plot_path(path: Any) -> Figure:
    """Draw objective, above, and neurons of a `RegularizationPath` against beta / beta_max."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.plot(path.ratios, path.objectives, marker=".")
    above.set(ylabel="objective", title="Regularization path")
    below.step(path.ratios, path.n_neurons, where="mid", marker=".")
    below.set(xscale="log", xlabel=r"$\beta / \beta_{\max}$", ylabel="neurons")
    below.invert_xaxis()
    return figure
