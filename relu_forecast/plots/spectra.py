"""Pictures of circular networks in the Fourier domain."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.plots.style import axes_of, count_on, with_unit


def plot_spectrum(sizes: Any, *, frequencies: Any = None, unit: str | None = None,
                  negligible: float = 1e-3, ax: Axes | None = None) -> Axes:
    """Draw how much each neuron of a circular network makes of each frequency; more is darker.

    Parameters
    ----------
    sizes : array_like, shape (m, G)
        Weight of neuron j at frequency k, at least 0.
    frequencies : array_like, shape (G,), optional
        At equal distances; None stands for cycles per window, 0, 1, 2, ...
    unit : str, optional
        Of the frequencies, for example ``"Hz"``.
    negligible : float, default 1e-3
        Share of the largest weight up to which weights are left white.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a figure of its own, ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidArgumentError
        If ``sizes`` is not a matrix with a column for each frequency.
    """
    weights, ax = np.asarray(sizes, dtype=float), axes_of(ax)
    n_columns = weights.shape[-1] if frequencies is None else len(frequencies)
    if weights.ndim != 2 or weights.size == 0 or weights.shape[1] != n_columns:
        raise InvalidArgumentError(
            "sizes", "a matrix with a row per neuron and a column per frequency",
            f"the shape {weights.shape}", "Pass np.abs of the Fourier coefficients.")
    at = np.arange(n_columns) if frequencies is None else np.asarray(frequencies, dtype=float)
    half = (at[1] - at[0]) / 2 if n_columns > 1 else 0.5
    image = ax.imshow(
        np.where(weights > negligible * weights.max(), weights, np.nan), aspect="auto",
        interpolation="none", vmin=0.0, cmap="cividis_r",
        extent=(at[0] - half, at[-1] + half, len(weights) + 0.5, 0.5))
    name = "frequency [cycles per window]" if frequencies is None else with_unit("frequency", unit)
    ax.set(xlabel=name, ylabel="neuron")
    ax.yaxis.set_inverted(True)
    count_on(ax, "y")
    figure: Any = ax.figure
    figure.colorbar(image, ax=ax, label="weight")
    return ax
