"""ARIMA: the orders that it ends with."""

import numpy as np
import pytest
from scipy.signal import lfilter

from relu_forecast.baselines import ARIMA
from relu_forecast.baselines.arima.orders import Orders
from tests.baselines.samples import SEASONAL


def noise(ar, ma, n, seed=0):
    """Simulate ``ar(L) w[t] = ma(L) e[t]``."""
    return lfilter(ma, ar, np.random.default_rng(seed).normal(size=n + 200))[200:]


@pytest.mark.parametrize(("values", "season", "expected"), [
    (noise([1, -1.2, 0.6], [1], 400), None, Orders((2, 0, 0))),
    (noise([1], [1, 0.7], 400), None, Orders((0, 0, 1))),
    (5 + noise([1], [1], 400), None, Orders((0, 0, 0), trend="c")),
    (np.cumsum(noise([1], [1], 400)), None, Orders((0, 1, 0))),
    (np.cumsum(0.5 + noise([1], [1], 400)), None, Orders((0, 1, 0), trend="c")),
    (np.cumsum(np.cumsum(noise([1], [1], 400))), None, Orders((0, 2, 0))),
    (noise([1, 0, 0, 0, -0.6], [1], 400, 2), 4, Orders((0, 0, 0), (1, 0, 0), 4, "c")),
    (5 * np.tile(np.sin(np.arange(12)), 20) + noise([1], [1, 0.5], 240, 2), 12,
     Orders((0, 0, 1), (0, 1, 1), 12)),
], ids=["AR(2)", "MA(1)", "mean", "walk", "drift", "twice integrated", "seasonal AR", "season"])
def test_arima_finds_the_orders_that_made_the_data(values, season, expected, fit):
    assert fit(ARIMA(season_length=season), values).orders == expected


def test_given_orders_and_trends_are_kept_in_a_search(fit):
    found = fit(ARIMA((1, 0, 1), season_length=4), SEASONAL).orders
    assert found.order == (1, 0, 1)
    assert found.seasonal_order != (0, 0, 0)
    found = fit(ARIMA(season_length=4, seasonal_order=(1, 0, 0), trend="c"), SEASONAL).orders
    assert (found.seasonal_order, found.trend) == ((1, 0, 0), "c")
    assert max(fit(ARIMA(max_order=1), noise([1, -1.2, 0.6], [1], 400)).orders.sizes[:2]) <= 1
