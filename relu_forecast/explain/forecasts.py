"""A forecast, explained: what it is a sum of, and which autoregression it is."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.explain.fitted import FittedSeries
from relu_forecast.forecasting.data.reading import read_ahead
from relu_forecast.forecasting.models.decomposition import Decomposition
from relu_forecast.validation import Array, check_positive_int

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = {"base": "start", "linear": "linear", "neuron": "neurons", "analogs": "analogs"}


@dataclass(frozen=True)
class ForecastExplanation:
    """The forecasts of one series from one cutoff, explained.

    Attributes
    ----------
    unique_id : hashable
        Which series.
    times : pandas.Index, shape (h,)
        What is forecast.
    decomposition : Decomposition
        The same as arrays.
    """

    unique_id: Hashable
    times: pd.Index
    decomposition: Decomposition

    @property
    def steps(self) -> pd.DataFrame:
        """A row per step: time, forecast, and what it is the sum of, by kind.

        Columns: ``ds``, ``step``, ``start`` (the last known sample, or the level, that it starts
        from), ``linear`` (what linear parts add), ``neurons``, ``analogs``, ``forecast``,
        ``firing`` (neurons that are switched on) and ``constant`` (what is left of the forecast
        beside the autoregression of `coefficients`).
        """
        parts, own = self.decomposition.parts, self.decomposition
        kinds = np.array([one.part.kind for one in parts])
        sums = {name: own.contributions[:, kinds == kind].sum(axis=1)
                for kind, name in _KINDS.items() if (kinds == kind).any()}
        return pd.DataFrame({
            "ds": self.times, "step": self._numbers, **sums, "forecast": own.forecasts,
            "firing": own.fires[:, kinds == "neuron"].sum(axis=1), "constant": own.constants})

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """A row per step and part: ``contribution`` in the unit of the data.

        Columns: ``ds``, ``step``, ``member`` (of a committee, whose weight is in the
        contribution), ``part``, ``kind`` (base, linear, neuron or analogs), ``fires`` and
        ``contribution``. Of a step they add up to the forecast.
        """
        own = self.decomposition
        h, count = own.contributions.shape
        return pd.DataFrame({
            "ds": self.times.repeat(count), "step": self._numbers.repeat(count),
            "member": [one.member for one in own.parts] * h,
            "part": [one.part.name for one in own.parts] * h,
            "kind": [one.part.kind for one in own.parts] * h,
            "fires": own.fires.ravel(), "contribution": own.contributions.ravel()})

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        """A row per step and lag: the autoregression that the forecast is.

        ``forecast = constant + sum of coefficient * sample`` over the ``lag`` samples back, 1 being
        the last known one; exactly, for all windows at which the same neurons fire.
        """
        h, length = self.decomposition.coefficients.shape
        return pd.DataFrame({
            "ds": self.times.repeat(length), "step": self._numbers.repeat(length),
            "lag": np.tile(np.arange(length, 0, -1), h),
            "sample": np.tile(self.decomposition.window, h),
            "coefficient": self.decomposition.coefficients.ravel()})

    @property
    def _numbers(self) -> Any:
        """Steps ahead, 1 to h."""
        return np.arange(1, len(self.times) + 1)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what the forecasts are sums of, see `relu_forecast.plots.plot_contributions`."""
        from relu_forecast.plots import plot_contributions

        return plot_contributions(self.steps, ax=ax)


def forecast(model: Any, h: int | None = None, *, unique_id: Hashable = None, cutoff: Any = None,
             future: pd.DataFrame | None = None) -> ForecastExplanation:
    """Explain what a fitted forecaster says of the samples after a cutoff.

    Parameters
    ----------
    model : Forecaster
        Fitted: a `ReLUForecaster`, `Analogs`, or an autoregression with a linear model or a
        network, such as `RidgeAR`.
    h : int, optional
        Samples to forecast; None takes the horizon of the fit.
    unique_id : hashable, optional
        Which series; not needed where there is one.
    cutoff : optional
        Time of the last sample that is known to the forecast, as in the data. None is the end of
        the series: what is explained is `predict`. An earlier one shows what the model as it is now
        says there; the weights of a committee are those at the end.
    future : pandas.DataFrame, optional
        As for `predict`, for models with columns that are known ahead.

    Returns
    -------
    ForecastExplanation
        Tables of contributions and coefficients.

    Raises
    ------
    InvalidArgumentError
        The model is of another kind, or has a regressor that is no sum of parts; there is no such
        series or cutoff; or there are too few samples before it.

    Examples
    --------
    >>> wave = np.abs(np.sin(np.arange(100) / 5))
    >>> from relu_forecast.baselines import RidgeAR
    >>> told = forecast(RidgeAR(2).fit(wave), h=1)
    >>> told.coefficients["lag"].tolist()
    [2, 1]
    """
    fitted = FittedSeries.of(model, unique_id)
    if not hasattr(fitted.state, "decompose"):
        raise InvalidArgumentError(
            "model", "a ReLUForecaster, Analogs, or an autoregression on windows",
            type(model).__name__, "Other models are no sums of neurons and linear functions.")
    h = check_positive_int(model.horizon_ if h is None else h, "h",
                           "Pass how many samples to forecast, >= 1.")
    place, times, known = _end(fitted, h, future) if cutoff is None else _within(fitted, h, cutoff)
    arrays = fitted.series.arrays(model.covariates, known)
    return ForecastExplanation(
        fitted.series.unique_id, times, fitted.state.decompose(arrays, place, h))


def _end(fitted: FittedSeries, h: int, future: Any) -> tuple[int, pd.Index, Array | None]:
    """Return the last position, the times after it, and the columns that are known there."""
    series, panel = fitted.series, replace(fitted.model.panel_, series=(fitted.series,))
    times = series.clock.after(h)
    [known] = read_ahead(panel, future, [times], fitted.model.covariates.future)
    return len(series) - 1, pd.Index(times), known


def _within(fitted: FittedSeries, h: int, cutoff: Any) -> tuple[int, pd.Index, None]:
    """Return the position of a cutoff, and the times after it, within the series."""
    all_times = fitted.series.times
    place = _place(all_times, cutoff)
    times = all_times[place + 1 : place + 1 + h]
    lookback = getattr(fitted.state, "lookback", fitted.model.lookback)
    if place + 1 < lookback or len(times) < h:
        raise InvalidArgumentError(
            "cutoff", f"after at least {lookback} samples, and {h} before the end of the series",
            f"{cutoff}, the sample number {place + 1} of {len(all_times)}",
            "Pass another one; or leave it out for what comes after the end.")
    return place, times, None


def _place(times: pd.Index, cutoff: Any) -> int:
    """Return the position of a time."""
    places = np.flatnonzero(times == cutoff)
    if len(places) != 1:
        raise InvalidArgumentError(
            "cutoff", f"a time of the series, {times[0]} to {times[-1]}", str(cutoff),
            "Pass the time of the last sample that the forecast may know.")
    return int(places[0])
