"""Recursive and direct models on arrays, and which regressors start warm."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.strategies import takes_warm_start

VALUES = np.random.default_rng(0).normal(size=40).cumsum()
HISTORY = History.of(VALUES)
STRATEGIES = ("recursive", "direct", "joint")
PAST = Past.of(np.stack([VALUES[5:8], VALUES[20:23]]), 4)


def fit(strategy, regressor, horizon, warm_start=()):
    return Autoregression(3, regressor, strategy, None).train(HISTORY, horizon, warm_start)


class Starting(Ridge):
    """Notes what each of its fits started from."""

    def fit(self, X, y, warm_start=None):
        self.started_ = warm_start
        return super().fit(X, y)


@pytest.mark.parametrize(("strategy", "count"), [("recursive", 1), ("direct", 4), ("joint", 1)])
def test_each_regressor_starts_from_its_own(strategy, count):
    starts = tuple(
        ConvexReLURegressor(beta_ratio=0.9).fit(np.eye(3), [1.0, 2.0, 4.0]).warm_start_
        for _ in range(4))
    cold = fit(strategy, Starting(), 4)
    warm = fit(strategy, Starting(), 4, starts)
    assert [each.started_ for each in cold.regressors] == [None] * count
    assert all(each.started_ is start for each, start in zip(warm.regressors, starts, strict=False))
    assert len(warm.regressors) == count
    np.testing.assert_array_equal(warm.forecast(PAST, 4), cold.forecast(PAST, 4))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_template_stays_unfitted_and_models_are_frozen(strategy):
    template = LinearRegression()
    fitted = fit(strategy, template, 2)
    assert not hasattr(template, "coef_")
    with pytest.raises(FrozenInstanceError):
        fitted.inputs = None
    assert isinstance(fitted.regressors, tuple)


def test_a_direct_model_ends_at_its_horizon_and_no_other_does():
    recursive, direct, joint = (fit(strategy, LinearRegression(), 2) for strategy in STRATEGIES)
    for model in recursive, joint:
        assert model.forecast(PAST, 4).shape == (2, 4)
        np.testing.assert_array_equal(model.forecast(PAST, 4)[:, :3], model.forecast(PAST, 3))
    np.testing.assert_array_equal(direct.forecast(PAST, 2)[:, :1], direct.forecast(PAST, 1))
    with pytest.raises(InvalidArgumentError, match="at most 2, the horizon of the fit"):
        direct.forecast(PAST, 3)


def test_which_regressors_start_warm():
    assert takes_warm_start(ConvexReLURegressor())
    assert takes_warm_start(Starting())
    assert not takes_warm_start(Ridge())


def test_a_step_is_fitted_to_the_samples_so_far_ahead():
    fitted = fit("direct", LinearRegression(), 2).regressors[1]
    windows = np.lib.stride_tricks.sliding_window_view(VALUES[:-2], 3)
    np.testing.assert_allclose(  # both are divided by the same size
        fitted.coef_, LinearRegression().fit(windows, VALUES[4:]).coef_, rtol=1e-9)


def test_a_joint_model_does_not_go_on_where_columns_would_have_to_be_forecast():
    history = History(VALUES, np.cos(VALUES)[:, np.newaxis], np.empty((40, 0)))
    model = Autoregression(3, LinearRegression(), "joint", past_exog=("seen",))
    state = model.train(history, 2, ())
    past = replace(PAST, past=np.cos(PAST.windows)[:, :, np.newaxis])
    assert state.forecast(past, 2).shape == (2, 2)
    with pytest.raises(InvalidArgumentError, match="at most 2, the horizon of the fit"):
        state.forecast(past, 3)
