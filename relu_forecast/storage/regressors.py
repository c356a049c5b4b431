"""How parameters, regressors, networks and the states of forecasters are kept as data.

The tables name every class that a file may ask for. A class comes with the fields to keep, and
is made by its own constructor, after the shapes of its arrays have been checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, singledispatch
from types import NoneType
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
import torch
from pandas.tseries.offsets import BaseOffset

from relu_forecast.networks.modules import ConvReLUNetwork, SkipWeights, TwoLayerNetwork
from relu_forecast.problems.certificates import Scope
from relu_forecast.storage.encoding import (
    COUNT,
    DTYPES,
    NUMBER,
    TEXT,
    WHOLE,
    Array,
    Fields,
    Json,
    Kind,
    Many,
    Maybe,
    Named,
    Number,
    Place,
    Plain,
    Record,
    Tagged,
    Tensor,
    Whole,
)
from relu_forecast.storage.indexes import TIMEDELTA, Offset


@dataclass(frozen=True)
class Value:
    """A parameter: plain values, lists and tuples of them, steps of time, or a known object.

    Attributes
    ----------
    objects : Tagged
        Objects that it may be.
    """

    objects: Tagged

    def encode(self, value: Any, place: Place) -> Json:
        """Return the value; what JSON does not have has the name of its kind under a key."""
        return _encode_value(value, self, place)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value."""
        if isinstance(node, list):
            return Many(self).decode(node, place)
        if not isinstance(node, dict):
            return _PLAIN_VALUES.get(type(node), Plain(type(node))).decode(node, place)
        if "class" in node:
            return self.objects.decode(node, place)
        kinds: Mapping[str, Kind] = {"tuple": Many(self), **_WRAPPED}
        place.require(len(node) == 1 and node.keys() <= kinds.keys(), "a parameter", node)
        name = next(iter(node))
        found = kinds[name].decode(node[name], place.at(name))
        return tuple(found) if name == "tuple" else found


_WRAPPED: Mapping[str, Kind] = {
    "number": Number(finite=False), "array": Array((0, 1, 2, 3), DTYPES, finite=False),
    "offset": Offset()}
_PLAIN_VALUES: Mapping[type, Kind] = {NoneType: Maybe(TEXT), int: WHOLE, float: NUMBER}


@singledispatch
def _encode_value(value: Any, kind: Value, place: Place) -> Json:
    """Return a parameter as JSON; here, an object."""
    return kind.objects.encode(value, place)


@_encode_value.register(NoneType)
@_encode_value.register(bool)
@_encode_value.register(int)
@_encode_value.register(str)
def _(value: Any, kind: Value, place: Place) -> Json:
    return value


@_encode_value.register
def _(value: float, kind: Value, place: Place) -> Json:
    return float(value) if math.isfinite(value) else {"number": str(float(value))}


@_encode_value.register
def _(value: np.generic, kind: Value, place: Place) -> Json:
    return _encode_value(value.item(), kind, place)


@_encode_value.register
def _(value: list, kind: Value, place: Place) -> Json:  # type: ignore[type-arg]
    return Many(kind).encode(value, place)


@_encode_value.register
def _(value: tuple, kind: Value, place: Place) -> Json:  # type: ignore[type-arg]
    return {"tuple": Many(kind).encode(value, place.at("tuple"))}


@_encode_value.register
def _(value: np.ndarray, kind: Value, place: Place) -> Json:
    return {"array": _WRAPPED["array"].encode(value, place.at("array"))}


@_encode_value.register
def _(value: BaseOffset, kind: Value, place: Place) -> Json:
    return {"offset": Offset().encode(value, place.at("offset"))}


@_encode_value.register
def _(value: timedelta, kind: Value, place: Place) -> Json:
    return kind.objects.encode(pd.Timedelta(value), place)


def _patterns(kind: type, values: dict[str, Any]) -> Any:
    """Return activation patterns, a gate for each mask."""
    if values["masks"].shape[0] != values["gates"].shape[0]:
        raise ValueError("there must be a gate per mask")
    return kind(**values)


_MASKS = Tensor((2, 3), (torch.bool,))
_OBJECTS: Mapping[str, Record] = {
    "Timedelta": TIMEDELTA,
    "TimeSeriesSplit": Record("sklearn.model_selection", dict.fromkeys(
        ("n_splits", "max_train_size", "test_size", "gap"), Maybe(COUNT))),
    "ActivationPatterns": Record("relu_forecast.patterns.arrangements", {
        "masks": _MASKS, "gates": Tensor((2,)), "complete_for": Maybe(TEXT)}, None, _patterns),
}
_PARAMETERS = Named(Value(Tagged(_OBJECTS)))


