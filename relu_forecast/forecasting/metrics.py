"""Errors of forecasts, each with the unit or scale that it is on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import check_positive, check_positive_int, check_values

_SCALE_REMEDY = (
    "Pass naive_mae or naive_rmse of a training part that its seasonal-naive forecast misses.")


def mae(y: Any, forecast: Any) -> float:
    """Mean absolute error, in the unit of the data.

    Parameters
    ----------
    y, forecast : array_like, of one shape
        What happened, and what was forecast.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or an entry is not a finite number, or there is none.

    Examples
    --------
    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    actual, predicted = _pair(y, forecast)
    return float(np.abs(actual - predicted).mean())


def rmse(y: Any, forecast: Any) -> float:
    """Root mean squared error, in the unit of the data.

    Parameters
    ----------
    y, forecast : array_like, of one shape
        What happened, and what was forecast.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or an entry is not a finite number, or there is none.

    Examples
    --------
    >>> rmse([1.0, 2.0], [2.0, 3.0])
    1.0
    """
    actual, predicted = _pair(y, forecast)
    return float(np.sqrt(np.square(actual - predicted).mean()))


def smape(y: Any, forecast: Any) -> float:
    """Symmetric mean absolute percentage error, in percent, from 0 to 200.

    The mean of ``200 |y - f| / (|y| + |f|)``, as in the M4 competition; where both are 0 the
    forecast is exact and counts as 0. It means little for data that crosses zero.

    Parameters
    ----------
    y, forecast : array_like, of one shape
        What happened, and what was forecast.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or an entry is not a finite number, or there is none.

    Examples
    --------
    >>> smape([1.0, 0.0], [3.0, 0.0])
    50.0
    """
    actual, predicted = _pair(y, forecast)
    size = np.abs(actual) + np.abs(predicted)
    ratio = np.divide(np.abs(actual - predicted), size, out=np.zeros_like(size), where=size > 0)
    return float(200 * ratio.mean())


def mase(y: Any, forecast: Any, scale: float) -> float:
    """Mean absolute scaled error: `mae` over that of the seasonal-naive forecast in training.

    Below 1 the forecast beats, h steps ahead, what repeating the last season achieved one
    season ahead in the training part (Hyndman & Koehler, 2006).

    Parameters
    ----------
    y, forecast : array_like, of one shape
        What happened, and what was forecast, of one series.
    scale : float
        `naive_mae` of the training part of this series, in the unit of the data.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        As for `mae`, or if ``scale`` is not above 0.

    Examples
    --------
    >>> mase([5.0, 6.0], [4.0, 5.0], scale=naive_mae([0.0, 2.0, 4.0]))
    0.5
    """
    return mae(y, forecast) / check_positive(scale, "scale", _SCALE_REMEDY)


def rmsse(y: Any, forecast: Any, scale: float) -> float:
    """Root mean squared scaled error: `rmse` over that of the seasonal-naive forecast.

    The measure of the M5 competition, before its weights.

    Parameters
    ----------
    y, forecast : array_like, of one shape
        What happened, and what was forecast, of one series.
    scale : float
        `naive_rmse` of the training part of this series, in the unit of the data.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        As for `mae`, or if ``scale`` is not above 0.

    Examples
    --------
    >>> rmsse([5.0, 6.0], [4.0, 5.0], scale=naive_rmse([0.0, 2.0, 4.0]))
    0.5
    """
    return rmse(y, forecast) / check_positive(scale, "scale", _SCALE_REMEDY)


def naive_mae(training: Any, season_length: int = 1) -> float:
    """Mean absolute error, in training, of repeating the sample one season before.

    Parameters
    ----------
    training : array_like, shape (n,)
        The training part of one series.
    season_length : int, default 1
        Samples in a season; 1 repeats the last sample.

    Returns
    -------
    float
        The scale of `mase`, in the unit of the data.

    Raises
    ------
    InvalidArgumentError
        If the training part has no sample beyond its first season, or is not finite.
    """
    return float(np.abs(_seasonal_differences(training, season_length)).mean())


def naive_rmse(training: Any, season_length: int = 1) -> float:
    """Root mean squared error, in training, of repeating the sample one season before.

    Parameters
    ----------
    training : array_like, shape (n,)
        The training part of one series.
    season_length : int, default 1
        Samples in a season; 1 repeats the last sample.

    Returns
    -------
    float
        The scale of `rmsse`, in the unit of the data.

    Raises
    ------
    InvalidArgumentError
        If the training part has no sample beyond its first season, or is not finite.
    """
    return float(np.sqrt(np.square(_seasonal_differences(training, season_length)).mean()))


def _seasonal_differences(training: Any, season_length: int) -> npt.NDArray[np.float64]:
    """Return each sample minus the one a season before."""
    season = check_positive_int(season_length, "season_length")
    values = check_values(training, "training")
    if len(values) <= season:
        raise InvalidArgumentError(
            "season_length", f"below the {len(values)} samples of the training part", str(season),
            "Use a shorter season, or more training samples.")
    return values[season:] - values[:-season]


def _pair(y: Any, forecast: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return both as finite float vectors of equal length."""
    shapes = np.shape(y), np.shape(forecast)
    if shapes[0] != shapes[1]:
        raise InvalidArgumentError(
            "forecast", f"of the shape of y, {shapes[0]}", f"shape {shapes[1]}",
            "Pass one forecast for each sample.")
    return check_values(np.ravel(y), "y"), check_values(np.ravel(forecast), "forecast")
