"""Proximal Newton steps whose metric is a sketch: a gradient of all samples, and no more.

The loss is quadratic, so its model ``f(z) + grad'(x - z) + 1/2 (x - z)'B(x - z)`` needs nothing
but a gradient, which is one pass over the samples in slabs, and a metric B. A step minimises the
model plus the penalty over the cones, goes along the direction to that minimum as far as the
objective falls, and makes B exact along it. With B from a few samples (`Sketch`) a handful of
passes reach 1e-6, where an accelerated gradient method with the blocks' own Gram matrices as metric
takes hundreds: blocks of windows are almost collinear with each other, not only within themselves.

The model holds a few rows of each cone; those that its minimum violates are added. Lee, Sun &
Saunders, SIAM J. Optim. 24 (2014) 1420-1443, is on proximal Newton methods; THEORY section 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.patterns.slabs import CORRELATED_BLOCKS
from relu_forecast.problems.problem import scaled_bound
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.method import InteriorPoint
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.proximal.conic_quadratic import ConicQuadratic, solve_conic_quadratic
from relu_forecast.solvers.proximal.products import BlockProducts
from relu_forecast.solvers.proximal.sketch import Metric, Sketch
from relu_forecast.solvers.settings import SolverSettings


@dataclass(frozen=True)
class ActiveBlocks:
    """The blocks that the steps move; all others are fixed."""

    index: Int[Tensor, " m"]
    """Their numbers in the program."""
    blocks: Float[Tensor, "m d"]
    """z_k, inside their cones."""
    inner: Float[Tensor, "m d"]
    """Points strictly inside the cones, of norm N one."""
    working: WorkingRows
    """Rows of the cones in the model; no places without cones."""


@dataclass(frozen=True)
class Iterate:
    """An iterate of the method."""

    active: ActiveBlocks
    """The active blocks."""
    target: Float[Tensor, "n C"]
    error: Float[Tensor, "n C"]
    """What the fixed blocks leave of y, and what the active ones leave of that."""
    gradient: Float[Tensor, "m d"]
    """``A'M e`` over the active blocks: the gradient of the loss, its sign changed."""


