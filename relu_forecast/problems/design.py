"""Designs: the linear maps from blocks to network outputs and to cone margins.

A design never holds the n x (K d) matrix it stands for: products with the rows of the features
and the boolean masks take its place; THEORY section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features, times_columns
from relu_forecast.patterns.slabs import SUMMED, rows_per_slab, slices


@dataclass(frozen=True)
class Design:
    """Gated blocks: ``A z = sum_ks P_s D_k R z_k h_ks'`` and cones ``(2 D_k - I) R z_k >= 0``.

    R are the rows of the features and P_s sums over the rows of a sample that belong to site s:
    one row, the window itself, when the network is dense or circular; patches when it is
    convolutional.
    """

    features: Features
    """R, P and the norm of a block."""
    masks: Bool[Tensor, "K N"]
    """Diagonals of D_k, one per block."""
    heads: Float[Tensor, "K SC"]
    """h_k, of length one: what a block adds at each site to each of C targets; +1 or -1 where
    there are one site and one target."""

    @property
    def rows(self) -> Float[Tensor, "N d"]:
        """The rows of the features, R."""
        return self.features.rows

    @property
    def n_blocks(self) -> int:
        """Number of blocks, K."""
        return self.masks.shape[0]

    def forward(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "n C"]:
        """Return ``A z``, the network's outputs. Cost O(N K d), in slabs of bounded memory."""
        return torch.cat([self._outputs(blocks, part) for part in self._sample_chunks(1)])

    def _outputs(self, blocks: Float[Tensor, "K d"], part: slice) -> Float[Tensor, "rows C"]:
        """Return the network's outputs of the samples ``part``."""
        few, own = self.features.sliced(part), self.features.rows_of(part)
        active = (blocks @ few.rows.T).where(self.masks[:, own], 0.0)
        if few.n_sites > 1:
            return few.combine(few.pool(active.T), self.heads)
        return few.pool(times_columns(active.T, self.heads))

    def adjoint(self, values: Float[Tensor, "n C"]) -> Float[Tensor, "K d"]:
        """Return ``A'V``, block k being ``R'D_k P'(V h_k)``. Cost O(N K (d + S C)), in slabs."""
        total = self.rows.new_zeros(self.n_blocks, self.features.width)
        single = self.heads.shape[1] == 1  # then a head is a sign, and waits until the end
        for part in self._sample_chunks(1):
            few, own = self.features.sliced(part), self.features.rows_of(part)
            mixed = few.spread(values[part] if single else few.seen(values[part], self.heads))
            total.addmm_(mixed.T.where(self.masks[:, own], 0.0), few.rows)
        return self.heads * total if single else total

    def gram(
        self, basis: Float[Tensor, "n r"] | None = None,
        shrinkage: Float[Tensor, "q r"] | None = None, known: Float[Tensor, "md md"] | None = None
    ) -> Float[Tensor, "Kd Kd"]:
        """Return ``A'(I - Q Q')A``, with Q = ``basis`` or nothing, accumulated over samples.

        With one site that of blocks k and l is that of one target times ``h_k'h_l``: it costs no
        factor C. With several sites it is the sum over targets.

        With a basis the columns are projected before they are multiplied: windows of a smooth
        signal are almost annihilated, and ``A'A - (Q'A)'(Q'A)`` would be rounding errors. For
        the same reason the basis of a ridge comes with its ``shrinkage`` L, ``L'L = I - Q'Q``.
        Where the matrix of the first m blocks is ``known`` only what is new is multiplied.
        Cost O(n K (K - m) d^2), times C with several sites.
        """
        first = 0 if known is None else len(known)
        fresh = self.rows.new_zeros(self._n_columns, self._n_columns - first)
        for mixing in self._mixings():
            self._add_gram(fresh, first, mixing, basis, shrinkage)
        if self.features.n_sites == 1:
            products = self.heads @ self.heads[first // self.features.width :].T
            tiles = fresh.view(self.n_blocks, self.features.width, -1, self.features.width)
            tiles.mul_(products[:, None, :, None])
        if known is None:
            return fresh
        return torch.cat([torch.cat([known, fresh[:first]], dim=1),
                          torch.cat([fresh[:first].T, fresh[first:]], dim=1)])

    def _add_gram(
        self, fresh: Float[Tensor, "Kd new"], first: int, mixing: Float[Tensor, "K S"] | None,
        basis: Float[Tensor, "n r"] | None, shrinkage: Float[Tensor, "q r"] | None
    ) -> None:
        """Add the products of the columns of one target, see `_columns`."""
        cross = None if basis is None else self._project_columns(basis, mixing)
        for part in self._sample_chunks(self.features.width):
            slab = self._columns(part, mixing)
            if basis is not None and cross is not None:
                slab.addmm_(basis[part], cross, alpha=-1)
            fresh.addmm_(slab.T, slab[:, first:])
        if cross is not None and shrinkage is not None:
            shrunk = shrinkage @ cross
            fresh.addmm_(shrunk.T, shrunk[:, first:])

    @property
    def _n_columns(self) -> int:
        """Columns of A, K d."""
        return self.n_blocks * self.features.width

    def _mixings(self) -> Iterator[Float[Tensor, "K S"] | None]:
        """Yield the parts of the heads for each target; one None for a single site."""
        sites = self.features.n_sites
        if sites == 1:
            yield None
        else:
            yield from self.heads.view(self.n_blocks, sites, self.heads.shape[1] // sites).unbind(2)

    def _project_columns(
        self, basis: Float[Tensor, "n r"], mixing: Float[Tensor, "K S"] | None
    ) -> Float[Tensor, "r Kd"]:
        """Return ``Q'A``, for the columns of one target."""
        cross = basis.new_zeros(basis.shape[1], self._n_columns)
        for part in self._sample_chunks(self.features.width):
            cross.addmm_(basis[part].T, self._columns(part, mixing))
        return cross

    def _sample_chunks(self, width: int) -> Iterator[slice]:
        """Return slices of samples for which K times ``width`` entries a row stay few."""
        per_sample = self.n_blocks * width * (self.features.n_patches if width == 1 else 1)
        size = rows_per_slab(SUMMED.on(self.rows.device), per_sample)
        return slices(self.features.n_samples, size)

    def _columns(
        self, part: slice, mixing: Float[Tensor, "K S"] | None
    ) -> Float[Tensor, "rows Kd"]:
        """Return the rows of A for the samples ``part``: those of one target, given its heads.

        With one site heads are left out, and there is no mixing.
        """
        few, own = self.features.sliced(part), self.features.rows_of(part)
        gated = self.masks[:, own].T.to(self.rows)
        if mixing is not None:
            gated = gated * few.spread(mixing.T.repeat(few.n_samples, 1))
        p = few.n_patches
        if p == 1:
            return (gated[:, :, None] * few.rows[:, None, :]).flatten(1)
        by_sample = gated.reshape(-1, p, self.n_blocks).transpose(1, 2)
        return (by_sample @ few.rows.reshape(-1, p, self.features.width)).flatten(1)

    def margins(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K N"]:
        """Return ``(2 D_k - I) R z_k``: non-negative where a block lies in its cone."""
        outputs = blocks @ self.rows.T
        return outputs.where(self.masks, -outputs)

    def margins_adjoint(self, multipliers: Float[Tensor, "K N"]) -> Float[Tensor, "K d"]:
        """Return ``R'(2 D_k - I) alpha_k``, the adjoint of `margins`."""
        return multipliers.where(self.masks, -multipliers) @ self.rows


def add_to_diagonal_blocks(
    matrix: Float[Tensor, "md md"], terms: Float[Tensor, "m d d"]
) -> None:
    """Add one term to each of the equal square blocks on the diagonal, as of `Design.gram`."""
    m, d, _ = terms.shape
    matrix.view(m, d, m, d).diagonal(dim1=0, dim2=2).add_(terms.permute(1, 2, 0))


@dataclass(frozen=True)
class TriangularProducts:
    """The upper triangles of ``r_t r_t'``, so that one product gives all weighted Gram matrices."""

    values: Float[Tensor, "N triangle"]
    """One triangle per row of R."""
    lookup: Int[Tensor, " dd"]
    """Place in a triangle of each entry of a symmetric matrix."""

    @classmethod
    def of(cls, rows: Float[Tensor, "N d"]) -> TriangularProducts:
        """Multiply the columns of R pair by pair. Cost O(N d^2)."""
        d = rows.shape[1]
        i, j = torch.triu_indices(d, d, device=rows.device)
        place = torch.zeros(d, d, dtype=torch.long, device=rows.device)
        order = torch.arange(len(i), device=rows.device)
        place[i, j] = order
        place[j, i] = order
        return cls(rows[:, i] * rows[:, j], place.flatten())

    def weighted_grams(self, weights: Float[Tensor, "K N"]) -> Float[Tensor, "K d d"]:
        """Return ``R' Diag(w_k) R`` for every row of ``weights``. Cost O(N K d^2 / 2)."""
        d = math.isqrt(len(self.lookup))
        return (weights @ self.values)[:, self.lookup].view(-1, d, d)
