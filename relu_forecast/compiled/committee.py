"""A committee: several models, whose forecasts are mixed by weights that follow their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_forecast.compiled.experts import Experts, Mixing
from relu_forecast.compiled.window_model import WindowModel
from relu_forecast.validation import Array


@dataclass(frozen=True)
class Mixture:
    """Models of the same steps, and what is known of how they forecast.

    Attributes
    ----------
    members : tuple of WindowModel
        M models of H steps.
    experts : Experts
        Of these models, at the end of what they were fitted to.
    unit : float
        Samples and forecasts are divided by it, a power of two, before weights follow them.
    """

    members: tuple[WindowModel, ...]
    experts: Experts
    unit: float

    @property
    def length(self) -> int:
        """Samples that it looks back on, L."""
        return max(one.length for one in self.members)

    @property
    def n_steps(self) -> int:
        """Steps ahead, H."""
        return self.members[0].n_steps

    def forecast(self, windows: Array) -> Array:
        """Return the samples that follow, (C, H), of windows (C, L or more), with these weights."""
        forecasts = np.stack([one.forecast(windows) for one in self.members]) / self.unit
        mixing = Mixing(self.experts)
        shares = [mixing.shares(np.isfinite(one)) * np.nan_to_num(one)
                  for one in forecasts.transpose(1, 0, 2)]
        return np.stack([one.sum(axis=0) for one in shares]) * self.unit