class ProximalNewton:
    """The steps on one program, with slabs of so many entries (blocks x rows) at a time."""

    def __init__(self, program: ConvexProgram, slab_entries: int, settings: SolverSettings) -> None:
        self.program, self.slab_entries, self.settings = program, slab_entries, settings
        self.norm, self.beta = program.norm, program.beta
        first = torch.zeros(1, dtype=torch.long, device=program.X.device)
        self.row_gram = self._products(first).row_gram()
        self.sketch = Sketch(program, self.row_gram, settings.proximal)
        constraints = len(program.features.rows) if program.has_cones else 0
        self.cone_rows = ConeRows.of(
            program.features.rows[:constraints], program.design.masks[:, :constraints],
            slab_entries, settings.pricing)

    @property
    def places(self) -> int:
        """Places for rows of a cone in the model."""
        return self.cone_rows.width if self.program.has_cones else 0

    def _products(self, index: Int[Tensor, " m"]) -> BlockProducts:
        """Return products with some blocks."""
        return BlockProducts(self.program, index, self.slab_entries)

    def correlations(
        self, index: Int[Tensor, " m"], error: Float[Tensor, "n C"]
    ) -> Float[Tensor, "m d"]:
        """Return ``A'M e`` over some blocks: one pass over the samples."""
        left = self.program.annihilate(error)
        return torch.cat([self._products(part).adjoint(left)
                          for part in torch.split(index, CORRELATED_BLOCKS)])

    def errors(
        self, active: ActiveBlocks, others: Float[Tensor, "K d"]
    ) -> tuple[Float[Tensor, "n C"], Float[Tensor, "n C"]]:
        """Return what the fixed others leave of y, and what the active blocks leave of that."""
        used = (others != 0).any(1).nonzero()[:, 0]
        target = self.program.targets - self._products(used).forward(others[used])
        return target, target - self._products(active.index).forward(active.blocks)

    def iterate(self, active: ActiveBlocks, others: Float[Tensor, "K d"]) -> Iterate:
        """Return the iterate of active blocks and the fixed others, its products made afresh."""
        target, error = self.errors(active, others)
        return Iterate(active, target, error, self.correlations(active.index, error))

    def step(
        self, point: Iterate, metric: Metric, gap: Float[Tensor, ""], goal: Float[Tensor, ""]
    ) -> tuple[Iterate, Metric]:
        """Return the next iterate, and the metric made exact along the step.

        The objective is about ``gap`` above its minimum over the active blocks; the model may stay
        ``goal`` above its own.
        """
        target, active = self.model_minimum(point, metric.matrix, gap, goal)
        direction = target - active.blocks
        new, curved = self.advance(replace(point, active=active), direction, goal)
        return new, metric.corrected(direction.flatten(), curved.flatten())

    def advance(
        self, point: Iterate, direction: Float[Tensor, "m d"], goal: Float[Tensor, ""]
    ) -> tuple[Iterate, Float[Tensor, "m d"]]:
        """Go along a direction as far as the objective falls.

        Returns the next iterate, and exactly ``A'MA`` times the direction, in two passes over the
        samples, without waiting for the device.
        """
        active = point.active
        moved = self._products(active.index).forward(direction)
        length = self.line_search(point, direction, moved, goal)
        error = point.error - length * moved
        gradient = self.correlations(active.index, error)
        active = replace(active, blocks=active.blocks + length * direction)
        new = Iterate(active, point.target, error, gradient)
        tiny = torch.finfo(length.dtype).tiny
        return new, (point.gradient - gradient) / length.clamp_min(tiny)

    def model_minimum(
        self, point: Iterate, matrix: Float[Tensor, "md md"], gap: Float[Tensor, ""],
        goal: Float[Tensor, ""],
    ) -> tuple[Float[Tensor, "m d"], ActiveBlocks]:
        """Return the minimum of the model, moved into the cones, whose rows are added as needed.

        Returned with it are the blocks before, with the rows and multipliers of the model.
        """
        active, settings = point.active, self.settings.proximal.model
        spare = self._spare(active, matrix, gap)
        start = active.blocks + spare
        most = torch.minimum(gap + self.beta * self.norm.norms(spare).sum(),
                             self.beta * self.norm.norms(start).sum())
        inner, working = active.inner, self.cone_rows.leading(active.working, self.places)
        model = self.model(point, matrix, working)
        for number in range(1, settings.most_rounds + 1):
            state = solve_conic_quadratic(model, start, most, float(goal), settings)
            working = replace(
                working, multipliers=state.multipliers.where(working.present, 0.0))
            cut = self.cone_rows.cut(inner, self.norm.normalised(state.blocks))
            lift = (-cut.ratios).clamp_min(0.0) * self.norm.norms(state.blocks)
            target = state.blocks + (1 + 1e-9) * lift[:, None] * inner
            inner = self.norm.normalised(inner + settings.inwards * cut.lengths[:, None] * (
                self.norm.normalised(state.blocks) - inner))
            further = model.gap(replace(state, blocks=target)) - model.gap(state)
            if number == settings.most_rounds or bool(further <= goal):
                break
            working = self.cone_rows.extended(working, cut)
            cones = self.cone_rows.cones(active.index, working)
            model = replace(model, method=replace(model.method, cones=cones))
        return target, replace(active, working=working)

    def _spare(
        self, active: ActiveBlocks, matrix: Float[Tensor, "md md"], gap: Float[Tensor, ""]
    ) -> Float[Tensor, "m d"]:
        """Return how far blocks move inwards before the model is minimised.

        A share of their norms, or, near zero, of the gap over beta; less where the loss would rise
        by more than the gap.
        """
        sizes, share = self.norm.norms(active.blocks), self.settings.proximal.model.lift
        lengths = torch.maximum(share * sizes, gap / (self.beta * len(sizes)))
        spare = lengths[:, None] * active.inner
        rise = spare.flatten().dot(matrix @ spare.flatten())
        return spare * (gap / torch.maximum(rise, gap)).sqrt()

    def model(
        self, point: Iterate, matrix: Float[Tensor, "md md"], working: WorkingRows
    ) -> ConicQuadratic:
        """Return the model around a point, over some rows of the cones."""
        active = point.active
        linear = point.gradient + (matrix @ active.blocks.flatten()).view_as(active.blocks)
        loss = 0.5 * self.program.leave(point.error).square().sum()
        cones = self.cone_rows.cones(active.index, working)
        return ConicQuadratic(InteriorPoint(
            matrix, linear, self.norm, self.beta, cones, self.settings.interior_point), loss)

    def line_search(
        self, point: Iterate, direction: Float[Tensor, "m d"], moved: Float[Tensor, "n C"],
        goal: Float[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return the step length of the least objective: at most one with cones, else two.

        ``moved`` is ``A`` times the direction. The loss along it is a parabola, so no pass is
        needed, and slopes, unlike values, tell lengths apart near the minimum. A length of one is
        taken where its objective is within ``goal`` of the least: the minimum of the model has the
        better dual point.
        """
        settings = self.settings.proximal
        left, drift = self.program.leave(point.error), self.program.leave(moved)
        slope, bend = left.flatten().dot(drift.flatten()), drift.square().sum()
        low, high = slope.new_zeros(()), slope.new_full((), 1.0 if self.places else 2.0)
        one = torch.ones_like(low)
        grid = torch.linspace(0, 1, settings.lengths, dtype=low.dtype, device=low.device)
        for _ in range(settings.zooms):
            lengths = low + (high - low) * grid
            falling = bend * lengths - slope + self._penalty_slopes(
                point, direction, lengths) < 0
            place = (falling.sum() - 1).clamp(0, settings.lengths - 2)
            low, high = lengths.gather(0, place[None])[0], lengths.gather(0, place[None] + 1)[0]
        best = torch.where(falling.all(), high, low)
        at_one = bend * one - slope + self._penalty_slopes(point, direction, one[None])[0]
        return torch.where(at_one * (one - best) <= goal, one, best)

    def _penalty_slopes(
        self, point: Iterate, direction: Float[Tensor, "m d"], lengths: Float[Tensor, " s"]
    ) -> Float[Tensor, " s"]:
        """Return the derivative of ``beta sum_k N(z_k)`` at each length along the direction."""
        moved = self.norm.grouped(
            (point.active.blocks + lengths[:, None, None] * direction).flatten(0, 1))
        sizes = torch.linalg.vector_norm(moved, dim=2).clamp_min(torch.finfo(direction.dtype).tiny)
        directions = self.norm.grouped(direction).repeat(len(lengths), 1, 1)
        slopes = ((moved * directions).sum(2) / sizes) @ self.norm.weights
        total: Tensor = self.beta * slopes.view(len(lengths), -1).sum(1)
        return total

    def bounds(self, point: Iterate) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return objective and dual bound over the active blocks, with the model's multipliers.

        The penalty of the fixed blocks is left out.
        """
        left, target = self.program.leave(point.error), self.program.leave(point.target)
        objective = 0.5 * left.square().sum() + self.program.penalty(point.active.blocks)
        violation = self.active_values(point).amax() / self.beta
        return objective, scaled_bound(target, left, violation)

    def active_values(self, point: Iterate) -> Float[Tensor, " m"]:
        """Return the dual norms of the active blocks, with the model's multipliers."""
        active = point.active
        return self.norm.dual_norms(
            point.gradient + self.cone_rows.pull(active.index, active.working))
