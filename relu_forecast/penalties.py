"""Penalties of the convex programs: weighted norms over blocks, with what solvers need of them."""

from __future__ import annotations

from dataclasses import dataclass

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
        return self.beta * blocks.norm(dim=1).sum()

    def dual_norm(self, correlations: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return ``max_k ||g_k|| / beta``: at most 1 exactly where the conjugate is finite."""
        return correlations.norm(dim=1).amax() / self.beta

    def prox(self, blocks: Float[Tensor, "K d"], step: float) -> Float[Tensor, "K d"]:
        """Return ``argmin_z 1/2 ||z - blocks||^2 + step * value(z)``, block soft-thresholding."""
        norms = blocks.norm(dim=1, keepdim=True)
        shrink = 1 - step * self.beta / norms.clamp_min(step * self.beta)
        return blocks * shrink
