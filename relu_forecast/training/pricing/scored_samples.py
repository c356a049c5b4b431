"""What pricing looks at: features and a residual on the same samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm


@dataclass(frozen=True)
class ScoredSamples:
    """Features and the residual V on the same samples: all that pricing looks at."""

    features: Features
    residual: Float[Tensor, "n C"]

    def correlations(self, outputs: Float[Tensor, "N k"]) -> Float[Tensor, "k SC"]:
        """Return ``[P_s(Ru)_+'V_c]_sc`` from the outputs Ru of neurons on all rows."""
        features = self.features
        return features.correlations(features.pool(outputs.relu()), self.residual)

    def slopes(self, heads: Float[Tensor, "k SC"]) -> Float[Tensor, "N k"]:
        """Return what each neuron sees of the residual through its head, on all rows."""
        return self.features.spread(self.features.seen(self.residual, heads))

    def in_single(self) -> ScoredSamples:
        """Return the same in float32, rows and residual of size one."""
        tiny = torch.finfo(self.residual.dtype).tiny
        rows, residual = ((part / part.abs().amax().clamp_min(tiny)).float()
                          for part in (self.features.rows, self.residual))
        pooling = self.features.pooling
        features = replace(
            self.features, rows=rows, norm=GroupNorm(self.features.norm.weights.float()),
            pooling=None if pooling is None else pooling.float())
        return ScoredSamples(features, residual)

    def row_weights(self) -> Float[Tensor, "N SC"]:
        """Return what the residual weighs each row with, for every entry of a head.

        The worth of a neuron is the length of ``weights' (Ru)_+``.
        """
        features, n_sites = self.features, self.features.n_sites
        if n_sites == 1:
            return features.spread(self.residual)
        sites = torch.eye(n_sites).to(self.residual)
        by_site = sites[:, :, None] * self.residual[:, None, None, :]
        return features.spread(by_site.flatten(2).flatten(0, 1))
