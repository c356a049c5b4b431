"""Relaxations for a norm of one group: the maximiser is the normalised projection of g.

    min_u 1/2 ||u - g||^2  s.t.  C u >= 0

is a quadratic program in d variables; its slacks and multipliers are eliminated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.relaxations import BatchedCholesky, Relaxations, moved


@dataclass(frozen=True)
class ProjectionState:
    """Iterates of B projections, and the directions between them.

    Attributes
    ----------
    points : Tensor, shape (B, d)
        u, the projection in the end.
    slacks, multipliers : Tensor, shape (B, q)
        ``s = C u > 0`` and ``alpha > 0``; ``g + C'alpha - u`` is zero in the end.
    """

    points: Float[Tensor, "B d"]
    slacks: Float[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]


@dataclass(frozen=True)
class Projection:
    """Interior point steps for the norm of one group.

    Attributes
    ----------
    norm : GroupNorm
        N.
    step_back : float
        Share of the way to the boundary that a step goes at most.
    """

    norm: GroupNorm
    step_back: float

    def start(self, problems: Relaxations) -> ProjectionState:
        """Return half the length of g along the inner point, and multipliers well centred."""
        length = torch.linalg.vector_norm(problems.targets, dim=1, keepdim=True)
        size = torch.linalg.vector_norm(problems.inner, dim=1, keepdim=True)
        points = 0.5 * length / size * problems.inner
        slacks = problems.slacks(points)
        product = 0.1 * length.square() / max(1, slacks.shape[1])
        return ProjectionState(points, slacks, product / slacks)

    def step(
        self, problems: Relaxations, state: ProjectionState, wanted: Bool[Tensor, " B"]
    ) -> ProjectionState:
        """Return the next iterate, and the same one where none is wanted."""
        s, alpha = state.slacks, state.multipliers
        matrix = problems.curvature(alpha / s)
        matrix.diagonal(dim1=1, dim2=2).add_(1.0)
        solve = BatchedCholesky(matrix)
        defect = problems.targets + problems.pull(alpha) - state.points

        def direction(centre: Float[Tensor, "B q"]) -> ProjectionState:
            points = solve(defect + problems.pull(centre / s))
            slacks = problems.margins(points)
            return ProjectionState(points, slacks, (centre - alpha * slacks) / s)

        def reach(step: ProjectionState) -> Float[Tensor, " B"]:
            shortest = torch.maximum(-step.slacks / s, -step.multipliers / alpha).amax(1)
            return (1 / shortest.clamp_min(1e-3)).clamp_max(1 / self.step_back)

        step = direction(-s * alpha)
        length = reach(step).clamp_max(1.0)[:, None]
        now = (s * alpha).mean(1)
        ahead = ((s + length * step.slacks) * (alpha + length * step.multipliers)).mean(1)
        target = (ahead / now).clamp(0.0, 1.0) ** 3 * now
        step = direction(target[:, None] - s * alpha - step.slacks * step.multipliers)
        return moved(state, step, self.step_back * reach(step), wanted & (solve.failed == 0))
