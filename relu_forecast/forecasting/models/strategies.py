"""Ways to forecast several steps: from forecasts, by one regressor per step, by one for all."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from relu_forecast.compiled import WindowModel
from relu_forecast.compiled.recursion import for_steps
from relu_forecast.estimators.layers import layers_of
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import check_within_horizon
from relu_forecast.forecasting.data.history import Past, SeriesArrays
from relu_forecast.forecasting.models.decomposition import (
    Decomposition,
    past_of,
    side_by_side,
    unrolled,
)
from relu_forecast.forecasting.models.inputs import Inputs, Regressor
from relu_forecast.networks.layers import Layers
from relu_forecast.storage import Whole, stored
from relu_forecast.validation import Array


@stored()
@dataclass(frozen=True)
class RecursiveModel:
    """One regressor for the next sample, fed with its own predictions to go further."""

    inputs: Inputs
    """How windows become features."""
    regressor: Regressor
    """Fitted on the windows of the training part."""

    @property
    def regressors(self) -> tuple[Regressor, ...]:
        """The one regressor."""
        return (self.regressor,)

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each window, shape (C, h), one step for all at a time."""
        windows = past.windows
        length = windows.shape[1]
        samples = np.concatenate([windows, np.empty((len(windows), h))], axis=1)
        for step in range(h):
            samples[:, length + step] = self.inputs.predict(
                self.regressor, samples[:, step : step + length], past.past, past.future[:, step])
        return samples[:, length:]

    def compiled(self, n_steps: int) -> WindowModel:
        """Return the model as plain arrays, for ``n_steps`` ahead."""
        return for_steps(self.inputs.compiled(layers_of_fit(self.regressor)), n_steps)

    def decompose(self, arrays: SeriesArrays, cutoff: int, h: int) -> Decomposition:
        """Take apart the ``h`` forecasts from one cutoff, the position of the last known sample."""
        past = past_of(arrays, cutoff, self.inputs.length, h)
        return unrolled(
            lambda window, step: self.inputs.decompose(
                self.regressor, window, past.past, past.future[:, step]), past.windows[0], h)


@stored()
@dataclass(frozen=True)
class DirectModel:
    """One regressor for each step ahead, all fitted on the same training part."""

    inputs: Inputs
    """How windows become features."""
    regressors: tuple[Regressor, ...]
    """For 1, 2, ... steps ahead, up to the horizon that the fit was told."""

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each window, shape (C, h), h at most the horizon."""
        check_within_horizon(h, len(self.regressors))
        steps = [
            self.inputs.predict(regressor, past.windows, past.past, past.future[:, step])
            for step, regressor in enumerate(self.regressors[:h])]
        return np.stack(steps, axis=1)

    def compiled(self, n_steps: int) -> WindowModel:
        """Return the model as plain arrays, for ``n_steps`` ahead, at most the horizon."""
        check_within_horizon(n_steps, len(self.regressors))
        layers = [layers_of_fit(one) for one in self.regressors[:n_steps]]
        return self.inputs.compiled(Layers.side_by_side(layers))

    def decompose(self, arrays: SeriesArrays, cutoff: int, h: int) -> Decomposition:
        """Take apart the ``h`` forecasts from one cutoff, the position of the last known sample."""
        check_within_horizon(h, len(self.regressors))
        past = past_of(arrays, cutoff, self.inputs.length, h)
        return side_by_side([
            self.inputs.decompose(regressor, past.windows[0], past.past, past.future[:, step])
            for step, regressor in enumerate(self.regressors[:h])])


@stored(horizon=Whole(1))
@dataclass(frozen=True)
class JointModel:
    """One regressor with an output for each step ahead."""

    inputs: Inputs
    """How windows become features."""
    regressor: Regressor
    """Fitted on the windows of the training part that have a whole horizon after them."""
    horizon: int
    """Steps ahead that it forecasts at once, H."""

    @property
    def regressors(self) -> tuple[Regressor, ...]:
        """The one regressor."""
        return (self.regressor,)

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each window, shape (C, h).

        Beyond the horizon it goes on in blocks, each from the forecasts of those before.
        """
        if past.past.shape[2]:
            check_within_horizon(h, self.horizon)  # columns would have to be forecast, too
        length, samples = past.windows.shape[1], past.windows
        for _ in range(0, h, self.horizon):
            ahead = self.inputs.predict(
                self.regressor, samples[:, -length:], past.past, np.empty((len(samples), 0)))
            samples = np.concatenate([samples, ahead.reshape(len(samples), -1)], axis=1)
        return samples[:, length : length + h]

    def compiled(self, n_steps: int) -> WindowModel:
        """Return the model as plain arrays, for ``n_steps`` ahead."""
        return for_steps(self.inputs.compiled(layers_of_fit(self.regressor)), n_steps)

    def decompose(self, arrays: SeriesArrays, cutoff: int, h: int) -> Decomposition:
        """Take apart the ``h`` forecasts from one cutoff, the position of the last known sample."""
        past = past_of(arrays, cutoff, self.inputs.length, min(h, self.horizon))
        return unrolled(
            lambda window, _: self.inputs.decompose(
                self.regressor, window, past.past, np.empty((1, 0))), past.windows[0], h)


def layers_of_fit(regressor: Any) -> Layers:
    """Return a fitted regressor as layers; refuse one that has no such form."""
    own = getattr(regressor, "layers", None)
    layers: Layers | None = layers_of(regressor) if own is None else own()
    if layers is None:
        raise InvalidArgumentError(
            "model", "made of networks, linear models and analogs, to run live or elsewhere",
            f"one of {type(regressor).__name__}", "Pass for example ReLUForecaster or RidgeAR.")
    return layers


def takes_weights(regressor: Any) -> bool:
    """Tell whether the fit of a regressor, and of one within it, takes ``sample_weight``."""
    within = getattr(regressor, "estimator", None)
    return "sample_weight" in signature(regressor.fit).parameters and (
        not hasattr(within, "fit") or takes_weights(within))


def takes_warm_start(regressor: Any) -> bool:
    """Tell whether the fit of a regressor has the argument ``warm_start``."""
    return "warm_start" in signature(regressor.fit).parameters
