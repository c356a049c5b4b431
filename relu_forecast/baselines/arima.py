"""Seasonal ARIMA of statsmodels, with orders that are given or searched for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.baselines.arima_orders import (
    MAX_DIFFERENCES,
    TRENDS,
    Orders,
    OrderSearch,
    Sizes,
    count_differences,
    count_seasonal_differences,
    first_estimates,
    is_constant,
)
from relu_forecast.baselines.quiet import quiet, warn_not_converged
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.storage import MATRIX, VECTOR, stored
from relu_forecast.validation import check_choice, check_int

_Array = npt.NDArray[np.float64]

FIT_STEPS = 100
"""Iterations of L-BFGS towards the maximum of the likelihood, at most."""
FINAL_FITS = 3
"""Orders, the best of a search, whose likelihood is maximised until one will do, at most."""
# Changes to (p, q, P, Q, constant) that a search tries, both ways.
ORDER_MOVES = ((1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (1, 1, 0, 0, 0))
SEASONAL_MOVES = ((0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 1, 1, 0))
CONSTANT_MOVES = ((0, 0, 0, 0, 1),)
STARTS = ((0, 0), (2, 2), (1, 0), (0, 1))
"""Orders p and q, P and Q alike, from which a search starts, as far as they are free."""


@stored(params=VECTOR, tail=VECTOR, mean=VECTOR, covariance=MATRIX)
@dataclass(frozen=True)
class ArimaModel:
    """A fitted ARIMA, and where its Kalman filter stands at the end of the training part.

    Attributes
    ----------
    orders : Orders
    params : ndarray
        statsmodels' parameters of the differenced series over ``scale``, variance left out.
    scale : float
        Standard deviation of the differenced series, in the unit of the data.
    tail : ndarray
        Last samples of the training part: what differencing looks back on, and one more.
    mean : ndarray, shape (k,)
        State of the filter before the last training sample.
    covariance : ndarray, shape (k, k)
        Of that state, in units of the variance.
    """

    orders: Orders
    params: _Array
    scale: float
    tail: _Array
    mean: _Array
    covariance: _Array

    @classmethod
    def at_end(cls, orders: Orders, params: _Array, values: _Array, scale: float) -> ArimaModel:
        """Run the filter over a training part, all but its last sample."""
        series = orders.difference(values) / scale
        space = _filter_of(orders, params, series[:-1])
        filtered = space.filter()
        return cls(
            orders, params, scale, values[-len(orders.differencing):].copy(),
            filtered.predicted_state[:, -1].copy(), filtered.predicted_state_cov[..., -1].copy())

    def forecast(self, past: Past, h: int) -> _Array:
        """Return the ``h`` samples after each cutoff, shape (C, h).

        The filter passes once over the samples since the training part; then the state at each
        cutoff, which rests on those before it alone, moves on without further samples.
        """
        transition, states = self._states(past.recent)
        states = states[:, past.elapsed + 1]
        back = self.orders.differencing[:0:-1]
        path = np.concatenate(
            [past.windows[:, past.windows.shape[1] - len(back):],
             np.empty((len(past.windows), h))], axis=1)
        for step in range(h):
            path[:, len(back) + step] = (
                self.scale * states[0] - path[:, step : step + len(back)] @ back)
            states = transition @ states
            states[0] += self.orders.constant(self.params)
        return path[:, len(back):]

    def _states(self, recent: _Array) -> tuple[_Array, _Array]:
        """Return the transition, and the states predicted from the last training sample on."""
        series = self.orders.difference(np.concatenate([self.tail, recent])) / self.scale
        space = _filter_of(self.orders, self.params, series)
        space.initialize_known(self.mean, self.covariance)
        return space["transition"], space.filter().predicted_state


class ARIMA(Forecaster):
    """Seasonal ARIMA of statsmodels, by maximum likelihood, with given or searched orders.

    ``phi(L) Phi(L^m) w[t] = c + theta(L) Theta(L^m) e[t]`` for the differenced series
    ``w = (1 - L)^d (1 - L^m)^D y``.

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

    Warns
    -----
    ConvergenceWarning
        If the maximum of the likelihood is not reached.

    Notes
    -----
    The search is that of Hyndman and Khandakar (2008): D is 1 if the season is strong (STL), d
    is the first for which the KPSS test finds a stationary level, and p, q, P, Q and the
    constant are those of least AICc, found step by step from four candidates, with at most
    `SEARCH_FITS` fits. Candidates are fitted by conditional sum of squares, and left out unless
    they are stationary and invertible; the exact likelihood is maximised for the best of them
    alone, or for the next ones where its maximum is not so or not found, `FINAL_FITS` at most.
    The likelihood is that of the differenced series, the diffuse one of the series itself.

    From a cutoff after the training part the parameters stay, and the Kalman filter moves on.
    A training part whose differences are all equal is continued with the same difference.

    Cost: the filter passes over the training part once for each candidate, and some hundred
    times for the best one; a pass is linear in the samples and cubic in the states,
    ``max(p + P m, q + Q m + 1)``, so seasons of many samples are slow.

    References
    ----------
    Hyndman, R. J. and Khandakar, Y. (2008). Automatic time series forecasting: the forecast
    package for R. Journal of Statistical Software 27(3).

    Examples
    --------
    >>> model = ARIMA((0, 1, 0), trend="c").fit([1, 2, 4, 7, 9])
    >>> model.predict(h=2)["ARIMA"].round(6).tolist()
    [11.0, 13.0]
    """

    def __init__(
        self,
        order: Any = None,
        season_length: int | None = None,
        seasonal_order: Any = None,
        trend: str | None = None,
        max_order: int = 5,
        alias: str = "ARIMA",
    ) -> None:
        self.order = order
        self.season_length = season_length
        self.seasonal_order = seasonal_order
        self.trend = trend
        self.max_order = max_order
        self.alias = alias

    def check_parameters(self) -> None:
        super().check_parameters()
        for name in ("order", "seasonal_order"):
            if getattr(self, name) is not None:
                _check_counts(getattr(self, name), name)
        if self.season_length is not None:
            check_int(self.season_length, "season_length", minimum=2, remedy="Pass None for none.")
        check_choice(self.trend, "trend", (None, *TRENDS))
        check_int(self.max_order, "max_order", minimum=0, remedy="Pass the largest p and q.")
        self._check_season()

    def _check_season(self) -> None:
        """Refuse seasonal orders without a season, and lags that are in it and beside it."""
        if self.seasonal_order is not None and self.season_length is None:
            raise InvalidArgumentError(
                "season_length", "an integer >= 2 with a seasonal_order", "None",
                "Pass how many samples a season has.")
        if self.seasonal_order is not None and self.order is not None and self._floor.overlaps:
            raise InvalidArgumentError(
                "order", f"below season_length={self.season_length} where seasonal_order is above"
                " 0", f"{self.order} with {self.seasonal_order}", "Lower p or q.")

    @property
    def _floor(self) -> Orders:
        """The given orders, and of those to search for the ones that need fewest terms."""
        order, seasonal_order = self.order, self.seasonal_order
        if order is None:
            order = (0, MAX_DIFFERENCES, 0)
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
        with quiet():
            orders = self._with_differences(values)
            series = orders.difference(values)
            if is_constant(series, values):
                return _constant_model(orders, values, float(series.mean()))
            scale = float(series.std())
            ranked = self._ranked(orders, series / scale)
            orders, params, converged = _fit_first_regular(ranked, series / scale)
            model = ArimaModel.at_end(orders, params, values, scale)
        if not converged:
            warn_not_converged(
                f"ARIMA {orders}", "Use lower orders, or a longer training part.")
        return model

    def check_state(self, state: Any, n_samples: int) -> None:
        if not isinstance(state, ArimaModel):
            raise ValueError("it must be an ArimaModel")
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

    def forecast(self, state: ArimaModel, past: Past, h: int) -> _Array:
        return state.forecast(past, h)

    def _with_differences(self, values: _Array) -> Orders:
        """Return orders with the given or tested differences, and the given or no other ones."""
        orders = self._floor
        if self.season_length is not None and self.seasonal_order is None:
            times = count_seasonal_differences(values, self.season_length)
            orders = replace(orders, seasonal_order=(0, times, 0))
        if self.order is None:
            seasonal = replace(orders, order=(0, 0, 0))
            times = count_differences(seasonal.difference(values))
            orders = replace(orders, order=(0, times, 0))
        if self.trend is None and orders.order[1] + orders.seasonal_order[1] > 1:
            orders = replace(orders, trend="n")
        return orders

    def _ranked(self, orders: Orders, series: _Array) -> list[Orders]:
        """Return orders with these differences, best first, the given ones among them kept."""
        moves = self._moves(constant=self.trend is None and orders.trend == "c")
        if not moves:
            return [orders]
        limits = (self.max_order, self.max_order, 1, 1, 1)
        free = np.any(moves, axis=0)
        starts = [np.where(free, np.minimum((*each, *each, 1), limits), orders.sizes)
                  for each in STARTS]
        return OrderSearch(series, moves, limits).ranked(
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


def _filter_of(orders: Orders, params: _Array, series: _Array) -> Any:
    """Return statsmodels' Kalman filter of a differenced series, in units of the variance."""
    from statsmodels.tsa.statespace.kalman_filter import MEMORY_CONSERVE, MEMORY_NO_PREDICTED_MEAN

    model = orders.state_space(series)
    model.update(np.append(params, 1.0))
    # Of covariances the last is kept alone: each is as large as the square of the season.
    model.ssm.set_conserve_memory(MEMORY_CONSERVE & ~MEMORY_NO_PREDICTED_MEAN)
    return model.ssm


