"""The norm of a block: a weighted sum of the Euclidean norms of its groups.

Dense and convolutional blocks are one group; a circular block, in Fourier coordinates, has one
group per frequency, and its norm is the l1 norm of a complex Lasso; THEORY section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class GroupNorm:
    """``N(z) = sum_g omega_g ||z_g||`` over G groups of equal size, per block."""

    weights: Float[Tensor, " G"]
    """omega_g > 0; on the device and in the dtype of the blocks."""

    @classmethod
    def euclidean(cls, like: Tensor) -> GroupNorm:
        """Return the norm of one group, ``N(z) = ||z||``, on the device of ``like``."""
        return cls(torch.ones(1).to(like))

    @property
    def n_groups(self) -> int:
        """Number of groups of a block, G."""
        return self.weights.shape[0]

    def grouped(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K G size"]:
        """Return the groups of each block, a view."""
        count, width = blocks.shape
        return blocks.reshape(count, self.n_groups, width // self.n_groups)

    def tails(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "KG size"]:
        """Return the groups of all blocks one after another, the tails of second-order cones."""
        return self.grouped(blocks).flatten(0, 1)

    def group_norms(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K G"]:
        """Return ``||z_kg||``."""
        norms: Tensor = torch.linalg.vector_norm(self.grouped(blocks), dim=2)
        return norms

    def norms(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, " K"]:
        """Return ``N(z_k)``."""
        return self.group_norms(blocks) @ self.weights

    def dual_norms(self, correlations: Float[Tensor, "K d"]) -> Float[Tensor, " K"]:
        """Return ``max_g ||c_kg|| / omega_g``, the largest ``c_k'z`` over ``N(z) <= 1``."""
        return (self.group_norms(correlations) / self.weights).amax(dim=1)

    def normalised(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K d"]:
        """Return the blocks at norm one; zero blocks stay zero."""
        size = self.norms(blocks)[:, None]
        return blocks / size.clamp_min(torch.finfo(size.dtype).tiny)
