"""The search for orders."""

import numpy as np
from scipy.signal import lfilter

from relu_forecast.baselines import ArimaSettings
from relu_forecast.baselines.arima.orders import Orders
from relu_forecast.baselines.arima.search import OrderSearch


def noise(ar, ma, n, seed=0):
    """Simulate ``ar(L) w[t] = ma(L) e[t]``."""
    return lfilter(ma, ar, np.random.default_rng(seed).normal(size=n + 200))[200:]


def test_a_search_finds_a_local_optimum_and_keeps_to_its_budget():
    series = noise([1, -0.5, 0.3], [1, 0.4], 150)
    moves = ((1, 0, 0, 0, 0), (0, 1, 0, 0, 0))
    search = OrderSearch(series, moves, (4, 4, 0, 0, 0))
    best = search.ranked([Orders((0, 0, 0))])[0]
    assert all(search.score(each) >= search.score(best) for each in search.neighbours(best))
    assert len(search.scores) < search.settings.search_fits
    short = OrderSearch(series, moves, (4, 4, 0, 0, 0), ArimaSettings(search_fits=3))
    short.ranked([Orders((0, 0, 0))])
    assert len(short.scores) == 3


def test_a_search_leaves_out_lags_in_and_beside_the_season():
    search = OrderSearch(noise([1], [1], 100), (), (5, 5, 1, 1, 1))
    assert search.score(Orders((4, 0, 0), (1, 0, 0), 4)) == np.inf
    assert np.isfinite(search.score(Orders((3, 0, 0), (1, 0, 0), 4)))
