"""Measures of forecasts: each is defined once, in `METRICS`, with its losses, unit and scale.

The functions and the tables of scores both come from there. Lower is better but in coverage.
To add a metric, add an entry to `METRICS`; and a function, if people are to call it by itself.
Losses of quantiles and intervals are those of the package scoringrules.

All functions return a float. They raise `InvalidArgumentError` for what is out of range, shapes
that differ, entries that are not finite, and no entries at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import scoringrules

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import (
    Array,
    as_real_array,
    check_positive,
    check_positive_int,
    check_real,
    check_values,
)

_SCALE_REMEDY = (
    "Pass naive_mae or naive_rmse of a training part that its seasonal-naive forecast misses.")


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
    """Root mean squared error of the same, the scale of `rmsse`; arguments as for `naive_mae`."""
    return float(np.sqrt(np.square(_seasonal_differences(training, season_length)).mean()))


def _seasonal_differences(training: Any, season_length: int) -> Array:
    """Return each sample minus the one a season before."""
    season = check_positive_int(season_length, "season_length")
    values = check_values(training, "training")
    if len(values) <= season:
        raise InvalidArgumentError(
            "season_length", f"below the {len(values)} samples of the training part", str(season),
            "Use a shorter season, or more training samples.")
    return values[season:] - values[:-season]


def _symmetric_percentages(y: Array, forecast: Array) -> Array:
    """Return the symmetric percentage error of each row, 0 where both are 0."""
    size = np.abs(y) + np.abs(forecast)
    ratio = np.zeros_like(size)
    np.divide(np.abs(y - forecast), size, out=ratio, where=size != 0)
    return 200 * ratio


def _covered(y: Array, lower: Array, upper: Array, level: float) -> Array:
    """Return 1 where an interval covers, 0 where it does not, and NaN where it has no end."""
    inside = (lower <= y) & (y <= upper)
    return np.asarray(np.where(np.isnan(lower) | np.isnan(upper), np.nan, inside))


def _winkler_scores(y: Array, lower: Array, upper: Array, level: float) -> Array:
    """Return the Winkler score of each row; ``level`` is in percent."""
    missed = 1 - level / 100
    scores = scoringrules.interval_score(y, lower, upper, missed, backend="numpy")
    return np.asarray(scores).reshape(y.shape)  # a single sample has lost its axis


@dataclass(frozen=True)
class Metric:
    """How a measure of forecasts is computed: the mean of losses by row, or the root of it.

    Attributes
    ----------
    losses : callable
        Takes what happened, shape (n,), and what ``takes`` says; returns losses, shape (n,).
    takes : {"forecast", "interval", "distribution", "quantile"}
        Forecasts, shape (n,); or lower and upper ends, shape (n,) each, and their level in
        percent; or quantiles, shape (n, q), and which ones they are, shape (q,); or one quantile,
        shape (n,), and which one it is.
    unit : {"data", "percent", "share", "scale"}, default "data"
        A score is in the unit of the data, in percent, a share from 0 to 1, or relative to
        ``scale``.
    root : bool, default False
        Whether the score is the square root of the mean.
    scale : callable, optional
        Takes a training part and a season length, and returns what scores are divided by.
    lower_is_better : bool, default True
        False where the best score is what was promised.
    by_default : bool, default True
        Whether tables of scores have it unasked.
    """

    losses: Callable[..., Array]
    takes: Literal["forecast", "interval", "distribution", "quantile"]
    unit: Literal["data", "percent", "share", "scale"] = "data"
    root: bool = False
    scale: Callable[[Any, int], float] | None = None
    lower_is_better: bool = True
    by_default: bool = True

    def of_means(self, means: Any) -> Any:
        """Return the scores, not yet scaled, whose losses have these means; of any shape."""
        return np.sqrt(means) if self.root else means


METRICS: Mapping[str, Metric] = MappingProxyType({
    "mae": Metric(lambda y, f: np.abs(y - f), "forecast"),
    "rmse": Metric(lambda y, f: np.square(y - f), "forecast", root=True),
    "mase": Metric(lambda y, f: np.abs(y - f), "forecast", unit="scale", scale=naive_mae),
    "rmsse": Metric(lambda y, f: np.square(y - f), "forecast", unit="scale", root=True,
                    scale=naive_rmse),
    "smape": Metric(_symmetric_percentages, "forecast", unit="percent"),
    "coverage": Metric(_covered, "interval", unit="share", lower_is_better=False),
    "winkler": Metric(_winkler_scores, "interval"),
    # scoringrules would take numba where it happens to be installed: other sums, and a cache.
    "crps": Metric(partial(scoringrules.crps_quantile, backend="numpy"), "distribution"),
    "pinball": Metric(partial(scoringrules.quantile_score, backend="numpy"), "quantile",
                      by_default=False)})
"""All metrics by name, in the order of tables."""


def _score_of(name: str, *arguments: Any, scale: Any = None) -> float:
    """Return the score of checked arguments; ``scale`` is for the metrics that have one."""
    metric = METRICS[name]
    score = float(metric.of_means(metric.losses(*arguments).mean()))
    return score if metric.scale is None else score / check_positive(scale, "scale", _SCALE_REMEDY)


def mae(y: Any, forecast: Any) -> float:
    """Mean absolute error, in the unit of the data.

    Parameters
    ----------
    y, forecast : array_like, of one shape
        What happened, and what was forecast.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or an entry is not a finite number, or there is none.

    Examples
    --------
    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return _score_of("mae", *_pair(y, forecast))


