"""Sliding windows: a signal becomes a Hankel matrix of its lags; windows become patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import (
    as_real_array,
    check_positive_int,
    check_real_tensor,
    check_values,
)


def hankel(series: Any, lags: int,
           horizon: int = 1) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def patches(X: Any, filter_size: int, stride: int = 1) -> Any:
    """Cut every window into the patches that a filter of a convolution sees.

    Parameters
    ----------
    X : array_like or Tensor, shape (n, d)
        Windows.
    filter_size : int
        Samples in a patch, h <= d.
    stride : int, default 1
        Samples from one patch to the next.

    Returns
    -------
    ndarray or Tensor, shape (n, K, h)
        Patch k of window t is ``X[t, k * stride : k * stride + h]``,
        ``K = (d - h) // stride + 1``. A view: nothing is copied. A Tensor for a Tensor.

    Raises
    ------
    InvalidArgumentError
        If the filter is longer than the windows, ``stride`` is below 1, or ``X`` is no matrix,
        or not finite.
    InvalidTypeError
        If ``X`` is not of real numbers, or a tensor in half precision.

    Examples
    --------
    >>> patches([[1.0, 2.0, 3.0, 4.0]], filter_size=2, stride=2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    filter_size = check_positive_int(filter_size, "filter_size")
    stride = check_positive_int(stride, "stride")
    windows = _finite_windows(X)
    if windows.ndim != 2 or 0 in windows.shape:
        raise InvalidArgumentError("X", "a matrix (n, d) with n, d >= 1",
                                   f"shape {tuple(windows.shape)}", "See hankel.")
    if filter_size > windows.shape[1]:
        raise InvalidArgumentError(
            "filter_size", f"at most the length of the windows, {windows.shape[1]}",
            str(filter_size), "Use a shorter filter or longer windows.")
    if isinstance(windows, torch.Tensor):
        return windows.unfold(1, filter_size, stride)
    return np.lib.stride_tricks.sliding_window_view(windows, filter_size, axis=1)[:, ::stride]


def _finite_windows(X: Any) -> Any:
    """Return a tensor as it is and anything else as an array, of finite real numbers."""
    windows: Any = X
    if isinstance(X, torch.Tensor):
        check_real_tensor(X, "X")
        finite = bool(torch.isfinite(X).all())
    else:
        windows = as_real_array(X, "X")
        finite = bool(np.isfinite(windows).all())
    if not finite:
        raise InvalidArgumentError(
            "X", "finite", "NaN or infinite values", "Fill or drop them first.")
    return windows
