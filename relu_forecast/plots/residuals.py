"""Pictures that tell whether errors have a pattern left: over time, by size, from one to the next.

Each function draws on one Axes; missing errors are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.plots.style import (
    PALETTE,
    TRUTH,
    axes_of,
    count_on,
    name_lines,
    name_times,
    on_axis,
    with_unit,
)
from relu_forecast.validation import check_positive_int

_Array = npt.NDArray[np.float64]


def plot_residuals(residuals: Any, *, name: str = "residual", unit: str | None = None,
                   ax: Axes | None = None) -> Axes:
    """Draw errors over time, and a line at zero.

    Parameters
    ----------
    residuals : array_like (n,) or pandas.Series
        Errors, forecast less observed or the other way round; a Series has times as its index.
    name : str, default "residual"
        What they are called on the axis.
    unit : str, optional
        Of the errors, for example ``"mV"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
    """
    errors, ax = pd.Series(residuals), axes_of(ax)
    ax.plot(on_axis(errors.index), errors, color=PALETTE[0], linewidth=0.9)
    ax.axhline(0, color=TRUTH, linewidth=0.6)
    ax.set_ylabel(with_unit(name, unit))
    name_times(ax, errors.index)
    return ax


def plot_residual_histogram(residuals: Any, *, name: str = "residual", unit: str | None = None,
                            ax: Axes | None = None) -> Axes:
    """Draw how often errors are how large, and the normal density of their mean and variance.

    Parameters and returns are those of `plot_residuals`.
    """
    errors, ax = _observed(residuals), axes_of(ax)
    ax.hist(errors, bins="auto", density=True, color="0.8", edgecolor="0.5", linewidth=0.4)
    mean, size = errors.mean(), errors.std()
    if size > 0:
        at = np.linspace(errors.min(), errors.max(), 200)
        ax.plot(at, stats.norm.pdf(at, mean, size), color=PALETTE[0], linestyle="--",
                label=f"normal, mean {mean:.3g}, std. dev. {size:.3g}")
    ax.set(xlabel=with_unit(name, unit), ylabel="density")
    name_lines(ax)
    return ax


def plot_residual_quantiles(residuals: Any, *, name: str = "residual", unit: str | None = None,
                            ax: Axes | None = None) -> Axes:
    """Draw sorted errors against normal quantiles: a straight line if they are normal.

    Parameters and returns are those of `plot_residuals`.
    """
    errors, ax = np.sort(_observed(residuals)), axes_of(ax)
    normal = stats.norm.ppf((np.arange(len(errors)) + 0.5) / len(errors))
    ax.plot(normal, errors, color=PALETTE[0], marker="o", markersize=2.5, linestyle="none")
    ax.plot(normal, errors.mean() + errors.std() * normal, color=TRUTH, linestyle="--",
            linewidth=1, label="normal")
    ax.set(xlabel="normal quantile [std. dev.]", ylabel=with_unit(name, unit))
    name_lines(ax)
    return ax


def plot_autocorrelation(residuals: Any, *, n_lags: int = 30, apart: str = "samples",
                         ax: Axes | None = None) -> Axes:
    """Draw how errors correlate with those k places earlier.

    Of errors without a pattern, 95 % of the correlations lie in the band, ``±1.96 / sqrt(n)``.

    Parameters
    ----------
    residuals : array_like (n,) or pandas.Series
        Errors at regular times.
    n_lags : int, default 30
        Largest k, as far as there are errors.
    apart : str, default "samples"
        What lags count, for the axis.
    ax
        As for `plot_residuals`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_positive_int(n_lags, "n_lags")
    errors, ax = _observed(residuals), axes_of(ax)
    lags = np.arange(1, min(n_lags, len(errors) - 1) + 1)
    centred = errors - errors.mean()
    total = centred @ centred
    found = [centred[lag:] @ centred[:-lag] / total if total > 0 else 0.0 for lag in lags]
    bound = 1.96 / np.sqrt(len(errors))
    ax.axhspan(-bound, bound, color="0.88", label="95 % if there is no pattern")
    ax.vlines(lags, 0, found, color=PALETTE[0], linewidth=1.4)
    ax.plot(lags, found, color=PALETTE[0], marker="o", markersize=3, linestyle="none")
    ax.axhline(0, color=TRUTH, linewidth=0.6)
    ax.set(xlabel=with_unit("lag", apart), ylabel="autocorrelation")
    count_on(ax, "x")
    name_lines(ax)
    return ax


def _observed(residuals: Any) -> _Array:
    """Return the errors that are numbers; refuse fewer than two."""
    given = np.asarray(residuals, dtype=float).ravel()
    errors: _Array = given[np.isfinite(given)]
    if len(errors) < 2:
        raise InvalidArgumentError("residuals", "two finite errors or more", str(len(errors)),
                                   "Pass the errors of more forecasts.")
    return errors
