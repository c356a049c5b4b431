"""A network as signed blocks, the form in which local search moves it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.storage import stored

DEAD_NEURON = 1e-4
"""Share of the largest neuron below which one counts as zero."""


@stored()
@dataclass(frozen=True)
class Neurons:
    """A network as signed blocks: ``f = sum_j s_j P (R z_j)_+``.

    Attributes
    ----------
    blocks : Tensor, shape (m, d)
        z_j.
    signs : Tensor, shape (m,)
        s_j, +1 or -1.
    """

    blocks: Float[Tensor, "m d"]
    signs: Float[Tensor, " m"]

    def __len__(self) -> int:
        """Return the number of neurons."""
        return len(self.signs)

    def check_stored(self) -> None:
        """Refuse blocks without signs."""
        if self.blocks.shape[:1] != self.signs.shape:
            raise ValueError("there must be a sign per block")

    @classmethod
    def of_weights(cls, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]) -> Neurons:
        """Return the non-zero neurons of two-layer weights, ``z_j = |w2_j| w1_j``."""
        blocks = hidden * output.abs()[:, None]
        sizes = blocks.norm(dim=1)
        alive = sizes > DEAD_NEURON * sizes.amax()
        return cls(blocks[alive], output[alive].sign())

    def weights(self) -> tuple[Float[Tensor, "m d"], Float[Tensor, " m"]]:
        """Return balanced two-layer weights, ``||w1_j|| = |w2_j|``."""
        roots = self.blocks.norm(dim=1).sqrt()
        return self.blocks / roots[:, None], self.signs * roots

    def joined(self, other: Neurons) -> Neurons:
        """Return both sets."""
        return Neurons(torch.cat([self.blocks, other.blocks]),
                       torch.cat([self.signs, other.signs]))

    def scaled(self, factor: float) -> Neurons:
        """Return the network with its outputs multiplied by ``factor`` > 0."""
        return Neurons(self.blocks * factor, self.signs)

    def contributions(self, features: Features) -> Float[Tensor, "n m"]:
        """Return each neuron's share of the outputs, ``s_j P (R z_j)_+``."""
        return features.outputs(self.blocks) * self.signs
