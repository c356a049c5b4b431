"""Neurons by what they would gain: what pricing finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.patterns.cells import normalise
from relu_forecast.patterns.slabs import FEWEST_ROWS, SEARCHED, rows_per_slab, slices
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.pricing.starts import subsampled
from relu_forecast.training.settings import PricingSettings


@dataclass(frozen=True)
class PricedNeurons:
    """Neurons of cost one by how much they would lower the objective, best first."""

    directions: Float[Tensor, "S d"]
    """Weights u with ``N(u) = 1``."""
    heads: Float[Tensor, "S SC"]
    """Heads h of length one, site after site: with one site and target the sign of
    ``v'P(Ru)_+``."""
    values: Float[Tensor, " S"]
    """``sum_sc h_sc P_s(Ru)_+'V_c`` with V the residual, decreasing; a neuron violates optimality
    where this is above beta."""

    @classmethod
    def unvalued(cls, neurons: Neurons) -> PricedNeurons:
        """Return the neurons of a network, of any size, with values that stand for nothing."""
        return cls(neurons.blocks, neurons.heads, neurons.heads[:, 0])

    @property
    def neurons(self) -> Neurons:
        """The same as a network, each neuron at cost one."""
        return Neurons(self.directions, self.heads)

    def at(self, index: Int[Tensor, " k"]) -> PricedNeurons:
        """Return the neurons of these indices."""
        return PricedNeurons(self.directions[index], self.heads[index], self.values[index])

    def best_first(self) -> PricedNeurons:
        """Return the neurons in decreasing order of their values."""
        return self.at(self.values.argsort(descending=True, stable=True))

    def merged(self, other: PricedNeurons) -> PricedNeurons:
        """Return both, best first."""
        return PricedNeurons.joined([self, other]).best_first()

    def parts(self, size: int) -> list[PricedNeurons]:
        """Return the neurons in parts of at most ``size``."""
        index = torch.arange(len(self.values), device=self.values.device)
        return [self.at(own) for own in torch.split(index, size)]

    @classmethod
    def joined(cls, parts: Sequence[PricedNeurons]) -> PricedNeurons:
        """Return all neurons of several sets, one set after another."""
        return cls(torch.cat([part.directions for part in parts]),
                   torch.cat([part.heads for part in parts]),
                   torch.cat([part.values for part in parts]))

    def where_better(self, other: PricedNeurons) -> PricedNeurons:
        """Return, place by place, the neuron of the two sets that is worth more."""
        better = (other.values > self.values)[:, None]
        return PricedNeurons(torch.where(better, other.directions, self.directions),
                             torch.where(better, other.heads, self.heads),
                             torch.maximum(self.values, other.values))

    def revalued(self, features: Features, residual: Float[Tensor, "n C"]) -> PricedNeurons:
        """Return the same directions with their values at another residual, the best first.

        Signs stay as they are, heads of several entries become the best ones, see `aligned_heads`.
        Cost O(N S (d + C)), in slabs.
        """
        directions = features.norm.normalised(self.directions.to(residual))
        heads, sums = self.heads.to(residual), torch.zeros_like(self.heads.to(residual))
        size = rows_per_slab(
            SEARCHED.on(features.rows.device), len(heads) * features.n_patches,
            fewest=max(1, FEWEST_ROWS // features.n_patches))
        for own in slices(features.n_samples, size):
            outputs = features.sliced(own).outputs(directions)
            sums = sums + features.correlations(outputs, residual[own])
        heads = aligned_heads(heads, sums)
        return PricedNeurons(directions, heads, (sums * heads).sum(1)).best_first()

    def distinct(
        self, features: Features, above: float, most: int, settings: PricingSettings,
        same: float | None = None
    ) -> PricedNeurons:
        """Return at most ``most`` neurons worth more than ``above`` that do different things.

        Best first; a neuron is passed over when what it adds, on a subsample, is nearly a
        multiple (cosine above ``same``, by default that of the settings) of what a better one
        adds, as most ends of a search are.
        """
        worth = min(int((self.values > above).sum()), settings.most_compared)
        seen = subsampled(features, settings.compared_rows)
        outputs = normalise(seen.outputs(self.directions[:worth]).T)
        heads = self.heads[:worth]
        cosines = (outputs @ outputs.T) * (heads @ heads.T)
        alike = (cosines >= (settings.same_outputs if same is None else same)).cpu().numpy()
        kept: list[int] = []
        for candidate in range(worth):
            if len(kept) == most:
                break
            if not alike[candidate, kept].any():
                kept.append(candidate)
        return self.at(torch.as_tensor(kept, dtype=torch.long, device=self.values.device))


def aligned_heads(
    heads: Float[Tensor, "k SC"], correlations: Float[Tensor, "k SC"]
) -> Float[Tensor, "k SC"]:
    """Return the heads with which neurons gain most, given their correlations with the residual.

    They are the correlations at length one. A head of one entry, a sign, stays: neurons of either
    sign are searched for.
    """
    if heads.shape[1] == 1:
        return heads
    sizes = torch.linalg.vector_norm(correlations, dim=1, keepdim=True)
    return torch.where(sizes > 0, correlations / sizes, heads)


@dataclass(frozen=True)
class Pricing:
    """Neurons that pricing found, and how far it saw."""

    found: PricedNeurons
    """Best first."""
    scope: Literal["network", "network-estimated"]
    """``"network"`` when no neuron can be better than the first."""

    @property
    def worst(self) -> float:
        """The largest value over all neurons of cost one, or the largest found."""
        return float(self.found.values[0])
