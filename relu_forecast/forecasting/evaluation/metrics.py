"""Scores of forecasts, each with the unit or scale that it is on; lower is better but in coverage.

Scores of quantiles and intervals are those of the package scoringrules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scoringrules

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import (
    as_real_array,
    check_positive,
    check_positive_int,
    check_real,
    check_values,
)

_Array = npt.NDArray[np.float64]

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
    return float(symmetric_percentages(*_pair(y, forecast)).mean())


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


def pinball(y: Any, quantile_forecast: Any, quantile: float) -> float:
    """Mean pinball loss of forecasts of one quantile, in the unit of the data.

    The mean of ``q (y - f)`` where y is above the forecast f and ``(1 - q) (f - y)`` where it is
    below, least where f is the quantile q (Koenker & Bassett, 1978). At 0.5 it is half of `mae`.

    Parameters
    ----------
    y, quantile_forecast : array_like, of one shape
        What happened, and the quantile that was forecast.
    quantile : float
        Which one, between 0 and 1, exclusive.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        As for `mae`, or if ``quantile`` is out of range.

    Examples
    --------
    >>> pinball([1.0, 5.0], [2.0, 4.0], quantile=0.9)
    0.5
    """
    actual, predicted = _pair(y, quantile_forecast, "quantile_forecast")
    share = check_real(quantile, "quantile", "Pass for example 0.9.")
    _check_inside(np.array([share]), "quantile")
    return float(pinball_losses(actual, predicted, share).mean())


def crps(y: Any, quantile_forecasts: Any, quantiles: Any) -> float:
    """Continuous ranked probability score of a forecast distribution, from some quantiles of it.

    In the unit of the data, and `mae` where the distribution is a point. The score is twice the
    integral of the pinball loss over all quantiles; here it is twice the *mean over the given
    quantiles*. That is close to it for many evenly spaced quantiles, and for few ones still a
    proper score of these, which compares forecasts of the same quantiles only.

    Parameters
    ----------
    y : array_like, shape (n,)
        What happened.
    quantile_forecasts : array_like, shape (n, q)
        The quantiles that were forecast, a column each.
    quantiles : array_like, shape (q,)
        Which ones, between 0 and 1, exclusive, in the order of the columns.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        If the shapes do not fit, an entry is not a finite number or there is none, or a quantile
        is out of range.

    Examples
    --------
    >>> crps([1.0, 5.0], [[0.0, 1.0, 3.0], [2.0, 4.0, 9.0]], quantiles=[0.1, 0.5, 0.9])
    0.5
    """
    actual = check_values(y, "y")
    shares = check_values(quantiles, "quantiles")
    _check_inside(shares, "quantiles")
    predicted = as_real_array(quantile_forecasts, "quantile_forecasts").astype(np.float64)
    if predicted.shape != (len(actual), len(shares)):
        raise InvalidArgumentError(
            "quantile_forecasts", f"of shape {(len(actual), len(shares))}, a column per quantile",
            f"shape {predicted.shape}", "Pass one row for each sample.")
    check_values(predicted.ravel(), "quantile_forecasts")
    return float(crps_losses(actual, predicted, shares).mean())


def winkler(y: Any, lower: Any, upper: Any, level: float) -> float:
    """Mean Winkler (interval) score of prediction intervals, in the unit of the data.

    The width of each interval, plus ``2 / (1 - level / 100)`` times what the sample is outside
    by (Winkler, 1972; Gneiting & Raftery, 2007). Best are the quantiles ``(1 ± level / 100) / 2``.

    Parameters
    ----------
    y, lower, upper : array_like, of one shape
        What happened, and the intervals that were forecast.
    level : float
        How many of the samples the intervals are to cover, in percent.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        As for `mae`, or if an interval ends below its start, or ``level`` is not between 0 and
        100, exclusive.

    Examples
    --------
    >>> winkler([1.0, 5.0], [0.0, 2.0], [2.0, 4.0], level=80)
    7.0
    """
    bounds = _bounds(y, lower, upper)
    return float(winkler_losses(*bounds, check_level(level)).mean())


def coverage(y: Any, lower: Any, upper: Any) -> float:
    """Share of the samples that their prediction intervals cover, 0 to 1; ends count as inside.

    Best is what the level of the intervals promises, not 1.

    Parameters
    ----------
    y, lower, upper : array_like, of one shape
        What happened, and the intervals that were forecast.

    Returns
    -------
    float

    Raises
    ------
    InvalidArgumentError
        As for `mae`, or if an interval ends below its start.

    Examples
    --------
    >>> coverage([1.0, 5.0], [0.0, 2.0], [2.0, 4.0])
    0.5
    """
    return float(covered(*_bounds(y, lower, upper)).mean())


def symmetric_percentages(y: _Array, forecast: _Array) -> _Array:
    """Return the terms whose mean is `smape`."""
    size = np.abs(y) + np.abs(forecast)
    ratio = np.zeros_like(size)
    np.divide(np.abs(y - forecast), size, out=ratio, where=size != 0)
    return 200 * ratio


def pinball_losses(y: _Array, quantile_forecast: _Array, quantile: float) -> _Array:
    """Return the terms whose mean is `pinball`."""
    return np.asarray(
        scoringrules.quantile_score(y, quantile_forecast, quantile, backend="numpy"))


def crps_losses(y: _Array, quantile_forecasts: _Array, quantiles: _Array) -> _Array:
    """Return the terms whose mean is `crps`."""
    # scoringrules would take numba where it happens to be installed: other sums, and a cache.
    return np.asarray(
        scoringrules.crps_quantile(y, quantile_forecasts, quantiles, backend="numpy"))


def winkler_losses(y: _Array, lower: _Array, upper: _Array, level: float) -> _Array:
    """Return the terms whose mean is `winkler`."""
    missed = 1 - level / 100
    scores = scoringrules.interval_score(y, lower, upper, missed, backend="numpy")
    return np.asarray(scores).reshape(y.shape)  # a single sample has lost its axis


def covered(y: _Array, lower: _Array, upper: _Array) -> _Array:
    """Return the terms whose mean is `coverage`: 1 inside and 0 outside; NaN without bounds."""
    inside = (lower <= y) & (y <= upper)
    return np.asarray(np.where(np.isnan(lower) | np.isnan(upper), np.nan, inside))


def check_level(level: Any) -> float:
    """Return ``level`` as a percentage between 0 and 100, exclusive."""
    number = check_real(level, "level", "Pass for example level=95.")
    if not 0 < number < 100:
        raise InvalidArgumentError("level", "a percentage between 0 and 100, exclusive",
                                   repr(level), "Pass for example level=95.")
    return number


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


def _seasonal_differences(training: Any, season_length: int) -> _Array:
    """Return each sample minus the one a season before."""
    season = check_positive_int(season_length, "season_length")
    values = check_values(training, "training")
    if len(values) <= season:
        raise InvalidArgumentError(
            "season_length", f"below the {len(values)} samples of the training part", str(season),
            "Use a shorter season, or more training samples.")
    return values[season:] - values[:-season]


def _pair(y: Any, forecast: Any, name: str = "forecast") -> tuple[_Array, _Array]:
    """Return both as finite float vectors of equal length."""
    shapes = np.shape(y), np.shape(forecast)
    if shapes[0] != shapes[1]:
        raise InvalidArgumentError(
            name, f"of the shape of y, {shapes[0]}", f"shape {shapes[1]}",
            "Pass one forecast for each sample.")
    return check_values(np.ravel(y), "y"), check_values(np.ravel(forecast), name)


def _bounds(y: Any, lower: Any, upper: Any) -> tuple[_Array, _Array, _Array]:
    """Return all three as finite float vectors of equal length, the bounds in order."""
    (actual, low), (_, high) = _pair(y, lower, "lower"), _pair(y, upper, "upper")
    crossed = np.flatnonzero(high < low)
    if crossed.size:
        raise InvalidArgumentError(
            "upper", "nowhere below lower",
            f"{crossed.size} such intervals, the first at position {crossed[0]}",
            "Swap the two, or sort each pair.")
    return actual, low, high


def _check_inside(quantiles: _Array, name: str) -> None:
    """Refuse quantiles that are not between 0 and 1."""
    outside = quantiles[(quantiles <= 0) | (quantiles >= 1)]
    if outside.size:
        raise InvalidArgumentError(
            name, "between 0 and 1, exclusive", f"{outside[0]:g}",
            "Pass shares, not percentages: 0.9 for the 90 % quantile.")
