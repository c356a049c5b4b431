"""Products with some blocks of a program, over slabs of samples: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import times_columns
from relu_forecast.patterns.slabs import rows_per_slab, slices
from relu_forecast.problems.program import ConvexProgram


@dataclass(frozen=True)
class BlockProducts:
    """Products with some blocks of a program."""

    program: ConvexProgram
    """Whose blocks they are."""
    index: Int[Tensor, " m"]
    """Their numbers."""
    slab_entries: int
    """Entries of the slabs (blocks x rows) in work at a time, of which there are three."""

    def slabs(self) -> Iterator[slice]:
        """Return slices of samples whose rows make a slab."""
        features = self.program.features
        per_sample = max(1, len(self.index)) * features.n_patches
        return slices(
            features.n_samples, rows_per_slab(self.slab_entries, per_sample, fewest=1))

    def forward(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "n C"]:
        """Return ``sum_k P D_k R z_k h_k'``."""
        design, features = self.program.design, self.program.features
        heads = design.heads[self.index]
        outputs = blocks.new_empty(features.n_samples, heads.shape[1])
        for part in self.slabs():
            own = features.rows_of(part)
            active = (blocks @ features.rows[own].T).where(
                design.masks[:, own].index_select(0, self.index), 0.0)
            outputs[part] = times_columns(active.T, heads).view(
                -1, features.n_patches, heads.shape[1]).sum(1)
        return outputs

    def adjoint(self, values: Float[Tensor, "n C"]) -> Float[Tensor, "m d"]:
        """Return ``R'D_k P'V h_k``."""
        design, features = self.program.design, self.program.features
        heads = design.heads[self.index]
        total = features.rows.new_zeros(len(self.index), features.width)
        for part in self.slabs():
            own = features.rows_of(part)
            mixed = heads @ values[part].repeat_interleave(features.n_patches, dim=0).T
            gated = mixed.where(design.masks[:, own].index_select(0, self.index), 0.0)
            total.addmm_(gated, features.rows[own])
        return total

    def row_gram(self) -> Float[Tensor, "d d"]:
        """Return ``R'R``."""
        features = self.program.features
        rows = features.rows
        gram = rows.new_zeros(rows.shape[1], rows.shape[1])
        for part in self.slabs():
            own = rows[features.rows_of(part)]
            gram.addmm_(own.T, own)
        return gram
