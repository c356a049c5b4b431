"""Seasonal ARIMA: orders, the search for them, the fitted model, and the forecaster."""

from relu_forecast.baselines.arima.forecaster import ARIMA
from relu_forecast.baselines.arima.search import ArimaSettings

__all__ = ["ARIMA", "ArimaSettings"]
