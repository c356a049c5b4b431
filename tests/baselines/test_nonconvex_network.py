"""The network that gradients train: its parameters reach the regressor."""

import numpy as np
import pytest

from relu_forecast.baselines import NonconvexNetwork
from relu_forecast.estimators import NonconvexReLURegressor
from relu_forecast.forecasting import Autoregression
from tests.baselines.samples import SIGNAL


@pytest.mark.parametrize("parameters", [
    {}, {"optimizer": "sgd"}, {"optimizer": "lbfgs"}, {"beta": 2.0}, {"beta_ratio": 0.5},
    {"learning_rate": 1e-3}, {"linear_skip": False}, {"random_state": 3}, {"n_neurons": 2},
    {"n_steps": 4}], ids=str)
def test_parameters_reach_the_nonconvex_network(parameters, forecast):
    default = {"n_steps": 10, "n_neurons": 5, "beta_ratio": 0.01, "random_state": 0}
    chosen = default | parameters
    forecasts = forecast(NonconvexNetwork(3, **chosen), SIGNAL[:40], 4)
    expected = Autoregression(3, NonconvexReLURegressor(**chosen))
    np.testing.assert_array_equal(forecasts, forecast(expected, SIGNAL[:40], 4))
    if parameters:
        plain = forecast(NonconvexNetwork(3, **default), SIGNAL[:40], 4)
        assert not np.array_equal(forecasts, plain)
