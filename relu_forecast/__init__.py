"""Forecast signals with ReLU networks trained by convex optimization, with a lower bound.

The public names are imported on first use, so that ``import relu_forecast`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relu_forecast.datasets import load_ecg as load_ecg
    from relu_forecast.datasets import load_wfdb as load_wfdb
    from relu_forecast.datasets import read_series as read_series
    from relu_forecast.estimators import CircularCNNRegressor as CircularCNNRegressor
    from relu_forecast.estimators import ConvexCNNRegressor as ConvexCNNRegressor
    from relu_forecast.estimators import ConvexReLURegressor as ConvexReLURegressor
    from relu_forecast.estimators import GroupedReLURegressor as GroupedReLURegressor
    from relu_forecast.estimators import NonconvexReLURegressor as NonconvexReLURegressor
    from relu_forecast.estimators import RegularizationPath as RegularizationPath
    from relu_forecast.estimators import StagedReLURegressor as StagedReLURegressor
    from relu_forecast.estimators import regularization_path as regularization_path
    from relu_forecast.exceptions import ContractError as ContractError
    from relu_forecast.exceptions import ConvergenceWarning as ConvergenceWarning
    from relu_forecast.exceptions import ForecastError as ForecastError
    from relu_forecast.exceptions import InvalidArgumentError as InvalidArgumentError
    from relu_forecast.exceptions import InvalidTypeError as InvalidTypeError
    from relu_forecast.exceptions import MissingPackageError as MissingPackageError
    from relu_forecast.forecasting import Autoregression as Autoregression
    from relu_forecast.forecasting import Backtest as Backtest
    from relu_forecast.forecasting import ConformalIntervals as ConformalIntervals
    from relu_forecast.forecasting import DieboldMariano as DieboldMariano
    from relu_forecast.forecasting import Forecaster as Forecaster
    from relu_forecast.forecasting import Ranking as Ranking
    from relu_forecast.forecasting import ReLUForecaster as ReLUForecaster
    from relu_forecast.forecasting import backtest as backtest
    from relu_forecast.forecasting import check_forecaster as check_forecaster
    from relu_forecast.forecasting import diebold_mariano as diebold_mariano
    from relu_forecast.forecasting import load_forecaster as load_forecaster
    from relu_forecast.forecasting import rank_models as rank_models
    from relu_forecast.networks import Circular as Circular
    from relu_forecast.networks import CircularReLUNetwork as CircularReLUNetwork
    from relu_forecast.networks import Convolution as Convolution
    from relu_forecast.networks import ConvReLUNetwork as ConvReLUNetwork
    from relu_forecast.networks import Dense as Dense
    from relu_forecast.networks import ReLUNetwork as ReLUNetwork
    from relu_forecast.patterns import ActivationPatterns as ActivationPatterns
    from relu_forecast.patterns import enumerate_patterns as enumerate_patterns
    from relu_forecast.patterns import low_rank_patterns as low_rank_patterns
    from relu_forecast.patterns import pattern_bound as pattern_bound
    from relu_forecast.patterns import sample_patterns as sample_patterns
    from relu_forecast.problems import Certificate as Certificate
    from relu_forecast.problems import ConvexProgram as ConvexProgram
    from relu_forecast.solvers import Solution as Solution
    from relu_forecast.solvers import solve as solve
    from relu_forecast.windows import hankel as hankel
    from relu_forecast.windows import patches as patches

_NAMES_BY_ROOM = {
    "datasets": ("load_ecg", "load_wfdb", "read_series"),
    "estimators": (
        "CircularCNNRegressor", "ConvexCNNRegressor", "ConvexReLURegressor",
        "GroupedReLURegressor", "NonconvexReLURegressor", "RegularizationPath",
        "StagedReLURegressor", "regularization_path"),
    "exceptions": (
        "ContractError", "ConvergenceWarning", "ForecastError", "InvalidArgumentError",
        "InvalidTypeError",
        "MissingPackageError"),
    "forecasting": (
        "Autoregression", "Backtest", "ConformalIntervals", "DieboldMariano",
        "Forecaster", "Ranking", "ReLUForecaster", "backtest", "check_forecaster",
        "diebold_mariano",
        "load_forecaster", "rank_models"),
    "networks": (
        "Circular", "CircularReLUNetwork", "ConvReLUNetwork", "Convolution", "Dense",
        "ReLUNetwork"),
    "patterns": (
        "ActivationPatterns", "enumerate_patterns", "low_rank_patterns", "pattern_bound",
        "sample_patterns"),
    "problems": ("Certificate", "ConvexProgram"),
    "solvers": ("Solution", "solve"),
    "windows": ("hankel", "patches"),
}
_ROOMS = {name: room for room, names in _NAMES_BY_ROOM.items() for name in names}
_MODULES = ("baselines", "explain", "plots")

__all__ = [*_ROOMS, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name from the room that defines it."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
