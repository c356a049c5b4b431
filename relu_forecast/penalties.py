"""Penalties of the convex programs: weighted norms over blocks, with what solvers need of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class GroupNorm:
    """The sum of Euclidean norms of the blocks, ``beta sum_k ||z_k||``.

    Attributes
    ----------
    beta : float
        Weight of the penalty, > 0.
    """

    beta: float

    def value(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return the penalty of ``blocks``, a scalar tensor."""
        norms: Tensor = torch.linalg.vector_norm(blocks, dim=1)
        return norms.sum() * self.beta

    def dual_norm(self, correlations: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return ``max_k ||g_k|| / beta``: at most 1 exactly where the conjugate is finite."""
        longest: Tensor = torch.linalg.vector_norm(correlations, dim=1).amax()
        return longest / self.beta

    def prox(self, blocks: Float[Tensor, "K d"], step: float) -> Float[Tensor, "K d"]:
        """Return ``argmin_z 1/2 ||z - blocks||^2 + step * value(z)``, block soft-thresholding."""
        norms = torch.linalg.vector_norm(blocks, dim=1, keepdim=True)
        shrink: Tensor = 1 - step * self.beta / norms.clamp_min(step * self.beta)
        return blocks * shrink
