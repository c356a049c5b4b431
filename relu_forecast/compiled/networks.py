"""A network, or a linear model, as a map from raw samples to raw samples.

What comes before the network (differences from the last sample, scales, means over stretches) and
after it is linear, and so becomes part of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_forecast.compiled.analogs import AnalogSearch
from relu_forecast.networks.layers import Layers
from relu_forecast.validation import Array
from relu_forecast.windows.contexts import Context


@dataclass(frozen=True)
class WindowNetwork:
    """``y + f(v)`` with layers f of what they are given of a window, v.

    That is, for d stretches of the context: how far their means are above the last sample; how far
    this is above `origin`; and, where there are analogs, what they say for each of T steps. All of
    it is small where the level of a series is large, so that no digits are lost.

    Attributes
    ----------
    context : Context
        The stretches, oldest first.
    layers : Layers
        f, of d + 1 + T inputs, in the unit of the data.
    origin : float
        What the level is measured from.
    relative : bool
        Whether y is the last sample; else it is `origin`.
    analogs : AnalogSearch, optional
        What followed the past windows most like a window.
    """

    context: Context
    layers: Layers
    origin: float = 0.0
    relative: bool = True
    analogs: AnalogSearch | None = None

    def __post_init__(self) -> None:
        told = 0 if self.analogs is None else self.analogs.n_steps
        if self.layers.n_inputs != self.context.size + 1 + told:
            raise ValueError("the layers do not take what the context gives")

    @property
    def length(self) -> int:
        """Samples that it looks back on, L."""
        return max(self.context.length, 0 if self.analogs is None else self.analogs.length)

    @property
    def n_steps(self) -> int:
        """Steps ahead, H."""
        return self.layers.n_outputs

    def inputs(self, windows: Array) -> Array:
        """Return v, (C, d + 1 + T), of windows (C, L or more)."""
        last = windows[:, -1:]
        parts = [self.context.pool(windows[:, -self.context.length :] - last), last - self.origin]
        if self.analogs is not None:
            parts.append(self.analogs.followed(windows))
        return np.concatenate(parts, axis=1)

    def forecast(self, windows: Array) -> Array:
        """Return the samples that follow, (C, H), of windows (C, L or more), oldest first."""
        base = windows[:, -1:] if self.relative else self.origin
        return np.asarray(self.layers(self.inputs(windows)) + base)
