"""Designs: the linear maps from blocks to network outputs and to cone margins.

A design never holds the n x (K d) matrix it stands for: products with the rows of the features
and the boolean masks take its place; THEORY section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.features import Features

_CHUNK_ENTRIES = 2**23
"""Entries of a temporary slab of A when the Gram matrix is accumulated over samples."""


@dataclass(frozen=True)
class Design:
    """Gated blocks: ``A z = sum_k s_k P D_k R z_k`` and cones ``(2 D_k - I) R z_k >= 0``.

    R are the rows of the features and P sums over the rows of a sample: one row, the window
    itself, when the network is dense or circular; its patches when it is convolutional.

    Attributes
    ----------
    features : Features
        R, P and the norm of a block.
    masks : Tensor of bool, shape (K, N)
        Diagonals of D_k, one per block.
    signs : Tensor, shape (K,)
        s_k, +1 or -1, the sign of the block's output weight.
    """

    features: Features
    masks: Bool[Tensor, "K N"]
    signs: Float[Tensor, " K"]

    @property
    def rows(self) -> Float[Tensor, "N d"]:
        """The rows of the features, R."""
        return self.features.rows

    @property
    def n_blocks(self) -> int:
        """Number of blocks, K."""
        return self.masks.shape[0]

    def forward(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, " n"]:
        """Return ``A z``, the network's outputs. Cost O(N K d)."""
        active = (blocks @ self.rows.T).where(self.masks, 0.0)
        return self.features.pool(self.signs @ active)

    def adjoint(self, values: Float[Tensor, " n"]) -> Float[Tensor, "K d"]:
        """Return ``A'v``, block k being ``s_k R'D_k P'v``. Cost O(N K d)."""
        spread = self.features.spread(values)
        return self.signs[:, None] * (spread.where(self.masks, 0.0) @ self.rows)

    def gram(
        self,
        basis: Float[Tensor, "n r"] | None = None,
        shrinkage: Float[Tensor, "q r"] | None = None,
    ) -> Float[Tensor, "Kd Kd"]:
        """Return ``A'(I - Q Q')A``, with Q = ``basis`` or nothing, accumulated over samples.

        With a basis the columns are projected before they are multiplied: windows of a smooth
        signal are almost annihilated, and ``A'A - (Q'A)'(Q'A)`` would be rounding errors. For
        the same reason the basis of a ridge comes with its ``shrinkage`` L, ``L'L = I - Q'Q``.
        Cost O(n K^2 d^2).
        """
        gram = self.rows.new_zeros(self._n_columns, self._n_columns)
        cross = None if basis is None else self._project_columns(basis)
        for part in self._sample_chunks():
            slab = self._columns(part)
            if basis is not None and cross is not None:
                slab.addmm_(basis[part], cross, alpha=-1)
            gram.addmm_(slab.T, slab)
        if cross is not None and shrinkage is not None:
            shrunk = shrinkage @ cross
            gram.addmm_(shrunk.T, shrunk)
        return gram

    @property
    def _n_columns(self) -> int:
        """Columns of A, K d."""
        return self.n_blocks * self.features.width

    def _project_columns(self, basis: Float[Tensor, "n r"]) -> Float[Tensor, "r Kd"]:
        """Return ``Q'A``."""
        cross = basis.new_zeros(basis.shape[1], self._n_columns)
        for part in self._sample_chunks():
            cross.addmm_(basis[part].T, self._columns(part))
        return cross

    def _sample_chunks(self) -> Iterator[slice]:
        """Yield slices of samples whose slab of A stays small."""
        samples = max(1, _CHUNK_ENTRIES // self._n_columns)
        for start in range(0, self.features.n_samples, samples):
            yield slice(start, min(start + samples, self.features.n_samples))

    def _columns(self, part: slice) -> Float[Tensor, "rows Kd"]:
        """Return the rows of A for the samples ``part``."""
        p = self.features.n_patches
        own = slice(part.start * p, part.stop * p)
        gated = self.masks[:, own].T * self.signs
        if p == 1:
            return (gated[:, :, None] * self.rows[own, None, :]).flatten(1)
        by_sample = gated.reshape(-1, p, self.n_blocks).transpose(1, 2)
        return (by_sample @ self.rows[own].reshape(-1, p, self.features.width)).flatten(1)

    def margins(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K N"]:
        """Return ``(2 D_k - I) R z_k``: non-negative where a block lies in its cone."""
        outputs = blocks @ self.rows.T
        return outputs.where(self.masks, -outputs)

    def margins_adjoint(self, multipliers: Float[Tensor, "K N"]) -> Float[Tensor, "K d"]:
        """Return ``R'(2 D_k - I) alpha_k``, the adjoint of `margins`."""
        return multipliers.where(self.masks, -multipliers) @ self.rows


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
