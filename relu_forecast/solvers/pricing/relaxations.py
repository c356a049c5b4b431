"""Relaxations: many small cone programs, over a few rows of each cone.

    max g_b'u  s.t.  N(u) <= 1,  C_b u >= 0     =     min_{alpha >= 0} N*(g_b + C_b'alpha)

for b = 1..B, N a group norm and N* its dual norm. Any alpha >= 0 proves an upper bound, any u
inside its cone a lower one. Mehrotra's predictor-corrector method solves them in batches, with one
d x d Cholesky per block and step: `projection` for a norm of one group, `support` for several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.batches import by_field
from relu_forecast.solvers.cones import OwnRows

State = TypeVar("State")


@dataclass(frozen=True)
class Relaxations:
    """B small programs; the norm and beta are the same for all."""

    cones: OwnRows
    """C_b."""
    targets: Float[Tensor, "B d"]
    """g_b."""
    inner: Float[Tensor, "B d"]
    """A point strictly inside each cone, of norm N one."""

    def slacks(self, points: Float[Tensor, "B d"]) -> Float[Tensor, "B q"]:
        """Return ``C_b u_b`` of points inside their cones, positive, and one where is no row."""
        margins = self.cones.outputs(points)
        rounding = torch.finfo(margins.dtype).eps * margins.abs().amax(1, keepdim=True)
        least = rounding.clamp_min(torch.finfo(margins.dtype).tiny)
        return torch.maximum(margins, least).where(self.cones.present, 1.0)


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


class NewtonEquations(ABC, Generic[State]):
    """Newton's equations at one iterate of each relaxation, and Mehrotra's step by them."""

    solve: BatchedCholesky

    @abstractmethod
    def __init__(self, norm: GroupNorm, problems: Relaxations, state: State) -> None: ...

    @staticmethod
    @abstractmethod
    def start(norm: GroupNorm, problems: Relaxations) -> State:
        """Return a first interior point."""

    @abstractmethod
    def complementarity(self, state: State) -> Float[Tensor, "B 1"]:
        """Return the mean complementarity product of each block."""

    @abstractmethod
    def direction(self, target: Float[Tensor, "B 1"], predictor: State | None) -> State:
        """Return the direction towards products of ``target``; a predictor comes before it."""

    @abstractmethod
    def inverse_reach(self, step: State) -> Float[Tensor, " B"]:
        """Return one over the longest step that keeps all cones, negative where none ends it."""

    def next(self, state: State, wanted: Bool[Tensor, " B"], step_back: float) -> State:
        """Return the next iterate, and this one where none is wanted.

        A step goes at most the share ``step_back`` of the way to the boundary of the cones.
        """
        def reach(step: State) -> Float[Tensor, " B"]:
            return (1 / self.inverse_reach(step).clamp_min(1e-3)).clamp_max(1 / step_back)

        now = self.complementarity(state)
        step = self.direction(torch.zeros_like(now), None)
        ahead = self.complementarity(plus(state, step, reach(step).clamp_max(1.0)))
        target = (ahead / now).clamp(0.0, 1.0) ** 3 * now
        step = self.direction(target, step)
        return moved(state, step, step_back * reach(step), wanted & (self.solve.failed == 0))


def plus(state: State, step: State, length: Float[Tensor, " B"]) -> State:
    """Return ``state + length * step``."""
    return by_field(lambda x, move: x + length[:, None] * move, state, step)


def moved(
    state: State, step: State, length: Float[Tensor, " B"], wanted: Bool[Tensor, " B"]
) -> State:
    """Return ``state + min(length, 1) * step`` where that is wanted and finite, else ``state``."""
    points: Tensor = step.points  # type: ignore[attr-defined]
    good = (wanted & points.isfinite().all(1) & length.isfinite())[:, None]
    length = length.clamp_max(1.0)[:, None]
    return by_field(lambda x, move: (x + length * move).where(good, x), state, step)


def inverse_row_steps(state: Any, step: Any) -> Float[Tensor, " B"]:
    """Return one over the longest step that keeps all slacks and multipliers positive."""
    shortest: Tensor = torch.maximum(
        -step.slacks / state.slacks, -step.multipliers / state.multipliers).amax(1)
    return shortest
