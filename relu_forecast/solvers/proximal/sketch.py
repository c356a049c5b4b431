"""Sketches: Gram matrices from a subsample, the metric of the proximal method.

A Gram matrix of m blocks of d weights over n samples costs O(n (m d)^2). A few times m d samples,
drawn by their leverage, give a matrix within a small factor of it (Drineas & Mahoney, Comm. ACM
59 (2016) 80-90). After each step the exact curvature along it is known, and the BFGS formula makes
the matrix exact there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.patterns.slabs import WHITENED
from relu_forecast.problems.design import Design, add_to_diagonal_blocks
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.settings import ProximalSettings


@dataclass(frozen=True)
class Metric:
    """The curvature B of a model."""

    matrix: Float[Tensor, "md md"]
    """About ``A'MA`` over the active blocks."""
    exact: bool
    """Whether it is exactly that."""

    def corrected(self, step: Float[Tensor, " md"], curved: Float[Tensor, " md"]) -> Metric:
        """Return the metric made exact along a step: ``B s = curved``, by the BFGS formula."""
        if self.exact:
            return self
        modelled, curvature = self.matrix @ step, step.dot(curved)
        tiny = torch.finfo(curvature.dtype).eps * step.dot(modelled)
        good = (curvature > tiny) & (tiny > 0)
        change = torch.outer(curved, curved) / curvature - (
            torch.outer(modelled, modelled) / step.dot(modelled))
        return Metric(self.matrix + change.where(good, 0.0), False)


@dataclass(frozen=True)
class Subsample:
    """Some samples of a program, with weights, so that sums over them estimate sums over all."""

    index: Int[Tensor, " s"]
    """Numbers of the samples; one may be drawn several times."""
    roots: Float[Tensor, " s"]
    """Square roots of their weights."""
    exact: bool
    """Whether they are all samples, each once."""


@dataclass(frozen=True)
class Sketch:
    """Gram matrices of blocks of one program, from a subsample."""

    program: ConvexProgram
    """The program."""
    row_gram: Float[Tensor, "d d"]
    """``R'R``."""
    settings: ProximalSettings
    """How many samples are drawn, and the damping."""

    @cached_property
    def probability(self) -> Float[Tensor, " n"]:
        """With which each sample is drawn: half of it is shared equally and half by leverage.

        It depends on no blocks, and is kept. Cost O(N d^2).
        """
        features = self.program.features
        every = torch.arange(features.n_samples, device=self.row_gram.device)
        values, vectors = torch.linalg.eigh(self.row_gram)
        small = values <= values[-1] * len(values) * torch.finfo(values.dtype).eps
        whitening = vectors * values.rsqrt().where(~small, 0.0)
        leverage = torch.cat([
            features.restricted(part).rows.matmul(whitening).square().sum(1).view(
                len(part), -1).sum(1)
            for part in torch.split(every, WHITENED)])
        return 0.5 / features.n_samples + 0.5 * leverage / leverage.sum()

    def drawn(self, size: int) -> Subsample:
        """Draw ``size`` samples, or take all of them where they are fewer.

        The draw is systematic, without random numbers: the same every time.
        """
        n_samples = self.program.features.n_samples
        if size >= n_samples:
            every = torch.arange(n_samples, device=self.row_gram.device)
            return Subsample(every, torch.ones_like(self.program.targets[:, 0]), True)
        probability = self.probability
        places = (torch.arange(size, device=probability.device) + 0.5) / size * probability.sum()
        index = torch.searchsorted(probability.cumsum(0), places.to(probability))
        index = index.clamp_max(len(probability) - 1)
        return Subsample(index, (1 / (size * probability[index])).sqrt(), False)

    def metric(self, index: Int[Tensor, " m"]) -> Metric:
        """Return about ``A'MA`` over some blocks.

        Cost O(s (m d)^2) with s = 5 m d samples, or all of them where they are fewer.
        """
        d = len(self.row_gram)
        drawn = self.drawn(self.settings.samples_per_column * len(index) * d)
        matrix = self._gram(index, drawn)
        if not drawn.exact:
            damping = self.settings.damping * self.row_gram
            add_to_diagonal_blocks(matrix, damping.expand(len(index), d, d))
        return Metric(matrix, drawn.exact)

    def _gram(self, index: Int[Tensor, " m"], drawn: Subsample) -> Float[Tensor, "md md"]:
        """Return the Gram matrix of a subsample, on which the skip connection is annihilated."""
        program = self.program
        features = program.features.restricted(drawn.index)
        scale = drawn.roots.repeat_interleave(features.n_patches)[:, None]
        own = torch.arange(len(program.features.rows), device=index.device).view(
            -1, features.n_patches)[drawn.index].flatten()
        design = Design(replace(features, rows=features.rows * scale),
                        program.design.masks[index[:, None], own], program.design.heads[index])
        if program.skip is None:
            return design.gram()
        basis, shrinkage = program.skip.matrices
        basis = drawn.roots[:, None] * basis[drawn.index]
        factor, _ = torch.linalg.cholesky_ex(basis.T @ basis + shrinkage.T @ shrinkage)
        return design.gram(*(torch.linalg.solve_triangular(factor.mT, part, upper=True, left=False)
                             for part in (basis, shrinkage)))
