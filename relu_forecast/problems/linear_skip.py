"""The linear skip connection ``a'x + a0`` beside the network, eliminated in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import times_columns


@dataclass(frozen=True)
class LinearSkip:
    """Least squares on ``[X 1]``, with an optional ridge on ``a``, as a linear map of its target.

    For a target r the skip attains
    ``min_{a, a0} 1/2 ||r - X a - a0||^2 + skip_penalty/2 ||a||^2 = 1/2 r'M r`` with
    ``M = I - Q Q'``. Without a ridge M is the orthogonal projector on the complement of
    ``[X 1]``; with one, Q is the upper part of an orthonormal basis of the augmented rows
    ``[X 1; sqrt(skip_penalty) I 0]``. THEORY section 4. Of weighted samples, rows of ``[X 1]`` are
    multiplied by the roots of the weights, and so is the target.
    """

    inputs: Float[Tensor, "n d"]
    """X, times the roots."""
    penalty: float
    """Weight of the ridge; 0 without one."""
    basis: Float[Tensor, "n r"]
    """Q; r is the numerical rank of the augmented ``[X 1]``."""
    coefficients: Float[Tensor, "d1 r"]
    """C with ``(a, a0) = C Q'r``; where the rank is deficient, the shortest solution for centred
    columns of unit length."""
    shrinkage: Float[Tensor, "d r"]
    """L, the lower part of the orthonormal basis: ``Q'Q + L'L = I``; zero without a ridge."""
    roots: Float[Tensor, " n"] | None = None
    """Roots of the samples' weights; None stands for ones."""

    @classmethod
    def of(
        cls, X: Float[Tensor, "n d"], skip_penalty: float = 0.0,
        roots: Float[Tensor, " n"] | None = None
    ) -> LinearSkip:
        """Build the map for the rows of ``X``, which are multiplied by roots of weights, if any.

        Columns are centred, as a0 takes up their means, and brought to unit length, so that
        neither their level nor their unit decides the rank. Cost O(n d^2).
        """
        n, d = X.shape
        centred, means = _centred(X, roots)
        constant = X.new_ones(n, 1) if roots is None else roots[:, None]
        level = n * torch.finfo(X.dtype).eps * X.norm(dim=0)
        centred = centred.where(centred.norm(dim=0) > level, 0.0)
        ridge = X.new_zeros(d, d + 1)
        ridge.diagonal().fill_(skip_penalty**0.5)
        augmented = torch.cat([torch.cat([centred, constant], dim=1), ridge])
        sizes = augmented.norm(dim=0)
        sizes = sizes.where(sizes > 0, 1.0)
        left, values, right = torch.linalg.svd(augmented / sizes, full_matrices=False)
        small = values[0] * max(augmented.shape) * torch.finfo(X.dtype).eps
        rank = int((values > small).sum())
        coefficients = right[:rank].T / (sizes[:, None] * values[:rank])
        coefficients[-1] -= means @ coefficients[:-1]
        return cls(X, skip_penalty, left[:n, :rank].contiguous(), coefficients,
                   left[n:, :rank].contiguous(), roots)

    def restricted(self, kept: Int[Tensor, " k"]) -> LinearSkip:
        """Return the skip of some samples, its ridge multiplied by their share."""
        share = len(kept) / len(self.inputs)
        roots = None if self.roots is None else self.roots[kept]
        return LinearSkip.of(self.inputs[kept], share * self.penalty, roots)

    def leave(self, target: Float[Tensor, "n *m"]) -> Float[Tensor, "nd *m"]:
        """Return what least squares leaves of ``r`` and, below it, of the ridge's d rows.

        Its squared length is ``r'M r``, and inner products are those of M: no two large numbers
        are subtracted. Mere rounding becomes zero. For a vector or the columns of a matrix.
        """
        first = times_columns(self.basis.T, target)
        left = torch.cat([target - times_columns(self.basis, first),
                          -times_columns(self.shrinkage, first)])
        again = times_columns(self.basis.T, left[: len(target)]) + times_columns(
            self.shrinkage.T, left[len(target):])
        left = left - torch.cat([times_columns(self.basis, again),
                                 times_columns(self.shrinkage, again)])
        rounding = len(left) * torch.finfo(left.dtype).eps
        return left.where(left.norm(dim=0) > rounding * target.norm(dim=0), 0.0)

    def annihilate(self, target: Float[Tensor, "n *m"]) -> Float[Tensor, "n *m"]:
        """Return ``M r``, for a vector or the columns of a matrix; mere rounding becomes zero."""
        return self.leave(target)[: len(target)]

    def fit(
        self, target: Float[Tensor, "n *C"]
    ) -> tuple[Float[Tensor, "d *C"], Float[Tensor, "*C"]]:
        """Return the least-squares ``a`` and ``a0`` for a target, or for each column of several."""
        solution = self.coefficients @ (self.basis.T @ target)
        return solution[:-1], solution[-1]


def _centred(
    X: Float[Tensor, "n d"], roots: Float[Tensor, " n"] | None
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"]]:
    """Return columns less their means, and the means: weighted ones of rows times roots."""
    if roots is None:
        means = X.mean(dim=0)
        return X - means, means
    means = roots @ X / roots.square().sum()
    return X - roots[:, None] * means, means
