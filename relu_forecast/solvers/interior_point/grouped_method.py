"""The interior point method on pairs (block, group): each pair has a second-order cone of its own.

The Newton matrix has the live coordinates of the pairs only. Its polyhedral part is one small
product for each block, of the columns that the block holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.cones import kept_inside
from relu_forecast.solvers.interior_point.grouped_columns import GroupedColumns
from relu_forecast.solvers.interior_point.method import InteriorPoint, InteriorState, ScaledCholesky
from relu_forecast.solvers.second_order_cone import NesterovTodd
from relu_forecast.solvers.settings import InteriorPointSettings


@dataclass(frozen=True)
class GroupedRows:
    """The cones of the blocks, whose points are given by pairs."""

    columns: GroupedColumns
    """The pairs."""

    @property
    def _program(self) -> ConvexProgram:
        """The program of the blocks."""
        return self.columns.program

    @property
    def n_rows(self) -> int:
        """Rows of each cone: N, or none."""
        return len(self._program.features.rows) if self._program.has_cones else 0

    @cached_property
    def _rows(self) -> Float[Tensor, "N d"]:
        """R, or nothing without cones."""
        return self._program.features.rows[: self.n_rows]

    def outputs(self, pairs: Float[Tensor, "p size"]) -> Float[Tensor, "m N"]:
        """Return ``R z_k``."""
        return self.columns.blocks(pairs) @ self._rows.T

    def interior_outputs(self, pairs: Float[Tensor, "p size"]) -> Float[Tensor, "m N"]:
        """Return ``R z_k`` on the side of the masks, and one where a row is zero."""
        outputs, program = self.outputs(pairs), self._program
        if self.n_rows == 0:
            return outputs
        return kept_inside(outputs, program.design.masks).where(program.cone_rows, 1.0)

    def adjoint(self, values: Float[Tensor, "m N"]) -> Float[Tensor, "p size"]:
        """Return ``R' v_k``, in the coordinates of pairs."""
        return self.columns.adjoint(values @ self._rows)


