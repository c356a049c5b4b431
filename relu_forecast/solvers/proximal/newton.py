"""Steps of a proximal method whose metric is a sketch: gradients of all samples, no more.

The loss is quadratic, so its model ``f(z) + grad'(x - z) + 1/2 (x - z)'B(x - z)`` needs nothing
but a gradient, one pass over the samples in chunks, and a metric B. A step minimises the model
plus the penalty over the cones, goes along that direction as far as the objective falls, and
makes B exact along it. With B from a few samples (`Sketch`) a handful of passes reach 1e-6 where
an accelerated gradient method with the blocks' own Gram matrices as metric takes hundreds:
blocks of windows are almost collinear with each other, not only within themselves.

The model's cones start from a few rows of each; those that its solution violates join. Lee, Sun &
Saunders, SIAM J. Optim. 24 (2014) 1420-1443, is on proximal Newton methods; THEORY section 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.problem import scaled_bound
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.cones import OwnRows
from relu_forecast.solvers.interior_point.method import InteriorPoint
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.proximal.conic_quadratic import ConicQuadratic, solve_conic_quadratic
from relu_forecast.solvers.proximal.sketch import Blocks, Sketch, corrected

_BLOCKS_AT_A_TIME = 512
_MOST_ROUNDS = 12
"""Rounds of cone rows in one step."""

_SPARE = 0.3
"""Share of its norm that a block moves inwards before the model is solved."""

_INWARDS = 0.5
"""Share of the way to the model's solution that inner points move every round of a step."""

_LENGTHS = 33
_ZOOMS = 4
"""A line search tries so many lengths at a time, and zooms in so often."""


@dataclass(frozen=True)
class Active:
    """The blocks in work.

    Attributes
    ----------
    index : Tensor of int, shape (m,)
        Which.
    blocks : Tensor, shape (m, d)
        z_k, inside their cones.
    inner : Tensor, shape (m, d)
        Points strictly inside the cones, of norm N one.
    working : WorkingRows
        Rows of the cones in the model; no places without cones.
    """

    index: Int[Tensor, " m"]
    blocks: Float[Tensor, "m d"]
    inner: Float[Tensor, "m d"]
    working: WorkingRows

    def taken(self, kept: Int[Tensor, " k"]) -> Active:
        """Return some of them."""
        return Active(self.index[kept], self.blocks[kept], self.inner[kept],
                      self.working.taken(kept))

    def joined(self, other: Active) -> Active:
        """Return the blocks of both, those of ``other`` behind."""
        return Active(
            torch.cat([self.index, other.index]), torch.cat([self.blocks, other.blocks]),
            torch.cat([self.inner, other.inner]), self.working.joined(other.working))


@dataclass(frozen=True)
class Metric:
    """The curvature B of a model.

    Attributes
    ----------
    matrix : Tensor, shape (m d, m d)
        About ``A'MA`` over the blocks in work.
    exact : bool
        Whether it is just that.
    """

    matrix: Float[Tensor, "md md"]
    exact: bool


@dataclass(frozen=True)
class Point:
    """Where the method is.

    Attributes
    ----------
    active : Active
        The blocks in work.
    target, error : Tensor, shape (n, C)
        What blocks out of work leave of y, and what the blocks in work leave of that.
    gradient : Tensor, shape (m, d)
        ``A'M e`` over the blocks in work, the loss's gradient with its sign changed.
    """

    active: Active
    target: Float[Tensor, "n C"]
    error: Float[Tensor, "n C"]
    gradient: Float[Tensor, "m d"]


