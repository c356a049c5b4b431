"""Every forecaster of the package keeps the contract, as `check_forecaster` tells."""

import pytest
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast import baselines
from relu_forecast.estimators import ConvexCNNRegressor
from relu_forecast.forecasting import Autoregression, ReLUForecaster, check_forecaster
from relu_forecast.windows.contexts import Context

EXOGENOUS = {"past_exog": ("seen",), "future_exog": ("known",)}
FORECASTERS = [
    baselines.Naive(), baselines.SeasonalNaive(4), baselines.Drift(), baselines.LinearAR(3),
    baselines.LinearAR(3, "direct"), baselines.LinearAR(3, transform="difference"),
    baselines.RidgeAR(3), baselines.RidgeAR(3, 1.0), baselines.LassoAR(3, 0.05),
    baselines.NLinear(3), baselines.NLinear(3, 1.0), baselines.Analogs(4),
    baselines.Analogs(3, 2, None), baselines.Analogs(2, 999), baselines.AutoReg(2, "ct", 3),
    baselines.ARIMA((1, 0, 1)), baselines.ETS(trend="add", seasonal=None),
    baselines.ETS(season_length=4, seasonal="mul"), baselines.Theta(),
    baselines.Theta(season_length=4), baselines.Regressor(Ridge(), 3, on_residuals=True),
    baselines.GradientBoosting(2), baselines.NonconvexNetwork(2, n_neurons=3, n_steps=10),
    Autoregression(2, LinearRegression(), "direct", **EXOGENOUS),
    Autoregression(2, Ridge(), future_exog=("known",)),
    Autoregression(3, Ridge(), "joint"), Autoregression([1, 4], LinearRegression()),
    Autoregression(Context.multiresolution(6, 2), LinearRegression(), "joint"),
    ReLUForecaster(2, strategy="recursive", beta_ratio=0.5), ReLUForecaster(2, beta_ratio=0.7),
    *(pytest.param(model, marks=pytest.mark.long) for model in (
        ReLUForecaster(2, 2, beta_ratio=0.7, past_exog=("seen",)),
        ReLUForecaster(2, beta_ratio=0.7, strategy="direct"),
        ReLUForecaster([1, 3], strategy="direct", beta_ratio=0.7, future_exog=("known",)),
        ReLUForecaster(3, estimator=ConvexCNNRegressor(2, beta_ratio=0.7, tol=0.1)))),
]


@pytest.mark.parametrize("forecaster", FORECASTERS, ids=repr)
@pytest.mark.filterwarnings("ignore::relu_forecast.ConvergenceWarning")
# Threads share the list of warning filters, which scikit-learn looks into.
@pytest.mark.filterwarnings("ignore:`sklearn.utils.parallel.delayed`:UserWarning")
def test_forecasters_keep_the_contract(forecaster):
    check_forecaster(forecaster)


@pytest.mark.slow
@pytest.mark.parametrize("forecaster", [
    ReLUForecaster(horizon=3), ReLUForecaster(), ReLUForecaster(horizon=2, committee=False),
    pytest.param(ReLUForecaster(1, 2), marks=pytest.mark.long),
    ReLUForecaster(horizon=2, strategy="recursive"),
    ReLUForecaster(horizon=2, future_exog=("known",)),
    ReLUForecaster(horizon=2, past_exog=("seen",))], ids=repr)
@pytest.mark.filterwarnings("ignore::relu_forecast.ConvergenceWarning")
def test_committees_keep_the_contract(forecaster):
    check_forecaster(forecaster)
