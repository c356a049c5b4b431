"""Two ways to forecast several steps with a regressor: feed it its forecasts, or one per step."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import clone

from relu_forecast.forecasting.contract import WarmStarts, check_within_horizon
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.inputs import Inputs, Regressor
from relu_forecast.storage import stored
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


def takes_warm_start(regressor: Any) -> bool:
    """Tell whether the fit of a regressor has the argument ``warm_start``."""
    return "warm_start" in signature(regressor.fit).parameters


def fit_step(inputs: Inputs, regressor: Regressor, history: History, step: int,
             warm_start: WarmStarts) -> Any:
    """Fit a clone of ``regressor`` to all windows that have a sample ``step`` samples ahead."""
    features, targets = inputs.training(history, step)
    fitted = clone(regressor)
    if step <= len(warm_start) and takes_warm_start(fitted):
        return fitted.fit(features, targets, warm_start=warm_start[step - 1])
    return fitted.fit(features, targets)
