"""Seasonal ARIMA of statsmodels, with orders that are given or searched for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from relu_forecast.baselines import statistical
from relu_forecast.baselines.arima import search
from relu_forecast.baselines.arima.model import ArimaModel, constant_model, fit_first_regular
from relu_forecast.baselines.arima.orders import TRENDS, Orders, Sizes
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History
from relu_forecast.validation import Array, check_choice, check_int

# Changes to (p, q, P, Q, constant) that a search tries, both ways.
ORDER_MOVES = ((1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (1, 1, 0, 0, 0))
SEASONAL_MOVES = ((0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 1, 1, 0))
CONSTANT_MOVES = ((0, 0, 0, 0, 1),)
STARTS = ((0, 0), (2, 2), (1, 0), (0, 1))
"""Orders p and q, P and Q alike, from which a search starts, as far as they are free."""


class ARIMA(statistical.StatisticalForecaster):
    """Seasonal ARIMA of statsmodels, by maximum likelihood, with given or searched orders.

    ``phi(L) Phi(L^m) w[t] = c + theta(L) Theta(L^m) e[t]`` for the differenced series
    ``w = (1 - L)^d (1 - L^m)^D y``.

    The search is that of Hyndman and Khandakar (2008, Journal of Statistical Software 27(3)): D is
    1 if the season is strong (STL), d is the first for which the KPSS test finds a stationary
    level, and p, q, P, Q and the constant are those of least AICc, found step by step from four
    candidates. Candidates are fitted by conditional sum of squares, and left out unless they are
    stationary and invertible; the exact likelihood is maximised for the best of them alone, or for
    the next ones where its maximum is not so or not found. `ArimaSettings` says how many are tried
    at most. The likelihood is that of the differenced series, the diffuse one of the series itself.

    From a cutoff after the training part the parameters stay, and the Kalman filter moves on.
    A training part whose differences are all equal is continued with the same difference.

    Cost: the filter passes over the training part once for each candidate, and some hundred
    times for the best one; a pass is linear in the samples and cubic in the states,
    ``max(p + P m, q + Q m + 1)``, so seasons of many samples are slow.
    Warns with a `ConvergenceWarning` if the maximum of the likelihood is not reached.

    Parameters
    ----------
    order : tuple of 3 int, optional
        ``(p, d, q)``; None searches for them.
    season_length : int, optional
        Samples in a season, m; None has no season.
    seasonal_order : tuple of 3 int, optional
        ``(P, D, Q)``; None searches for them, each 0 or 1, if there is a ``season_length``.
    trend : {"n", "c"}, optional
        Leave the constant c out, or have it; after one difference it is a drift. None searches
        for it where d + D < 2, and has none elsewhere.
    max_order : int, default 5
        Largest p and q in a search.
    alias : str, default "ARIMA"
        Column of the forecasts.
    settings : ArimaSettings, optional
        Constants of the search and of the fit.

    Examples
    --------
    >>> model = ARIMA((0, 1, 0), trend="c").fit([1, 2, 4, 7, 9])
    >>> model.predict(h=2)["ARIMA"].round(6).tolist()
    [11.0, 13.0]
    """

    state_class = ArimaModel

    def __init__(self, order: Any = None, season_length: int | None = None,
                 seasonal_order: Any = None, trend: str | None = None, max_order: int = 5,
                 alias: str = "ARIMA", settings: search.ArimaSettings = search.SETTINGS) -> None:
        self.order = order
        self.season_length = season_length
        self.seasonal_order = seasonal_order
        self.trend = trend
        self.max_order = max_order
        self.alias = alias
        self.settings = settings

    def check_parameters(self) -> None:
        super().check_parameters()
        for name in ("order", "seasonal_order"):
            if getattr(self, name) is not None:
                _check_counts(getattr(self, name), name)
        check_choice(self.trend, "trend", (None, *TRENDS))
        check_int(self.max_order, "max_order", minimum=0, remedy="Pass the largest p and q.")
        self._check_season()

    def _check_season(self) -> None:
        """Refuse seasonal orders without a season, and p or q that reach into the season."""
        if self.seasonal_order is not None and self.season_length is None:
            raise InvalidArgumentError("season_length", "an integer >= 2 with a seasonal_order",
                                       "None", "Pass how many samples a season has.")
        if self.seasonal_order is not None and self.order is not None and self._floor.overlaps:
            raise InvalidArgumentError(
                "order", f"below season_length={self.season_length} where seasonal_order is above"
                " 0", f"{self.order} with {self.seasonal_order}", "Lower p or q.")

    @property
    def _floor(self) -> Orders:
        """The given orders; where they are searched for, those that need the fewest samples."""
        order, seasonal_order = self.order, self.seasonal_order
        if order is None:
            order = (0, self.settings.max_differences, 0)
        if seasonal_order is None:
            seasonal_order = (0, int(self.season_length is not None), 0)
        return Orders(
            tuple(order), tuple(seasonal_order), self.season_length or 0, self.trend or "c")

    @property
    def lookback(self) -> int:
        return max(len(self._floor.differencing) - 1, 1)

    def min_length(self, h: int) -> int:
        # Two seasons tell how strong they are.
        seasons = 2 * (self.season_length or 0) if self.seasonal_order is None else 0
        return max(self._floor.shortest, seasons)

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> ArimaModel:
        values = history.values
        with statistical.quiet():
            orders = self._with_differences(values)
            series = orders.difference(values)
            if statistical.is_constant(series, values):
                return constant_model(orders, values, float(series.mean()))
            scale = float(series.std())
            ranked = self._ranked(orders, series / scale)
            orders, params, converged = fit_first_regular(ranked, series / scale, self.settings)
            model = ArimaModel.at_end(orders, params, values, scale)
        if not converged:
            statistical.warn_not_converged(
                f"ARIMA {orders}", "Use lower orders, or a longer training part.")
        return model

    def check_state(self, state: Any, n_samples: int) -> None:
        super().check_state(state, n_samples)
        self._check_orders(state.orders, n_samples)
        # No polynomial may be made of a file's orders before: it has as many terms as they say.
        (p, d, q), (seasonal_p, seasonal_d, seasonal_q) = (
            state.orders.order, state.orders.seasonal_order)
        season, constant = state.orders.season_length, state.orders.trend == "c"
        if not len(state.tail) == 1 + d + seasonal_d * season <= n_samples:
            raise ValueError("it must have a tail to difference")
        if len(state.params) != p + q + seasonal_p + seasonal_q + constant:
            raise ValueError("it must have a parameter per term")
        size = max(p + seasonal_p * season, q + seasonal_q * season + 1)
        if state.mean.shape != (size,) or state.covariance.shape != (size, size):
            raise ValueError(f"it must have {size} states")

    def _check_orders(self, orders: Orders, n_samples: int) -> None:
        """Refuse a season and differences that are not those of the parameters."""
        if not (self.season_length or 0) == orders.season_length <= n_samples:
            raise ValueError("it must have a season within the samples")
        d, seasonal_d = orders.order[1], orders.seasonal_order[1]
        if not (d if self.order is None else self.order[1]) == d <= 2 + n_samples:
            raise ValueError("it must have the given differences")
        if self.seasonal_order is not None and self.seasonal_order[1] != seasonal_d:
            raise ValueError("it must have the given seasonal differences")

    def _with_differences(self, values: Array) -> Orders:
        """Return the least orders, with the given differences or those that the tests ask for."""
        orders = self._floor
        if self.season_length is not None and self.seasonal_order is None:
            times = search.count_seasonal_differences(values, self.season_length, self.settings)
            orders = replace(orders, seasonal_order=(0, times, 0))
        if self.order is None:
            seasonal = replace(orders, order=(0, 0, 0))
            times = search.count_differences(seasonal.difference(values), self.settings)
            orders = replace(orders, order=(0, times, 0))
        if self.trend is None and orders.order[1] + orders.seasonal_order[1] > 1:
            orders = replace(orders, trend="n")
        return orders

    def _ranked(self, orders: Orders, series: Array) -> list[Orders]:
        """Return the orders that a search tries, of least AICc first; given ones do not vary."""
        moves = self._moves(constant=self.trend is None and orders.trend == "c")
        if not moves:
            return [orders]
        limits = (self.max_order, self.max_order, 1, 1, 1)
        free = np.any(moves, axis=0)
        starts = [np.where(free, np.minimum((*each, *each, 1), limits), orders.sizes)
                  for each in STARTS]
        return search.OrderSearch(series, moves, limits, self.settings).ranked(
            [orders.resized(tuple(sizes.tolist())) for sizes in starts])

    def _moves(self, constant: bool) -> tuple[Sizes, ...]:
        """Return the changes that a search may make to (p, q, P, Q, constant)."""
        seasonal = self.season_length is not None and self.seasonal_order is None
        return (ORDER_MOVES * (self.order is None) + SEASONAL_MOVES * seasonal
                + CONSTANT_MOVES * constant)


def _check_counts(value: Any, name: str) -> None:
    """Refuse what is not three whole numbers that are not negative."""
    required, remedy = "three integers >= 0", "Pass for example (1, 0, 1), or None to search."
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise InvalidTypeError(name, required, repr(value), remedy)
    for count in value:
        check_int(count, name, minimum=0, remedy=remedy)


