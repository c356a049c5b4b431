"""What the proximal method goes from and to: active blocks, their metric, and the residual."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.solvers.pricing.cone_rows import WorkingRows


@dataclass(frozen=True)
class ActiveBlocks:
    """The blocks that the steps move; all others are fixed.

    Attributes
    ----------
    index : Tensor of int, shape (m,)
        Their numbers in the program.
    blocks : Tensor, shape (m, d)
        z_k, inside their cones.
    inner : Tensor, shape (m, d)
        Points strictly inside the cones, of norm N one.
    working : WorkingRows
        Rows of the cones in the model; no places without cones.
    """

    index: Int[Tensor, " m"]
    blocks: Float[Tensor, "m d"]
    inner: Float[Tensor, "m d"]
    working: WorkingRows

    def taken(self, kept: Int[Tensor, " k"]) -> ActiveBlocks:
        """Return some of them."""
        return ActiveBlocks(self.index[kept], self.blocks[kept], self.inner[kept],
                            self.working.taken(kept))

    def joined(self, other: ActiveBlocks) -> ActiveBlocks:
        """Return the blocks of both, those of ``other`` behind."""
        return ActiveBlocks(
            torch.cat([self.index, other.index]), torch.cat([self.blocks, other.blocks]),
            torch.cat([self.inner, other.inner]), self.working.joined(other.working))


@dataclass(frozen=True)
class Metric:
    """The curvature B of a model.

    Attributes
    ----------
    matrix : Tensor, shape (m d, m d)
        About ``A'MA`` over the active blocks.
    exact : bool
        Whether it is just that.
    """

    matrix: Float[Tensor, "md md"]
    exact: bool


@dataclass(frozen=True)
class Iterate:
    """An iterate of the method.

    Attributes
    ----------
    active : ActiveBlocks
        The active blocks.
    target, error : Tensor, shape (n, C)
        What the fixed blocks leave of y, and what the active ones leave of that.
    gradient : Tensor, shape (m, d)
        ``A'M e`` over the active blocks: the gradient of the loss, its sign changed.
    """

    active: ActiveBlocks
    target: Float[Tensor, "n C"]
    error: Float[Tensor, "n C"]
    gradient: Float[Tensor, "m d"]
