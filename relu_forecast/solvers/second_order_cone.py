"""Second-order cone algebra in batches: Nesterov-Todd scaling, Jordan products, step lengths.

A cone point is ``p = (t, z)`` with ``t > ||z||``; ``J = diag(1, -I)``; ``det p = t^2 - ||z||^2``.
Vandenberghe, "The CVXOPT linear and quadratic cone program solvers" (2010), sections 4 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class ConePoint:
    """K points (or directions) of second-order cones."""

    head: Float[Tensor, " K"]
    """t_k."""
    tail: Float[Tensor, "K d"]
    """z_k."""

    def root_determinant(self) -> Float[Tensor, " K"]:
        """Return ``sqrt(t^2 - ||z||^2)``."""
        size = torch.linalg.vector_norm(self.tail, dim=1)
        determinant: Tensor = (self.head - size) * (self.head + size)
        return determinant.clamp_min(torch.finfo(size.dtype).tiny).sqrt()

    def scaled(self, factor: Float[Tensor, " K"]) -> ConePoint:
        """Return the points multiplied by one factor each."""
        return ConePoint(factor * self.head, factor[:, None] * self.tail)

    def minus(self, other: ConePoint) -> ConePoint:
        """Return the difference."""
        return ConePoint(self.head - other.head, self.tail - other.tail)

    def product(self, other: ConePoint) -> ConePoint:
        """Return the Jordan product ``(p'q, t_p z_q + t_q z_p)``."""
        return ConePoint(
            self.head * other.head + (self.tail * other.tail).sum(1),
            self.head[:, None] * other.tail + other.head[:, None] * self.tail)

    def divide(self, other: ConePoint) -> ConePoint:
        """Return g with ``self o g = other``."""
        head = (self.head * other.head - (self.tail * other.tail).sum(1)) / (
            self.root_determinant() ** 2)
        return ConePoint(head, (other.tail - head[:, None] * self.tail) / self.head[:, None])


@dataclass(frozen=True)
class NesterovTodd:
    """The scaling W with ``W x = W^-1 p`` for a primal point p and a dual point x.

    ``W = theta Wbar`` with ``Wbar = [w0, w1'; w1, I + w1 w1'/(1 + w0)]`` and
    ``w0^2 - ||w1||^2 = 1``.
    """

    theta: Float[Tensor, " K"]
    """Size of W."""
    direction: ConePoint
    """(w0, w1)."""
    point: ConePoint
    """``nu = W x``, the scaled point."""

    @classmethod
    def of(cls, primal: ConePoint, dual: ConePoint) -> NesterovTodd:
        """Build the scaling of strictly interior points."""
        primal_root, dual_root = primal.root_determinant(), dual.root_determinant()
        p, x = primal.scaled(1 / primal_root), dual.scaled(1 / dual_root)
        gamma = ((1 + p.head * x.head + (p.tail * x.tail).sum(1)) / 2).sqrt()
        direction = ConePoint(p.head + x.head, p.tail - x.tail).scaled(0.5 / gamma)
        theta = (primal_root / dual_root).sqrt()
        return cls(theta, direction, _hyperbolic(direction, dual, 1.0).scaled(theta))

    def apply(self, point: ConePoint) -> ConePoint:
        """Return ``W point``."""
        return _hyperbolic(self.direction, point, 1.0).scaled(self.theta)

    def apply_inverse(self, point: ConePoint) -> ConePoint:
        """Return ``W^-1 point``."""
        return _hyperbolic(self.direction, point, -1.0).scaled(1 / self.theta)

    @cached_property
    def shrink(self) -> Float[Tensor, " K"]:
        """Return ``2 / (2 w0^2 - 1)``."""
        w0 = self.direction.head
        return 2 / (2 * w0 * w0 - 1)

    @cached_property
    def coupling(self) -> Float[Tensor, " K"]:
        """Return ``2 w0 / (2 w0^2 - 1)``, that is ``-V10/V00`` along w1, with V = W^-2."""
        return self.direction.head * self.shrink

    @cached_property
    def squared_size(self) -> Float[Tensor, " K"]:
        """Return ``theta^2``."""
        return self.theta * self.theta

    def eliminated_hessian(self) -> Float[Tensor, "K d d"]:
        """Return ``theta^-2 (I - 2/(2 w0^2 - 1) w1 w1')``: W^-2 with its head eliminated."""
        w1, stiffness = self.direction.tail, 1 / self.squared_size
        inner = w1[:, :, None] * ((-self.shrink * stiffness)[:, None] * w1)[:, None, :]
        inner.diagonal(dim1=1, dim2=2).add_(stiffness[:, None])
        return inner

    def complementarity_force(
        self, target: Float[Tensor, "*K"], predictor: tuple[ConePoint, ConePoint] | None
    ) -> ConePoint:
        """Return q of ``dx = q - W^-2 dp`` that drives complementarity products to ``target``.

        The predictor of Mehrotra's method is a direction of the primal and of the dual point.
        """
        aim = ConePoint(target.expand_as(self.theta), torch.zeros_like(self.point.tail))
        if predictor is not None:
            primal, dual = predictor
            aim = aim.minus(self.apply_inverse(primal).product(self.apply(dual)))
        return self.apply_inverse(self.point.divide(aim).minus(self.point))

    def eliminated(self, force: ConePoint) -> Float[Tensor, "K d"]:
        """Return the force on z once tau is eliminated, ``q1 - V10 q0 / V00`` with V = W^-2.

        The head of the dual point is held fixed, ``dx_0 = 0``.
        """
        return force.tail + (self.coupling * force.head)[:, None] * self.direction.tail

    def recover(
        self, force: ConePoint, blocks: Float[Tensor, "K d"]
    ) -> tuple[Float[Tensor, " K"], Float[Tensor, "K d"]]:
        """Return the directions of tau and of the dual's tail that go with one of z."""
        w1, size = self.direction.tail, self.squared_size
        along = (w1 * blocks).sum(1)
        heads = 0.5 * size * force.head * self.shrink + self.coupling * along
        curved = (blocks - (self.shrink * along)[:, None] * w1) / size[:, None]
        return heads, self.eliminated(force) - curved


def _hyperbolic(direction: ConePoint, point: ConePoint, sign: float) -> ConePoint:
    """Return ``Wbar point`` (sign 1) or ``Wbar^-1 point`` (sign -1)."""
    w0, w1 = direction.head, sign * direction.tail
    along = (w1 * point.tail).sum(1)
    bend = point.head + along / (1 + w0)
    return ConePoint(w0 * point.head + along, point.tail + bend[:, None] * w1)


@dataclass(frozen=True)
class Boundary:
    """How far K points may go before they leave their cones."""

    root: Float[Tensor, " K"]
    """``sqrt(det p)``."""
    unit: ConePoint
    """The points at determinant one."""

    @classmethod
    def around(cls, points: ConePoint) -> Boundary:
        """Prepare for points strictly inside their cones."""
        root = points.root_determinant()
        return cls(root, points.scaled(1 / root))

    def max_step(self, move: ConePoint) -> Float[Tensor, ""]:
        """Return the largest step, at most 1e3, that keeps ``p + step * move`` in every cone."""
        longest: Tensor = 1 / self.inverse_steps(move).amax().clamp_min(1e-3)
        return longest

    def inverse_steps(self, move: ConePoint) -> Float[Tensor, " K"]:
        """Return one over the largest step in each cone, negative where no step leaves it."""
        unit = self.unit
        inner = unit.head * move.head - (unit.tail * move.tail).sum(1)
        bend = (inner + move.head) / (unit.head + 1)
        outer = move.tail - bend[:, None] * unit.tail
        limits: Tensor = (torch.linalg.vector_norm(outer, dim=1) - inner) / self.root
        return limits