class ProximalNewton:
    """The steps on one program.

    Parameters
    ----------
    program : ConvexProgram
        What to solve.
    chunk_entries : int
        Entries of the slabs (blocks x rows) in work at a time.
    """

    def __init__(self, program: ConvexProgram, chunk_entries: int) -> None:
        self.program, self.chunk_entries = program, chunk_entries
        self.norm, self.beta = program.norm, program.beta
        first = torch.zeros(1, dtype=torch.long, device=program.X.device)
        self.row_gram = self._blocks(first).row_gram()
        self.sketch = Sketch(program, self.row_gram)
        constraints = len(program.features.rows) if program.has_cones else 0
        self.cone_rows = ConeRows.of(
            program.features.rows[:constraints], program.design.masks[:, :constraints],
            chunk_entries)

    @property
    def places(self) -> int:
        """Places for rows of a cone in the model."""
        return self.cone_rows.width if self.program.has_cones else 0

    def _blocks(self, index: Int[Tensor, " m"]) -> Blocks:
        """Return products with some blocks."""
        return Blocks(self.program, index, self.chunk_entries)

    def correlations(
        self, index: Int[Tensor, " m"], error: Float[Tensor, "n C"]
    ) -> Float[Tensor, "m d"]:
        """Return ``A'M e`` over some blocks: one pass over the samples."""
        left = self.program.annihilate(error)
        return torch.cat([self._blocks(part).adjoint(left)
                          for part in torch.split(index, _BLOCKS_AT_A_TIME)])

    def enter(self, active: Active, others: Float[Tensor, "K d"]) -> Point:
        """Return the point of blocks in work and out of it, with its products made afresh."""
        used = (others != 0).any(1).nonzero()[:, 0]
        target = self.program.targets - self._blocks(used).forward(others[used])
        error = target - self._blocks(active.index).forward(active.blocks)
        return Point(active, target, error, self.correlations(active.index, error))

    def metric(self, index: Int[Tensor, " m"]) -> Metric:
        """Return the sketched curvature of some blocks."""
        return Metric(*self.sketch.metric(index))

    def step(
        self, point: Point, metric: Metric, gap: Float[Tensor, ""], goal: Float[Tensor, ""]
    ) -> tuple[Point, Metric]:
        """Return the next point, and the metric with what was learnt on the way.

        Parameters
        ----------
        point : Point
            Where to start.
        metric : Metric
            The curvature of the model.
        gap : Tensor, shape ()
            About how far the objective is above its minimum over the blocks in work.
        goal : Tensor, shape ()
            How far the model may stay above its own.
        """
        target, active = self.model_minimum(point, metric.matrix, gap, goal)
        way = target - active.blocks
        new, curved = self.advance(replace(point, active=active), way, goal)
        if metric.exact:
            return new, metric
        return new, Metric(corrected(metric.matrix, way.flatten(), curved.flatten()), False)

    def advance(
        self, point: Point, way: Float[Tensor, "m d"], goal: Float[Tensor, ""]
    ) -> tuple[Point, Float[Tensor, "m d"]]:
        """Go along a way as far as the objective falls; return the exact curvature along it too.

        Two passes over the samples; free of host synchronisation.
        """
        active = point.active
        moved = self._blocks(active.index).forward(way)
        length = self.line_search(point, way, moved, goal)
        error = point.error - length * moved
        gradient = self.correlations(active.index, error)
        new = Point(replace(active, blocks=active.blocks + length * way), point.target, error,
                    gradient)
        tiny = torch.finfo(length.dtype).tiny
        return new, (point.gradient - gradient) / length.clamp_min(tiny)

    def model_minimum(
        self, point: Point, matrix: Float[Tensor, "md md"], gap: Float[Tensor, ""],
        goal: Float[Tensor, ""],
    ) -> tuple[Float[Tensor, "m d"], Active]:
        """Minimise the model over the cones, by rows of the cones as they are needed.

        Returns
        -------
        target : Tensor, shape (m, d)
            The minimum, moved inside its cones.
        active : Active
            The blocks as they were, with the rows and multipliers of the model.
        """
        active = point.active
        spare = self._spare(active, matrix, gap)
        start = active.blocks + spare
        worth = torch.minimum(gap + self.beta * self.norm.norms(spare).sum(),
                              self.beta * self.norm.norms(start).sum())
        inner, working = active.inner, self.cone_rows.leading(active.working, self.places)
        for number in range(1, _MOST_ROUNDS + 1):
            model = self._model(point, matrix, working)
            state = solve_conic_quadratic(model, start, worth, float(goal))
            working = replace(
                working, multipliers=state.multipliers.where(working.present, 0.0))
            cut = self.cone_rows.cut(inner, self.norm.normalised(state.blocks))
            lift = (-cut.ratios).clamp_min(0.0) * self.norm.norms(state.blocks)
            target = state.blocks + (1 + 1e-9) * lift[:, None] * inner
            inner = self.norm.normalised(inner + _INWARDS * cut.lengths[:, None] * (
                self.norm.normalised(state.blocks) - inner))
            further = model.gap(replace(state, blocks=target)) - model.gap(state)
            if number == _MOST_ROUNDS or bool(further <= goal):
                break
            working = self.cone_rows.extended(working, cut)
        return target, replace(active, working=working)

    def _spare(
        self, active: Active, matrix: Float[Tensor, "md md"], gap: Float[Tensor, ""]
    ) -> Float[Tensor, "m d"]:
        """Return how far blocks move inwards before the model is solved.

        A share of their norms, or what the gap may be worth to blocks that are zero; less where
        the loss would rise by more than the gap.
        """
        sizes = self.norm.norms(active.blocks)
        spare = torch.maximum(_SPARE * sizes, gap / (self.beta * len(sizes)))[:, None] * (
            active.inner)
        rise = spare.flatten().dot(matrix @ spare.flatten())
        return spare * (gap / torch.maximum(rise, gap)).sqrt()

    def _model(
        self, point: Point, matrix: Float[Tensor, "md md"], working: WorkingRows
    ) -> ConicQuadratic:
        """Return the model around a point, over some rows of the cones."""
        active = point.active
        linear = point.gradient + (matrix @ active.blocks.flatten()).view_as(active.blocks)
        loss = 0.5 * self.program.leave(point.error).square().sum()
        cones = OwnRows(self.cone_rows.cones(active.index, working), working.present)
        return ConicQuadratic(InteriorPoint(matrix, linear, self.norm, self.beta, cones), loss)

    def line_search(
        self, point: Point, way: Float[Tensor, "m d"], moved: Float[Tensor, "n C"],
        goal: Float[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return the step length of the least objective: at most one with cones, else two.

        ``moved`` is ``A way``. The loss along the way is a parabola, so no pass is needed, and
        slopes, unlike values, tell lengths apart near the minimum. One, where that is within
        ``goal`` of the least: the model's solution has the better dual point.
        """
        left, drift = self.program.leave(point.error), self.program.leave(moved)
        slope, bend = left.flatten().dot(drift.flatten()), drift.square().sum()
        low, high = slope.new_zeros(()), slope.new_full((), 1.0 if self.places else 2.0)
        one = torch.ones_like(low)
        grid = torch.linspace(0, 1, _LENGTHS, dtype=low.dtype, device=low.device)
        for _ in range(_ZOOMS):
            lengths = low + (high - low) * grid
            falling = self._slopes(point, way, lengths, slope, bend) < 0
            place = (falling.sum() - 1).clamp(0, _LENGTHS - 2)
            low, high = lengths.gather(0, place[None])[0], lengths.gather(0, place[None] + 1)[0]
        best = torch.where(falling.all(), high, low)
        lost = self._slopes(point, way, one[None], slope, bend)[0] * (one - best)
        return torch.where(lost <= goal, one, best)

    def _slopes(
        self, point: Point, way: Float[Tensor, "m d"], lengths: Float[Tensor, " s"],
        slope: Float[Tensor, ""], bend: Float[Tensor, ""],
    ) -> Float[Tensor, " s"]:
        """Return the derivative of the objective after each length of the way."""
        return bend * lengths - slope + self._penalty_slopes(point, way, lengths)

    def _penalty_slopes(
        self, point: Point, way: Float[Tensor, "m d"], lengths: Float[Tensor, " s"]
    ) -> Float[Tensor, " s"]:
        """Return the derivative of ``beta sum_k N(z_k)`` after each length of the way."""
        moved = self.norm.grouped(
            (point.active.blocks + lengths[:, None, None] * way).flatten(0, 1))
        sizes = torch.linalg.vector_norm(moved, dim=2).clamp_min(torch.finfo(way.dtype).tiny)
        ways = self.norm.grouped(way).repeat(len(lengths), 1, 1)
        slopes = ((moved * ways).sum(2) / sizes) @ self.norm.weights
        total: Tensor = self.beta * slopes.view(len(lengths), -1).sum(1)
        return total

    def bounds(self, point: Point) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return objective and dual bound over the blocks in work, with the model's multipliers.

        The blocks out of work are held fixed, their penalty left out.
        """
        left, target = self.program.leave(point.error), self.program.leave(point.target)
        objective = 0.5 * left.square().sum() + self.program.penalty(point.active.blocks)
        violation = self.own_values(point).amax() / self.beta
        return objective, scaled_bound(target, left, violation)

    def own_values(self, point: Point) -> Float[Tensor, " m"]:
        """Return the dual norms of the blocks in work, with the model's multipliers."""
        active = point.active
        cones = self.cone_rows.cones(active.index, active.working)
        pull = (active.working.multipliers[:, None, :] @ cones)[:, 0]
        return self.norm.dual_norms(point.gradient + pull)

    def proved_zero(
        self, error: Float[Tensor, "n C"], values: Float[Tensor, " B"],
        objective: float,
    ) -> Bool[Tensor, " B"]:
        """Tell which priced blocks are zero at the optimum, by the sphere around a dual point.

        With v feasible for the dual and within ``gap`` of its optimum, those with
        ``N*(A_k'v + C_k'alpha) + sqrt(2 gap) max_{N(u) <= 1} ||A_k u|| < beta``; Ndiaye et al.,
        J. Mach. Learn. Res. 18 (2017) 1-33.
        """
        left, target = self.program.leave(error), self.program.left_targets
        scale = (self.beta / values.amax()).clamp_max(1.0)
        dual = scale * target.flatten().dot(left.flatten()) - 0.5 * scale**2 * left.square().sum()
        radius = (2 * (objective - dual).clamp_min(0.0)).sqrt()
        return scale * values + radius * self.largest_output() < self.beta

    def largest_output(self) -> Float[Tensor, ""]:
        """Return a bound on ``||P D R u||`` over ``N(u) <= 1`` and all patterns D."""
        groups, size = self.norm.n_groups, len(self.row_gram) // self.norm.n_groups
        tiles = self.row_gram.view(groups, size, groups, size).diagonal(dim1=0, dim2=2)
        largest = torch.linalg.eigvalsh(tiles.permute(2, 0, 1))[:, -1].clamp_min(0.0)
        spread = self.program.features.n_patches**0.5
        longest: Tensor = (largest.sqrt() / self.norm.weights).amax() * spread
        return longest
