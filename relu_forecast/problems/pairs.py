"""Pairs of a pattern and a head: which heads are worth most to a pattern, and which a block has.

The blocks of one pattern k and all heads add up to a matrix ``Z_k = sum_j z_j h_j'`` (d, S C), and
the cheapest way to write it so costs ``sum_g omega_g ||Z_kg||_*``, with the nuclear norm of its
groups of coordinates, one for a Euclidean norm. Hence the gated program of given patterns over
all heads is

    min_Z 1/2 ||Y - sum_ks P_s D_k R Z_ks||_M^2 + beta sum_kg omega_g ||Z_kg||_*

and its dual point V is feasible where no matrix ``G_k = [R'D_k P_s'V_c]_sc`` (d, S C) has a group
with a singular value above ``beta omega_g``: its leading vectors are the pair that is worth most.
THEORY section 8; Sahiner, Ergen, Pauly & Pilanci (2021), arXiv 2012.13329.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.design import Design

_SAME = 1e-9
"""Heads whose product is so near to one are the same."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of a pattern and a head, each with a block."""

    patterns: Int[Tensor, " k"]
    """Numbers of the patterns."""
    blocks: Float[Tensor, "k d"]
    """z_j, or directions of norm N one."""
    heads: Float[Tensor, "k SC"]
    """h_j, of length one."""
    values: Float[Tensor, " k"]
    """What a pair is worth beside a residual, ``z_j'G h_j``, or what it costs, ``N(z_j)``."""

    def taken(self, kept: Int[Tensor, " m"]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.patterns[kept], self.blocks[kept], self.heads[kept], self.values[kept])

    def leading(self, least: float, most: int) -> Pairs:
        """Return the pairs of values above ``least``, the largest ``most`` of them, in order.

        Of several with one pattern and nearly the same head only the best; the best in any case.
        """
        order = self.values.argsort(descending=True, stable=True)
        order = order[:max(1, int((self.values > least).sum()))]
        same = self.heads[order] @ self.heads[order].T > 1 - _SAME
        same &= self.patterns[order][:, None] == self.patterns[order]
        return self.taken(order[~same.tril(-1).any(1)][:most])

    def where_better(self, other: Pairs) -> Pairs:
        """Return each pair that is worth more than another of the same pattern, else the other."""
        better = self.values > other.values
        return Pairs(self.patterns, self.blocks.where(better[:, None], other.blocks),
                     self.heads.where(better[:, None], other.heads),
                     self.values.where(better, other.values))

    def joined(self, other: Pairs) -> Pairs:
        """Return both sets."""
        return Pairs(
            torch.cat([self.patterns, other.patterns]), torch.cat([self.blocks, other.blocks]),
            torch.cat([self.heads, other.heads]), torch.cat([self.values, other.values]))


def correlations_over_heads(
    features: Features, masks: Bool[Tensor, "P N"], residual: Float[Tensor, "n C"]
) -> Float[Tensor, "P d SC"]:
    """Return ``G_k = [R'D_k P_s'V_c]_sc`` of every pattern. Cost O(N P d S C), in slabs."""
    n_entries = features.n_sites * residual.shape[1]
    units = torch.eye(n_entries, dtype=residual.dtype, device=residual.device)
    return torch.stack([
        Design(features, masks, unit.expand(len(masks), n_entries)).adjoint(residual)
        for unit in units], dim=2)


def best_pairs(
    norm: GroupNorm, correlations: Float[Tensor, "P d SC"], least: float, most: int
) -> Pairs:
    """Return pairs of free blocks that are worth more than ``least``, the best first.

    They are the singular vectors of the groups of each G_k; of all of them at most ``most``, and
    the best one in any case. Cost O(P d S C min(d, S C)).
    """
    every = torch.arange(len(correlations), device=correlations.device)
    found = _singular_pairs(norm, every, correlations)
    weights = norm.norms(found.blocks)
    return replace(found, blocks=found.blocks / weights[:, None],
                   values=found.values / weights).leading(least, most)


def best_heads(correlations: Float[Tensor, "P d SC"], pairs: Pairs) -> Pairs:
    """Return the pairs with the head for which each block is worth most, ``G_k'z_j`` normalised.

    A block that is worth nothing keeps its head.
    """
    worth = (correlations[pairs.patterns].mT @ pairs.blocks[:, :, None])[:, :, 0]
    values = torch.linalg.vector_norm(worth, dim=1)
    tiny = torch.finfo(values.dtype).tiny
    heads = (worth / values.clamp_min(tiny)[:, None]).where(values[:, None] > 0, pairs.heads)
    return replace(pairs, heads=heads, values=values)


def fewest_pairs(norm: GroupNorm, pairs: Pairs) -> Pairs:
    """Return pairs of free blocks that make the same matrices Z_k at the least cost.

    Within each group of each pattern their blocks and heads are orthogonal. Cost O(K d S C), and a
    singular value decomposition for each group of each pattern.
    """
    patterns, owners = torch.unique(pairs.patterns, return_inverse=True)
    products = pairs.blocks[:, :, None] * pairs.heads[:, None, :]
    matrices = products.new_zeros(len(patterns), *products.shape[1:]).index_add_(
        0, owners, products)
    found = _singular_pairs(norm, patterns, matrices)
    rounding = max(matrices.shape[1:]) * torch.finfo(matrices.dtype).eps
    found = found.taken((found.values > rounding * found.values.amax()).nonzero()[:, 0])
    blocks = found.values[:, None] * found.blocks
    return replace(found, blocks=blocks, values=norm.norms(blocks))


def _singular_pairs(
    norm: GroupNorm, patterns: Int[Tensor, " P"], matrices: Float[Tensor, "P d SC"]
) -> Pairs:
    """Return the singular vectors, of length one, and values of each group of each matrix."""
    n_patterns, width, n_entries = matrices.shape
    left, values, right = torch.linalg.svd(
        matrices.view(n_patterns, norm.n_groups, -1, n_entries), full_matrices=False)
    size, rank = left.shape[2:]
    blocks = left.new_zeros(n_patterns, norm.n_groups, rank, norm.n_groups, size)
    blocks.diagonal(dim1=1, dim2=3).copy_(left.permute(0, 3, 2, 1))
    return Pairs(patterns.repeat_interleave(norm.n_groups * rank), blocks.reshape(-1, width),
                 right.reshape(-1, n_entries), values.flatten())
