"""Recursive and direct models on arrays, and which regressors start warm."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.strategies import (
    STRATEGIES,
    DirectModel,
    RecursiveModel,
    takes_warm_start,
)

VALUES = np.random.default_rng(0).normal(size=40).cumsum()
HISTORY = History.of(VALUES)
INPUTS = Inputs.of(HISTORY, 3, None)
PAST = Past.of(np.stack([VALUES[5:8], VALUES[20:23]]), 4)


class Starting(Ridge):
    """Notes what each of its fits started from."""

    def fit(self, X, y, warm_start=None):
        self.started_ = warm_start
        return super().fit(X, y)


@pytest.mark.parametrize(("model", "count"), [(RecursiveModel, 1), (DirectModel, 4)])
def test_each_regressor_starts_from_its_own(model, count):
    starts = tuple(
        ConvexReLURegressor(beta_ratio=0.9).fit(np.eye(3), [1.0, 2.0, 4.0]).warm_start_
        for _ in range(4))
    cold = model.fit(INPUTS, Starting(), HISTORY, 4, ())
    warm = model.fit(INPUTS, Starting(), HISTORY, 4, starts)
    assert [each.started_ for each in cold.regressors] == [None] * count
    assert all(each.started_ is start for each, start in zip(warm.regressors, starts, strict=False))
    assert len(warm.regressors) == count
    np.testing.assert_array_equal(warm.forecast(PAST, 4), cold.forecast(PAST, 4))


@pytest.mark.parametrize("model", STRATEGIES.values())
def test_the_template_stays_unfitted_and_models_are_frozen(model):
    template = LinearRegression()
    fitted = model.fit(INPUTS, template, HISTORY, 2, ())
    assert not hasattr(template, "coef_")
    with pytest.raises(FrozenInstanceError):
        fitted.inputs = INPUTS
    assert isinstance(fitted.regressors, tuple)


def test_a_direct_model_ends_at_its_horizon_and_a_recursive_one_does_not():
    recursive, direct = (
        model.fit(INPUTS, LinearRegression(), HISTORY, 2, ()) for model in STRATEGIES.values())
    assert recursive.forecast(PAST, 4).shape == (2, 4)
    np.testing.assert_array_equal(direct.forecast(PAST, 2)[:, :1], direct.forecast(PAST, 1))
    with pytest.raises(InvalidArgumentError, match="at most 2, the horizon of the fit"):
        direct.forecast(PAST, 3)


def test_which_regressors_start_warm():
    assert takes_warm_start(ConvexReLURegressor())
    assert takes_warm_start(Starting())
    assert not takes_warm_start(Ridge())
