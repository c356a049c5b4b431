"""A linear skip connection of which every group of samples has its own deviation, eliminated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.problems.linear_skip import (
    LinearSkip,
    SkipRows,
    centred_columns,
    orthonormalised,
)

_SHORTEST_SEGMENT = 16
"""Samples of a group that are multiplied at once, at least."""


@dataclass(frozen=True)
class Segments:
    """Samples of groups, cut into segments of equal length that are padded with zeros.

    Products group by group become products of a few large arrays, whatever the order of the samples
    and however different the sizes of the groups.
    """

    slots: Int[Tensor, " n"]
    """Where each sample is among the S B places of all segments."""
    owners: Int[Tensor, " S"]
    """Group of each segment."""
    length: int
    """Places of a segment, B."""
    n_groups: int

    @classmethod
    def of(cls, groups: Int[Tensor, " n"], n_groups: int) -> Segments:
        """Cut samples, given the group of each; a group may have none."""
        counts = torch.bincount(groups, minlength=n_groups)
        length = max(_SHORTEST_SEGMENT, -(-len(groups) // max(1, int((counts > 0).sum()))))
        per_group = (counts + length - 1) // length
        first = per_group.cumsum(0) - per_group
        order = groups.argsort(stable=True)
        ranks = torch.empty_like(groups)
        start = counts.cumsum(0) - counts
        ranks[order] = torch.arange(len(groups), device=groups.device) - start[groups[order]]
        every = torch.arange(n_groups, device=groups.device)
        return cls(first[groups] * length + ranks, every.repeat_interleave(per_group), length,
                   n_groups)

    def padded(self, values: Float[Tensor, "n m"]) -> Float[Tensor, "S B m"]:
        """Return values of the samples by segment."""
        padded = values.new_zeros(len(self.owners) * self.length, values.shape[1])
        padded[self.slots] = values
        return padded.view(len(self.owners), self.length, values.shape[1])

    def products(
        self, left: Float[Tensor, "S B q"], values: Float[Tensor, "n m"]
    ) -> Float[Tensor, "G q m"]:
        """Return ``left_g'values_g`` of each group."""
        parts = left.mT @ self.padded(values)
        sums = parts.new_zeros(self.n_groups, *parts.shape[1:])
        return sums.index_add_(0, self.owners, parts)

    def combined(
        self, left: Float[Tensor, "S B q"], weights: Float[Tensor, "G q m"]
    ) -> Float[Tensor, "n m"]:
        """Return ``left_g weights_g`` at the samples of each group."""
        outputs: Tensor = left @ weights[self.owners]
        return outputs.flatten(0, 1)[self.slots]


@dataclass(frozen=True)
class GroupedRows:
    """The rows of Q of some samples: own columns of each group, then common ones."""

    segments: Segments
    loadings: Float[Tensor, "S B q"]
    """Own columns, by segment."""
    common: Float[Tensor, "k r"]
    """Common columns."""

    def products(self, values: Float[Tensor, "k m"]) -> Float[Tensor, "t m"]:
        """Return ``Q'V``."""
        own = self.segments.products(self.loadings, values)
        return torch.cat([own.flatten(0, 1), self.common.T @ values])

    def subtract(self, values: Float[Tensor, "k m"], taken: Float[Tensor, "t m"]) -> None:
        """Subtract ``Q T``, in place."""
        own, common = parted(taken, self.segments.n_groups, self.loadings.shape[2])
        values.sub_(self.segments.combined(self.loadings, own))
        values.addmm_(self.common, common, alpha=-1)