@dataclass(frozen=True)
class GroupedPoint(InteriorPoint):
    """The method on pairs: its "blocks" are pairs of one group each, its outputs those of blocks.

    `gram` is that of the live coordinates.
    """

    columns: GroupedColumns = None  # type: ignore[assignment]
    """The pairs."""
    cone_columns: Float[Tensor, "w N"] = None  # type: ignore[assignment]
    """Their live columns of ``R B_k``, one a row."""
    left: Float[Tensor, "w nd"] = None  # type: ignore[assignment]
    """What the skip leaves of those of A, heads left out."""
    live_heads: Float[Tensor, "w C"] = None  # type: ignore[assignment]
    """The heads of their blocks."""

    @classmethod
    def on(
        cls, columns: GroupedColumns, settings: InteriorPointSettings,
        known: GroupedPoint | None = None, origin: Int[Tensor, " m"] | None = None,
    ) -> GroupedPoint:
        """Set the method up; products of columns that an earlier one had too are kept.

        ``origin`` are the places of the blocks in that one, or -1.
        """
        program, owners = columns.program, columns.live_owners
        heads = program.design.heads[owners]
        source = new = torch.arange(len(owners), device=owners.device)
        if known is not None and origin is not None:
            source, new = columns.sources(known.columns, origin)
        fresh = columns.rows_of(new)
        left = program.leave((fresh * program.design.masks[owners[new]]).T).T
        gram = (left @ left.T) * (heads[new] @ heads[new].T)
        if known is not None:
            across = (known.left @ left.T) * (known.live_heads @ heads[new].T)
            gram = torch.cat([torch.cat([known.gram, across], dim=1),
                              torch.cat([across.T, gram], dim=1)])[source][:, source]
            fresh = torch.cat([known.cone_columns, fresh])[source]
            left = torch.cat([known.left, left])[source]
        linear = columns.adjoint(program.design.adjoint(program.annihilate(program.targets)))
        return cls(gram, linear, GroupNorm.euclidean(linear), program.beta, GroupedRows(columns),
                   settings, columns, fresh, left, heads)

    @property
    def degree(self) -> int:
        """Number of cones."""
        return len(self.linear) + self.columns.program.n_blocks * self.cones.n_rows

    def share(self, total: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return the ``share`` of a centred state whose products sum to ``total``."""
        blocks = self.columns.program.n_blocks if self.cones.n_rows else 0
        return total / (len(self.linear) + blocks)

    def leaning(self, correlations: Float[Tensor, "p size"]) -> Float[Tensor, "p size"]:
        """Return duals of pairs, as near to ``-c`` as half the way to the boundary allows."""
        size = torch.linalg.vector_norm(correlations, dim=1, keepdim=True)
        most = 0.5 * self.beta
        duals: Tensor = -correlations * (most / size.clamp_min(most))
        return duals

    def complementarity_of_norms(self, state: InteriorState) -> Float[Tensor, ""]:
        """Return the sum of the complementarity products of the pairs."""
        return self._second_order_products(state.norms, state.blocks, state.duals)

    def descent(self, blocks: Float[Tensor, "p size"]) -> Float[Tensor, "p size"]:
        """Return ``b - Gz``."""
        live = self.columns.live
        product = torch.zeros_like(blocks).flatten()
        product[live] = self.gram @ blocks.flatten()[live]
        return self.linear - product.view_as(blocks)

    def factored(
        self, weights: Float[Tensor, "m N"], scaling: NesterovTodd, jitter: Float[Tensor, ""]
    ) -> LiveCholesky:
        """Return the factor of the Newton matrix of the live coordinates."""
        matrix = self.gram.clone()
        if self.cones.n_rows:
            for own, part in zip(weights, self.columns.parts, strict=True):
                columns = self.cone_columns[part]
                matrix[part, part].addmm_(columns * own, columns.T)
        origins, targets = self._tiles
        matrix.view(-1).index_add_(0, targets, scaling.eliminated_hessian().flatten()[origins])
        return LiveCholesky(matrix, jitter, self.columns.live)

    @cached_property
    def _tiles(self) -> tuple[Int[Tensor, " t"], Int[Tensor, " t"]]:
        """Entries of the pairs' own Hessians, and where they go in the Newton matrix."""
        live, size, count = self.columns.live, self.columns.size, len(self.columns.live)
        place = live.new_full((len(self.linear) * size,), -1)
        place[live] = torch.arange(count, device=live.device)
        lanes = place.view(-1, size)
        rows, columns = lanes[:, :, None].expand(-1, -1, size), lanes[:, None, :].expand(
            -1, size, -1)
        origins = ((rows >= 0) & (columns >= 0)).flatten().nonzero()[:, 0]
        targets = (rows * count + columns).flatten()[origins]
        return origins, targets


class LiveCholesky:
    """Solves for the live coordinates; all others, whose columns are zero, stay zero."""

    def __init__(
        self, matrix: Float[Tensor, "w w"], jitter: Float[Tensor, ""], live: Int[Tensor, " w"]
    ) -> None:
        self.inner, self.live = ScaledCholesky(matrix, jitter), live
        self.failed = self.inner.failed

    def __call__(self, right: Float[Tensor, "p size"]) -> Float[Tensor, "p size"]:
        """Return the solution, refined once."""
        return self._spread(self.inner(right.flatten()[self.live]), right)

    def roughly(self, right: Float[Tensor, "p size"]) -> Float[Tensor, "p size"]:
        """Return the solution without the refinement."""
        return self._spread(self.inner.roughly(right.flatten()[self.live]), right)

    def _spread(self, solution: Float[Tensor, " w"], like: Tensor) -> Float[Tensor, "p size"]:
        """Return the solution among zeros."""
        whole = torch.zeros_like(like).flatten()
        whole[self.live] = solution
        return whole.view_as(like)

