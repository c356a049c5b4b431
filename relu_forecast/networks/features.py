"""Features: what the blocks of a program multiply, and the norm that weighs the blocks.

All three architectures are ``f = sum_j sum_s P_s (R z_j)_+ h_js'``: rows R, a neuron's weights z_j
in the coordinates of the architecture, P_s, the weighted sum over those rows (patches) of a sample
that belong to site s, and a head, whose part h_js says what the neuron adds at that site to each
of C targets. Dense and circular networks have one row and one site a sample. Nothing above the
architectures needs to know more of them; THEORY sections 3 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.networks.sites import pooled, spread_out


@dataclass(frozen=True)
class Features:
    """Rows in the coordinates of an architecture."""

    rows: Float[Tensor, "N d"]
    """R; the ``N / n`` rows of one sample follow one another."""
    n_samples: int
    """n."""
    norm: GroupNorm
    """N(z), the cost of a neuron ``P (R z)_+ h'`` whose head h has length one."""
    pooling: Float[Tensor, "S p"] | None = None
    """Weight of each of the p rows of a sample at each site; None: their plain sum, S = 1."""

    @property
    def n_patches(self) -> int:
        """Rows per sample, N / n: 1 but for a convolution."""
        return len(self.rows) // self.n_samples

    @property
    def n_sites(self) -> int:
        """Sites per sample, S: 1 but for a convolution whose output weights tell places apart."""
        return 1 if self.pooling is None else self.pooling.shape[0]

    @property
    def width(self) -> int:
        """Coordinates of a block, d."""
        return self.rows.shape[1]

    def rows_of(self, samples: slice) -> slice:
        """Return where the rows of some samples are."""
        return slice(samples.start * self.n_patches, samples.stop * self.n_patches)

    def pool(self, values: Float[Tensor, "N *m"]) -> Float[Tensor, "nS *m"]:
        """Return ``P values``: weighted sums over the rows of each site, sample after sample."""
        return pooled(values, self.n_patches, self.pooling)

    def spread(self, values: Float[Tensor, "nS *m"]) -> Float[Tensor, "N *m"]:
        """Return ``P' values``, each site's value on its rows, times their weights."""
        return spread_out(values, self.n_patches, self.pooling)

    def outputs(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "nS m"]:
        """Return ``P (R z_j)_+``, what each neuron puts out at each site. Cost O(N m d)."""
        return self.pool((self.rows @ blocks.T).relu_())

    def combine(
        self, outputs: Float[Tensor, "nS m"], heads: Float[Tensor, "m SC"]
    ) -> Float[Tensor, "n C"]:
        """Return what neurons with these outputs add to each target: ``sum_js outputs_js h_js'``.

        Heads are given site by site: entry ``s C + c`` is that of site s and target c.
        """
        if heads.shape[1] == 1:
            return (outputs * heads[:, 0]).sum(1, keepdim=True)
        return self._by_sample(outputs) @ self._by_site(heads)

    def seen(
        self, values: Float[Tensor, "n C"], heads: Float[Tensor, "m SC"]
    ) -> Float[Tensor, "nS m"]:
        """Return what each neuron sees of the targets' values through its head: ``V h_js``.

        The adjoint of `combine` in the outputs: the scalar residual of every neuron.
        """
        if heads.shape[1] == 1:
            return values * heads[:, 0]
        return (values @ self._by_site(heads).T).reshape(self.n_sites * len(values), len(heads))

    def correlations(
        self, outputs: Float[Tensor, "nS m"], values: Float[Tensor, "n C"]
    ) -> Float[Tensor, "m SC"]:
        """Return ``sum_i outputs_ijs values_ic`` as heads are given; the adjoint in the heads."""
        if self.n_sites == 1:
            return times_columns(outputs.T, values)
        products = self._by_sample(outputs).T @ values
        by_site = products.reshape(self.n_sites, outputs.shape[1], values.shape[1])
        return by_site.transpose(0, 1).flatten(1)

    def _by_sample(self, outputs: Float[Tensor, "nS m"]) -> Float[Tensor, "n Sm"]:
        """Return outputs with one row a sample."""
        if self.n_sites == 1:
            return outputs
        return outputs.reshape(len(outputs) // self.n_sites, self.n_sites * outputs.shape[1])

    def _by_site(self, heads: Float[Tensor, "m SC"]) -> Float[Tensor, "Sm C"]:
        """Return the parts of heads at the first site, then those at the second one, ..."""
        if self.n_sites == 1:
            return heads
        by_site = heads.reshape(len(heads), self.n_sites, heads.shape[1] // self.n_sites)
        return by_site.transpose(0, 1).flatten(0, 1)

    def restricted(self, kept: Tensor) -> Features:
        """Return the features of some samples, given by their indices."""
        rows = self.rows.reshape(self.n_samples, self.n_patches, -1)[kept].flatten(0, 1)
        return replace(self, rows=rows, n_samples=len(kept))

    def sliced(self, samples: slice) -> Features:
        """Return the features of consecutive samples; their rows are a view."""
        return replace(self, rows=self.rows[self.rows_of(samples)],
                       n_samples=samples.stop - samples.start)

    def scaled(self, factor: float) -> Features:
        """Return the features with their rows multiplied by ``factor`` > 0."""
        return replace(self, rows=self.rows * factor)

    def weighted(self, roots: Float[Tensor, " n"]) -> Features:
        """Return the features with all rows of each sample multiplied by a number > 0 of its own.

        What a neuron puts out on a sample is multiplied by it, too: ``(c x'u)_+ = c (x'u)_+``.
        """
        return replace(self, rows=self.rows * roots.repeat_interleave(self.n_patches)[:, None])

    @property
    def cutting(self) -> Bool[Tensor, " N"]:
        """Rows that cut cells: a zero row is never a constraint."""
        return (self.rows != 0).any(dim=1)


def times_columns(
    matrix: Float[Tensor, "n m"], columns: Float[Tensor, "m *C"]
) -> Float[Tensor, "n *C"]:
    """Return ``matrix @ columns``; a single column takes the faster matrix-vector product."""
    if columns.ndim == 2 and columns.shape[1] == 1:
        return (matrix @ columns[:, 0])[:, None]
    return matrix @ columns
