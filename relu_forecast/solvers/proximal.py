"""A proximal method for what does not fit the Newton method: gradients of all samples, no more.

The loss is quadratic, so its model ``f(z) + grad'(x - z) + 1/2 (x - z)'B(x - z)`` needs nothing
but a gradient, one pass over the samples in chunks, and a metric B. A step minimises the model
plus the penalty over the cones, goes along that direction as far as the objective falls, and
makes B exact along it. With B from a few samples (`Sketch`) a handful of passes reach 1e-6 where
an accelerated gradient method with the blocks' own Gram matrices as metric takes hundreds:
blocks of windows are almost collinear with each other, not only within themselves.

Blocks enter a working set when pricing says so, and rows of cones enter the model when its
solution leaves them, so a step costs what is active. Blocks that the dual bound proves to be zero
at the optimum are never touched again: for a feasible dual point v of a program within ``gap``
of its optimum, ``N*(A_k'v + C_k'alpha) + sqrt(2 gap) max_{N(u) <= 1} ||A_k u|| < beta``; Ndiaye
et al., J. Mach. Learn. Res. 18 (2017) 1-33. Lee, Sun & Saunders, SIAM J. Optim. 24 (2014)
1420-1443, is on proximal Newton methods.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.certificates import Certificate
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.program import ConvexProgram
from relu_forecast.solvers.cone_projection import ConePricing, price_blocks
from relu_forecast.solvers.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.conic_quadratic import ConicQuadratic, solve_conic_quadratic
from relu_forecast.solvers.sketch import Blocks, Sketch, corrected
from relu_forecast.solvers.solution import Solution, Status

Callback = Callable[[int, Certificate], None]

_FIRST_BLOCKS = 24
_FEWEST_NEW = 12
_MOST_ROUNDS = 12
"""Rounds of cone rows in one step."""
_GOALS = (1e-1, 1e-2, 1e-4)
"""Relative gaps of the working set at which all blocks are priced, before the last."""
_STALL_STEPS = 6
_ZOOMS = 3
_LENGTHS = 33
_BLOCKS_AT_A_TIME = 512
_FEWEST_BLOCKS = 8
_CHUNK_ENTRIES = {"cpu": 2**18}
"""Entries of a slab: what stays in a processor's cache; by type of device."""
_CHUNK_ENTRIES_ELSEWHERE = 2**25
"""Step lengths that are tried at a time."""


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


