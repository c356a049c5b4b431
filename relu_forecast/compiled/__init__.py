"""Fitted models as plain arrays: all that forecasts take, and nothing of how they came about.

A state of a forecaster says what it is in this form (its method ``compiled``). Streams and exports
know no other one.
"""

from relu_forecast.compiled.analogs import AnalogSearch
from relu_forecast.compiled.committee import Mixture
from relu_forecast.compiled.networks import WindowNetwork
from relu_forecast.compiled.recursion import Recursion
from relu_forecast.compiled.window_model import WindowModel

__all__ = ["AnalogSearch", "Mixture", "Recursion", "WindowModel", "WindowNetwork"]
