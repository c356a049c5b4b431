"""What holds for every baseline."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from relu_forecast.baselines import (
    AutoReg,
    Drift,
    GradientBoosting,
    LassoAR,
    LinearAR,
    Naive,
    NLinear,
    NonconvexNetwork,
    Regressor,
    RidgeAR,
    SeasonalNaive,
)
from relu_forecast.exceptions import InvalidArgumentError

RNG = np.random.default_rng(0)
SIGNAL = np.sin(np.arange(90) / 4) + 0.3 * RNG.normal(size=90)
EVERY = [
    Naive(), SeasonalNaive(4), Drift(), LinearAR(5), RidgeAR(5), RidgeAR(5, penalty=2.0),
    LassoAR(5), LassoAR(5, penalty=0.1), LassoAR(5, strategy="direct"),
    RidgeAR(5, transform="difference"), AutoReg(3), AutoReg(0, "ct", 3),
    NLinear(5), NLinear(5, penalty=2.0), Regressor(Ridge(), 5), GradientBoosting(5),
    GradientBoosting(5, on_residuals=True), NonconvexNetwork(4, n_neurons=3, n_steps=5)]


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_the_shortest_series_is_long_enough_and_no_shorter_one_is(model):
    frame = clone(model).fit(SIGNAL[: model.min_length(3)], freq=1, horizon=3).predict()
    assert np.isfinite(frame[model.alias]).all()
    with pytest.raises(InvalidArgumentError, match="at least|non-empty"):
        clone(model).fit(SIGNAL[: model.min_length(1) - 1], freq=1, horizon=1)


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_aliases_name_the_column(model):
    renamed = clone(model).set_params(alias="mine").fit(SIGNAL, horizon=1)
    assert list(renamed.predict(1)) == ["unique_id", "ds", "mine"]


@pytest.mark.parametrize(("model", "message"), [
    (SeasonalNaive(0), "season_length must be an integer >= 1"),
    (SeasonalNaive(2.5), "season_length must be an integer >= 1"),
    (LinearAR(0), "lags must be an integer >= 1"),
    (RidgeAR(3, penalty=0.0), "penalty must be a finite number > 0"),
    (LassoAR(3, penalty=-1.0), "penalty must be a finite number > 0"),
    (NLinear(0), "lags must be an integer >= 1"),
    (NLinear(3, penalty=-1.0), "penalty must be a finite number >= 0"),
    (Regressor("ridge"), "estimator must be a scikit-learn regressor"),
    (Regressor(Ridge(), on_residuals="yes"), "on_residuals must be one of False, True"),
    (Regressor(Ridge(), strategy="both"), "strategy must be one of"),
    (GradientBoosting(0), "lags must be an integer >= 1"),
    (GradientBoosting(on_residuals=1), "on_residuals must be one of False, True"),
    (AutoReg(-1), "lags must be an integer >= 0"),
    (AutoReg(3, trend="l"), "trend must be one of 'n', 'c', 't', 'ct'"),
    (AutoReg(3, season_length=1), "season_length must be an integer >= 2"),
    (AutoReg(0, trend="n"), "lags must be >= 1 with trend='n' and no season"),
])
def test_parameters_are_checked_at_fit(model, message):
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(SIGNAL)
    with pytest.raises(InvalidArgumentError, match=message):
        model.cross_validation(SIGNAL, 2)
