"""Further steps from the forecasts of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_forecast.compiled.window_model import WindowModel
from relu_forecast.validation import Array


@dataclass(frozen=True)
class Recursion:
    """A model that is fed with its own forecasts, a block of steps at a time."""

    block: WindowModel
    n_steps: int
    """Steps ahead in all, H."""

    @property
    def length(self) -> int:
        """Samples that it looks back on, L."""
        return self.block.length

    def forecast(self, windows: Array) -> Array:
        """Return the samples that follow, (C, H), of windows (C, L or more), oldest first."""
        length = windows.shape[1]
        samples = windows
        while samples.shape[1] < length + self.n_steps:
            samples = np.concatenate([samples, self.block.forecast(samples[:, -self.length :])], 1)
        return samples[:, length : length + self.n_steps]


def for_steps(model: WindowModel, n_steps: int) -> WindowModel:
    """Return a model of ``n_steps`` steps: itself, or fed with its own forecasts to go further."""
    return model if model.n_steps == n_steps else Recursion(model, n_steps)
