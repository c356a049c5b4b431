"""A fitted ARIMA: its parameters, and where its Kalman filter stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relu_forecast.baselines.arima.orders import Orders
from relu_forecast.baselines.arima.search import ArimaSettings, first_estimates
from relu_forecast.forecasting.data.history import Past
from relu_forecast.storage import MATRIX, VECTOR, stored
from relu_forecast.validation import Array


@stored(params=VECTOR, tail=VECTOR, mean=VECTOR, covariance=MATRIX)
@dataclass(frozen=True)
class ArimaModel:
    """A fitted ARIMA, and where its Kalman filter stands at the end of the training part."""

    orders: Orders
    params: Array
    """statsmodels' parameters of the differenced series over ``scale``, variance left out."""
    scale: float
    """Standard deviation of the differenced series, in the unit of the data."""
    tail: Array
    """Last samples of the training part: what differencing looks back on, and one more."""
    mean: Array
    """Shape (k,). State of the filter before the last training sample."""
    covariance: Array
    """Shape (k, k). Of that state, in units of the variance."""

    @classmethod
    def at_end(cls, orders: Orders, params: Array, values: Array, scale: float) -> ArimaModel:
        """Run the filter over a training part, all but its last sample."""
        series = orders.difference(values) / scale
        space = _filter_of(orders, params, series[:-1])
        filtered = space.filter()
        return cls(
            orders, params, scale, values[-len(orders.differencing):].copy(),
            filtered.predicted_state[:, -1].copy(), filtered.predicted_state_cov[..., -1].copy())

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each cutoff, shape (C, h).

        The filter passes once over the samples since the training part; then the state at each
        cutoff, which rests on those before it alone, moves on without further samples.
        """
        transition, states = self._states(past.recent.values)
        states = states[:, past.elapsed + 1]
        back = self.orders.differencing[:0:-1]
        path = np.concatenate([past.windows[:, past.windows.shape[1] - len(back):],
                               np.empty((len(past.windows), h))], axis=1)
        for step in range(h):
            path[:, len(back) + step] = (
                self.scale * states[0] - path[:, step : step + len(back)] @ back)
            states = transition @ states
            states[0] += self.orders.constant(self.params)
        return path[:, len(back):]

    def _states(self, recent: Array) -> tuple[Array, Array]:
        """Return the transition, and the states predicted from the last training sample on."""
        series = self.orders.difference(np.concatenate([self.tail, recent])) / self.scale
        space = _filter_of(self.orders, self.params, series)
        space.initialize_known(self.mean, self.covariance)
        return space["transition"], space.filter().predicted_state


def _filter_of(orders: Orders, params: Array, series: Array) -> Any:
    """Return statsmodels' Kalman filter of a differenced series, in units of the variance."""
    from statsmodels.tsa.statespace.kalman_filter import MEMORY_CONSERVE, MEMORY_NO_PREDICTED_MEAN

    model = orders.state_space(series)
    model.update(np.append(params, 1.0))
    # Of covariances the last is kept alone: each is as large as the square of the season.
    model.ssm.set_conserve_memory(MEMORY_CONSERVE & ~MEMORY_NO_PREDICTED_MEAN)
    return model.ssm


def fit_first_regular(ranked: list[Orders], series: Array,
                      settings: ArimaSettings) -> tuple[Orders, Array, bool]:
    """Return the first of some orders whose estimates are regular, or the first of all.

    With them come their parameters, and whether the maximum of the likelihood was reached.
    """
    fits = []
    for orders in ranked[: settings.final_fits]:
        params, converged = _fit(orders, series, settings)
        fits.append((orders, params, converged))
        if converged and orders.is_regular(params, settings.largest_root):
            return fits[-1]
    return fits[0]


def _fit(orders: Orders, series: Array, settings: ArimaSettings) -> tuple[Array, bool]:
    """Return the parameters of greatest likelihood, and whether the maximum was reached."""
    params = first_estimates(orders, series, settings)
    if params is not None and params.size == 0:
        return params, True
    model = orders.state_space(series, concentrate_scale=True)
    fitted = model.fit(
        params, disp=False, maxiter=settings.fit_steps, cov_type="none", low_memory=True)
    return np.asarray(fitted.params), bool(fitted.mle_retvals["converged"])


def constant_model(orders: Orders, values: Array, step: float) -> ArimaModel:
    """Return the model that continues with the same difference."""
    plain = Orders((0, orders.order[1], 0), (0, orders.seasonal_order[1], 0),
                   orders.season_length, "c")
    return ArimaModel.at_end(plain, np.array([step]), values, 1.0)
