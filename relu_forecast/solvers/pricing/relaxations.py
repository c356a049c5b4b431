"""Relaxations: many small cone programs, over a few rows of each cone.

    max g_b'u  s.t.  N(u) <= 1,  C_b u >= 0     =     min_{alpha >= 0} N*(g_b + C_b'alpha)

for b = 1..B, N a group norm and N* its dual norm. Any alpha >= 0 proves an upper bound, any u
inside its cone a lower one. They are solved in batches by Mehrotra's predictor-corrector method
(`projection` for a norm of one group, `support` for several), with one d x d Cholesky
factorisation per block and step, and without waiting for the device (`bursts`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Relaxations:
    """B small programs; the norm and beta are the same for all.

    Attributes
    ----------
    cones : Tensor, shape (B, q, d)
        C_b, zero in the rows that are not `present`.
    present : Tensor of bool, shape (B, q)
        Which rows there are.
    targets : Tensor, shape (B, d)
        g_b.
    inner : Tensor, shape (B, d)
        A point strictly inside each cone, of norm N one.
    """

    cones: Float[Tensor, "B q d"]
    present: Bool[Tensor, "B q"]
    targets: Float[Tensor, "B d"]
    inner: Float[Tensor, "B d"]

    def margins(self, points: Float[Tensor, "B d"]) -> Float[Tensor, "B q"]:
        """Return ``C_b u_b``."""
        return (self.cones @ points[:, :, None])[:, :, 0]

    def slacks(self, points: Float[Tensor, "B d"]) -> Float[Tensor, "B q"]:
        """Return ``C_b u_b`` of points inside their cones, positive, and one where is no row."""
        margins = self.margins(points)
        rounding = torch.finfo(margins.dtype).eps * margins.abs().amax(1, keepdim=True)
        least = rounding.clamp_min(torch.finfo(margins.dtype).tiny)
        return torch.maximum(margins, least).where(self.present, 1.0)

    def pull(self, multipliers: Float[Tensor, "B q"]) -> Float[Tensor, "B d"]:
        """Return ``C_b'alpha_b``."""
        return (multipliers[:, None, :] @ self.cones)[:, 0]

    def curvature(self, weights: Float[Tensor, "B q"]) -> Float[Tensor, "B d d"]:
        """Return ``C_b' Diag(w_b) C_b``."""
        return (self.cones * weights[:, :, None]).transpose(1, 2) @ self.cones


class BatchedCholesky:
    """Cholesky factors of a batch, scaled to unit diagonals, with a jitter far below rounding.

    `failed` is non-zero where a factorisation met a negative pivot.
    """

    def __init__(self, matrix: Float[Tensor, "B d d"]) -> None:
        self.scale = matrix.diagonal(dim1=1, dim2=2).rsqrt()
        scaled = self.scale[:, :, None] * matrix * self.scale[:, None, :]
        scaled.diagonal(dim1=1, dim2=2).add_(8 * torch.finfo(matrix.dtype).eps)
        self.factor, self.failed = torch.linalg.cholesky_ex(scaled)

    def __call__(self, right: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """Return the solutions, one right-hand side each."""
        scaled = (self.scale * right)[:, :, None]
        return self.scale * torch.cholesky_solve(scaled, self.factor)[:, :, 0]


def taken(batch: Batch, index: Int[Tensor, " m"]) -> Batch:
    """Return some of the blocks of a dataclass of batched tensors."""
    return _by_field(lambda part: part[index], batch)


def plus(state: Batch, step: Batch, length: Float[Tensor, " B"]) -> Batch:
    """Return ``state + length * step``."""
    return _by_field(lambda x, move: x + length[:, None] * move, state, step)


def moved(
    state: Batch, step: Batch, length: Float[Tensor, " B"], wanted: Bool[Tensor, " B"]
) -> Batch:
    """Return ``state + min(length, 1) * step`` where that is wanted and finite, else ``state``."""
    points: Tensor = step.points  # type: ignore[attr-defined]
    good = (wanted & points.isfinite().all(1) & length.isfinite())[:, None]
    length = length.clamp_max(1.0)[:, None]
    return _by_field(lambda x, move: (x + length * move).where(good, x), state, step)


def _by_field(function: Callable[..., Tensor], batch: Batch, *others: Batch) -> Batch:
    """Return a dataclass whose every tensor is a function of those of the same name."""
    kind: Any = type(batch)
    combined: Batch = kind(*(function(*(getattr(one, field.name) for one in (batch, *others)))
                             for field in fields(kind)))
    return combined
