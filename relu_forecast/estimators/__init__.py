"""scikit-learn regressors, networks trained convexly or by gradients; regularization paths."""

from relu_forecast.estimators.convex import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
)
from relu_forecast.estimators.grouped import GroupedReLURegressor
from relu_forecast.estimators.nonconvex import NonconvexReLURegressor
from relu_forecast.estimators.path import RegularizationPath, regularization_path
from relu_forecast.estimators.staged import StagedReLURegressor

__all__ = [
    "CircularCNNRegressor",
    "ConvexCNNRegressor",
    "ConvexReLURegressor",
    "GroupedReLURegressor",
    "NonconvexReLURegressor",
    "RegularizationPath",
    "StagedReLURegressor",
    "regularization_path",
]
