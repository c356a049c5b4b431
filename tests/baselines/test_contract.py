"""Every forecaster of the package keeps the contract, as `check_forecaster` tells."""

import pytest
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast.baselines import (
    ARIMA,
    ETS,
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
    Theta,
)
from relu_forecast.estimators import ConvexCNNRegressor
from relu_forecast.forecasting import Autoregression, ReLUForecaster, check_forecaster

EXOGENOUS = {"past_exog": ("seen",), "future_exog": ("known",)}
FORECASTERS = [
    Naive(), SeasonalNaive(4), Drift(), LinearAR(3), LinearAR(3, "direct"),
    LinearAR(3, transform="difference"), RidgeAR(3), RidgeAR(3, 1.0), LassoAR(3, 0.05), NLinear(3),
    NLinear(3, 1.0), AutoReg(2, "ct", 3), ARIMA((1, 0, 1)), ETS(trend="add", seasonal=None),
    ETS(season_length=4, seasonal="mul"), Theta(), Theta(season_length=4),
    Regressor(Ridge(), 3, on_residuals=True), GradientBoosting(2),
    NonconvexNetwork(2, n_neurons=3, n_steps=10),
    Autoregression(2, LinearRegression(), "direct", **EXOGENOUS),
    Autoregression(2, Ridge(), future_exog=("known",)),
    ReLUForecaster(2, beta_ratio=0.5), ReLUForecaster(1, beta_ratio="cv", cv_horizon=2),
    ReLUForecaster(2, beta_ratio=0.5, strategy="direct"),
    ReLUForecaster(3, ConvexCNNRegressor(2, beta_ratio=0.5, tol=0.1)),
]


@pytest.mark.parametrize("forecaster", FORECASTERS, ids=repr)
@pytest.mark.filterwarnings("ignore::relu_forecast.ConvergenceWarning")
def test_forecasters_keep_the_contract(forecaster):
    check_forecaster(forecaster)
