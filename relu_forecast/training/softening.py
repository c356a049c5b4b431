"""Kinks made smooth, so that Newton steps go through them.

With ``sqrt(t^2 + e^2)`` for ``|t|``, Newton's method is accurate where t changes by less than e
only. Taking the slope ``t / sqrt(t^2 + e^2)`` as a variable of its own, and its equation
``p sqrt(t^2 + e^2) = t`` along in the linearisation, restores long steps down to tiny widths e:
Chan, Golub & Mulet, SIAM J. Sci. Comput. 20 (1999) 1964-1977; for norms Andersen, Christiansen,
Conn & Overton, SIAM J. Sci. Comput. 22 (2000) 243-262.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class SoftModulus:
    """``sqrt(t^2 + e^2)``, entry by entry."""

    lengths: Float[Tensor, "N m"]
    """The values, > 0."""
    slopes: Float[Tensor, "N m"]
    """The derivatives ``t / sqrt(t^2 + e^2)``."""

    @classmethod
    def of(cls, values: Float[Tensor, "N m"], widths: Float[Tensor, " m"]) -> SoftModulus:
        """Soften ``|values|``, column by column."""
        squares = torch.addcmul(widths.square(), values, values)
        lengths = squares.clamp_min_(torch.finfo(values.dtype).tiny).sqrt_()
        return cls(lengths, values / lengths)

    def curvatures(self, duals: Float[Tensor, "N m"]) -> Float[Tensor, "N m"]:
        """Return ``(1 - p slope) / length``, the curvature that the primal-dual step sees."""
        return (duals * self.slopes).neg_().add_(1.0).clamp_min_(0.0).div_(self.lengths)

    def next_duals(
        self, curvatures: Float[Tensor, "N m"], moves: Float[Tensor, "N m"]
    ) -> Float[Tensor, "N m"]:
        """Return the duals p after t moved: the linearised equation, held in [-1, 1]."""
        return torch.addcmul(self.slopes, curvatures, moves).clamp_(-1.0, 1.0)


@dataclass(frozen=True)
class SoftNorm:
    """``sqrt(||z_g||^2 + e^2)`` for the groups of blocks."""

    lengths: Float[Tensor, "m G"]
    """The values, > 0."""
    slopes: Float[Tensor, "m G size"]
    """The gradients ``z_g / sqrt(||z_g||^2 + e^2)``."""

    @classmethod
    def of(cls, groups: Float[Tensor, "m G size"], widths: Float[Tensor, " m"]) -> SoftNorm:
        """Soften ``||groups||``, block by block."""
        squares = groups.square().sum(2) + widths[:, None].square()
        lengths = squares.clamp_min(torch.finfo(groups.dtype).tiny).sqrt()
        return cls(lengths, groups / lengths[:, :, None])

    def curvatures(self, duals: Float[Tensor, "m G size"]) -> Float[Tensor, "m G size size"]:
        """Return ``(I - sym(y slope')) / length``, the Hessian that the primal-dual step sees."""
        outer = duals[..., :, None] * self.slopes[..., None, :]
        one = torch.eye(duals.shape[2]).to(duals)
        return (one - (outer + outer.mT) / 2) / self.lengths[..., None, None]

    def next_duals(
        self, duals: Float[Tensor, "m G size"], moves: Float[Tensor, "m G size"]
    ) -> Float[Tensor, "m G size"]:
        """Return the duals y after z moved: the linearised equation, held in the unit ball."""
        along = (self.slopes * moves).sum(2, keepdim=True)
        ahead = self.slopes + (moves - duals * along) / self.lengths[:, :, None]
        held: Tensor = ahead / ahead.norm(dim=2, keepdim=True).clamp_min(1.0)
        return held
