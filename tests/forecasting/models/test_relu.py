"""The package's own forecaster: the convex network, and any other estimator in its place."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from relu_forecast.baselines import LinearAR
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import ReLUForecaster
from relu_forecast.windows.sliding import hankel

WAVE = np.abs(np.sin(np.arange(100) / 5)) + 0.02 * np.random.default_rng(0).normal(size=100)


def test_default_network_is_the_convex_one():
    default = ReLUForecaster(lags=2, beta_ratio=0.5).fit(WAVE)
    regressor = ConvexReLURegressor(beta_ratio=0.5, tol=0.01, random_state=0).fit(
        *hankel((WAVE - WAVE.mean()) / WAVE.std(), 2))
    last = (WAVE[np.newaxis, -2:] - WAVE.mean()) / WAVE.std()
    expected = regressor.predict(last) * WAVE.std() + WAVE.mean()
    assert isinstance(default.regressor_, ConvexReLURegressor)
    np.testing.assert_allclose(default.predict(1)["ReLU"], expected)


def test_parameters_reach_the_default_network():
    regressor = ReLUForecaster(beta_ratio=0.5, random_state=7).make_regressor()
    assert (regressor.beta_ratio, regressor.random_state) == (0.5, 7)
    assert ReLUForecaster(beta_ratio=0.5, skip_penalty=2.0).make_regressor().skip_penalty == 2.0


def test_a_penalty_above_the_largest_leaves_the_linear_autoregression():
    linear = LinearAR(2).fit(WAVE).predict(6)["LinearAR"]
    silent, speaking = (
        ReLUForecaster(lags=2, beta_ratio=ratio).fit(WAVE).predict(6)["ReLU"]
        for ratio in (1.5, 0.5))
    np.testing.assert_allclose(silent, linear, rtol=1e-6)
    assert np.abs(speaking - linear).max() > 1e-3


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_another_estimator_can_take_the_place(strategy, transform):
    forecaster = ReLUForecaster(4, LinearRegression(), strategy, transform, alias="mine")
    expected = LinearAR(4, strategy, transform).fit(WAVE, horizon=5).predict()["LinearAR"]
    np.testing.assert_array_equal(forecaster.fit(WAVE, horizon=5).predict()["mine"], expected)


def test_beta_ratio_belongs_to_the_default_network():
    forecaster = ReLUForecaster(4, LinearRegression(), beta_ratio=0.1)
    with pytest.raises(InvalidArgumentError, match="beta_ratio must be None when an estimator"):
        forecaster.fit(WAVE)


@pytest.mark.parametrize("ratio", [0.0, -0.1, np.inf, np.nan, "best"])
def test_bad_penalties_are_refused_before_any_work(ratio):
    forecaster = ReLUForecaster(4, beta_ratio=ratio)
    for call in (forecaster.fit, lambda data: forecaster.cross_validation(data, 2)):
        with pytest.raises(InvalidArgumentError, match="beta_ratio must be"):
            call(WAVE)


def test_two_windows_are_enough_and_one_is_not():
    with pytest.raises(InvalidArgumentError, match="at least 6 samples long for ReLUForecaster"):
        ReLUForecaster(lags=4).fit(WAVE[:5])
    assert ReLUForecaster(4, LinearRegression()).fit(WAVE[:6]).regressor_.coef_.shape == (4,)


def test_parameters_follow_scikit_learn():
    forecaster = ReLUForecaster(lags=3, beta_ratio=0.2, random_state=1)
    assert clone(forecaster).get_params() == forecaster.get_params()
    assert forecaster.get_params(deep=False) == {
        "lags": 3, "estimator": None, "strategy": "recursive", "transform": "standardize",
        "beta_ratio": 0.2, "skip_penalty": None, "cv_rule": "best", "cv_horizon": 10,
        "random_state": 1, "alias": "ReLU", "future_exog": (), "past_exog": ()}