def _fit_first_regular(
    ranked: list[Orders], series: _Array
) -> tuple[Orders, _Array, bool]:
    """Return the first of some orders whose estimates are regular, or the first of all.

    With them come their parameters, and whether the maximum of the likelihood was reached.
    """
    fits = []
    for orders in ranked[:FINAL_FITS]:
        params, converged = _fit(orders, series)
        fits.append((orders, params, converged))
        if converged and orders.is_regular(params):
            return fits[-1]
    return fits[0]


def _fit(orders: Orders, series: _Array) -> tuple[_Array, bool]:
    """Return the parameters of greatest likelihood, and whether the maximum was reached."""
    params = first_estimates(orders, series)
    if params is not None and params.size == 0:
        return params, True
    model = orders.state_space(series, concentrate_scale=True)
    fitted = model.fit(
        params, disp=False, maxiter=FIT_STEPS, cov_type="none", low_memory=True)
    return np.asarray(fitted.params), bool(fitted.mle_retvals["converged"])


def _constant_model(orders: Orders, values: _Array, step: float) -> ArimaModel:
    """Return the model that continues with the same difference."""
    plain = Orders((0, orders.order[1], 0), (0, orders.seasonal_order[1], 0),
                   orders.season_length, "c")
    return ArimaModel.at_end(plain, np.array([step]), values, 1.0)
