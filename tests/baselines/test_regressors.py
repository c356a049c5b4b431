"""Regressors of scikit-learn: against themselves in an autoregression."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from relu_forecast.baselines import GradientBoosting, LinearAR, Regressor
from relu_forecast.forecasting import Autoregression
from relu_forecast.windows.sliding import hankel
from tests.baselines.samples import SIGNAL


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_a_regressor_is_an_autoregression(strategy, transform, forecast):
    estimator = KNeighborsRegressor(3)
    model = Regressor(estimator, 4, strategy=strategy, transform=transform)
    expected = Autoregression(4, estimator, strategy, transform)
    np.testing.assert_array_equal(forecast(model, SIGNAL, 5), forecast(expected, SIGNAL, 5))


def test_on_residuals_is_least_squares_plus_what_it_leaves(forecast):
    X, y = hankel(SIGNAL, 4)
    linear = LinearRegression().fit(X, y)
    rest = KNeighborsRegressor(3).fit(X, y - linear.predict(X))
    last = SIGNAL[np.newaxis, -4:]
    model = Regressor(KNeighborsRegressor(3), 4, on_residuals=True, transform=None)
    np.testing.assert_allclose(
        forecast(model, SIGNAL, 1), linear.predict(last) + rest.predict(last))


def test_residuals_of_least_squares_have_no_linear_part(forecast):
    plain = forecast(LinearAR(4), SIGNAL, 5)
    model = Regressor(LinearRegression(), 4, on_residuals=True)
    np.testing.assert_allclose(forecast(model, SIGNAL, 5), plain)
    assert not np.allclose(forecast(GradientBoosting(4, on_residuals=True), SIGNAL, 5), plain)


@pytest.mark.parametrize("parameters", [
    {}, {"on_residuals": True}, {"strategy": "direct"}, {"transform": "standardize"}], ids=str)
def test_parameters_reach_gradient_boosting(parameters, forecast):
    forecasts = forecast(GradientBoosting(3, **parameters), SIGNAL, 4)
    expected = Regressor(HistGradientBoostingRegressor(random_state=0), 3, **parameters)
    np.testing.assert_array_equal(forecasts, forecast(expected, SIGNAL, 4))
    if parameters:
        assert not np.array_equal(forecasts, forecast(GradientBoosting(3), SIGNAL, 4))


def test_the_seed_of_gradient_boosting_matters_where_it_stops_early(forecast):
    values = np.random.default_rng(0).normal(size=10_100)
    seeds = [forecast(GradientBoosting(1, random_state=seed), values, 1) for seed in (0, 1, 0)]
    assert seeds[0] != seeds[1]
    assert seeds[0] == seeds[2]


def test_gradient_boosting_does_not_depend_on_the_number_of_threads(forecast):
    alone = forecast(GradientBoosting(2), SIGNAL, 3)
    with threadpool_limits(3):
        np.testing.assert_array_equal(forecast(GradientBoosting(2), SIGNAL, 3), alone)


def test_regressors_take_covariates():
    times = np.arange(90)
    frame = pd.DataFrame({"unique_id": "a", "ds": times, "y": SIGNAL, "wave": np.sin(times)})
    ahead = pd.DataFrame({"unique_id": "a", "ds": [90, 91], "wave": np.sin([90, 91])})
    for model in (Regressor(Ridge(), 4, future_exog=("wave",)),
                  GradientBoosting(4, future_exog=("wave",))):
        forecasts = model.fit(frame).predict(2, future=ahead)[model.alias]
        plain = clone(model).set_params(future_exog=()).fit(frame[["unique_id", "ds", "y"]])
        assert not np.allclose(forecasts, plain.predict(2)[model.alias])