@dataclass(frozen=True)
class GroupedSkip(LinearSkip):
    """A common linear part of all samples, and a deviation from it of each group.

    For a target r the skip attains the least of ``1/2 sum_i (r_i - (a + d_g)'x_i - a0 - b_g)^2 +
    skip_penalty/2 ||a||^2 + group_penalty/2 sum_g (||d_g||^2 + b_g^2)``, g being the group of
    sample i: that of a mixed model with random effects of variance ``1/group_penalty``, in units
    of the noise's (Henderson, 1950). It is ``1/2 r'M r`` with ``M = I - Q Q'`` as in `LinearSkip`:
    Q has q = d + 1 columns of each group, that are zero at all other samples, and r common ones,
    orthogonal to these in the augmented rows. So the problem stays one convex program, and
    its certificate is that of network, common part and deviations together. Cost O(n d^2 + G d^3).
    """

    groups: Int[Tensor, " n"] = None  # type: ignore[assignment]
    """Group of each sample, 0 to G - 1."""
    group_penalty: float = 1.0
    """Ridge on deviations, above 0."""
    own: GroupedRows = None  # type: ignore[assignment]
    """All rows of Q; ``basis`` has the common columns alone."""
    group_shrinkage: Float[Tensor, "G q q"] = None  # type: ignore[assignment]
    """Rows of L that stand for the ridge on each deviation, in its group's own columns."""
    cross_shrinkage: Float[Tensor, "G q r"] = None  # type: ignore[assignment]
    """The same in the common columns; ``shrinkage`` has the rows of the ridge on a."""

    @classmethod
    def grouped(
        cls, X: Float[Tensor, "n d"], skip_penalty: float, groups: Int[Tensor, " n"],
        n_groups: int, group_penalty: float
    ) -> GroupedSkip:
        """Build the map for the rows of ``X``."""
        n, d = X.shape
        segments = Segments.of(groups, n_groups)
        inputs = torch.cat([X, X.new_ones(n, 1)], dim=1)
        loadings, group_shrinkage = _own_columns(segments, inputs, group_penalty)
        columns, means = centred_columns(X)
        ridge = X.new_zeros(d, d + 1)
        ridge.diagonal().fill_(skip_penalty**0.5)
        augmented = _less_own(segments, loadings, group_shrinkage, columns)
        orthonormal, coefficients = orthonormalised(torch.cat([augmented, ridge]))
        coefficients[-1] -= means @ coefficients[:-1]
        basis, middle = orthonormal[:n].contiguous(), orthonormal[n:-d]
        return cls(X, skip_penalty, basis, coefficients, orthonormal[-d:].contiguous(), None,
                   groups, group_penalty, GroupedRows(segments, loadings, basis), group_shrinkage,
                   middle.reshape(n_groups, d + 1, -1))

    @property
    def n_groups(self) -> int:
        """Groups, G."""
        return self.own.segments.n_groups

    @property
    def matrices(self) -> tuple[Float[Tensor, "n t"], Float[Tensor, "qt t"]]:
        """Q and L as matrices: of many groups they are large."""
        count, q, r = self.cross_shrinkage.shape
        every = torch.eye(count * q + r, dtype=self.basis.dtype, device=self.basis.device)
        basis = self.basis.new_zeros(len(self.basis), len(every))
        self.own.subtract(basis, every)
        return -basis, self.shrunk(every)

    @property
    def kept_shares(self) -> Float[Tensor, " n"]:
        """The diagonal of M: ``(M r)_i`` over it is the error at sample i of a fit without it."""
        own = self.own.loadings.square().sum(2).flatten()[self.own.segments.slots]
        return 1 - own - self.basis.square().sum(1)

    def to(self, dtype: torch.dtype) -> GroupedSkip:
        """Return the skip in another precision."""
        skip = super().to(dtype)
        own = GroupedRows(self.own.segments, self.own.loadings.to(dtype), skip.basis)
        return _with_rows(skip, own)

    def rows(self, samples: slice) -> SkipRows:
        """Return the rows of Q of some consecutive samples."""
        segments = Segments.of(self.groups[samples], self.n_groups)
        flat = self.own.loadings.flatten(0, 1)[self.own.segments.slots[samples]]
        return GroupedRows(segments, segments.padded(flat), self.basis[samples])

    def shrunk(self, taken: Float[Tensor, "t m"]) -> Float[Tensor, "qt m"]:
        """Return ``L T``."""
        own, common = parted(taken, self.n_groups, self.group_shrinkage.shape[2])
        deviations = self.group_shrinkage @ own + self.cross_shrinkage @ common
        return torch.cat([deviations.flatten(0, 1), self.shrinkage @ common])

    def restricted(self, kept: Int[Tensor, " k"]) -> GroupedSkip:
        """Return the skip of some samples, its ridges multiplied by their share."""
        share = len(kept) / len(self.inputs)
        return GroupedSkip.grouped(self.inputs[kept], share * self.penalty, self.groups[kept],
                                   self.n_groups, share * self.group_penalty)

    def leave_quickly(self, target: Float[Tensor, "n m"]) -> Float[Tensor, "nd m"]:
        """Return what `leave` does, but for its second pass, which takes rounding off."""
        return self._left(target, self.own.products(target))

    def leave(self, target: Float[Tensor, "n *m"]) -> Float[Tensor, "nd *m"]:
        """Return what least squares leaves of ``r`` and, below it, of the ridges' rows."""
        columns = target[:, None] if target.ndim == 1 else target
        left = self.leave_quickly(columns)
        again = self.own.products(left[: len(target)]) + self._unshrunk(left[len(target):])
        self.own.subtract(left[: len(target)], again)
        left[len(target):].sub_(self.shrunk(again))
        rounding = len(left) * torch.finfo(left.dtype).eps
        left = left.where(left.norm(dim=0) > rounding * columns.norm(dim=0), 0.0)
        return left[:, 0] if target.ndim == 1 else left

    def deviations(self, left: Float[Tensor, "n C"]) -> Float[Tensor, "G q C"]:
        """Return ``(d_g, b_g)`` of each group for what the common part, see `fit`, leaves."""
        own = self.own.segments.products(self.own.loadings, left)
        deviations: Tensor = self.group_shrinkage @ own / self.group_penalty**0.5
        return deviations

    def outputs(self, deviations: Float[Tensor, "G q C"]) -> Float[Tensor, "n C"]:
        """Return what deviations put out at the samples."""
        segments = self.own.segments
        inputs = torch.cat([self.inputs, self.inputs.new_ones(len(self.inputs), 1)], dim=1)
        return segments.combined(segments.padded(inputs), deviations)

    def _left(
        self, target: Float[Tensor, "n m"], taken: Float[Tensor, "t m"]
    ) -> Float[Tensor, "nd m"]:
        """Return the target less ``Q T``, and ``-L T``."""
        left = torch.cat([target, -self.shrunk(taken)])
        self.own.subtract(left[: len(target)], taken)
        return left

    def _unshrunk(self, rows: Float[Tensor, "qt m"]) -> Float[Tensor, "t m"]:
        """Return ``L'V``."""
        count, q, _ = self.cross_shrinkage.shape
        own, last = parted(rows, count, q)
        common = torch.einsum("gqr,gqm->rm", self.cross_shrinkage, own)
        return torch.cat([(self.group_shrinkage.mT @ own).flatten(0, 1),
                          common + self.shrinkage.T @ last])


