"""Relaxations for a norm of one group: the maximiser is the normalised projection of g.

    min_u 1/2 ||u - g||^2  s.t.  C u >= 0

is a quadratic program in d variables; its slacks and multipliers are eliminated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.relaxations import (
    BatchedCholesky,
    NewtonEquations,
    Relaxations,
    inverse_row_steps,
)


@dataclass(frozen=True)
class ProjectionState:
    """Iterates of B projections, and the directions between them."""

    points: Float[Tensor, "B d"]
    """u, the projection in the end."""
    slacks: Float[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]
    """``s = C u > 0`` and ``alpha > 0``; ``g + C'alpha - u`` is zero in the end."""


class Projection(NewtonEquations[ProjectionState]):
    """Newton's equations of projections, slacks and multipliers eliminated."""

    def __init__(self, norm: GroupNorm, problems: Relaxations, state: ProjectionState) -> None:
        self.cones, self.state = problems.cones, state
        matrix = self.cones.weighted_grams(state.multipliers / state.slacks)
        matrix.diagonal(dim1=1, dim2=2).add_(1.0)
        self.solve = BatchedCholesky(matrix)
        self.defect = problems.targets + self.cones.adjoint(state.multipliers) - state.points

    @staticmethod
    def start(norm: GroupNorm, problems: Relaxations) -> ProjectionState:
        """Return half the length of g along the inner point, and multipliers well centred."""
        length = torch.linalg.vector_norm(problems.targets, dim=1, keepdim=True)
        size = torch.linalg.vector_norm(problems.inner, dim=1, keepdim=True)
        points = 0.5 * length / size * problems.inner
        slacks = problems.slacks(points)
        product = 0.1 * length.square() / max(1, slacks.shape[1])
        return ProjectionState(points, slacks, product / slacks)

    def complementarity(self, state: ProjectionState) -> Float[Tensor, "B 1"]:
        """Return the mean complementarity product of each block."""
        return (state.slacks * state.multipliers).mean(1, keepdim=True)

    def direction(
        self, target: Float[Tensor, "B 1"], predictor: ProjectionState | None
    ) -> ProjectionState:
        """Return the direction towards complementarity products equal to ``target``."""
        s, alpha = self.state.slacks, self.state.multipliers
        centre = target - s * alpha
        if predictor is not None:
            centre = centre - predictor.slacks * predictor.multipliers
        points = self.solve(self.defect + self.cones.adjoint(centre / s))
        slacks = self.cones.outputs(points)
        return ProjectionState(points, slacks, (centre - alpha * slacks) / s)

    def inverse_reach(self, step: ProjectionState) -> Float[Tensor, " B"]:
        """Return one over the longest step that keeps all cones, negative where none ends it."""
        return inverse_row_steps(self.state, step)
