"""A network as blocks and heads, the form in which it is trained.

A neuron ``(R w)_+`` with an output weight v counts by their product only, so it is kept as a
block ``z = ||v|| w``, which carries its size, and a head ``h = v / ||v||`` of length one, which
says what it adds to which target, and at which site of a window. With a single target and site
a head is a sign. THEORY sections 1 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.storage import stored


@stored()
@dataclass(frozen=True)
class Neurons:
    """The network ``f = sum_j sum_s P_s (R z_j)_+ h_js'``; sites s as in `features.Features`."""

    blocks: Float[Tensor, "m d"]
    """z_j, in the coordinates of the features."""
    heads: Float[Tensor, "m SC"]
    """h_j, of length one, site after site: +1 or -1 where there are one site and one target."""

    @classmethod
    def none(cls, features: Features, n_targets: int) -> Neurons:
        """Return the network without neurons."""
        rows = features.rows
        return cls(rows.new_zeros(0, features.width),
                   rows.new_zeros(0, features.n_sites * n_targets))

    def __len__(self) -> int:
        """Return the number of neurons."""
        return len(self.heads)

    def check_stored(self) -> None:
        """Refuse blocks without heads."""
        if self.blocks.shape[:1] != self.heads.shape[:1]:
            raise ValueError("there must be a head per block")

    def taken(self, kept: Bool[Tensor, " m"] | Int[Tensor, " k"]) -> Neurons:
        """Return some of the neurons."""
        return Neurons(self.blocks[kept], self.heads[kept])

    def joined(self, other: Neurons) -> Neurons:
        """Return both sets."""
        return Neurons(torch.cat([self.blocks, other.blocks]),
                       torch.cat([self.heads, other.heads]))

    def scaled(self, factor: float) -> Neurons:
        """Return the network with its outputs multiplied by ``factor`` > 0."""
        return Neurons(self.blocks * factor, self.heads)

    def to(self, like: Tensor) -> Neurons:
        """Return the neurons on the device and in the dtype of a tensor."""
        return Neurons(self.blocks.to(like), self.heads.to(like))

    def outputs(self, features: Features) -> Float[Tensor, "n C"]:
        """Return the outputs of the network. Cost O(N m d)."""
        return features.combine(features.outputs(self.blocks), self.heads)
