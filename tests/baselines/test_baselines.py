"""What holds for every baseline."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from relu_forecast import baselines
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from tests.baselines.samples import SEASONAL, STATISTICAL

EVERY = [
    baselines.Naive(), baselines.SeasonalNaive(4), baselines.Drift(), baselines.LinearAR(5),
    baselines.RidgeAR(5), baselines.RidgeAR(5, penalty=2.0),
    baselines.RidgeAR(5, transform="difference"), baselines.LassoAR(5),
    baselines.LassoAR(5, penalty=0.1), baselines.LassoAR(5, strategy="direct"),
    baselines.AutoReg(3), baselines.AutoReg(0, "ct", 3), baselines.NLinear(5),
    baselines.NLinear(5, penalty=2.0), baselines.Analogs(5), baselines.Regressor(Ridge(), 5),
    baselines.GradientBoosting(5), baselines.GradientBoosting(5, on_residuals=True),
    baselines.NonconvexNetwork(4, n_neurons=3, n_steps=5), *STATISTICAL]


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_the_shortest_series_is_long_enough_and_no_shorter_one_is(model):
    with warnings.catch_warnings():
        if model in STATISTICAL:  # so few samples need not have a likelihood with a maximum
            warnings.simplefilter("ignore", ConvergenceWarning)
        frame = clone(model).fit(SEASONAL[: model.min_length(3)], freq=1, horizon=3).predict()
    assert np.isfinite(frame[model.alias]).all()
    with pytest.raises(InvalidArgumentError, match="at least|non-empty"):
        clone(model).fit(SEASONAL[: model.min_length(1) - 1], freq=1, horizon=1)


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_aliases_name_the_column(model):
    renamed = clone(model).set_params(alias="mine").fit(SEASONAL, horizon=1)
    assert list(renamed.predict(1)) == ["unique_id", "ds", "mine"]


@pytest.mark.parametrize(("model", "message"), [
    (baselines.SeasonalNaive(0), "season_length must be an integer >= 1"),
    (baselines.SeasonalNaive(2.5), "season_length must be an integer >= 1"),
    (baselines.LinearAR(0), "lags must be an integer >= 1"),
    (baselines.RidgeAR(3, penalty=0.0), "penalty must be a finite number > 0"),
    (baselines.LassoAR(3, penalty=-1.0), "penalty must be a finite number > 0"),
    (baselines.NLinear(0), "lags must be an integer >= 1"),
    (baselines.NLinear(3, penalty=-1.0), "penalty must be a finite number >= 0"),
    (baselines.Analogs(0), "lags must be an integer >= 1"),
    (baselines.Analogs(k=0), "k must be an integer >= 1"),
    (baselines.Analogs(transform="standardize"), "transform must be one of 'last_value', None"),
    (baselines.Regressor("ridge"), "estimator must be a scikit-learn regressor"),
    (baselines.Regressor(Ridge(), on_residuals="yes"), "on_residuals must be one of False, True"),
    (baselines.Regressor(Ridge(), strategy="both"), "strategy must be one of"),
    (baselines.GradientBoosting(0), "lags must be an integer >= 1"),
    (baselines.GradientBoosting(on_residuals=1), "on_residuals must be one of False, True"),
    (baselines.AutoReg(-1), "lags must be an integer >= 0"),
    (baselines.AutoReg(3, trend="l"), "trend must be one of 'n', 'c', 't', 'ct'"),
    (baselines.AutoReg(3, season_length=1), "season_length must be an integer >= 2"),
    (baselines.AutoReg(0, trend="n"), "lags must be >= 1 with trend='n' and no season"),
    (baselines.ARIMA((1, 0)), "order must be three integers >= 0"),
    (baselines.ARIMA("101"), "order must be three integers >= 0"),
    (baselines.ARIMA((1, 0, -1)), "order must be an integer >= 0"),
    (baselines.ARIMA((1, 0, 0.5)), "order must be an integer >= 0"),
    (baselines.ARIMA(seasonal_order=(1, 0), season_length=4),
     "seasonal_order must be three integers >= 0"),
    (baselines.ARIMA(seasonal_order=(1, 0, 0)),
     "season_length must be an integer >= 2 with a seasonal_o"),
    (baselines.ARIMA(season_length=1), "season_length must be an integer >= 2"),
    (baselines.ARIMA((4, 0, 0), 4, (1, 0, 0)), "order must be below season_length=4"),
    (baselines.ARIMA((0, 0, 5), 4, (0, 0, 1)), "order must be below season_length=4"),
    (baselines.ARIMA(trend="t"), "trend must be one of None, 'n', 'c'"),
    (baselines.ARIMA(max_order=-1), "max_order must be an integer >= 0"),
    (baselines.ETS("additive"), "error must be one of 'add', 'mul', 'auto'"),
    (baselines.ETS(trend="mul"), "trend must be one of None, 'add', 'auto'"),
    (baselines.ETS(damped_trend="yes"), "damped_trend must be one of False, True, 'auto'"),
    (baselines.ETS(trend=None, damped_trend=True),
     "damped_trend must be False or 'auto' with trend=None"),
    (baselines.ETS(season_length=1), "season_length must be an integer >= 2"),
    (baselines.ETS(seasonal="add"), "season_length must be an integer >= 2 with seasonal='add'"),
    (baselines.ETS(season_length=4, seasonal="multiply"),
     "seasonal must be one of None, 'add', 'mul'"),
    (baselines.Theta(season_length=1), "season_length must be an integer >= 2"),
    (baselines.Theta(4, "multiply"), "seasonal must be one of 'auto', 'add', 'mul'"),
    (baselines.Theta(theta=0.5), "theta must be a finite number >= 1"),
    (baselines.Theta(theta=np.nan), "theta must be finite"),
], ids=repr)
def test_parameters_are_checked_at_fit(model, message):
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(SEASONAL)
    with pytest.raises(InvalidArgumentError, match=message):
        model.cross_validation(SEASONAL, 2)
