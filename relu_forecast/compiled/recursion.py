"""Further steps from the forecasts of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_forecast.compiled.networks import WindowNetwork
from relu_forecast.compiled.window_model import WindowModel
from relu_forecast.networks.layers import Layers
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
    """Return a model of ``n_steps`` steps: itself, or fed with its own forecasts to go further.

    A linear model of single samples that is fed with its own forecasts is a linear model of all
    steps, and becomes one.
    """
    if model.n_steps == n_steps:
        return model
    if isinstance(model, WindowNetwork) and model.n_steps == 1 and (
            model.context.is_plain and model.analogs is None and not model.layers.n_neurons):
        return _linear_in_all_steps(model, n_steps)
    return Recursion(model, n_steps)


def by_samples(network: WindowNetwork) -> tuple[Array, Array]:
    """Return what the neurons and the output of a network of one step are of the samples.

    Samples x are measured from any one sample y: what they are multiplied by, (L, m + 1), and what
    ``y - origin`` is, (m + 1,). The output is measured from y, too, if the network is relative;
    else ``y - origin`` is taken off it.
    """
    layers, d = network.layers, network.context.size
    first = np.hstack([layers.hidden, layers.linear])
    samples, level = first[:d].copy(), first[d].copy()
    samples[-1] = first[d] - first[: d - 1].sum(axis=0)
    if network.relative:
        samples[-1, -1] += 1.0
    else:
        level[-1] -= 1.0
    return np.ascontiguousarray(samples), level


def _linear_in_all_steps(network: WindowNetwork, n_steps: int) -> WindowNetwork:
    """Return a linear model of one step as one of all steps."""
    length = network.length
    samples, level = by_samples(network)
    # Rows: the samples, then the forecasts, as sums of the samples, the level and a constant.
    sums = np.zeros((length + n_steps, length + 2))
    sums[:length, :length] = np.eye(length)
    for place in range(length, length + n_steps):
        sums[place] = samples[:, 0] @ sums[place - length : place]
        sums[place, length:] += level[0], network.layers.constant[0]
    ahead = sums[length:]
    return WindowNetwork(network.context, Layers.of_linear(
        ahead[:, :-1].T.copy(), ahead[:, -1].copy()), network.origin)
