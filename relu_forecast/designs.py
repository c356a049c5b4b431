"""Designs: the linear maps from blocks to network outputs and to cone margins.

A design never holds the n x (K d) matrix it stands for: products with the windows ``X`` and the
boolean masks take its place; THEORY section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_CHUNK_ENTRIES = 2**23
"""Entries of a temporary n x (K d) slab when the Gram matrix is accumulated over rows."""


@dataclass(frozen=True)
class DenseDesign:
    """Blocks of a dense layer: ``A z = sum_k s_k D_k X z_k`` and cones ``(2 D_k - I) X z_k >= 0``.

    Attributes
    ----------
    X : Tensor, shape (n, d)
        Samples.
    masks : Tensor of bool, shape (K, n)
        Diagonals of D_k, one per block.
    signs : Tensor, shape (K,)
        s_k, +1 or -1, the sign of the block's output weight.
    """

    X: Float[Tensor, "n d"]
    masks: Bool[Tensor, "K n"]
    signs: Float[Tensor, " K"]

    @property
    def n_blocks(self) -> int:
        """Number of blocks, K."""
        return self.masks.shape[0]

    def forward(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, " n"]:
        """Return ``A z``, the network's outputs. Cost O(n K d)."""
        active = (blocks @ self.X.T).where(self.masks, 0.0)
        return self.signs @ active

    def adjoint(self, values: Float[Tensor, " n"]) -> Float[Tensor, "K d"]:
        """Return ``A'v``, block k being ``s_k X'D_k v``. Cost O(n K d)."""
        return self.signs[:, None] * (values.where(self.masks, 0.0) @ self.X)

    def gram(
        self,
        basis: Float[Tensor, "n r"] | None = None,
        shrinkage: Float[Tensor, "d r"] | None = None,
    ) -> Float[Tensor, "Kd Kd"]:
        """Return ``A'(I - Q Q')A``, with Q = ``basis`` or nothing, accumulated over rows.

        With a basis the columns are projected before they are multiplied: windows of a smooth
        signal are almost annihilated, and ``A'A - (Q'A)'(Q'A)`` would be rounding errors. For
        the same reason the basis of a ridge comes with its ``shrinkage`` L, ``L'L = I - Q'Q``.
        Cost O(n K^2 d^2).
        """
        size = self.n_blocks * self.X.shape[1]
        gram = self.X.new_zeros(size, size)
        cross = None if basis is None else self._project_columns(basis)
        for part in self._row_chunks():
            slab = self._columns(part)
            if basis is not None and cross is not None:
                slab.addmm_(basis[part], cross, alpha=-1)
            gram.addmm_(slab.T, slab)
        if cross is not None and shrinkage is not None:
            shrunk = shrinkage @ cross
            gram.addmm_(shrunk.T, shrunk)
        return gram

    def _project_columns(self, basis: Float[Tensor, "n r"]) -> Float[Tensor, "r Kd"]:
        """Return ``Q'A``."""
        cross = basis.new_zeros(basis.shape[1], self.n_blocks * self.X.shape[1])
        for part in self._row_chunks():
            cross.addmm_(basis[part].T, self._columns(part))
        return cross

    def _row_chunks(self) -> Iterator[slice]:
        """Yield slices of rows whose slab of A stays small."""
        rows = max(1, _CHUNK_ENTRIES // (self.n_blocks * self.X.shape[1]))
        for start in range(0, self.X.shape[0], rows):
            yield slice(start, start + rows)

    def _columns(self, part: slice) -> Float[Tensor, "rows Kd"]:
        """Return the rows ``part`` of A."""
        gated = self.masks[:, part].T * self.signs
        return (gated[:, :, None] * self.X[part, None, :]).flatten(1)

    def margins(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K n"]:
        """Return ``(2 D_k - I) X z_k``: non-negative where a block lies in its cone."""
        outputs = blocks @ self.X.T
        return outputs.where(self.masks, -outputs)

    def margins_adjoint(self, multipliers: Float[Tensor, "K n"]) -> Float[Tensor, "K d"]:
        """Return ``X'(2 D_k - I) alpha_k``, the adjoint of `margins`."""
        return multipliers.where(self.masks, -multipliers) @ self.X


def row_products(X: Float[Tensor, "n d"]) -> Float[Tensor, "n dd"]:
    """Return the upper triangles of ``x_t x_t'``, so that one product gives weighted Grams."""
    i, j = torch.triu_indices(X.shape[1], X.shape[1], device=X.device)
    return X[:, i] * X[:, j]


def weighted_grams(
    weights: Float[Tensor, "K n"], products: Float[Tensor, "n dd"], d: int
) -> Float[Tensor, "K d d"]:
    """Return ``X' Diag(w_k) X`` for every row of ``weights``; the cones' signs cancel."""
    i, j = torch.triu_indices(d, d, device=weights.device)
    triangles = weights @ products
    grams = weights.new_empty(weights.shape[0], d, d)
    grams[:, i, j] = triangles
    grams[:, j, i] = triangles
    return grams
