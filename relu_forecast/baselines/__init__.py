"""Baselines: forecasters on the same footing as the convex network."""

from relu_forecast.baselines.arima import ARIMA, ArimaSettings
from relu_forecast.baselines.autoreg import AutoReg
from relu_forecast.baselines.linear import LassoAR, LinearAR, NLinear, RidgeAR
from relu_forecast.baselines.naive import Drift, Naive, SeasonalNaive
from relu_forecast.baselines.nonconvex_network import NonconvexNetwork
from relu_forecast.baselines.regressors import GradientBoosting, Regressor
from relu_forecast.baselines.smoothing import ETS
from relu_forecast.baselines.theta import Theta
from relu_forecast.forecasting.models.analogs import Analogs

__all__ = ["ARIMA", "ETS", "Analogs", "ArimaSettings", "AutoReg", "Drift", "GradientBoosting",
           "LassoAR", "LinearAR", "NLinear", "Naive", "NonconvexNetwork", "Regressor", "RidgeAR",
           "SeasonalNaive", "Theta"]
