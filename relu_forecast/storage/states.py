"""How fitted states are kept as data, and what of a forecaster they must agree with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.strategies import STRATEGIES
from relu_forecast.storage.encoding import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    Array,
    Json,
    Kind,
    Many,
    Number,
    Place,
    Record,
    Tagged,
    Whole,
)
from relu_forecast.storage.regressors import REGRESSORS
from relu_forecast.windows.transforms import TRANSFORMS

_VECTOR, _MATRIX = Array(), Array((2,))
_OWN = "relu_forecast.forecasting"
_BASELINES = "relu_forecast.baselines"
_TRANSFORMS_HOME = "relu_forecast.windows.transforms"


def _require(condition: bool, required: str) -> None:
    """Refuse a state that does not fit its forecaster."""
    if not condition:
        raise ValueError(f"it must have {required}")


def _positive_scales(kind: type, values: dict[str, Any]) -> Any:
    """Return a transform that divides by a scale, or by several."""
    _require(bool((np.asarray(values.get("scale", values.get("scales"))) > 0).all()),
             "scales above 0")
    return kind(**values)


def _residual_fields(regressor: Any) -> dict[str, Any]:
    """Return the fields of a regressor on residuals; None for what was not fitted."""
    parts = [getattr(regressor, name, None) for name in ("linear_", "estimator_")]
    return {"estimator": regressor.estimator, "fitted": parts if parts[0] else []}


def _on_residuals(kind: type, values: dict[str, Any]) -> Any:
    """Return a regressor on residuals, fitted or not."""
    regressor = kind(values["estimator"])
    if values["fitted"]:
        regressor.linear_, regressor.estimator_ = values["fitted"]
        _require(_width(regressor.linear_) == _width(regressor.estimator_), "parts that agree")
    return regressor


_ALONE = Tagged(REGRESSORS)
_REGRESSOR = Tagged({**REGRESSORS, "OnResiduals": Record(
    f"{_BASELINES}.regressors", {"estimator": _ALONE, "fitted": Many(_ALONE)},
    _residual_fields, _on_residuals)})
_TRANSFORM = Tagged({
    "Identity": Record(_TRANSFORMS_HOME, {}),
    "LastValue": Record(_TRANSFORMS_HOME, {}),
    "Difference": Record(_TRANSFORMS_HOME, {}),
    "Standardize": Record(
        _TRANSFORMS_HOME, {"mean": NUMBER, "scale": NUMBER}, None, _positive_scales)})
_STANDARDIZATION = Tagged({"Standardization": Record(
    _TRANSFORMS_HOME, {"means": _VECTOR, "scales": _VECTOR}, None, _positive_scales)})
_INPUTS = Tagged({"Inputs": Record(f"{_OWN}.models.inputs", {
    "lags": Whole(1), "transform": _TRANSFORM, "past": _STANDARDIZATION,
    "future": _STANDARDIZATION})})
_WINDOWS = Tagged({
    "RecursiveModel": Record(
        f"{_OWN}.models.strategies", {"inputs": _INPUTS, "regressor": _REGRESSOR}),
    "DirectModel": Record(
        f"{_OWN}.models.strategies", {"inputs": _INPUTS, "regressors": Many(_REGRESSOR)}, None,
        lambda kind, values: kind(values["inputs"], tuple(values["regressors"])))})


def _width(regressor: Any) -> int:
    """Return how many features a regressor was fitted on, for one target."""
    fitted = getattr(regressor, "linear_", regressor)
    _require(hasattr(fitted, "n_features_in_"), "fitted regressors")
    _require(np.ndim(getattr(fitted, "coef_", [0])) == 1, "regressors of one target")
    return int(fitted.n_features_in_)


def _fits_autoregression(forecaster: Any, state: Any, length: int) -> None:
    """Refuse windows, transform, covariates and regressors of other sizes or kinds."""
    _require(type(state) is STRATEGIES[forecaster.strategy], f"strategy {forecaster.strategy!r}")
    inputs: Inputs = state.inputs
    _require(inputs.lags == forecaster.lags, f"lags {forecaster.lags}")
    _require(type(inputs.transform) is TRANSFORMS[forecaster.transform],
             f"transform {forecaster.transform!r}")
    past, future = len(forecaster.covariates.past), len(forecaster.covariates.future)
    for scales, n in ((inputs.past, past), (inputs.future, future)):
        _require(scales.means.shape == scales.scales.shape == (n,), f"{n} scales of columns")
    width = inputs.lags * (1 + past) + future
    _require({_width(each) for each in state.regressors} == {width},
             f"regressors of {width} features")


def _fits_nlinear(forecaster: Any, state: Any, length: int) -> None:
    """Refuse a map from other lags."""
    _require(np.shape(getattr(state.regressor, "coef_", 0))[1:] == (forecaster.lags,),
             f"a map from {forecaster.lags} lags")


def _orders(kind: type, values: dict[str, Any]) -> Any:
    """Return orders, three of each."""
    order, seasonal_order = tuple(values["order"]), tuple(values["seasonal_order"])
    _require(len(order) == len(seasonal_order) == 3, "three orders each")
    _require(values["trend"] in ("n", "c"), "trend 'n' or 'c'")
    return kind(order, seasonal_order, values["season_length"], values["trend"])


def _fits_arima(forecaster: Any, state: Any, length: int) -> None:
    """Refuse orders that are not those of the forecaster or of the arrays, however large.

    No polynomial may be made before: it has as many terms as the file says.
    """
    (p, d, q), (seasonal_p, seasonal_d, seasonal_q) = state.orders.order, (
        state.orders.seasonal_order)
    season, constant = state.orders.season_length, state.orders.trend == "c"
    _require(season == (forecaster.season_length or 0) <= length, "a season within the samples")
    _require((d if forecaster.order is None else forecaster.order[1]) == d <= 2 + length,
             "the given differences")
    seasonal = forecaster.seasonal_order
    _require((seasonal_d if seasonal is None else seasonal[1]) == seasonal_d,
             "the given seasonal differences")
    _require(len(state.tail) == 1 + d + seasonal_d * season <= length, "a tail to difference")
    _require(len(state.params) == p + q + seasonal_p + seasonal_q + constant,
             "a parameter per term")
    size = max(p + seasonal_p * season, q + seasonal_q * season + 1)
    _require(state.mean.shape == (size,) and state.covariance.shape == (size, size),
             f"{size} states")


def _fits_any(forecaster: Any, state: Any, length: int) -> None:
    """Take every state: there is nothing to agree with."""


def _fits_season(forecaster: Any, state: Any, length: int) -> None:
    """Refuse an exponential smoothing without season or scale, or with a weight out of range."""
    _require(len(state.season) > 0, "a season")
    _require(getattr(state, "scale", 1.0) > 0, "a scale above 0")
    _require(0 < state.smoothing_level <= 1, "a smoothing level within 0 and 1")


@dataclass(frozen=True)
class Nothing:
    """The state of a forecaster that learns nothing."""

    def encode(self, value: None, place: Place) -> Json:
        """Return null."""
        return value

    def decode(self, node: Json, place: Place) -> None:
        """Return None."""
        place.require(node is None, "null", node)


@dataclass(frozen=True)
class KeptForecaster:
    """How a forecaster is kept.

    Attributes
    ----------
    home : str
        Module of the class.
    state : Kind
        Of what it fits to a series.
    fits : callable
        Raises ValueError where a forecaster, a state and the samples of its series disagree.
    """

    home: str
    state: Kind
    fits: Callable[[Any, Any, int], None] = _fits_any


_ETS = Tagged({"EtsModel": Record(f"{_BASELINES}.smoothing", {
    **dict.fromkeys(("smoothing_level", "smoothing_trend", "damping_trend",
                     "smoothing_seasonal", "level", "trend"), NUMBER),
    "season": _VECTOR, "multiplicative": FLAG, "scale": NUMBER})})
_THETA = Tagged({"ThetaLines": Record(f"{_BASELINES}.theta", {
    **dict.fromkeys(("smoothing_level", "slope", "level"), NUMBER),
    "season": _VECTOR, "multiplicative": FLAG, "n_samples": Whole(1)})})
_ORDERS = Tagged({"Orders": Record(f"{_BASELINES}.arima_orders", {
    "order": Many(COUNT), "seasonal_order": Many(COUNT), "season_length": COUNT, "trend": TEXT},
    None, _orders)})
_ARIMA = Tagged({"ArimaModel": Record(f"{_BASELINES}.arima", {
    "orders": _ORDERS, "params": _VECTOR, "scale": NUMBER, "tail": _VECTOR, "mean": _VECTOR,
    "covariance": _MATRIX})})
_NLINEAR = Tagged({"NLinearModel": Record(f"{_BASELINES}.linear", {"regressor": _ALONE})})

FORECASTERS: Mapping[str, KeptForecaster] = {
    **dict.fromkeys(("Autoregression", "ReLUForecaster"),
                    KeptForecaster(_OWN, _WINDOWS, _fits_autoregression)),
    **dict.fromkeys(("LinearAR", "RidgeAR", "LassoAR", "NonconvexNetwork", "Regressor"),
                    KeptForecaster(_BASELINES, _WINDOWS, _fits_autoregression)),
    **dict.fromkeys(("Naive", "SeasonalNaive"), KeptForecaster(_BASELINES, Nothing())),
    "Drift": KeptForecaster(_BASELINES, Number()),
    "NLinear": KeptForecaster(_BASELINES, _NLINEAR, _fits_nlinear),
    "ETS": KeptForecaster(_BASELINES, _ETS, _fits_season),
    "Theta": KeptForecaster(_BASELINES, _THETA, _fits_season),
    "ARIMA": KeptForecaster(_BASELINES, _ARIMA, _fits_arima),
}
"""Forecasters that can be kept, by the names of their classes."""