@dataclass(frozen=True)
class Budget:
    """Sizes of what is held at a time, so that it all fits in the memory limit.

    With itemsize bytes to a number, N rows, n samples, K blocks of d weights and q places for
    rows in a cone, the method allocates about

        itemsize (10 n + 8 K d + 3 chunk_entries + 8 (m d)^2)  +  with cones, itemsize (N d + 4 K q)

    bytes beside the program, m being the blocks in work.

    Attributes
    ----------
    chunk_entries : int
        Entries of the slabs (blocks x rows).
    most_blocks : int
        Most blocks in work, m.
    """

    chunk_entries: int
    most_blocks: int

    @classmethod
    def of(cls, program: ConvexProgram, memory_limit: int) -> Budget:
        """Share out the limit: a quarter of what is free to slabs, the rest to the metric."""
        features, size = program.features, program.X.element_size()
        d, blocks = features.width, program.n_blocks
        fixed = 10 * features.n_samples + 8 * blocks * d
        if program.has_cones:
            fixed += features.rows.numel() + 8 * blocks * (d + 16)
        free = memory_limit - size * fixed
        best = _CHUNK_ENTRIES.get(program.X.device.type, _CHUNK_ENTRIES_ELSEWHERE)
        chunk = min(best, free // (12 * size))
        most = math.isqrt(max(0, free - 3 * size * chunk) // (8 * size)) // d
        least = 8 * features.n_patches * min(blocks, _BLOCKS_AT_A_TIME)
        if chunk < least or most < _FEWEST_BLOCKS:
            needed = size * (fixed + 3 * least + max(9 * least, 8 * (_FEWEST_BLOCKS * d) ** 2))
            raise InvalidArgumentError(
                "memory_limit", f"at least {needed:,} bytes for this program",
                f"{memory_limit:,}", "Allow more, or pass fewer patterns or samples.")
        return cls(chunk, most)


@dataclass(frozen=True)
class Point:
    """Where the method is.

    Attributes
    ----------
    active : Active
        The blocks in work.
    target, error : Tensor, shape (n,)
        What blocks out of work leave of y, and what the blocks in work leave of that.
    gradient : Tensor, shape (m, d)
        ``A'M e`` over the blocks in work, the loss's gradient with its sign changed.
    """

    active: Active
    target: Float[Tensor, " n"]
    error: Float[Tensor, " n"]
    gradient: Float[Tensor, "m d"]


class ProximalNewton:
    """One solve of a program; see `solve_proximal`.

    Parameters
    ----------
    program : ConvexProgram
        What to solve.
    budget : Budget
        Sizes of what is held at a time.
    """

    def __init__(self, program: ConvexProgram, budget: Budget) -> None:
        self.program, self.budget = program, budget
        self.norm, self.beta = program.norm, program.beta
        everything = torch.arange(program.n_blocks, device=program.X.device)
        self.alive = everything
        self.row_gram = self._blocks(everything[:1]).row_gram()
        self.sketch = Sketch(program, self.row_gram)
        self.cone_rows = None
        if program.has_cones:
            self.cone_rows = ConeRows.of(
                program.features.rows, program.design.masks, budget.chunk_entries)

    def _blocks(self, index: Int[Tensor, " m"]) -> Blocks:
        """Return products with some blocks."""
        return Blocks(self.program, index, self.budget.chunk_entries)

    def correlations(
        self, index: Int[Tensor, " m"], error: Float[Tensor, " n"]
    ) -> Float[Tensor, "m d"]:
        """Return ``A'M e`` over some blocks."""
        left = self.program.annihilate(error)
        return torch.cat([self._blocks(part).adjoint(left)
                          for part in torch.split(index, _BLOCKS_AT_A_TIME)])

    def price(self, error: Float[Tensor, " n"], before: ConePricing | None) -> ConePricing:
        """Price the blocks that are not screened."""
        program, targets = self.program, self.correlations(self.alive, error)
        if self.cone_rows is None:
            return ConePricing.without_cones(targets, self.norm, self.beta)
        return price_blocks(
            program.features.rows, program.design.masks, program.gates[self.alive], targets,
            self.norm, self.beta, cells=self.alive, warm=before,
            tile_entries=self.budget.chunk_entries)

    def enter(self, active: Active, others: Float[Tensor, "K d"]) -> Point:
        """Return the point of blocks in work and out of it, with its products made afresh."""
        used = (others != 0).any(1).nonzero()[:, 0]
        target = self.program.y - self._blocks(used).forward(others[used])
        error = target - self._blocks(active.index).forward(active.blocks)
        return Point(active, target, error, self.correlations(active.index, error))

    def step(
        self, point: Point, matrix: Float[Tensor, "md md"], gap: Float[Tensor, ""],
        goal: Float[Tensor, ""],
    ) -> tuple[Point, Float[Tensor, " md"], Float[Tensor, " md"]]:
        """Return the next point, the way to it and its exact curvature.

        Parameters
        ----------
        point : Point
            Where to start.
        matrix : Tensor, shape (m d, m d)
            The metric B.
        gap : Tensor, shape ()
            About how far the objective is above its minimum.
        goal : Tensor, shape ()
            How far the model may stay above its own.
        """
        active = point.active
        target, working, inner = self._model_minimum(point, matrix, gap, goal)
        way = target - active.blocks
        moved = self._blocks(active.index).forward(way)
        length = self.line_search(point, way, moved)
        blocks, error = active.blocks + length * way, point.error - length * moved
        if DEBUG: print('      length %.4f model gap goal %.1e'%(float(length),float(goal)), 'wayBway', float(way.flatten()@(matrix@way.flatten())), 'exact', float(self.program.leave(moved).square().sum()), 'slope', float(self.program.leave(point.error).dot(self.program.leave(moved))))
        gradient = self.correlations(active.index, error)
        new = Point(replace(active, blocks=blocks, working=working, inner=inner), point.target, error,
                    gradient)
        tiny = torch.finfo(length.dtype).tiny
        curved = (point.gradient - gradient) / length.clamp_min(tiny)
        return new, way.flatten(), curved.flatten()

    def _model_minimum(
        self, point: Point, matrix: Float[Tensor, "md md"], gap: Float[Tensor, ""],
        goal: Float[Tensor, ""],
    ) -> tuple[Float[Tensor, "m d"], WorkingRows]:
        """Minimise the model over the cones, by rows of the cones as they are needed."""
        active = point.active
        linear = point.gradient + (matrix @ active.blocks.flatten()).view_as(active.blocks)
        working, inner = active.working, active.inner
        if self.cone_rows is not None:
            working = self.cone_rows.leading(working, self.cone_rows.width)
        sizes = self.norm.norms(active.blocks)
        import os
        spare = torch.maximum(float(os.environ.get('TH','0.1')) * sizes, float(os.environ.get('TG','1')) *gap / (self.beta * len(sizes)))
        start = active.blocks + spare[:, None] * inner
        for _ in range(_MOST_ROUNDS):
            model = ConicQuadratic(matrix, linear, self.norm, self.beta,
                                   *self._cones(active.index, working))
            state = solve_conic_quadratic(model, start, self.beta * spare.sum(), float(goal))
            if self.cone_rows is None:
                return state.blocks, working, inner
            cut = self.cone_rows.cut(inner, self.norm.normalised(state.blocks))
            lift = (-cut.ratios).clamp_min(0.0) * self.norm.norms(state.blocks)
            solved = replace(
                working, multipliers=state.multipliers.where(working.present, 0.0))
            working = self.cone_rows.extended(solved, cut, solved.rows.shape[1])
            way = cut.lengths[:, None] * (self.norm.normalised(state.blocks) - inner)
            final, inner = inner, self.norm.normalised(inner + float(os.environ.get('MV','0.5')) * way)
            if DEBUG: print('        lift', float(lift.sum()*self.beta), 'goal', float(goal),'sizes', float(self.norm.norms(state.blocks).sum()*self.beta), 'ipm gap', float(model.gap(state)), 'new rows', int(cut.cutting.sum()), 'model', float(model.value(state.blocks)))
            if not bool(lift.sum() * self.beta > 0.1 * goal):
                break
        return state.blocks + (1 + 1e-9) * lift[:, None] * final, solved, inner

    def _cones(
        self, index: Int[Tensor, " m"], working: WorkingRows
    ) -> tuple[Float[Tensor, "m q d"], Bool[Tensor, "m q"]]:
        """Return the rows of the cones in the model."""
        if self.cone_rows is None:
            return self.row_gram.new_zeros(*working.rows.shape, len(self.row_gram)), working.present
        return self.cone_rows.cones(index, working), working.present

    def line_search(
        self, point: Point, way: Float[Tensor, "m d"], moved: Float[Tensor, " n"]
    ) -> Float[Tensor, ""]:
        """Return the step length of the least objective: at most one with cones, else two.

        ``moved`` is ``A way``. The loss along the way is a parabola, so no pass is needed.
        """
        left, drift = self.program.leave(point.error), self.program.leave(moved)
        slope, bend = left.dot(drift), drift.square().sum()
        low, high = slope.new_zeros(()), slope.new_full((), 2.0 if self.cone_rows is None else 1.0)
        grid = torch.linspace(0, 1, _LENGTHS, dtype=low.dtype, device=low.device)
        for _ in range(_ZOOMS):
            lengths = low + (high - low) * grid
            falling = bend * lengths - slope + self._penalty_slopes(point, way, lengths) < 0
            place = (falling.sum() - 1).clamp(0, _LENGTHS - 2)
            low, high = lengths.gather(0, place[None])[0], lengths.gather(0, place[None] + 1)[0]
        return torch.where(falling.all(), high, low)

    def _penalty_slopes(
        self, point: Point, way: Float[Tensor, "m d"], lengths: Float[Tensor, " s"]
    ) -> Float[Tensor, " s"]:
        """Return the derivative of ``beta sum_k N(z_k)`` after each length of the way."""
        moved = self.norm.grouped(
            (point.active.blocks + lengths[:, None, None] * way).flatten(0, 1))
        sizes = torch.linalg.vector_norm(moved, dim=2).clamp_min(torch.finfo(way.dtype).tiny)
        ways = self.norm.grouped(way).repeat(len(lengths), 1, 1)
        slopes = ((moved * ways).sum(2) / sizes) @ self.norm.weights
        return self.beta * slopes.view(len(lengths), -1).sum(1)

    def bounds(
        self, point: Point, values: Float[Tensor, " B"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return objective and dual bound over the blocks in work, given their dual norms."""
        left, target = self.program.leave(point.error), self.program.leave(point.target)
        linear, quadratic = target.dot(left), left.square().sum()
        tiny = torch.finfo(quadratic.dtype).tiny
        scale = (linear / quadratic.clamp_min(tiny)).clamp_min(0.0)
        scale = torch.minimum(scale, self.beta / values.amax().clamp_min(tiny))
        penalty = self.beta * self.norm.norms(point.active.blocks).sum()
        return 0.5 * quadratic + penalty, scale * linear - 0.5 * scale**2 * quadratic

    def own_values(self, point: Point) -> Float[Tensor, " m"]:
        """Return the dual norms of the blocks in work, with the model's multipliers."""
        active = point.active
        cones, _ = self._cones(active.index, active.working)
        pull = (active.working.multipliers[:, None, :] @ cones)[:, 0]
        return self.norm.dual_norms(point.gradient + pull)

    def proved_zero(
        self, error: Float[Tensor, " n"], values: Float[Tensor, " B"], objective: float
    ) -> Bool[Tensor, " B"]:
        """Tell which of the priced blocks are zero at the optimum: gap-safe screening."""
        left, target = self.program.leave(error), self.program.leave(self.program.y)
        scale = (self.beta / values.amax()).clamp_max(1.0)
        dual = scale * target.dot(left) - 0.5 * scale**2 * left.square().sum()
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


class _Run:
    """The bookkeeping of one solve: working sets, goals and the best certificate."""

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        budget: Budget,
    ) -> None:
        self.method = ProximalNewton(program, budget)
        self.program, self.budget = program, budget
        self.tol, self.max_iter, self.callback = tol, max_iter, callback
        self.iteration, self.bound, self.stalled = 0, 0.0, False
        self.blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        self.settled = torch.zeros(program.n_blocks, dtype=torch.bool, device=program.X.device)
        self.metric = program.X.new_zeros(0, 0), True
        self.goals = [*(goal for goal in _GOALS if goal > tol), 0.4 * tol]

    def solve(self) -> tuple[ConePricing, Certificate]:
        """Go through working sets until all blocks are priced within the tolerance."""
        point = self._nothing()
        priced = self.method.price(point.error, None)
        certificate = self._certified(point, priced)
        while not self._over(certificate):
            joining, leaving = self._joining(point, priced), self._leaving(point, priced)
            if len(joining) == 0:
                self.goals = self.goals[1:] or [0.5 * self.goals[0]]
            if len(joining) or 4 * int(leaving.sum()) > len(leaving):
                point = self._exchanged(point, priced, joining, leaving)
                self.metric = self.method.sketch.metric(point.active.index)
            point = self._descended(point, certificate)
            priced = self.method.price(point.error, priced)
            certificate = self._certified(point, priced)
            priced = self._screened(point, priced, certificate)
        return priced, certificate

    def _nothing(self) -> Point:
        """Return the point of no blocks."""
        none, width = self.method.alive[:0], 0
        if self.method.cone_rows is not None:
            width = self.method.cone_rows.width
        blocks = self.blocks[none]
        return self.method.enter(
            Active(none, blocks, blocks, WorkingRows.empty(blocks, width)), self.blocks)

    def _certified(self, point: Point, priced: ConePricing) -> Certificate:
        """Return the certificate of a priced point, with the best bound so far."""
        self.blocks[point.active.index] = point.active.blocks
        left = self.program.leave(point.error)
        violation = priced.values.amax() / self.program.beta
        self.bound = max(self.bound, float(self.program.dual_bound(left, violation)))
        objective = 0.5 * left.square().sum() + self.program.penalty(self.blocks)
        certificate = Certificate(
            self.program.scope, float(objective), self.bound, float(violation))
        if self.callback is not None and self.iteration:
            self.callback(self.iteration, certificate)
        return certificate

    def _over(self, certificate: Certificate) -> bool:
        """Tell whether there is nothing left to do, or no more to be done."""
        return (certificate.gap <= self.tol or self.stalled
                or self.iteration >= self.max_iter)

    def _joining(self, point: Point, priced: ConePricing) -> Int[Tensor, " k"]:
        """Return blocks that must join, the worst first and half as many as there are at most."""
        values = self.blocks.new_zeros(len(self.blocks))
        values[self.method.alive] = priced.values
        out = torch.ones_like(self.settled).index_fill_(0, point.active.index, False)
        above = self.program.beta * (1 + 0.25 * min(self.goals[0], self.tol))
        waiting = out & ((values > above) | (self.blocks != 0).any(1))
        most = max(_FEWEST_NEW, len(point.active.index) // 2) if len(
            point.active.index) else _FIRST_BLOCKS
        count = min(int(waiting.sum()), most, self.budget.most_blocks // 2)
        return values.where(waiting, -1.0).argsort(descending=True, stable=True)[:count]

    def _exchanged(
        self, point: Point, priced: ConePricing, joining: Int[Tensor, " k"],
        leaving: Bool[Tensor, " m"],
    ) -> Point:
        """Let go of blocks out of use, once each, and let others join."""
        active, method = point.active, self.method
        self.settled[active.index[leaving]] = True
        self.blocks[active.index[leaving]] = 0.0
        kept = (~leaving).nonzero()[:, 0]
        kept = kept[max(0, len(kept) + len(joining) - self.budget.most_blocks):]
        gates = self.program.norm.normalised(self.program.gates[joining])
        fresh = WorkingRows.empty(gates, active.working.rows.shape[1])
        if method.cone_rows is not None:
            place = torch.searchsorted(method.alive, joining)
            multipliers = priced.multipliers[place]
            fresh = WorkingRows(priced.rows[place], multipliers > 0, multipliers)
        index = torch.cat([active.index[kept], joining])
        others = self.blocks.index_fill(0, index, 0.0)
        working = active.working.taken(kept)
        if method.cone_rows is not None:
            working = method.cone_rows.leading(working, method.cone_rows.width).joined(fresh)
        return method.enter(Active(
            index, self.blocks[index], torch.cat([active.inner[kept], gates]), working), others)

    def _leaving(self, point: Point, priced: ConePricing) -> Bool[Tensor, " m"]:
        """Tell which blocks the optimum will hardly use, or is proved not to.

        Those whose share of the largest norm is below their relative dual slack: at the optimum
        one of the two is zero.
        """
        values = self.blocks.new_zeros(len(self.blocks))
        values[self.method.alive] = priced.values
        index, norms = point.active.index, self.program.norm.norms(self.blocks)
        slack = 1 - values[index] / self.program.beta
        return (norms[index] < slack * norms.amax()) & ~self.settled[index]

    def _descended(self, point: Point, certificate: Certificate) -> Point:
        """Step until the blocks in work are within the goal of their own optimum."""
        method, (matrix, exact) = self.method, self.metric
        best, since = math.inf, 0
        primal = point.error.new_tensor(certificate.objective)
        gap = certificate.gap * primal
        while self.iteration < self.max_iter:
            self.iteration += 1
            goal = 0.05 * self.goals[0] * primal if exact else torch.maximum(torch.minimum(1e-3 * gap, 0.05 * gap**2 / primal), 1e-13 * primal)
            point, way, curved = method.step(point, matrix, gap, goal)
            matrix = matrix if exact else corrected(matrix, way, curved)
            primal, dual = method.bounds(point, method.own_values(point))
            gap = primal - dual
            now = float(gap / primal)
            if DEBUG: print('   step', self.iteration, 'm', len(way)//point.active.blocks.shape[1], 'gap %.2e' % now, 'goal', self.goals[0], exact, 'P', float(primal))
            since = 0 if now < 0.9 * best else since + 1
            best = min(best, now)
            self.stalled = since >= _STALL_STEPS
            if now <= self.goals[0] or self.stalled:
                break
        self.metric = matrix, exact
        return point

    def _screened(
        self, point: Point, priced: ConePricing, certificate: Certificate
    ) -> ConePricing:
        """Leave blocks that are zero at the optimum out for good."""
        gone = self.method.proved_zero(point.error, priced.values, certificate.objective)
        left = (~gone).nonzero()[:, 0]
        self.method.alive = self.method.alive[left]
        return ConePricing(*(getattr(priced, field.name)[left] for field in fields(priced)))
DEBUG = 0

def solve_proximal(
    program: ConvexProgram,
    tol: float,
    max_iter: int,
    callback: Callback | None,
    memory_limit: int = 2**31,
) -> Solution:
    """Solve."""
    began = time.perf_counter()
    run = _Run(program, tol, max_iter, callback, Budget.of(program, memory_limit))
    priced, certificate = run.solve()
    status: Status = "stalled" if run.stalled else "max_iter"
    if certificate.gap <= tol:
        status = "optimal"
    return Solution(program, run.blocks, certificate, status, "proximal", run.iteration,
                    time.perf_counter() - began)
