"""Pictures of trainings: the objective against time, and along decreasing penalties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.plots.style import (
    PALETTE,
    TRUTH,
    axes_of,
    count_on,
    draw_line,
    looks,
    name_lines,
    short,
)


def plot_trainings(trainings: Mapping[str, tuple[Any, Any]], *, lower_bound: float,
                   objective: float, scope: str, relative: bool = False,
                   ax: Axes | None = None) -> Axes:
    """Draw the training objective against seconds, and the band that a certificate leaves.

    The band is from the lower bound to the objective that was certified: the optimum is in it, in
    the scope of the certificate.

    Parameters
    ----------
    trainings : mapping of str to (seconds, objectives)
        By name two arrays of one length, in order of time, of trainings of one objective; a
        training of which the end alone is known has one point. The first lies on top.
    lower_bound, objective : float
        Of the certificate.
    scope : str
        Of the certificate.
    relative : bool, default False
        Draw ``objective / lower_bound - 1`` on a logarithmic axis in place of the objective.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidArgumentError
        If there is no training, or with ``relative`` no lower bound above 0.
    """
    if not trainings:
        raise InvalidArgumentError("trainings", "at least one training", "none", "Pass one.")
    if relative and not lower_bound > 0:
        raise InvalidArgumentError("lower_bound", "above 0 with relative=True", str(lower_bound),
                                   "Pass relative=False.")
    ax = axes_of(ax)

    def height(values: Any) -> Any:
        return np.asarray(values) / lower_bound - 1 if relative else np.asarray(values)

    # The end of the worst training is in sight; first steps are far higher.
    highest = 1.25 * max(np.asarray(values)[-1] for _, values in trainings.values())
    _draw_certificate(ax, float(height(lower_bound)), float(height(objective)), scope, relative)
    ends = []
    for place, (name, look) in enumerate(
            zip(trainings, looks(len(trainings)), strict=True)):
        seconds, values = (np.asarray(part) for part in trainings[name])
        alone = len(values) == 1
        label = f"{short(name)}, done at {seconds[-1]:.1f} s" if alone else short(name)
        draw_line(ax, seconds, height(values), look, place, label)
        if alone:
            ax.lines[-1].set(marker="*", markersize=13)
        ends.append(float(height(values[-1])))
    ax.set(xlabel="time [s]", xlim=(0, None))
    if relative:
        smallest = min(end for end in [*ends, height(objective)] if end > 0)
        ax.set(yscale="log", ylim=(smallest / 3, 3 * height(highest)),
               ylabel="relative distance\nfrom the lower bound")
    else:
        ax.set(ylim=(0.97 * lower_bound - 0.03 * highest, highest), ylabel="training objective")
    name_lines(ax)
    return ax


def _draw_certificate(ax: Axes, low: float, high: float, scope: str, relative: bool) -> None:
    """Draw the band between lower bound and certified objective; its lower end, where there is."""
    # On a logarithmic axis the lower bound itself is infinitely far down.
    ax.axhspan(low if not relative else 1e-300, high, color="0.85", zorder=0,
               label=f"certificate ({scope})")
    if not relative:
        ax.axhline(low, color=TRUTH, linewidth=1, label="lower bound")


def plot_path_objectives(ratios: Any, objectives: Any, *, lower_bounds: Any = None,
                         ax: Axes | None = None) -> Axes:
    """Draw the objective along a regularization path against beta / beta_max.

    Parameters
    ----------
    ratios, objectives : array_like, shape (L,)
        Penalties as shares of beta_max, and the objective at each.
    lower_bounds : array_like, shape (L,), optional
        Of the certificates; a band from them to the objectives holds the optimum.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_of(ax)
    if lower_bounds is not None:
        ax.fill_between(ratios, lower_bounds, objectives, color="0.75", linewidth=0,
                        label="down to the lower bound")
    ax.plot(ratios, objectives, color=PALETTE[0], marker="o", markersize=3.5, label="objective")
    ax.set_ylabel("objective")
    _name_penalties(ax)
    if lower_bounds is not None:
        name_lines(ax)
    return ax


def plot_path_neurons(ratios: Any, n_neurons: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the neurons of the networks along a regularization path against beta / beta_max.

    Parameters
    ----------
    ratios, n_neurons : array_like, shape (L,)
        Penalties as shares of beta_max, and the hidden neurons at each.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_of(ax)
    ax.step(ratios, n_neurons, where="mid", color=PALETTE[0], marker="o", markersize=3.5)
    ax.set_ylabel("neurons")
    count_on(ax, "y")
    _name_penalties(ax)
    return ax


def _name_penalties(ax: Axes) -> None:
    """Let penalties go from the largest, at the left, to the smallest, a tick for each power."""
    ax.set(xscale="log", xlabel=r"$\beta / \beta_{\max}$")
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.xaxis.set_minor_formatter(NullFormatter())
    if not ax.xaxis_inverted():
        ax.invert_xaxis()
