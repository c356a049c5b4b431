"""Systems of Newton's method for the blocks of a network: one small matrix per block, plus A'A.

    ( blockdiag(B_1, ..., B_m) + sum_c A_c'A_c ) x = r

A Cholesky factor of the whole matrix has as many rows as there are weights; where there are fewer
samples than weights, a factor of as many rows as samples gives the same solution.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.patterns.slabs import FEWEST_ROWS, slices
from relu_forecast.problems.design import add_to_diagonal_blocks

_PANELS = 4
"""Panels in which a lower triangle is multiplied."""


@runtime_checkable
class NewtonSystem(Protocol):
    """A Newton matrix ``blockdiag(B_j) + sum_c A_c'A_c``, to be factorised and solved with."""

    def factorise(self, damping: float) -> bool:
        """Factorise with the damping on the unit diagonal; return whether that went well."""

    def solve(self, right: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the solution for one right-hand side."""


def newton_system(
    blocks: Float[Tensor, "m d d"], parts: list[Tensor], n_samples: int
) -> NewtonSystem:
    """Return the system with blocks B_j and parts A_c, in the form whose factor is smaller.

    ``n_samples`` is about the number of rows of all parts.
    """
    few = blocks.shape[0] * blocks.shape[1] <= n_samples
    return (InWeights if few else InSamples)(blocks, parts)


class InWeights:
    """The system by the Cholesky factor of the whole matrix, of as many rows as weights."""

    def __init__(self, blocks: Float[Tensor, "m d d"], parts: list[Tensor]) -> None:
        m, d, _ = blocks.shape
        self.matrix = blocks.new_zeros(m * d, m * d)
        for part in parts:
            _add_lower_gram(self.matrix, part)
        add_to_diagonal_blocks(self.matrix, blocks)
        self.scale = _inverse_roots(self.matrix.diagonal())
        self.matrix.mul_(self.scale[:, None]).mul_(self.scale)
        self.diagonal = self.matrix.diagonal().clone()

    def factorise(self, damping: float) -> bool:
        """Factorise with the damping on the unit diagonal; return whether that went well."""
        self.matrix.diagonal().copy_(self.diagonal + damping)
        self.factor, failed = torch.linalg.cholesky_ex(self.matrix)
        return not int(failed)

    def solve(self, right: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the solution for one right-hand side."""
        scaled = (self.scale * right.flatten())[:, None]
        solution = torch.cholesky_solve(scaled, self.factor)[:, 0]
        return (self.scale * solution).view_as(right)


def _inverse_roots(values: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Return ``1 / sqrt(values)``, finite for zeros."""
    return values.clamp_min(torch.finfo(values.dtype).tiny).rsqrt()


def _add_lower_gram(matrix: Float[Tensor, "k k"], columns: Float[Tensor, "n k"]) -> None:
    """Add the lower triangle of ``columns' columns``, and some of the upper one, panel by panel."""
    size = columns.shape[1]
    width = max(FEWEST_ROWS // _PANELS, -(-size // _PANELS))
    for part in slices(size, width):
        matrix[part, :part.stop].addmm_(columns[:, part].T, columns[:, :part.stop])


class InSamples:
    """The same where samples are fewer than weights, by a factor of as many rows as samples.

    With ``L_j L_j' = B_j`` and ``W = L^-1 A'`` the inverse of ``L (I + W W') L'`` is
    ``L^-T (I - W (I + W'W)^-1 W') L^-1``.
    """

    def __init__(self, blocks: Float[Tensor, "m d d"], parts: list[Tensor]) -> None:
        m, d, _ = blocks.shape
        columns = torch.cat(parts)
        diagonal = columns.square().sum(0).view(m, d) + blocks.diagonal(dim1=1, dim2=2)
        self.scale = _inverse_roots(diagonal.flatten()).view(m, d)
        self.blocks = blocks * self.scale[:, :, None] * self.scale[:, None, :]
        self.columns = (columns * self.scale.flatten()).T.reshape(m, d, -1)

    def factorise(self, damping: float) -> bool:
        """Factorise with the damping on the unit diagonal; return whether that went well."""
        damping = max(damping, torch.finfo(self.blocks.dtype).eps ** 0.5)
        damped = self.blocks + damping * torch.eye(self.blocks.shape[1]).to(self.blocks)
        self.roots, failed = torch.linalg.cholesky_ex(damped)
        whitened = torch.linalg.solve_triangular(self.roots, self.columns, upper=False)
        self.whitened = whitened.flatten(0, 1)
        matrix = torch.eye(self.whitened.shape[1]).to(whitened)
        _add_lower_gram(matrix, self.whitened)
        self.factor, failed_too = torch.linalg.cholesky_ex(matrix)
        return not int(failed.sum() + failed_too)

    def solve(self, right: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        """Return the solution for one right-hand side."""
        first = torch.linalg.solve_triangular(
            self.roots, (self.scale * right)[:, :, None], upper=False)
        flat = first.flatten()
        inner = torch.cholesky_solve((self.whitened.T @ flat)[:, None], self.factor)[:, 0]
        rest = (flat - self.whitened @ inner).view_as(first)
        last: Tensor = torch.linalg.solve_triangular(self.roots.mT, rest, upper=True)
        return self.scale * last[:, :, 0]
