"""The linear skip connection ``a'x + a0`` beside the network, eliminated in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import times_columns

_S = TypeVar("_S", bound="LinearSkip")


@runtime_checkable
class SkipRows(Protocol):
    """The rows of Q of some samples."""

    def products(self, values: Float[Tensor, "k m"]) -> Float[Tensor, "r m"]:
        """Return the share of these samples in ``Q'V``."""

    def subtract(self, values: Float[Tensor, "k m"], taken: Float[Tensor, "r m"]) -> None:
        """Subtract ``Q T`` from values of these samples, in place."""


@dataclass(frozen=True)
class DenseRows:
    """The rows of Q of some samples, as a matrix."""

    basis: Float[Tensor, "k r"]
    """Q."""

    def products(self, values: Float[Tensor, "k m"]) -> Float[Tensor, "r m"]:
        """Return ``Q'V``."""
        return self.basis.T @ values

    def subtract(self, values: Float[Tensor, "k m"], taken: Float[Tensor, "r m"]) -> None:
        """Subtract ``Q T``, in place."""
        values.addmm_(self.basis, taken, alpha=-1)


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
        columns, means = centred_columns(X, roots)
        ridge = X.new_zeros(d, d + 1)
        ridge.diagonal().fill_(skip_penalty**0.5)
        orthonormal, coefficients = orthonormalised(torch.cat([columns, ridge]))
        coefficients[-1] -= means @ coefficients[:-1]
        return cls(X, skip_penalty, orthonormal[:n].contiguous(), coefficients,
                   orthonormal[n:].contiguous(), roots)

    def to(self: _S, dtype: torch.dtype) -> _S:
        """Return the skip in another precision."""
        parts: dict[str, Any] = {
            name: part.to(dtype) for name, part in vars(self).items()
            if isinstance(part, Tensor) and part.is_floating_point()}
        return replace(self, **parts)

    @property
    def matrices(self) -> tuple[Float[Tensor, "n r"], Float[Tensor, "d r"]]:
        """Q and L."""
        return self.basis, self.shrinkage

    def rows(self, samples: slice) -> SkipRows:
        """Return the rows of Q of some consecutive samples."""
        return DenseRows(self.basis[samples])

    def shrunk(self, taken: Float[Tensor, "r m"]) -> Float[Tensor, "q m"]:
        """Return ``L T``: what there is of fits in the rows of the ridge."""
        return self.shrinkage @ taken

    def leave_quickly(self, target: Float[Tensor, "n m"]) -> Float[Tensor, "nd m"]:
        """Return what `leave` does, but for its second pass, which takes rounding off."""
        taken = self.basis.T @ target
        left = torch.cat([target, target.new_zeros(len(self.shrinkage), target.shape[1])])
        left[: len(target)].addmm_(self.basis, taken, alpha=-1)
        left[len(target):].addmm_(self.shrinkage, taken, alpha=-1)
        return left

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


def centred_columns(
    X: Float[Tensor, "n d"], roots: Float[Tensor, " n"] | None = None
) -> tuple[Float[Tensor, "n d1"], Float[Tensor, " d"]]:
    """Return ``[X 1]`` with X less its means, and the means; mere rounding becomes zero."""
    centred, means = _centred(X, roots)
    constant = X.new_ones(len(X), 1) if roots is None else roots[:, None]
    level = len(X) * torch.finfo(X.dtype).eps * X.norm(dim=0)
    centred = centred.where(centred.norm(dim=0) > level, 0.0)
    return torch.cat([centred, constant], dim=1), means


def orthonormalised(
    columns: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, "n r"], Float[Tensor, "d r"]]:
    """Return an orthonormal basis of columns, and C with ``C B'y`` their least-squares weights.

    Columns are brought to unit length first, so that their units do not decide the rank.
    """
    sizes = columns.norm(dim=0)
    sizes = sizes.where(sizes > 0, 1.0)
    left, values, right = torch.linalg.svd(columns / sizes, full_matrices=False)
    small = values[0] * max(columns.shape) * torch.finfo(columns.dtype).eps
    rank = int((values > small).sum())
    return left[:, :rank], right[:rank].T / (sizes[:, None] * values[:rank])


def _centred(
    X: Float[Tensor, "n d"], roots: Float[Tensor, " n"] | None
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"]]:
    """Return columns less their means, and the means: weighted ones of rows times roots."""
    if roots is None:
        means = X.mean(dim=0)
        return X - means, means
    means = roots @ X / roots.square().sum()
    return X - roots[:, None] * means, means
