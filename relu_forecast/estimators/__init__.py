"""scikit-learn regressors: networks trained convexly, and the same networks by gradients."""

from relu_forecast.estimators.convex import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
)
from relu_forecast.estimators.nonconvex import NonconvexReLURegressor

__all__ = [
    "CircularCNNRegressor",
    "ConvexCNNRegressor",
    "ConvexReLURegressor",
    "NonconvexReLURegressor",
]
