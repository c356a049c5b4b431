"""Forecast signals with ReLU networks trained to a certified global optimum.

The public names are imported on first use, so that ``import relu_forecast`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relu_forecast.architectures import Circular as Circular
    from relu_forecast.architectures import Convolution as Convolution
    from relu_forecast.architectures import Dense as Dense
    from relu_forecast.arrangements import ActivationPatterns as ActivationPatterns
    from relu_forecast.arrangements import enumerate_patterns as enumerate_patterns
    from relu_forecast.arrangements import low_rank_patterns as low_rank_patterns
    from relu_forecast.arrangements import pattern_bound as pattern_bound
    from relu_forecast.arrangements import sample_patterns as sample_patterns
    from relu_forecast.certificates import Certificate as Certificate
    from relu_forecast.datasets import load_ecg as load_ecg
    from relu_forecast.datasets import read_series as read_series
    from relu_forecast.estimators import CircularCNNRegressor as CircularCNNRegressor
    from relu_forecast.estimators import ConvexCNNRegressor as ConvexCNNRegressor
    from relu_forecast.estimators import ConvexReLURegressor as ConvexReLURegressor
    from relu_forecast.estimators import NonconvexReLURegressor as NonconvexReLURegressor
    from relu_forecast.exceptions import ConvergenceWarning as ConvergenceWarning
    from relu_forecast.exceptions import InvalidArgumentError as InvalidArgumentError
    from relu_forecast.exceptions import InvalidTypeError as InvalidTypeError
    from relu_forecast.forecasting import Autoregression as Autoregression
    from relu_forecast.forecasting import Backtest as Backtest
    from relu_forecast.forecasting import ConformalIntervals as ConformalIntervals
    from relu_forecast.forecasting import DieboldMariano as DieboldMariano
    from relu_forecast.forecasting import Forecaster as Forecaster
    from relu_forecast.forecasting import ForecastError as ForecastError
    from relu_forecast.forecasting import Ranking as Ranking
    from relu_forecast.forecasting import ReLUForecaster as ReLUForecaster
    from relu_forecast.forecasting import backtest as backtest
    from relu_forecast.forecasting import diebold_mariano as diebold_mariano
    from relu_forecast.forecasting import rank_models as rank_models
    from relu_forecast.networks import CircularReLUNetwork as CircularReLUNetwork
    from relu_forecast.networks import ConvReLUNetwork as ConvReLUNetwork
    from relu_forecast.networks import ReLUNetwork as ReLUNetwork
    from relu_forecast.path import Path as Path
    from relu_forecast.path import regularization_path as regularization_path
    from relu_forecast.program import ConvexProgram as ConvexProgram
    from relu_forecast.records import load_wfdb as load_wfdb
    from relu_forecast.solvers import Solution as Solution
    from relu_forecast.solvers import solve as solve
    from relu_forecast.storage import load_forecaster as load_forecaster
    from relu_forecast.windows import hankel as hankel
    from relu_forecast.windows import patches as patches

_HOMES = {
    "ActivationPatterns": "arrangements",
    "Autoregression": "forecasting",
    "Backtest": "forecasting",
    "Certificate": "certificates",
    "Circular": "architectures",
    "CircularCNNRegressor": "estimators",
    "CircularReLUNetwork": "networks",
    "ConformalIntervals": "forecasting",
    "ConvReLUNetwork": "networks",
    "ConvergenceWarning": "exceptions",
    "ConvexCNNRegressor": "estimators",
    "ConvexProgram": "program",
    "ConvexReLURegressor": "estimators",
    "Convolution": "architectures",
    "Dense": "architectures",
    "DieboldMariano": "forecasting",
    "ForecastError": "forecasting",
    "Forecaster": "forecasting",
    "InvalidArgumentError": "exceptions",
    "InvalidTypeError": "exceptions",
    "NonconvexReLURegressor": "estimators",
    "Path": "path",
    "Ranking": "forecasting",
    "ReLUForecaster": "forecasting",
    "ReLUNetwork": "networks",
    "Solution": "solvers",
    "backtest": "forecasting",
    "diebold_mariano": "forecasting",
    "enumerate_patterns": "arrangements",
    "hankel": "windows",
    "load_ecg": "datasets",
    "load_wfdb": "records",
    "load_forecaster": "storage",
    "low_rank_patterns": "arrangements",
    "patches": "windows",
    "pattern_bound": "arrangements",
    "rank_models": "forecasting",
    "read_series": "datasets",
    "regularization_path": "path",
    "sample_patterns": "arrangements",
    "solve": "solvers",
}
_MODULES = ("baselines", "plots")

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
