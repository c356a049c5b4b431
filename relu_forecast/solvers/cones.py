"""Polyhedral cones of blocks, by the values of their rows and without their signs.

A block's cone is ``s_k = S_k R_k z_k >= 0`` with S_k a diagonal of signs. What an interior point
method does with the slacks s and multipliers lambda it does as well with the signed outputs
``o = S s`` and the signed multipliers ``l = S lambda``: their products and the ratio
``lambda / s = l / o`` are the same, so no mask is ever applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.design import TriangularProducts
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import taken


@dataclass(frozen=True)
class SharedRows:
    """The cones of a program: all blocks have the rows of the data, each with its own signs."""

    rows: Float[Tensor, "N d"]
    """R."""
    masks: Bool[Tensor, "m N"]
    """Where the signs are plus."""
    cutting: Bool[Tensor, " N"]
    """False for zero rows, which cut nothing: their outputs count as one."""
    products: TriangularProducts
    """Of the rows."""

    @property
    def n_rows(self) -> int:
        """Rows of each cone, N."""
        return len(self.rows)

    def restricted(self, kept: Int[Tensor, " k"]) -> SharedRows:
        """Return those of some blocks."""
        return SharedRows(self.rows, self.masks[kept], self.cutting, self.products)

    def outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m N"]:
        """Return ``R z_k``."""
        return blocks @ self.rows.T

    def interior_outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m N"]:
        """Return ``R z_k`` inside the cones, but one where a row is zero."""
        return kept_inside(self.outputs(blocks), self.masks).where(self.cutting, 1.0)

    def adjoint(self, values: Float[Tensor, "m N"]) -> Float[Tensor, "m d"]:
        """Return ``R' v_k``."""
        return values @ self.rows

    def weighted_grams(self, weights: Float[Tensor, "m N"]) -> Float[Tensor, "m d d"]:
        """Return ``R' Diag(w_k) R``."""
        return self.products.weighted_grams(weights)


@dataclass(frozen=True)
class OwnRows:
    """A few rows for each block, signed so that all outputs are positive inside."""

    rows: Float[Tensor, "m q d"]
    """C_k, zero where there is no row; q may be zero."""
    present: Bool[Tensor, "m q"]
    """Which rows there are; the outputs of others count as one."""

    @property
    def n_rows(self) -> int:
        """Rows of each cone, q."""
        return self.rows.shape[1]

    def restricted(self, kept: Int[Tensor, " k"]) -> OwnRows:
        """Return those of some blocks."""
        return taken(self, kept)

    def outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m q"]:
        """Return ``C_k z_k``."""
        return (self.rows @ blocks[:, :, None])[:, :, 0]

    def interior_outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "m q"]:
        """Return ``C_k z_k``, positive, and one where there is no row."""
        outputs = self.outputs(blocks).clamp_min(torch.finfo(blocks.dtype).tiny)
        return outputs.where(self.present, 1.0)

    def adjoint(self, values: Float[Tensor, "m q"]) -> Float[Tensor, "m d"]:
        """Return ``C_k' v_k``."""
        return (values[:, None, :] @ self.rows)[:, 0]

    def weighted_grams(self, weights: Float[Tensor, "m q"]) -> Float[Tensor, "m d d"]:
        """Return ``C_k' Diag(w_k) C_k``."""
        return (self.rows * weights[:, :, None]).transpose(1, 2) @ self.rows


def kept_inside(
    outputs: Float[Tensor, "m N"], masks: Bool[Tensor, "m N"]
) -> Float[Tensor, "m N"]:
    """Return outputs on the side of their masks, and at least as large as rounding.

    Gates in single precision may lie on the other side of a row by rounding.
    """
    info = torch.finfo(outputs.dtype)
    largest = torch.linalg.vector_norm(outputs, torch.inf, dim=1, keepdim=True)
    least = (info.eps * largest).clamp_min(info.tiny)
    outputs = torch.maximum(outputs.where(masks, -outputs), least)
    return outputs.where(masks, -outputs)


BlockCones = SharedRows | OwnRows


@runtime_checkable
class Cones(Protocol):
    """What an interior point method needs of cones: rows of points z, which need not be blocks."""

    @property
    def n_rows(self) -> int:
        """Rows of each cone."""

    def outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "c N"]:
        """Return the signed outputs of all rows."""

    def interior_outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "c N"]:
        """Return them inside the cones, in spite of rounding; one where there is no row."""

    def adjoint(self, values: Float[Tensor, "c N"]) -> Float[Tensor, "m d"]:
        """Return what `outputs` is the adjoint of."""


def cones_of(program: ConvexProgram, products: TriangularProducts | None) -> BlockCones:
    """Return the cones of a program's blocks; the products of its rows may be known."""
    rows, gates = program.features.rows, program.gates
    if not program.has_cones:
        none = gates.new_zeros(len(gates), 0, gates.shape[1])
        return OwnRows(none, none[:, :, 0] > 0)
    products = TriangularProducts.of(rows) if products is None else products
    return SharedRows(rows, program.design.masks, program.cone_rows, products)
