"""Penalties chosen by validation: the rule against literal arithmetic, choices on known signals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import ReLUForecaster
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.penalty_validation import (
    RIDGE_PENALTIES,
    PenaltyValidation,
    ValidationSettings,
    choose_ridge,
    judge,
)
from relu_forecast.training.settings import RoundSettings, TrainingSettings

ERRORS = st.tuples(st.integers(1, 6), st.integers(2, 5), st.integers(1, 2)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0.01, 100)))


def relative(errors):
    """Errors over the mean, over blocks, of those of the linear model."""
    return np.array([
        [[errors[penalty, block, step] / np.mean(errors[0, :, step])
          for step in range(errors.shape[2])] for block in range(errors.shape[1])]
        for penalty in range(len(errors))])


def best_by_hand(errors):
    """The least mean of those that lose to the linear model at no step."""
    shares = relative(errors)
    able = [one for one in range(len(errors)) if (shares[one].mean(axis=0) <= 1 + 1e-9).all()]
    return min(able, key=lambda one: shares[one].mean())


@settings(max_examples=100)
@given(ERRORS)
def test_the_best_penalty_by_hand(errors):
    chosen, expected = judge(errors, "best"), best_by_hand(errors)
    assert relative(errors)[chosen].mean() == pytest.approx(relative(errors)[expected].mean())
    assert (relative(errors)[chosen].mean(axis=0) <= 1 + 1e-8).all()


@settings(max_examples=100)
@given(ERRORS)
def test_one_standard_error_by_hand_never_takes_a_smaller_penalty(errors):
    best, simple = judge(errors, "best"), judge(errors, "one_standard_error")
    assert simple <= best  # penalties fall
    shares = relative(errors)
    blocks = shares[best].mean(axis=1)
    most = blocks.mean() + np.std(blocks, ddof=1) / np.sqrt(len(blocks))
    allowed = [one for one in range(best + 1) if shares[one].mean() <= most + 1e-9
               and (shares[one].mean(axis=0) <= 1 + 1e-9).all()]
    assert simple in allowed
    assert all(shares[one].mean() >= most - 1e-9 for one in allowed if one < simple)


def test_a_network_that_loses_at_one_step_is_not_taken():
    errors = np.ones((3, 4, 2))
    errors[1] = [0.1, 1.01]
    errors[2] = [0.9, 0.9]
    assert judge(errors, "best") == 2
    assert judge(errors[:2], "best") == 0


@pytest.mark.parametrize("errors", [
    np.zeros((3, 4, 2)), np.full((3, 4, 2), np.inf), np.array([[[np.inf, 1.0]] * 4] * 2)])
def test_errors_without_a_scale_take_the_linear_model(errors):
    assert judge(errors, "best") == judge(errors, "one_standard_error") == 0


def test_a_network_that_is_stable_beats_a_linear_model_that_is_not():
    errors = np.array([[[1.0, np.inf]] * 4, [[0.9, 5.0]] * 4])
    assert judge(errors, "best") == 1


def test_the_ridge_is_the_best_of_all_leave_one_out():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(25, 6))
    y = X[:, 0] + generator.normal(size=25)
    errors = []
    for penalty in RIDGE_PENALTIES:
        left_out = [
            Ridge(penalty).fit(np.delete(X, i, 0), np.delete(y, i)).predict(X[i : i + 1])[0] - y[i]
            for i in range(25)]
        errors.append(np.mean(np.square(left_out)))
    assert choose_ridge(X, y) == RIDGE_PENALTIES[int(np.argmin(errors))]


def kinked(n=260):
    """A threshold autoregression."""
    generator = np.random.default_rng(0)
    values = [0.0]
    for _ in range(n - 1):
        slope = -1.4 if values[-1] > 0 else 0.4
        values.append(slope * values[-1] + 0.3 + 0.05 * generator.normal())
    return np.array(values)


NOISE = np.random.default_rng(1).normal(size=100)
SINE = np.sin(np.arange(120) / 4)


def choice(values, lags=2, horizon=2, rule="best"):
    """What validation chooses."""
    history = History.of(values)
    inputs = Inputs.of(history, lags, "standardize")
    network = ConvexReLURegressor(tol=1e-2)
    return PenaltyValidation(history, inputs, horizon, rule, network).choose()


def test_a_kink_takes_neurons_and_white_noise_takes_none():
    assert choice(kinked(100), lags=1).beta_ratio < 0.5
    assert choice(NOISE, rule="one_standard_error").beta_ratio == 1.0


def test_what_a_linear_model_fits_exactly_it_forecasts():
    forecasts = ReLUForecaster(2, beta_ratio="cv", cv_horizon=3).fit(SINE[:60]).predict(20)["ReLU"]
    np.testing.assert_allclose(forecasts, np.sin(np.arange(60, 80) / 4), atol=1e-3)


@pytest.mark.parametrize(("length", "horizon"), [(12, 3), (30, 10), (40, 10)])
def test_too_few_samples_to_validate_leave_the_linear_model(length, horizon):
    assert choice(kinked()[:length], lags=1, horizon=horizon).beta_ratio == 1.0


def test_a_constant_change_is_no_obstacle():
    forecaster = ReLUForecaster(2, transform="difference", beta_ratio="cv", cv_horizon=2)
    line = 0.5 * np.arange(80.0)
    np.testing.assert_allclose(forecaster.fit(line).predict(3)["ReLU"], [40.0, 40.5, 41.0])


def test_what_explodes_is_chosen_for_all_the_same():
    values = 1.3 ** np.arange(80.0) * (1 + 0.01 * np.random.default_rng(0).normal(size=80))
    assert choice(values, lags=1, horizon=5).beta_ratio in ValidationSettings().ratios


def test_the_horizon_matters():
    values = kinked(80)
    errors = {}
    for horizon in (1, 6):
        inputs = Inputs.of(History.of(values), 1, "standardize")
        validation = PenaltyValidation(
            History.of(values), inputs, horizon, "best", ConvexReLURegressor(tol=1e-2))
        errors[horizon] = next(validation._path(validation.network, validation._folds()[0]))
    assert errors[1].shape[1:] == (1,)
    assert errors[6].shape[1:] == (2,)
    assert not np.allclose(errors[6][:, 1], errors[6][:, 0])


def test_choices_do_not_depend_on_threads():
    values, chosen = kinked(60), []
    for threads in (1, 2):
        with threadpool_limits(threads):
            model = ReLUForecaster(1, beta_ratio="cv", cv_horizon=2).fit(values)
            chosen.append((model.regressor_.beta_ratio, model.predict(3)["ReLU"].tolist()))
    assert chosen[0] == chosen[1]


def test_the_direct_strategy_chooses_for_one_step():
    values = kinked(60)
    direct = ReLUForecaster(
        1, strategy="direct", beta_ratio="cv", cv_horizon=9).fit(values, horizon=1).models_["y"]
    expected = choice(values, lags=1, horizon=1)
    assert direct.regressors[0].beta_ratio == expected.beta_ratio
    assert direct.regressors[0].skip_penalty == expected.skip_penalty


@pytest.mark.parametrize(("parameters", "message"), [
    ({"cv_rule": "worst"}, "cv_rule must be one of 'best', 'one_standard_error'"),
    ({"cv_horizon": 0}, "cv_horizon must be an integer >= 1"),
    ({"beta_ratio": "aic"}, "beta_ratio must be"),
    ({"beta_ratio": "cv", "skip_penalty": 1.0}, "skip_penalty must be None with beta_ratio='cv'"),
])
def test_bad_choices_are_refused(parameters, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ReLUForecaster(2, **parameters).fit(SINE)


def test_networks_are_compared_without_certificates_and_the_one_chosen_is_to_have_one(monkeypatch):
    tried, fit = [], ConvexReLURegressor.fit

    def spied(self, X, y, warm_start=None):
        tried.append(self.settings)
        return fit(self, X, y, warm_start)

    monkeypatch.setattr(ConvexReLURegressor, "fit", spied)
    own = TrainingSettings(rounds=RoundSettings(kept_ends=7))
    history = History.of(kinked(60))
    inputs = Inputs.of(history, 1, "standardize")
    network = ConvexReLURegressor(tol=1e-2, settings=own)
    chosen = PenaltyValidation(history, inputs, 1, "best", network).choose()
    assert set(tried) == {own.for_comparison()} != {own}
    assert chosen.settings == own
    assert own.for_comparison().rounds.kept_ends == 7
