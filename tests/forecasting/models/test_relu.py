"""The package's own forecaster: one network, any estimator in its place, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, RidgeCV

from relu_forecast.baselines import LinearAR
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import ReLUForecaster
from relu_forecast.forecasting.data.history import Past
from relu_forecast.forecasting.models.committee import CommitteeModel
from relu_forecast.forecasting.models.strategies import DirectModel, JointModel, RecursiveModel
from relu_forecast.windows.sliding import hankel
from relu_forecast.windows.transforms import RIDGE_PENALTIES

WAVE = np.abs(np.sin(np.arange(100) / 5)) + 0.02 * np.random.default_rng(0).normal(size=100)
ROUNDING = 1e-5
"""Of what networks are trained on, see `windows.grids`, in forecasts."""


def recursive(lags, **parameters):
    """One network for the next sample, on standardised windows, without ridge."""
    return ReLUForecaster(lags, **{"strategy": "recursive", "transform": "standardize",
                                   "skip_penalty": 0.0} | parameters)


def test_a_recursive_network_is_the_convex_one():
    default = recursive(2, beta_ratio=0.5).fit(WAVE)
    regressor = ConvexReLURegressor(beta_ratio=0.5, tol=0.01, random_state=0).fit(
        *hankel((WAVE - WAVE.mean()) / WAVE.std(), 2))
    last = (WAVE[np.newaxis, -2:] - WAVE.mean()) / WAVE.std()
    expected = regressor.predict(last) * WAVE.std() + WAVE.mean()
    assert isinstance(default.regressor_, ConvexReLURegressor)
    np.testing.assert_allclose(default.predict(1)["ReLU"], expected, rtol=ROUNDING)


def joint_example(values, lags, horizon):
    """Features and targets of a joint network, spelled out: shape, level, and what follows."""
    apart = [np.sqrt(np.mean((values[lag:] - values[:-lag]) ** 2)) for lag in range(1, lags)]
    scale = np.sqrt(np.mean(np.square(apart)))
    rows = range(lags, len(values) - horizon + 1)
    level = 0.2 * (values - values.mean()) / values.std()
    X = [[*(values[t - lags : t - 1] - values[t - 1]) / scale, level[t - 1]] for t in rows]
    y = [(values[t : t + horizon] - values[t - 1]) / scale for t in rows]
    last = [*(values[-lags:-1] - values[-1]) / scale, level[-1]]
    return np.array(X), np.array(y), np.array([last]), scale


def test_a_joint_network_sees_the_shape_and_the_level_and_has_the_best_ridge():
    values = WAVE[:50]
    model = ReLUForecaster(3, 2, beta_ratio=0.5).fit(values)
    X, y, last, scale = joint_example(values, 3, 2)
    ridge = RidgeCV(RIDGE_PENALTIES).fit(X, y).alpha_
    network = ConvexReLURegressor(
        beta_ratio=0.5, tol=0.1, skip_penalty=ridge, random_state=0).fit(X, y)
    assert model.regressor_.skip_penalty == ridge
    expected = values[-1] + scale * network.predict(last)[0]
    np.testing.assert_allclose(model.predict(2)["ReLU"], expected, rtol=ROUNDING)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_the_ridge_is_the_best_of_all_leave_one_out(strategy):
    model = ReLUForecaster(
        3, strategy=strategy, beta_ratio=1.5, transform="standardize").fit(WAVE[:40], horizon=1)
    X, y = hankel((WAVE[:40] - WAVE[:40].mean()) / WAVE[:40].std(), 3)
    errors = []
    for penalty in RIDGE_PENALTIES:
        gram = X - X.mean(axis=0)
        # Leave-one-out in closed form: residuals over what is left of one by the hat matrix.
        hat = gram @ np.linalg.solve(gram.T @ gram + penalty * np.eye(3), gram.T) + 1 / len(X)
        errors.append(np.mean(((y - hat @ y) / (1 - np.diag(hat))) ** 2))
    best = RIDGE_PENALTIES[int(np.argmin(errors))]
    assert model.models_["y"].regressors[0].skip_penalty == pytest.approx(best)


def test_a_ridge_that_is_given_stays():
    assert ReLUForecaster(2, 2, beta_ratio=0.5, skip_penalty=2.0).fit(
        WAVE).regressor_.skip_penalty == 2.0


def test_a_penalty_above_the_largest_leaves_the_linear_autoregression():
    linear = LinearAR(2, transform="standardize").fit(WAVE).predict(6)["LinearAR"]
    silent, speaking = (
        recursive(2, beta_ratio=ratio).fit(WAVE).predict(6)["ReLU"] for ratio in (1.5, 0.5))
    np.testing.assert_allclose(silent, linear, rtol=ROUNDING)
    assert np.abs(speaking - linear).max() > 1e-3


def test_without_neurons_a_joint_network_is_least_squares_for_each_step():
    X, y, last, scale = joint_example(WAVE, 4, 5)
    model = ReLUForecaster(4, 5, beta_ratio=1.5, skip_penalty=0.0).fit(WAVE)
    expected = [WAVE[-1] + scale * LinearRegression().fit(X, y[:, step]).predict(last)[0]
                for step in range(5)]
    np.testing.assert_allclose(model.predict(5)["ReLU"], expected, rtol=1e-5)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_another_estimator_can_take_the_place(strategy, transform):
    forecaster = ReLUForecaster(
        4, estimator=LinearRegression(), strategy=strategy, transform=transform, alias="mine")
    expected = LinearAR(4, strategy, transform).fit(WAVE, horizon=5).predict()["LinearAR"]
    np.testing.assert_array_equal(forecaster.fit(WAVE, horizon=5).predict()["mine"], expected)


def test_beyond_its_horizon_it_goes_on_from_forecasts_a_horizon_at_a_time():
    model = ReLUForecaster(4, 3, beta_ratio=0.8).fit(WAVE)
    known = WAVE
    for _ in range(3):
        ahead = model.models_["y"].forecast(Past.of(known[np.newaxis, -4:], 3), 3)
        known = np.r_[known, ahead[0]]
    np.testing.assert_allclose(model.predict(8)["ReLU"], known[100:108])
    pd.testing.assert_frame_equal(model.predict(2), model.predict(8)[:2])


def test_what_a_fit_gives():
    for strategy, kind in (
            ("recursive", RecursiveModel), ("direct", DirectModel), ("joint", JointModel)):
        model = ReLUForecaster(2, strategy=strategy, beta_ratio=0.9).fit(WAVE[:30], horizon=2)
        assert type(model.models_["y"]) is kind
    for ratio in (None, "cv"):
        choosing = ReLUForecaster(1, 2, beta_ratio=ratio).fit(WAVE[:14])
        assert type(choosing.models_["y"]) is CommitteeModel


def test_a_horizon_is_that_of_the_forecaster_or_of_the_fit():
    with pytest.raises(InvalidArgumentError, match="horizon must be given"):
        ReLUForecaster(2, beta_ratio=0.9).fit(WAVE)
    told = ReLUForecaster(2, beta_ratio=0.9).fit(WAVE, horizon=3)
    own = ReLUForecaster(2, 3, beta_ratio=0.9).fit(WAVE)
    pd.testing.assert_frame_equal(told.predict(3), own.predict(3))
    assert len(own.predict()) == 3
    with pytest.raises(InvalidArgumentError, match="at most 3, the horizon of the fit"):
        told.predict(4)


@pytest.mark.parametrize("name", ["beta_ratio", "skip_penalty"])
def test_penalties_belong_to_the_default_network(name):
    forecaster = ReLUForecaster(4, 2, LinearRegression(), **{name: 0.1})
    with pytest.raises(InvalidArgumentError, match=f"{name} must be None when an estimator"):
        forecaster.fit(WAVE)


def test_an_estimator_needs_windows():
    with pytest.raises(InvalidArgumentError, match="lags must be given when an estimator is"):
        ReLUForecaster(horizon=2, estimator=LinearRegression()).fit(WAVE)


@pytest.mark.parametrize("lags", ["auto", 4])
@pytest.mark.parametrize("ratio", [0.0, -0.1, np.inf, np.nan, "best"])
def test_bad_penalties_are_refused_before_any_work(ratio, lags):
    forecaster = ReLUForecaster(lags, 2, beta_ratio=ratio)
    for call in (forecaster.fit, lambda data: forecaster.cross_validation(data, 2)):
        with pytest.raises(InvalidArgumentError, match="beta_ratio must be"):
            call(WAVE)


@pytest.mark.parametrize(("parameters", "error", "message"), [
    ({"lags": "all"}, InvalidTypeError, "lags must be a whole number or a sequence"),
    ({"lags": [1, 1]}, InvalidArgumentError, "lags must be different"),
    ({"horizon": 0}, InvalidArgumentError, "horizon must be an integer >= 1"),
    ({"committee": "yes"}, InvalidArgumentError, "committee must be one of True, False"),
    ({"strategy": "both"}, InvalidArgumentError, "strategy must be one of"),
    ({"transform": "log"}, InvalidArgumentError, "transform must be one of"),
    ({"skip_penalty": -1.0, "lags": 2, "beta_ratio": 0.5}, InvalidArgumentError, "skip_penalty"),
    ({"past_exog": ("a",), "future_exog": ("b",)}, InvalidArgumentError, "not both given"),
    ({"past_exog": ("a",), "strategy": "recursive"}, InvalidArgumentError, "past_exog must be"),
    ({"lags": 2, "future_exog": ("a",)}, InvalidArgumentError, "future_exog must be empty"),
])
def test_parameters_are_checked(parameters, error, message):
    with pytest.raises(error, match=message):
        ReLUForecaster(**{"horizon": 2} | parameters).check_parameters()


def test_a_negative_ridge_is_refused_by_a_committee_too():
    with pytest.raises(InvalidArgumentError, match="skip_penalty"):
        ReLUForecaster(horizon=2, skip_penalty=-1.0).check_parameters()


def test_two_windows_are_enough_and_one_is_not():
    with pytest.raises(InvalidArgumentError, match="at least 6 samples long for ReLUForecaster"):
        recursive(4, beta_ratio=0.5).fit(WAVE[:5])
    assert recursive(4, beta_ratio=1.5).fit(WAVE[:6]).regressor_.n_features_in_ == 4


@pytest.mark.parametrize("model", [
    ReLUForecaster(horizon=3), ReLUForecaster(2, 3), ReLUForecaster(4, 3, beta_ratio=0.9),
    ReLUForecaster(horizon=2, strategy="recursive"), ReLUForecaster(2, strategy="direct")],
    ids=repr)
def test_the_shortest_series_that_is_taken_is_forecast(model):
    length = model.min_length(3)
    assert len(model.fit(WAVE[:length], horizon=3).predict(3)) == 3
    with pytest.raises(InvalidArgumentError, match=f"at least {length} samples long"):
        model.fit(WAVE[: length - 1], horizon=3)


def test_a_linear_model_on_windows_is_a_member():
    """The guard of one window is its ridge regression."""
    values = WAVE[:25]
    model = ReLUForecaster(2, 3, transform="standardize", beta_ratio="cv").fit(values)
    names = [member.name for member in model.models_["y"].members]
    [guard] = [member for member in model.models_["y"].members if member.name == "linear 2"]
    past = Past.of(values[np.newaxis, -2:], 3)
    mean, scale = values.mean(), values.std()
    X, y = hankel((values - mean) / scale, 2, 3)
    ridge = RidgeCV(RIDGE_PENALTIES).fit(X, y.reshape(len(X), 3))
    expected = mean + scale * ridge.predict((past.windows - mean) / scale)
    np.testing.assert_allclose(guard.state.forecast(past, 3), expected)
    assert names == ["linear 2"] or names[0].startswith("network 2, ")


def test_parameters_follow_scikit_learn():
    forecaster = ReLUForecaster(lags=3, beta_ratio=0.2, random_state=1)
    assert clone(forecaster).get_params() == forecaster.get_params()
    assert forecaster.get_params(deep=False) == {
        "lags": 3, "horizon": None, "estimator": None, "strategy": "joint",
        "transform": "last_value", "beta_ratio": 0.2, "skip_penalty": None, "committee": True,
        "random_state": 1, "alias": "ReLU", "future_exog": (), "past_exog": (),
        "scope": "local"}