def _network(kind: type, values: dict[str, Any]) -> TwoLayerNetwork:
    """Return a network of weights that fit together."""
    weight, bias = values.pop("skip_weight"), values.pop("skip_bias")
    first = values["filters" if "filters" in values else "hidden_weight"]
    m, d = first.shape
    shapes = {"pooling_weight": (m, d), "gate": (m, d)}
    tensors = {name: each for name, each in values.items() if isinstance(each, torch.Tensor)}
    if d == 0 or any(each.shape != shapes.get(name, (m,)) for name, each in tensors.items()
                     if each is not first):
        raise ValueError(f"{kind.__name__} has weights of shapes that do not fit together")
    skip = [each for each in (weight, bias) if each is not None]
    if len({each.dtype for each in (*tensors.values(), *skip)}) > 1 or len(skip) == 1:
        raise ValueError(f"{kind.__name__} has weights of different dtypes, or half a skip")
    values["skip"] = SkipWeights(weight, bias) if skip else None
    return cast(TwoLayerNetwork, kind(**values))


def _convolution_fields(network: Any) -> dict[str, Any]:
    """Return the fields of a convolutional network, its first layer taken apart."""
    own = {name: getattr(network, name) for name in _SHARED}
    stride = network.convolution.stride[0] if network.takes_windows else None
    return {"filters": network.filters, "filter_bias": network.convolution.bias,
            "stride": stride, "gate_bias": network.gate_bias, **own}


_M, _MD = Tensor((1,)), Tensor((2,))
_SHARED: Mapping[str, Kind] = {
    "output_weight": _M, "gate": Maybe(_MD), "skip_weight": Maybe(_M),
    "skip_bias": Maybe(Tensor((0,)))}
_NETWORKS: Mapping[str, Record] = {
    "ReLUNetwork": Record("relu_forecast.networks.modules", {
        "hidden_weight": _MD, "hidden_bias": Maybe(_M), "gate_bias": Maybe(_M), **_SHARED},
        None, _network),
    "ConvReLUNetwork": Record("relu_forecast.networks.modules", {
        "filters": _MD, "filter_bias": Maybe(_M), "gate_bias": Maybe(_M),
        "stride": Maybe(Whole(1, 2**31 - 1)), **_SHARED}, _convolution_fields, _network),
    "CircularReLUNetwork": Record("relu_forecast.networks.modules", {
        "filters": _MD, "pooling_weight": _MD, **_SHARED}, None, _network),
}


def _neurons(kind: type, values: dict[str, Any]) -> Any:
    """Return signed blocks."""
    if values["blocks"].shape[:1] != values["heads"].shape[:1]:
        raise ValueError("there must be a head per block")
    return kind(**values)


def _warm_start(kind: type, values: dict[str, Any]) -> Any:
    """Return what a training left behind."""
    parts = values["neurons"].blocks, values["ends"], values["linear_ends"]
    if len({part.shape[1] for part in parts}) > 1:
        raise ValueError("blocks and ends must have as many columns")
    return kind(**values)


_WARM_START = Tagged({"WarmStart": Record("relu_forecast.training.warm_start", {
    "neurons": Tagged({"Neurons": Record(
        "relu_forecast.problems.neurons", {"blocks": _MD, "heads": _MD}, None, _neurons)}),
    "ends": _MD, "linear_ends": _MD, "penalties": Maybe(Tagged({"Penalties": Record(
        "relu_forecast.training.warm_start",
        {"beta_ratio": NUMBER, "skip_penalty": NUMBER})}))}, None, _warm_start)})
_BOUND = Number(finite=False)


def _certificate(kind: type, values: dict[str, Any]) -> Any:
    """Return a certificate of a known scope."""
    if values["scope"] not in get_args(Scope):
        raise ValueError(f"no scope: {values['scope']!r}")
    return kind(**values)


_CERTIFICATE = Tagged({"Certificate": Record("relu_forecast.problems.certificates", {
    "scope": TEXT, "objective": _BOUND, "dual_objective": _BOUND, "violation": _BOUND},
    None, _certificate)})
_TRACE = Many(Tagged({"TracePoint": Record("relu_forecast.training.gradients", {
    "step": COUNT, "seconds": NUMBER, "objective": _BOUND})}))


def _regressor_fields(fitted: Mapping[str, Kind], regressor: Any) -> dict[str, Any]:
    """Return parameters, and what was fitted; None where nothing was."""
    is_fitted = hasattr(regressor, "n_features_in_")
    values = {name: getattr(regressor, name) for name in fitted} if is_fitted else None
    return {"parameters": regressor.get_params(deep=False), "fitted": values}


