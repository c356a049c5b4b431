"""Sliding windows: a signal becomes a Hankel matrix of its lags and the samples that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import check_positive_int, check_values


def hankel(
    series: Any, lags: int, horizon: int = 1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Cut a series into windows of ``lags`` samples and the ``horizon`` samples after each.

    Row ``t`` of ``X`` is ``series[t : t + lags]``, oldest first, and row ``t`` of ``y`` is
    ``series[t + lags : t + lags + horizon]``. Both are read-only views: no sample is copied
    when ``series`` is float64 already.

    Parameters
    ----------
    series : array_like, shape (length,)
        Real, finite samples at regular times.
    lags : int
        Samples in a window, d in the equations.
    horizon : int, default 1
        Samples to predict after each window.

    Returns
    -------
    X : ndarray, shape (n, lags)
        Windows, ``n = length - lags - horizon + 1``.
    y : ndarray, shape (n,) if ``horizon == 1`` else (n, horizon)
        What follows them.

    Raises
    ------
    InvalidArgumentError
        If ``lags`` or ``horizon`` is below 1, or the series is not finite, not
        one-dimensional, or shorter than ``lags + horizon``.

    Examples
    --------
    >>> X, y = hankel([1.0, 2.0, 3.0, 4.0, 5.0], lags=2)
    >>> X.tolist(), y.tolist()
    ([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]], [3.0, 4.0, 5.0])
    """
    lags = check_positive_int(lags, "lags")
    horizon = check_positive_int(horizon, "horizon")
    values = check_values(series, "series")
    if len(values) < lags + horizon:
        raise InvalidArgumentError(
            "series", f"at least lags + horizon = {lags + horizon} samples long",
            f"{len(values)} samples", "Shorten lags or horizon, or supply more history.")
    X = np.lib.stride_tricks.sliding_window_view(values, lags)[: len(values) - lags - horizon + 1]
    if horizon == 1:
        y = values[lags:]
        y.flags.writeable = False
        return X, y
    return X, np.lib.stride_tricks.sliding_window_view(values[lags:], horizon)
