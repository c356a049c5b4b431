"""Forecasting: data in, windows and an estimator, walk-forward evaluation, scores."""

from relu_forecast.exceptions import ForecastError
from relu_forecast.forecasting.evaluation.backtest import Backtest, backtest
from relu_forecast.forecasting.evaluation.comparison import (
    DieboldMariano,
    Ranking,
    diebold_mariano,
    rank_models,
)
from relu_forecast.forecasting.evaluation.intervals import ConformalIntervals
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.check import check_forecaster
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.forecasting.models.refitting import LiveForecaster
from relu_forecast.forecasting.models.relu import ReLUForecaster
from relu_forecast.forecasting.models.storing import load_forecaster

__all__ = [
    "Autoregression",
    "Backtest",
    "ConformalIntervals",
    "DieboldMariano",
    "ForecastError",
    "Forecaster",
    "LiveForecaster",
    "Ranking",
    "ReLUForecaster",
    "backtest",
    "check_forecaster",
    "diebold_mariano",
    "load_forecaster",
    "rank_models",
]
