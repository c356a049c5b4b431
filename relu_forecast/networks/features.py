"""Features: what the blocks of a program multiply, and the norm that weighs the blocks.

All three architectures are ``f = sum_j s_j P (R z_j)_+``: rows R, a neuron's weights z_j in the
coordinates of the architecture, and P, the sum over the rows (patches) of one sample; THEORY
section 3. Nothing above the architectures needs to know more of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm


@dataclass(frozen=True)
class Features:
    """Rows in the coordinates of an architecture."""

    rows: Float[Tensor, "N d"]
    """R; the ``N / n`` rows of one sample follow one another."""
    n_samples: int
    """n."""
    norm: GroupNorm
    """N(z), the cost of a neuron ``s (R z)_+``."""

    @property
    def n_patches(self) -> int:
        """Rows per sample, N / n: 1 but for a convolution."""
        return len(self.rows) // self.n_samples

    @property
    def width(self) -> int:
        """Coordinates of a block, d."""
        return self.rows.shape[1]

    def rows_of(self, samples: slice) -> slice:
        """Return where the rows of some samples are."""
        return slice(samples.start * self.n_patches, samples.stop * self.n_patches)

    def pool(self, values: Float[Tensor, "N *m"]) -> Float[Tensor, "n *m"]:
        """Return ``P values``, the sum over the rows of each sample."""
        if self.n_patches == 1:
            return values
        return values.reshape(self.n_samples, self.n_patches, *values.shape[1:]).sum(1)

    def spread(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "N *m"]:
        """Return ``P' values``, each sample's value on each of its rows."""
        if self.n_patches == 1:
            return values
        return values.repeat_interleave(self.n_patches, dim=0)

    def outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return ``P (R z_j)_+``, what each neuron adds. Cost O(N m d)."""
        return self.pool((self.rows @ blocks.T).relu_())

    def restricted(self, kept: Tensor) -> Features:
        """Return the features of some samples, given by their indices."""
        rows = self.rows.reshape(self.n_samples, self.n_patches, -1)[kept].flatten(0, 1)
        return Features(rows, len(kept), self.norm)

    def scaled(self, factor: float) -> Features:
        """Return the features with their rows multiplied by ``factor`` > 0."""
        return Features(self.rows * factor, self.n_samples, self.norm)

    @property
    def cutting(self) -> Bool[Tensor, " N"]:
        """Rows that cut cells: a zero row is never a constraint."""
        return (self.rows != 0).any(dim=1)
