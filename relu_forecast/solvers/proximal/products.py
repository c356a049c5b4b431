"""Products with some blocks of a program, over slabs of samples: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.patterns.slabs import rows_per_slab, slices
from relu_forecast.problems.design import Design
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

    def _design(self, part: slice, heads: Float[Tensor, "m SC"]) -> Design:
        """Return the design of the blocks on some samples."""
        design, features = self.program.design, self.program.features
        masks = design.masks[:, features.rows_of(part)].index_select(0, self.index)
        return Design(features.sliced(part), masks, heads)

    def forward(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "n C"]:
        """Return ``sum_ks P_s D_k R z_k h_ks'``."""
        heads = self.program.design.heads[self.index]
        outputs = blocks.new_empty(self.program.targets.shape)
        for part in self.slabs():
            outputs[part] = self._design(part, heads).forward(blocks)
        return outputs

    def adjoint(self, values: Float[Tensor, "n C"]) -> Float[Tensor, "m d"]:
        """Return ``R'D_k P'(V h_k)``."""
        heads = self.program.design.heads[self.index]
        total = values.new_zeros(len(self.index), self.program.features.width)
        for part in self.slabs():
            total += self._design(part, heads).adjoint(values[part])
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
