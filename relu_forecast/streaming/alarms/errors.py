"""Errors of forecasts, ordered by the sample that they are of, as alarms need them."""

from __future__ import annotations

from typing import Any

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import Array, as_real_array


def errors_by_sample(forecasts: Any, values: Any) -> Array:
    """Return the absolute errors of each sample's forecasts.

    Parameters
    ----------
    forecasts : array-like, shape (T, H)
        Row t holds what was forecast for samples t + 1, ..., t + H when sample t was the last
        known one; NaN where nothing was.
    values : array-like, shape (T,)
        The samples; NaN where one is missing.

    Returns
    -------
    ndarray, shape (T, H)
        Row t holds ``|values[t] - forecasts[t - k, k - 1]|`` for k = 1, ..., H; NaN where one of
        them is missing.

    Raises
    ------
    InvalidArgumentError
        If the shapes do not go together.

    Examples
    --------
    >>> errors_by_sample([[2.0, 3.0], [4.0, 5.0], [4.0, 6.0]], [1.0, 2.0, 5.0])
    array([[nan, nan],
           [ 0., nan],
           [ 1.,  2.]])
    """
    made = as_real_array(forecasts, "forecasts").astype(np.float64)
    samples = as_real_array(values, "values").astype(np.float64)
    if made.ndim != 2 or samples.shape != made.shape[:1] or made.shape[1] == 0:
        raise InvalidArgumentError(
            "forecasts", "a matrix (T, H) with a row for each of the T values",
            f"shape {made.shape} beside values of shape {samples.shape}",
            "Put NaN where nothing was forecast.")
    errors: Array = np.abs(samples[:, np.newaxis] - _delayed(made, len(made)))
    return errors


def by_sample(errors: Array) -> Array:
    """Return errors (m, H) by origin as errors by sample, from the first one after an origin.

    Entry (i, k) is of sample i + k; samples of which no error is known are left out.
    """
    m, horizon = errors.shape
    rows = _delayed(errors, m + horizon)
    known: Array = rows[~np.isnan(rows).all(axis=1)]
    return known


def _delayed(rows: Array, length: int) -> Array:
    """Return so many rows, column k - 1 moved down by k; NaN where there is nothing."""
    moved = np.full((length, rows.shape[1]), np.nan)
    for step in range(1, rows.shape[1] + 1):
        column = rows[: max(length - step, 0), step - 1]
        moved[step : step + len(column), step - 1] = column
    return moved
