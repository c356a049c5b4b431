"""Baselines: forecasters on the same footing as the convex network."""

from relu_forecast.baselines.linear import LassoAR, LinearAR, RidgeAR
from relu_forecast.baselines.naive import Drift, Naive, SeasonalNaive
from relu_forecast.baselines.nonconvex import NonconvexNetwork
from relu_forecast.baselines.statistical import AutoReg

__all__ = [
    "AutoReg",
    "Drift",
    "LassoAR",
    "LinearAR",
    "Naive",
    "NonconvexNetwork",
    "RidgeAR",
    "SeasonalNaive",
]
