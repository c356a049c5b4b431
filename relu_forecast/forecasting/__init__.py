"""Forecasting: data in, windows and an estimator, a walk forward, scores."""

from relu_forecast.forecasting.autoregression import Autoregression
from relu_forecast.forecasting.backtest import Backtest, backtest
from relu_forecast.forecasting.base import Forecaster
from relu_forecast.forecasting.comparison import (
    DieboldMariano,
    Ranking,
    diebold_mariano,
    rank_models,
)
from relu_forecast.forecasting.forecaster import ReLUForecaster
from relu_forecast.forecasting.intervals import ConformalIntervals
from relu_forecast.forecasting.models import ForecastError

__all__ = [
    "Autoregression",
    "Backtest",
    "ConformalIntervals",
    "DieboldMariano",
    "ForecastError",
    "Forecaster",
    "Ranking",
    "ReLUForecaster",
    "backtest",
    "diebold_mariano",
    "rank_models",
]