def _changed_fields(fitted: Mapping[str, Kind], regressor: Any) -> dict[str, Any]:
    """Return what `_regressor_fields` does, without parameters that are as scikit-learn has them.

    Versions of scikit-learn differ in their parameters, and few files need any of them.
    """
    usual = type(regressor)().get_params()
    fields = _regressor_fields(fitted, regressor)
    changed = {name: value for name, value in fields["parameters"].items()
               if type(value) is not type(usual[name]) or repr(value) != repr(usual[name])}
    return {**fields, "parameters": changed}


def made_with(kind: type, parameters: dict[str, Any]) -> Any:
    """Return an estimator or a forecaster, whose ``__init__`` must have the parameters."""
    known = kind._get_param_names()  # type: ignore[attr-defined]
    unknown = sorted(parameters.keys() - set(known))
    if unknown:
        raise ValueError(f"{kind.__name__} has no parameter {unknown[0]!r}")
    return kind(**parameters)


def _linear(kind: type, values: dict[str, Any]) -> Any:
    """Return a linear regressor of scikit-learn."""
    regressor, fitted = made_with(kind, values["parameters"]), values["fitted"]
    if fitted is None:
        return regressor
    coef, intercept = fitted["coef_"], fitted["intercept_"]
    if coef.shape[-1] != fitted["n_features_in_"] or (
            intercept.shape not in ((), coef.shape[:-1])):
        raise ValueError(f"{kind.__name__} has a coef_ or intercept_ that does not fit")
    fitted["intercept_"] = intercept[()]
    vars(regressor).update(fitted)
    return regressor


def _of_network(kind: type, values: dict[str, Any]) -> Any:
    """Return a regressor with a network, on the device that it predicts on."""
    regressor, fitted = made_with(kind, values["parameters"]), values["fitted"]
    if fitted is None:
        return regressor
    network, width = fitted["network_"], fitted["n_features_in_"]
    _check_width(network, width)
    if regressor.dtype != str(network.output_weight.dtype).removeprefix("torch."):
        raise ValueError(f"dtype is {regressor.dtype!r}, and not that of the network")
    if "trace_" in fitted:
        fitted["trace_"] = tuple(fitted["trace_"])
    vars(regressor).update(fitted)
    _to_device(regressor)
    return regressor


def _to_device(regressor: Any) -> None:
    """Move a network to where its inputs will be: to the CPU where there is no other device."""
    if regressor.device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"no device: {regressor.device!r}")
    if regressor.device != "cpu" and torch.cuda.is_available():
        regressor.network_.to("cuda")
    elif regressor.device == "cuda":
        regressor.device = "cpu"


def _check_width(network: TwoLayerNetwork, width: int) -> None:
    """Refuse a network whose neurons do not take windows of this width."""
    name = "hidden_weight" if hasattr(network, "hidden_weight") else "filters"
    taken = getattr(network, name).shape[1]
    shorter = isinstance(network, ConvReLUNetwork) and taken <= width
    skipped = width if network.skip_weight is None else len(network.skip_weight)
    if not (taken == width or shorter) or skipped != width:
        raise ValueError(f"the network does not take windows of {width} samples")


def _regressor(
    home: str, take: Any, make: Any, parameters: Kind = _PARAMETERS, **fitted: Kind
) -> Record:
    """Return the record of a regressor."""
    attributes = {"n_features_in_": COUNT, **fitted}
    return Record(home, {"parameters": parameters, "fitted": Maybe(Fields(attributes))},
                  partial(take, attributes), make)


_linear_record = partial(
    _regressor, "sklearn.linear_model", _changed_fields, _linear,
    coef_=Array((1, 2)), intercept_=Array((0, 1)))
_network_record = partial(
    _regressor, "relu_forecast.estimators", _regressor_fields, _of_network,
    network_=Tagged(_NETWORKS), beta_=NUMBER, beta_max_=NUMBER, objective_=NUMBER, n_iter_=COUNT)
_convex_record = partial(
    _network_record, gap_=_BOUND, certificate_=_CERTIFICATE, n_neurons_=COUNT,
    warm_start_=_WARM_START)

REGRESSORS: Mapping[str, Record] = {
    "ConvexReLURegressor": _convex_record(),
    "ConvexCNNRegressor": _convex_record(),
    "CircularCNNRegressor": _convex_record(),
    "NonconvexReLURegressor": _network_record(trace_=_TRACE),
    "LinearRegression": _linear_record(),
    "Ridge": _linear_record(),
    "RidgeCV": _linear_record(alpha_=NUMBER),
    "Lasso": _linear_record(),
    "LassoCV": _linear_record(alpha_=NUMBER),
}
"""Regressors that can be kept, fitted or not."""
VALUE = Value(Tagged({**_OBJECTS, **REGRESSORS}))
"""A parameter of a forecaster."""
