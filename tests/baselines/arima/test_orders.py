"""Orders of a seasonal ARIMA: differences, lag polynomials and residuals by hand."""

import numpy as np

from relu_forecast.baselines.arima.orders import Orders


def test_differences_are_those_of_samples_and_seasons():
    values = np.random.default_rng(0).normal(size=20)
    orders = Orders((0, 1, 0), (0, 1, 0), 4)
    seasonal = values[4:] - values[:-4]
    np.testing.assert_allclose(orders.difference(values), np.diff(seasonal))


def test_residuals_are_the_shocks_that_made_the_series():
    shocks = np.random.default_rng(0).normal(size=30)
    series = np.zeros(30)
    for t in range(30):
        series[t] = 0.3 + shocks[t] + (0.5 * series[t - 1] + 0.4 * shocks[t - 1] if t else 0.0)
    orders = Orders((1, 0, 1), trend="c")
    residuals = orders.residuals(np.array([0.3, 0.5, 0.4]), series)
    # The shock before the first residual is taken to be 0, which dies away.
    np.testing.assert_allclose(residuals[20:], shocks[21:], atol=1e-6)


def test_regular_parameters_have_small_inverse_roots():
    orders = Orders((1, 0, 1))
    assert orders.is_regular(np.array([0.9, 0.9]), 1.0)
    assert not orders.is_regular(np.array([0.9, 0.9]), 0.8)
    assert not orders.is_regular(np.array([1.1, 0.0]), 1.0)


def test_overlaps_and_sizes():
    assert Orders((4, 0, 0), (1, 0, 0), 4).overlaps
    assert not Orders((3, 0, 0), (1, 0, 0), 4).overlaps
    orders = Orders((1, 2, 3), (1, 0, 0), 4, "c")
    assert orders.sizes == (1, 3, 1, 0, 1)
    assert orders.resized((0, 0, 0, 1, 0)) == Orders((0, 2, 0), (0, 0, 1), 4, "n")
    assert str(orders) == "(1, 2, 3)(1, 0, 0)_4 with trend 'c'"
