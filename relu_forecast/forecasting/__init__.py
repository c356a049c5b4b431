"""Forecasting: data in, windows and an estimator, a walk forward, scores."""

from relu_forecast.forecasting.autoregression import Autoregression
from relu_forecast.forecasting.backtest import Backtest, backtest
from relu_forecast.forecasting.base import Forecaster
from relu_forecast.forecasting.forecaster import ReLUForecaster
from relu_forecast.forecasting.walk_forward import ForecastError

__all__ = [
    "Autoregression",
    "Backtest",
    "ForecastError",
    "Forecaster",
    "ReLUForecaster",
    "backtest",
]
