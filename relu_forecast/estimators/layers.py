"""Fitted regressors as plain matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from relu_forecast.estimators.base import NetworkRegressor
from relu_forecast.estimators.grouped import GroupedReLURegressor
from relu_forecast.networks.layers import Layers


def layers_of(regressor: Any, group: int | None = None) -> Layers | None:
    """Return what a fitted regressor computes, as plain matrices; None where it has no such form.

    Parameters
    ----------
    regressor : regressor
        A network of this package, a linear model of scikit-learn, which has ``coef_``, or anything
        else.
    group : int, optional
        Of a `GroupedReLURegressor`: the group whose own linear part to add.
    """
    if isinstance(regressor, NetworkRegressor):
        layers = regressor.network_.layers(regressor.n_features_in_)
        if group is None or not isinstance(regressor, GroupedReLURegressor):
            return layers
        own = regressor.deviation_of(group)
        return layers.plus_linear(own[:-1], own[-1])
    coefficients = getattr(regressor, "coef_", None)
    if coefficients is None or not hasattr(regressor, "intercept_"):
        return None
    linear = np.asarray(coefficients, dtype=float).reshape(-1, regressor.n_features_in_).T
    constant = np.broadcast_to(np.asarray(regressor.intercept_, dtype=float), linear.shape[1:])
    layers = Layers.of_linear(linear, constant.copy())
    return layers if _is_all(regressor, layers) else None


def _is_all(regressor: Any, layers: Layers) -> bool:
    """Tell whether a regressor predicts what its coefficients say, and does nothing after that."""
    probes = np.vstack([np.zeros(layers.n_inputs), np.eye(layers.n_inputs),
                        -2 * np.ones(layers.n_inputs)])
    found = np.asarray(regressor.predict(probes)).reshape(len(probes), -1)
    return found.shape[1] == layers.n_outputs and np.allclose(found, layers(probes), rtol=1e-9)
