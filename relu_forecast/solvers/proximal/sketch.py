"""Curvature from some of the samples: the metric of the proximal method.

A Gram matrix of m blocks of d weights over n samples costs O(n (m d)^2). A few times m d samples,
drawn by their leverage, give a matrix within a small factor of it (Drineas & Mahoney, Comm. ACM
59 (2016) 80-90), and each step along which the exact curvature has been seen makes it exact
there: the BFGS formula.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.patterns.slabs import WHITENED, rows_per_slab, slices
from relu_forecast.problems.design import Design
from relu_forecast.problems.linear_skip import times_columns
from relu_forecast.problems.program import ConvexProgram

_PER_COLUMN = 5
"""Samples drawn for each column of the Gram matrix."""

_DAMPING = 1e-6
"""Share of the rows' own Gram matrix added to sketched ones, where a mask missed the sample."""


@dataclass(frozen=True)
class Blocks:
    """Products with some blocks of a program, over chunks of samples.

    Attributes
    ----------
    program : ConvexProgram
        Whose blocks they are.
    index : Tensor of int, shape (m,)
        Which.
    chunk_entries : int
        Entries of the slabs (blocks x rows) in work at a time, of which there are three.
    """

    program: ConvexProgram
    index: Int[Tensor, " m"]
    chunk_entries: int

    def chunks(self) -> Iterator[slice]:
        """Return slices of samples whose rows make a slab."""
        features = self.program.features
        size = rows_per_slab(self.chunk_entries, max(1, len(self.index)) * features.n_patches, 1)
        return slices(features.n_samples, size)

    def _rows(self, part: slice) -> slice:
        """Return the rows of some samples."""
        patches = self.program.features.n_patches
        return slice(part.start * patches, part.stop * patches)

    def forward(self, blocks: Float[Tensor, "m d"]) -> Float[Tensor, "n C"]:
        """Return ``sum_k P D_k R z_k h_k'``."""
        design, features = self.program.design, self.program.features
        heads = design.heads[self.index]
        outputs = blocks.new_empty(features.n_samples, heads.shape[1])
        for part in self.chunks():
            own = self._rows(part)
            active = (blocks @ features.rows[own].T).where(
                design.masks[:, own].index_select(0, self.index), 0.0)
            outputs[part] = times_columns(active.T, heads).view(
                -1, features.n_patches, heads.shape[1]).sum(1)
        return outputs

    def adjoint(self, values: Float[Tensor, "n C"]) -> Float[Tensor, "m d"]:
        """Return ``R'D_k P'V h_k``."""
        design, features = self.program.design, self.program.features
        total = features.rows.new_zeros(len(self.index), features.width)
        heads = design.heads[self.index]
        for part in self.chunks():
            own = self._rows(part)
            mixed = heads @ values[part].repeat_interleave(features.n_patches, dim=0).T
            gated = mixed.where(design.masks[:, own].index_select(0, self.index), 0.0)
            total.addmm_(gated, features.rows[own])
        return total

    def row_gram(self) -> Float[Tensor, "d d"]:
        """Return ``R'R``."""
        rows = self.program.features.rows
        gram = rows.new_zeros(rows.shape[1], rows.shape[1])
        for part in self.chunks():
            own = rows[self._rows(part)]
            gram.addmm_(own.T, own)
        return gram


