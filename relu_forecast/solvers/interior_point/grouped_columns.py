"""Pairs (block, group) of a program: the variables of a Newton method on few of them.

A block of the pairs is ``z_k = sum_g z_kg + t_k u_k``: the groups held, and with cones a multiple
of a ray. The ray u_k is what a point strictly inside the cone has in the groups that are not held,
at norm one, so that however few are held, the pairs reach the interior of the cone; its multiple
tends to zero where the groups held suffice. The ray counts as one more group, of weight one.
Coordinates of a pair are those of its group times the weight omega_g, so that all pairs weigh the
same, and the norms of the pairs of a block sum to the norm of the block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.program import ConvexProgram


@dataclass(frozen=True)
class GroupedColumns:
    """The pairs held of the blocks of a program."""

    program: ConvexProgram
    """The program of these blocks, of m blocks of G groups."""
    held: Bool[Tensor, "m G"]
    """Which groups of each block are held."""
    inner: Float[Tensor, "m d"]
    """A point strictly inside each cone."""

    @cached_property
    def rays(self) -> Float[Tensor, "m d"]:
        """The rays u_k, zero where all groups are held."""
        norm = self.program.norm
        outside = norm.grouped(self.inner) * ~self.held[:, :, None]
        return norm.normalised(outside.flatten(1))

    @cached_property
    def places(self) -> Int[Tensor, " p"]:
        """Of pair (k, g) the number ``k (G + 1) + g``, in increasing order; the ray is g = G."""
        rays = torch.full_like(self.held[:, :1], self.program.has_cones)
        return torch.cat([self.held, rays], dim=1).flatten().nonzero()[:, 0]

    @property
    def per_block(self) -> int:
        """Places of a block, G + 1."""
        return self.program.norm.n_groups + 1

    @property
    def size(self) -> int:
        """Coordinates of a group."""
        return self.program.features.width // self.program.norm.n_groups

    @cached_property
    def owners(self) -> Int[Tensor, " p"]:
        """The block of each pair."""
        return self.places // self.per_block

    @cached_property
    def groups(self) -> Int[Tensor, " p"]:
        """The group of each pair, G for a ray."""
        return self.places % self.per_block

    @cached_property
    def _weights(self) -> Float[Tensor, "p 1"]:
        """The weight omega_g of each pair, one for a ray."""
        weights = self.program.norm.weights
        return torch.cat([weights, weights.new_ones(1)])[self.groups][:, None]

    @cached_property
    def live(self) -> Int[Tensor, " w"]:
        """Numbers of the coordinates whose columns are not zero, among all those of the pairs."""
        used = (self.program.features.rows != 0).any(dim=0)
        first = torch.arange(self.size, device=used.device) == 0
        lanes = torch.cat([used, first]).view(self.per_block, self.size)[self.groups]
        empty = self.held.all(dim=1)[self.owners] & (self.groups == self.per_block - 1)
        return (lanes & ~empty[:, None]).flatten().nonzero()[:, 0]

    @cached_property
    def live_owners(self) -> Int[Tensor, " w"]:
        """The block of each live coordinate."""
        return self.owners[self.live // self.size]

    @cached_property
    def keys(self) -> Int[Tensor, " w"]:
        """A number of each live coordinate that it keeps when more pairs are held."""
        return self.places[self.live // self.size] * self.size + self.live % self.size

    @cached_property
    def parts(self) -> list[slice]:
        """The live coordinates of each block; waits for the device."""
        counts = torch.bincount(self.live_owners, minlength=self.program.n_blocks)
        ends = counts.cumsum(0).tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def blocks(self, pairs: Float[Tensor, "p size"]) -> Float[Tensor, "m d"]:
        """Return the blocks z_k that pairs make."""
        count, d = self.program.n_blocks, self.program.features.width
        every = pairs.new_zeros(count * self.per_block, self.size)
        every[self.places] = pairs / self._weights
        every = every.view(count, -1)
        return torch.addcmul(every[:, :d], every[:, d : d + 1], self.rays)

    def pairs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "p size"]:
        """Return the pairs that make blocks, whose other groups must be along the rays."""
        norm = self.program.norm
        outside = norm.grouped(blocks) * ~self.held[:, :, None]
        along = torch.zeros_like(blocks[:, : self.size])
        along[:, 0] = norm.norms(outside.flatten(1)) * (blocks * self.rays).sum(dim=1).sign()
        every = torch.cat([blocks, along], dim=1).view(-1, self.size)
        return every[self.places] * self._weights

    def adjoint(self, values: Float[Tensor, "m d"]) -> Float[Tensor, "p size"]:
        """Return the values' inner products with the columns: the adjoint of `blocks`."""
        along = torch.zeros_like(values[:, : self.size])
        along[:, 0] = (values * self.rays).sum(dim=1)
        every = torch.cat([values, along], dim=1).view(-1, self.size)
        return every[self.places] / self._weights

    def rows_of(self, chosen: Int[Tensor, " c"]) -> Float[Tensor, "c N"]:
        """Return some of the live columns of ``R B_k``, one a row, B_k being what `blocks` does."""
        rows, size = self.program.features.rows, self.size
        scaled = (rows / self.program.norm.weights.repeat_interleave(size)).T
        columns = torch.cat([scaled, self.rays @ rows.T])
        lanes = self.keys[chosen] % (self.per_block * size)
        ray = rows.shape[1] + self.live_owners[chosen]
        return columns[torch.where(lanes < rows.shape[1], lanes, ray)]

    def sources(
        self, before: GroupedColumns, origin: Int[Tensor, " m"]
    ) -> tuple[Int[Tensor, " w"], Int[Tensor, " k"]]:
        """Return where each live column is among those of an earlier set and, after them, new ones.

        And which columns are new. ``origin`` are the places of the blocks in that set, or -1. A ray
        is another one where other groups are held.
        """
        width = self.per_block * self.size
        same = (before.held[origin] == self.held).all(dim=1)
        lanes, owners = self.keys % width, self.live_owners
        keys = origin[owners] * width + lanes
        number = torch.searchsorted(before.keys, keys).clamp_max(len(before.keys) - 1)
        fresh = (before.keys[number] != keys) | (origin[owners] < 0)
        fresh |= (lanes >= self.program.features.width) & ~same[owners]
        place = len(before.keys) + fresh.cumsum(0) - 1
        return torch.where(fresh, place, number), fresh.nonzero()[:, 0]
