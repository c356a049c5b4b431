"""L-BFGS on tensors, in which nothing waits for the device.

Every iteration is one evaluation. A step that lowers the objective enough (Armijo's rule) is
taken; after one that does not, the next evaluation tries a shorter step along the same direction.
`torch.where` decides, so that an accelerator runs ahead of the host. The direction comes from the
compact form of the inverse matrix: products with the memory, and two triangular systems as small
as it. Byrd, Nocedal & Schnabel, Mathematical Programming 63 (1994) 129-156.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.training.settings import DescentSettings

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Returns the value (a float64 scalar) and the gradient at a point, a vector."""


class LBFGS:
    """A point that descends; stop and go on at any time."""

    def __init__(
        self, objective: Objective, start: Float[Tensor, " P"], settings: DescentSettings,
        scale: Tensor | None = None
    ) -> None:
        self.objective, self.settings, self.point = objective, settings, start
        self.value, self.gradient = objective(start)
        self.tiny = torch.finfo(start.dtype).tiny
        self.noise = torch.finfo(start.dtype).eps
        self._memory = _Memory(start, settings.memory)
        squares = self.gradient.dot(self.gradient).clamp_min(self.tiny)
        self.scale = settings.first_step * self.value.to(start) / squares
        if scale is not None:
            self.scale = scale.to(start)
        self._length = torch.ones_like(squares)
        self._turn(self.gradient.neg() * self.scale)

    def _turn(self, direction: Float[Tensor, " P"]) -> None:
        """Set the direction of the next step; that of steepest descent where it climbs."""
        slope = direction.dot(self.gradient)
        descends = slope < 0
        plain = -self.scale * self.gradient
        self._direction = direction.where(descends, plain)
        self._slope = slope.where(descends, plain.dot(self.gradient))

    def run(self, n_evaluations: int) -> None:
        """Evaluate so many times. Cost beside that O(P times memory) each."""
        for _ in range(n_evaluations):
            self._iterate()

    def _iterate(self) -> None:
        """Try a step; take it, or shorten it for the next time."""
        ahead = torch.addcmul(self.point, self._length, self._direction)
        value, gradient = self.objective(ahead)
        expected = self._length * self._slope
        change = (value - self.value).to(expected)
        margin = self.settings.sufficient_decrease * expected
        taken = change <= margin + self.noise * self.value.abs().to(expected)
        direction = self._remember(ahead, gradient, taken)
        self.point = ahead.where(taken, self.point)
        self.value = value.where(taken, self.value)
        self.gradient = gradient.where(taken, self.gradient)
        before, slope = self._direction, self._slope
        self._turn(direction)
        self._direction = self._direction.where(taken, before)
        self._slope = self._slope.where(taken, slope)
        shorter = (-0.5 * expected / (change - expected).clamp_min(self.tiny)).nan_to_num(0.0)
        least, most = self.settings.shortening
        self._length = torch.ones_like(shorter).where(
            taken, self._length * shorter.clamp(least, most))

    def _remember(
        self, ahead: Float[Tensor, " P"], gradient: Float[Tensor, " P"], taken: Tensor
    ) -> Float[Tensor, " P"]:
        """Keep what a step tells of the curvature; return the direction from its end."""
        step, turned = ahead - self.point, gradient - self.gradient
        curved = step.dot(turned)
        squares = turned.dot(turned)
        enough = curved > self.settings.least_curvature * (step.norm() * turned.norm())
        kept = taken & enough
        self.scale = torch.where(kept, curved / squares.clamp_min(self.tiny), self.scale)
        root = curved.clamp_min(self.tiny).sqrt()
        self._memory.keep(step / root, turned / root, kept)
        return self._memory.direction(gradient, self.scale)


class _Memory:
    """Pairs of steps s and turns y of the gradient, scaled to ``s'y = 1``, in a ring."""

    def __init__(self, like: Float[Tensor, " P"], size: int) -> None:
        self.steps = like.new_zeros(size, len(like))
        self.turns = torch.zeros_like(self.steps)
        self.next = torch.zeros(1, dtype=torch.long, device=like.device)
        self.places = torch.arange(size, device=like.device)
        self.cross = like.new_zeros(size, size)
        self.squares = like.new_zeros(size, size)

    def keep(self, step: Float[Tensor, " P"], turn: Float[Tensor, " P"], kept: Tensor) -> None:
        """Put a pair in the place of the oldest one, if it is to be kept."""
        place = self.next
        self.steps.index_copy_(0, place, step.where(kept, self.steps[place]))
        self.turns.index_copy_(0, place, turn.where(kept, self.turns[place]))
        self.next = torch.where(kept, (place + 1) % len(self.places), place)
        newest = self.turns[place]
        self.cross.index_copy_(0, place, self.steps[place] @ self.turns.T)
        self.cross.index_copy_(1, place, self.steps @ newest.T)
        along = self.turns @ newest.T
        self.squares.index_copy_(0, place, along.T)
        self.squares.index_copy_(1, place, along)

    def direction(self, gradient: Float[Tensor, " P"], scale: Tensor) -> Float[Tensor, " P"]:
        """Return minus the inverse matrix times a gradient; ``scale`` is that without memory.

        With the pairs in order of age, R the upper triangle of ``S'Y`` and ones for its diagonal:
        ``H g = c g + S R^-T ((I + c Y'Y) R^-1 S'g - c Y'g) - c Y R^-1 S'g``.
        """
        order: Int[Tensor, " k"] = (self.places + self.next) % len(self.places)
        triangle = self.cross[order][:, order].triu()
        triangle.diagonal().fill_(1.0)
        first = (self.steps @ gradient)[order, None]
        inner = torch.linalg.solve_triangular(triangle, first, upper=True)
        squares = self.squares[order][:, order]
        right = inner + scale * (squares @ inner - (self.turns @ gradient)[order, None])
        outer = torch.linalg.solve_triangular(triangle.T, right, upper=False)
        shares = torch.zeros_like(torch.cat([outer, inner], dim=1))
        shares.index_copy_(0, order, torch.cat([outer, inner * -scale], dim=1))
        ahead = scale * gradient + shares[:, 0] @ self.steps + shares[:, 1] @ self.turns
        return ahead.neg_()