@dataclass(frozen=True)
class Sample:
    """Some samples of a program with weights, their squares unbiased for sums over all.

    Attributes
    ----------
    index : Tensor of int, shape (s,)
        Which; one may stand several times.
    roots : Tensor, shape (s,)
        Square roots of their weights.
    exact : bool
        Whether they are all samples, each once.
    """

    index: Int[Tensor, " s"]
    roots: Float[Tensor, " s"]
    exact: bool

    @classmethod
    def all_of(cls, program: ConvexProgram) -> Sample:
        """Return all samples."""
        everything = torch.arange(program.features.n_samples, device=program.X.device)
        return cls(everything, torch.ones_like(program.targets[:, 0]), True)

    @classmethod
    def drawn(
        cls, program: ConvexProgram, row_gram: Float[Tensor, "d d"], size: int
    ) -> Sample:
        """Draw ``size`` samples, half of the chance shared equally and half by leverage.

        Systematically, without a random number: the same samples every time. Cost O(N d^2).
        """
        features = program.features
        if size >= features.n_samples:
            return cls.all_of(program)
        values, vectors = torch.linalg.eigh(row_gram)
        small = values <= values[-1] * len(values) * torch.finfo(values.dtype).eps
        whitening = vectors * values.rsqrt().where(~small, 0.0)
        leverage = torch.cat([
            features.restricted(part).rows.matmul(whitening).square().sum(1).view(
                len(part), -1).sum(1)
            for part in torch.split(
                torch.arange(features.n_samples, device=program.X.device), WHITENED)])
        chance = 0.5 / features.n_samples + 0.5 * leverage / leverage.sum()
        places = (torch.arange(size, device=chance.device) + 0.5) / size * chance.sum()
        index = torch.searchsorted(chance.cumsum(0), places.to(chance)).clamp_max(len(chance) - 1)
        return cls(index, (1 / (size * chance[index])).sqrt(), False)


@dataclass(frozen=True)
class Sketch:
    """Gram matrices of blocks of one program, from a sample.

    Attributes
    ----------
    program : ConvexProgram
        The program.
    row_gram : Tensor, shape (d, d)
        ``R'R``.
    """

    program: ConvexProgram
    row_gram: Float[Tensor, "d d"]

    def metric(self, index: Int[Tensor, " m"]) -> tuple[Float[Tensor, "md md"], bool]:
        """Return about ``A'MA`` over some blocks, and whether it is exact.

        Cost O(s (m d)^2) with s = 5 m d samples, or all of them where they are fewer.
        """
        program, d = self.program, len(self.row_gram)
        sample = Sample.drawn(program, self.row_gram, _PER_COLUMN * len(index) * d)
        matrix = self._gram(index, sample)
        if not sample.exact:
            tiles = matrix.view(len(index), d, len(index), d).diagonal(dim1=0, dim2=2)
            tiles.add_((_DAMPING * self.row_gram)[:, :, None])
        return matrix, sample.exact

    def _gram(self, index: Int[Tensor, " m"], sample: Sample) -> Float[Tensor, "md md"]:
        """Return the Gram matrix of the sample, the skip connection annihilated on it."""
        program = self.program
        features = program.features.restricted(sample.index)
        scale = features.spread(sample.roots)[:, None]
        own = torch.arange(len(program.features.rows), device=index.device).view(
            -1, features.n_patches)[sample.index].flatten()
        design = Design(Features(features.rows * scale, len(sample.index), features.norm),
                        program.design.masks[index[:, None], own], program.design.heads[index])
        if program.skip is None:
            return design.gram()
        basis = sample.roots[:, None] * program.skip.basis[sample.index]
        shrinkage = program.skip.shrinkage
        factor, _ = torch.linalg.cholesky_ex(basis.T @ basis + shrinkage.T @ shrinkage)
        return design.gram(*(torch.linalg.solve_triangular(factor.mT, part, upper=True, left=False)
                             for part in (basis, shrinkage)))


def corrected(
    matrix: Float[Tensor, "md md"], step: Float[Tensor, " md"], curved: Float[Tensor, " md"]
) -> Float[Tensor, "md md"]:
    """Return the matrix made exact along a step: ``B s = curved``, by the BFGS formula."""
    seen, real = matrix @ step, step.dot(curved)
    tiny = torch.finfo(real.dtype).eps * step.dot(seen)
    good = (real > tiny) & (tiny > 0)
    change = torch.outer(curved, curved) / real - torch.outer(seen, seen) / step.dot(seen)
    return matrix + change.where(good, 0.0)
