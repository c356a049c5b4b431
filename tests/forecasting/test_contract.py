"""The contract: defaults of a forecaster, and forecasts that are refused."""

import numpy as np
import pytest

from relu_forecast.baselines import LinearAR
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import (
    ForecastingModel,
    check_within_horizon,
    forecast_checked,
)
from relu_forecast.forecasting.data.history import Covariates, History, Past


class Least(ForecastingModel):
    """No more than what must be written."""

    lookback = 3

    def train(self, history, horizon, warm_start):
        return float(history.values[-1])

    def forecast(self, state, past, h):
        forecasts = np.full((len(past.windows), h), state)
        forecasts[:, 2:] = np.inf
        return forecasts


PAST = Past.of(np.ones((2, 3)), 4)


def test_what_is_not_written_has_a_default():
    model = Least()
    assert model.covariates == Covariates()
    assert (model.needs_horizon, model.accepts_warm_start) == (False, False)
    assert (model.min_length(5), model.warm_start_of(1.0)) == (3, ())
    model.check_parameters()


def test_what_must_be_written_is_missed():
    with pytest.raises(TypeError, match="abstract"):
        type("Empty", (ForecastingModel,), {"lookback": 1})()


def test_other_classes_with_these_methods_are_models_too():
    assert isinstance(LinearAR(3), ForecastingModel)
    assert not isinstance(object(), ForecastingModel)


def test_forecasts_must_be_finite():
    model = Least()
    state = model.train(History.of([1.0, 2.0]), 1, ())
    np.testing.assert_array_equal(forecast_checked(model, state, PAST, 2), np.full((2, 2), 2.0))
    with pytest.raises(FloatingPointError, match="not finite from step 3 of 4 on"):
        forecast_checked(model, state, PAST, 4)


def test_forecasts_end_at_the_horizon():
    check_within_horizon(3, 3)
    with pytest.raises(InvalidArgumentError, match=r"h must be at most 3.*fit\(..., horizon=4\)"):
        check_within_horizon(4, 3)