def rmse(y: Any, forecast: Any) -> float:
    """Root mean squared error, in the unit of the data; arguments and errors as for `mae`.

    Examples
    --------
    >>> rmse([1.0, 2.0], [2.0, 3.0])
    1.0
    """
    return _score_of("rmse", *_pair(y, forecast))


def smape(y: Any, forecast: Any) -> float:
    """Symmetric mean absolute percentage error, in percent, from 0 to 200.

    The mean of ``200 |y - f| / (|y| + |f|)``, as in the M4 competition; where both are 0 the
    forecast is exact and counts as 0. It means little for data that crosses zero. Arguments and
    errors are as for `mae`.

    Examples
    --------
    >>> smape([1.0, 0.0], [3.0, 0.0])
    50.0
    """
    return _score_of("smape", *_pair(y, forecast))


def mase(y: Any, forecast: Any, scale: float) -> float:
    """Mean absolute scaled error: `mae` over that of the seasonal-naive forecast in training.

    Below 1 the forecast beats, h steps ahead, what repeating the last season achieved one
    season ahead in the training part (Hyndman & Koehler, 2006).

    Parameters
    ----------
    y, forecast : array_like, of one shape
        As for `mae`, of one series.
    scale : float
        `naive_mae` of the training part of this series, above 0, in the unit of the data.

    Examples
    --------
    >>> mase([5.0, 6.0], [4.0, 5.0], scale=naive_mae([0.0, 2.0, 4.0]))
    0.5
    """
    return _score_of("mase", *_pair(y, forecast), scale=scale)


def rmsse(y: Any, forecast: Any, scale: float) -> float:
    """Root mean squared scaled error: `rmse` over that of the seasonal-naive forecast.

    The measure of the M5 competition, before its weights. Arguments are as for `mase`, but that
    ``scale`` is `naive_rmse` of the training part.

    Examples
    --------
    >>> rmsse([5.0, 6.0], [4.0, 5.0], scale=naive_rmse([0.0, 2.0, 4.0]))
    0.5
    """
    return _score_of("rmsse", *_pair(y, forecast), scale=scale)


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

    Examples
    --------
    >>> pinball([1.0, 5.0], [2.0, 4.0], quantile=0.9)
    0.5
    """
    actual, predicted = _pair(y, quantile_forecast, "quantile_forecast")
    share = check_real(quantile, "quantile", "Pass for example 0.9.")
    _check_inside(np.array([share]), "quantile")
    return _score_of("pinball", actual, predicted, share)


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
    return _score_of("crps", actual, predicted, shares)


def winkler(y: Any, lower: Any, upper: Any, level: float) -> float:
    """Mean Winkler (interval) score of prediction intervals, in the unit of the data.

    The width of each interval, plus ``2 / (1 - level / 100)`` times what the sample is outside
    by (Winkler, 1972; Gneiting & Raftery, 2007). Best are the quantiles ``(1 ± level / 100) / 2``.

    Parameters
    ----------
    y, lower, upper : array_like, of one shape
        What happened, and the ends of the intervals that were forecast, no upper one below its
        lower one.
    level : float
        How many of the samples the intervals are to cover, in percent, 0 to 100, exclusive.

    Examples
    --------
    >>> winkler([1.0, 5.0], [0.0, 2.0], [2.0, 4.0], level=80)
    7.0
    """
    return _score_of("winkler", *_bounds(y, lower, upper), check_level(level))


def coverage(y: Any, lower: Any, upper: Any) -> float:
    """Share of the samples that their prediction intervals cover, 0 to 1; ends count as inside.

    Best is what the level of the intervals promises, not 1. Arguments are as for `winkler`.

    Examples
    --------
    >>> coverage([1.0, 5.0], [0.0, 2.0], [2.0, 4.0])
    0.5
    """
    return _score_of("coverage", *_bounds(y, lower, upper), np.nan)  # the level is not used


def check_level(level: Any) -> float:
    """Return ``level`` as a percentage between 0 and 100, exclusive."""
    number = check_real(level, "level", "Pass for example level=95.")
    if not 0 < number < 100:
        raise InvalidArgumentError("level", "a percentage between 0 and 100, exclusive",
                                   repr(level), "Pass for example level=95.")
    return number


def _pair(y: Any, forecast: Any, name: str = "forecast") -> tuple[Array, Array]:
    """Return both as finite float vectors of equal length."""
    shapes = np.shape(y), np.shape(forecast)
    if shapes[0] != shapes[1]:
        raise InvalidArgumentError(name, f"of the shape of y, {shapes[0]}", f"shape {shapes[1]}",
                                   "Pass one forecast for each sample.")
    return check_values(np.ravel(y), "y"), check_values(np.ravel(forecast), name)


def _bounds(y: Any, lower: Any, upper: Any) -> tuple[Array, Array, Array]:
    """Return all three as finite float vectors of equal length, the bounds in order."""
    (actual, low), (_, high) = _pair(y, lower, "lower"), _pair(y, upper, "upper")
    crossed = np.flatnonzero(high < low)
    if crossed.size:
        raise InvalidArgumentError(
            "upper", "nowhere below lower",
            f"{crossed.size} such intervals, the first at position {crossed[0]}",
            "Swap the two, or sort each pair.")
    return actual, low, high


def _check_inside(quantiles: Array, name: str) -> None:
    """Refuse quantiles that are not between 0 and 1."""
    outside = quantiles[(quantiles <= 0) | (quantiles >= 1)]
    if outside.size:
        raise InvalidArgumentError(name, "between 0 and 1, exclusive", f"{outside[0]:g}",
                                   "Pass shares, not percentages: 0.9 for the 90 % quantile.")