def parted(
    rows: Float[Tensor, "t m"], n_groups: int, width: int
) -> tuple[Float[Tensor, "G q m"], Float[Tensor, "r m"]]:
    """Return rows that are the groups' own, by group, and those that are common."""
    cut = n_groups * width
    return rows[:cut].view(n_groups, width, rows.shape[1]), rows[cut:]


def _own_columns(
    segments: Segments, inputs: Float[Tensor, "n q"], penalty: float
) -> tuple[Float[Tensor, "S B q"], Float[Tensor, "G q q"]]:
    """Return Q and L of the deviations alone: ``Z C^-T`` and ``sqrt(penalty) C^-T``.

    C C' is ``Z'Z + penalty I`` of a group with inputs Z.
    """
    padded, q = segments.padded(inputs), inputs.shape[1]
    identity = torch.eye(q, dtype=inputs.dtype, device=inputs.device)
    squares = segments.products(padded, inputs)
    factors, failed = torch.linalg.cholesky_ex(squares + penalty * identity)
    if failed.any():
        raise InvalidArgumentError(
            "group_penalty", "above the rounding of sums of squares of the samples of a group",
            f"{penalty:g} beside {float(squares.amax()):.1e}",
            "Divide each column of X by its size, or pass a larger ridge.")
    inverses = torch.linalg.solve_triangular(factors, identity.expand_as(factors), upper=False)
    return padded @ inverses.mT[segments.owners], penalty**0.5 * inverses.mT


def _less_own(
    segments: Segments, loadings: Float[Tensor, "S B q"], shrinkage: Float[Tensor, "G q q"],
    columns: Float[Tensor, "n k"]
) -> Float[Tensor, "nGq k"]:
    """Return columns less what deviations take up of them, and the rows of their ridges below.

    Twice, as deviations under a small ridge leave little.
    """
    below = columns.new_zeros(*shrinkage.shape[:2], columns.shape[1])
    for _ in range(2):
        taken = segments.products(loadings, columns) + shrinkage.mT @ below
        columns = columns - segments.combined(loadings, taken)
        below = below - shrinkage @ taken
    return torch.cat([columns, below.flatten(0, 1)])


def _with_rows(skip: GroupedSkip, own: GroupedRows) -> GroupedSkip:
    """Return a skip with other rows of Q."""
    return GroupedSkip(**{**vars(skip), "own": own})
