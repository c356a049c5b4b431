"""Autoregression with trend and season, estimated by statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relu_forecast.baselines.statistical import StatisticalForecaster
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.storage import COUNT, VECTOR, Maybe, Whole, stored
from relu_forecast.validation import Array, check_choice, check_int

TREND_TERMS = {"n": 0, "c": 1, "t": 1, "ct": 2}
"""Trends that `AutoReg` takes, and how many terms each adds."""


@stored(order=COUNT, period=Maybe(Whole(2)), n_samples=Whole(1))
@dataclass(frozen=True)
class Terms:
    """Trend and seasonal terms of a training part, and of the samples that follow."""

    constant: bool
    """Whether there is a term that is 1."""
    order: int
    """Powers of time, 0 or 1."""
    period: int | None
    """Samples in a season, which has a term per sample."""
    n_samples: int
    """Samples of the training part."""

    def process(self) -> Any:
        """Return statsmodels' rule for these terms."""
        # statsmodels takes a second to import, and only this class needs it.
        from statsmodels.tsa.deterministic import DeterministicProcess

        return DeterministicProcess(range(self.n_samples), constant=self.constant, order=self.order,
                                    seasonal=self.period is not None, period=self.period)


@stored(lag_weights=VECTOR, term_weights=VECTOR)
@dataclass(frozen=True)
class AutoRegModel:
    """Parameters of an autoregression with trend and seasonal terms."""

    lag_weights: Array
    """Shape (lags,). Weights of the samples before, oldest first."""
    term_weights: Array
    """Shape (n_terms,). Weights of the trend and seasonal terms."""
    terms: Terms
    """The rule for these terms, which continues beyond the training part."""

    def levels(self, steps: int) -> Array:
        """Return trend plus season for the ``steps`` samples after the training part."""
        if self.term_weights.size == 0:
            return np.zeros(steps)
        return np.asarray(self.terms.process().out_of_sample(steps).to_numpy() @ self.term_weights)

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each cutoff, shape (C, h)."""
        levels = self.levels(int(past.elapsed.max()) + h)
        lags, length = len(self.lag_weights), past.windows.shape[1]
        path = np.concatenate([past.windows, np.empty((len(past.windows), h))], axis=1)
        for step in range(h):
            recent = path[:, length + step - lags : length + step]
            path[:, length + step] = recent @ self.lag_weights + levels[past.elapsed + step]
        return path[:, length:]


class AutoReg(StatisticalForecaster):
    """Autoregression of statsmodels, by conditional least squares, with trend and season.

    The estimates are ``statsmodels.tsa.ar_model.AutoReg``'s, and so are the forecasts. From a
    cutoff after the training part, the parameters stay, and lags, trend and season move on.

    Parameters
    ----------
    lags : int, default 15
        Samples that each forecast is linear in; 0 leaves trend and season alone.
    trend : {"n", "c", "t", "ct"}, default "c"
        None, a constant, a time trend, or both.
    season_length : int, optional
        Samples in a season, each with a level of its own; None has no season.
    alias : str, default "AutoReg"
        Column of the forecasts.
    """

    state_class = AutoRegModel

    def __init__(self, lags: int = 15, trend: str = "c", season_length: int | None = None,
                 alias: str = "AutoReg") -> None:
        self.lags = lags
        self.trend = trend
        self.season_length = season_length
        self.alias = alias

    def check_parameters(self) -> None:
        super().check_parameters()
        check_int(self.lags, "lags", minimum=0, remedy="Pass how many samples to look back on.")
        check_choice(self.trend, "trend", tuple(TREND_TERMS))
        if self._n_terms == 0 and self.lags == 0:
            raise InvalidArgumentError(
                "lags", ">= 1 with trend='n' and no season", "0", "Add lags, a trend or a season.")

    @property
    def _n_terms(self) -> int:
        """Trend and seasonal terms; the first season is left out where there is a constant."""
        seasons = 0 if self.season_length is None else self.season_length - ("c" in self.trend)
        return TREND_TERMS[self.trend] + seasons

    @property
    def lookback(self) -> int:
        return max(self.lags, 1)

    def min_length(self, h: int) -> int:
        # statsmodels asks for more equations than parameters.
        return 2 * self.lags + self._n_terms + 1

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> AutoRegModel:
        from statsmodels.tsa.ar_model import AutoReg as Estimator

        terms = self._terms(len(history))
        model = Estimator(history.values, self.lags, trend="n", deterministic=terms.process())
        weights = np.asarray(model.fit().params)
        n_terms = len(weights) - self.lags
        # Copies, as files keep them: the last bits of products rest on the order in memory.
        return AutoRegModel(weights[n_terms:][::-1].copy(), weights[:n_terms].copy(), terms)

    def _terms(self, n_samples: int) -> Terms:
        """Return the terms of a training part."""
        return Terms("c" in self.trend, int("t" in self.trend), self.season_length, n_samples)

    def check_state(self, state: Any, n_samples: int) -> None:
        super().check_state(state, n_samples)
        shapes = state.lag_weights.shape, state.term_weights.shape
        if shapes != ((self.lags,), (self._n_terms,)):
            raise ValueError("it must have a weight per lag and term")
        if state.terms != self._terms(min(state.terms.n_samples, n_samples)):
            raise ValueError("it must have the terms of the parameters")
