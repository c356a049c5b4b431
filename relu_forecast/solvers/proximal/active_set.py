"""A proximal method for what does not fit the Newton method: memory is bounded, passes are few.

Working sets of blocks around the steps of `ProximalNewton`. Blocks join when pricing, or at a
glance a direction known in their cones, shows them to be violating; they leave, once each, when
pricing says that the optimum will hardly use them. Blocks that the dual bound proves to be zero
at the optimum are never touched again. Where not all blocks in use fit, sets of them take turns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.slabs import SUMMED
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.pricing.blocks import ConePricing, price_blocks
from relu_forecast.solvers.pricing.cone_rows import WorkingRows
from relu_forecast.solvers.proximal.newton import Active, Metric, Point, ProximalNewton
from relu_forecast.solvers.solution import Solution, Status

Callback = Callable[[int, Certificate], None]

_FIRST_BLOCKS = 24
_FEWEST_NEW = 12
_FEWEST_BLOCKS = 8
_CLEARLY = 1.02
"""Ratio to beta above which a block joins at a glance."""
_GOALS = (1e-1, 1e-2, 1e-4)
"""Relative gaps of the working set at which all blocks are priced, before the last."""
_STALL_STEPS = 6
_MEMORY_LIMIT = 2**31


@dataclass(frozen=True)
class Budget:
    """Sizes of what is held at a time, so that it all fits in the memory limit.

    With itemsize bytes to a number, n samples and N rows, K blocks of d weights, and m blocks in
    work, the method allocates about

        itemsize (10 n + 8 K d + 4 chunk_entries + 8 (m d)^2)

    bytes beside the program, and itemsize (N d + 16 K d) more with cones.

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
        """Share out the limit: at most a third of what is free to slabs, the rest to the metric.

        Raises
        ------
        InvalidArgumentError
            The limit is too small for the vectors, the smallest slabs and eight blocks.
        """
        features, size = program.features, program.X.element_size()
        d, blocks = features.width, program.n_blocks
        fixed = 10 * features.n_samples + 8 * blocks * d
        if program.has_cones:
            fixed += features.rows.numel() + 16 * blocks * d
        least = 64 * features.n_patches
        smallest = 8 * (_FEWEST_BLOCKS * d) ** 2
        free = memory_limit // size - fixed
        if free < max(12 * least, 2 * smallest):
            needed = size * (fixed + max(12 * least, 2 * smallest))
            raise InvalidArgumentError(
                "memory_limit", f"at least {needed:,} bytes for this program",
                f"{memory_limit:,}", "Allow more, or pass fewer samples or patterns.")
        chunk = min(SUMMED.on(program.X.device), free // 12)
        return cls(chunk, math.isqrt((free - 4 * chunk) // 8) // d)


def solve_proximal(
    program: ConvexProgram,
    tol: float,
    max_iter: int,
    callback: Callback | None,
    memory_limit: int = _MEMORY_LIMIT,
    start: Float[Tensor, "K d"] | None = None,
) -> Solution:
    """Solve to a relative gap of ``tol`` in bounded memory.

    Parameters
    ----------
    program : ConvexProgram
        Any; blocks and samples in any number.
    tol : float
        Relative gap to reach.
    max_iter : int
        Most steps; each takes two passes over the samples with the blocks in work.
    callback : callable or None
        Called as ``callback(iteration, certificate)`` whenever all blocks are priced.
    memory_limit : int, default 2**31
        Bytes that the method may hold beside the program; see `Budget`.
    start : Tensor, shape (K, d), optional
        Blocks of a similar program: those that are not zero are the first in work. Their values
        do not matter, as the loss is quadratic.

    Returns
    -------
    Solution
        Blocks inside their cones; those that the optimum does not use are zero.

    Raises
    ------
    InvalidArgumentError
        The limit is too small.
    """
    began = time.perf_counter()
    run = _Run(program, tol, max_iter, callback, Budget.of(program, memory_limit))
    certificate = run.solve(start)
    status: Status = "stalled" if run.stalled else "max_iter"
    if certificate.gap <= tol:
        status = "optimal"
    return Solution(program, run.blocks, certificate, status, "proximal", run.iteration,
                    time.perf_counter() - began)


class _Run:
    """The bookkeeping of one solve: working sets, goals and the best certificate.

    Attributes
    ----------
    blocks : Tensor, shape (K, d)
        All blocks, as they were when they were last in work.
    alive : Tensor of int, shape (B,)
        Blocks that are not proved to be zero.
    targets : Tensor, shape (B, d)
        Their correlations with the residual.
    priced : ConePricing or None
        The last pricing, of the blocks alive.
    settled : Tensor of bool, shape (K,)
        Blocks that left a working set once.
    """

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        budget: Budget,
    ) -> None:
        self.method = ProximalNewton(program, budget.chunk_entries)
        self.program, self.most_blocks = program, budget.most_blocks
        self.tol, self.max_iter, self.callback = tol, max_iter, callback
        self.iteration, self.bound, self.stalled = 0, 0.0, False
        self.blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        self.alive = torch.arange(program.n_blocks, device=program.X.device)
        self.targets = torch.zeros_like(self.blocks)
        self.settled = torch.zeros_like(self.alive, dtype=torch.bool)
        self.priced: ConePricing | None = None
        self.metric = Metric(self.blocks.new_zeros(0, 0), True)
        self.goals = [*(goal for goal in _GOALS if goal > tol), 0.4 * tol]

    def solve(self, start: Float[Tensor, "K d"] | None) -> Certificate:
        """Go through working sets until all blocks are priced within the tolerance."""
        none = Active(self.alive[:0], self.blocks[:0], self.blocks[:0],
                      WorkingRows.empty(self.blocks[:0], self.method.places))
        point = self.method.enter(none, self.blocks)
        while True:
            self.targets = self.method.correlations(self.alive, point.error)
            joining = self._at_a_glance(point)
            if start is not None:
                joining = (start != 0).any(1).nonzero()[: self.most_blocks, 0]
                start = None
            if self.stalled or self.iteration >= self.max_iter or not len(joining):
                certificate = self._certified(point)
                if self._over(certificate):
                    return self._pruned(point, certificate)
                joining = self._joining(point)
            point = self._exchanged(point, joining, self._leaving(point))
            point = self._descended(point)

    def _at_a_glance(self, point: Point) -> Int[Tensor, " k"]:
        """Return blocks that some direction known in their cones shows to be violating.

        Cells of many samples are thin, and their gates see most of what any direction in them
        does. Nothing is returned where there are only a few, or without cones, where pricing is
        a glance.
        """
        program, targets = self.program, self.targets
        if not program.has_cones:
            return self.alive[:0]
        worth = (targets * program.norm.normalised(program.gates[self.alive])).sum(1)
        if self.priced is not None:
            worth = torch.maximum(worth, (targets * self.priced.directions).sum(1))
        everywhere = self._everywhere(worth)
        clear = (everywhere > _CLEARLY * program.beta) & self._outside(point)
        joining = self._worst(everywhere, clear, point)
        first = len(point.active.index) == 0
        return joining if first or len(joining) >= _FEWEST_NEW else joining[:0]

    def _everywhere(self, values: Float[Tensor, " B"]) -> Float[Tensor, " K"]:
        """Return values of the blocks alive among those of all, which are zero."""
        return self.blocks.new_zeros(len(self.blocks)).index_copy(0, self.alive, values)

    def _outside(self, point: Point) -> Bool[Tensor, " K"]:
        """Tell which blocks are out of work."""
        return torch.ones_like(self.settled).index_fill(0, point.active.index, False)

    def _worst(
        self, values: Float[Tensor, " K"], wanted: Bool[Tensor, " K"], point: Point
    ) -> Int[Tensor, " k"]:
        """Return the wanted blocks of the largest values, half as many as are held at most."""
        held = len(point.active.index)
        most = max(_FEWEST_NEW, held // 2) if held else _FIRST_BLOCKS
        count = min(int(wanted.sum()), most, self.most_blocks // 2)
        return values.where(wanted, -1.0).argsort(descending=True, stable=True)[:count]

    def _certified(self, point: Point) -> Certificate:
        """Price the blocks alive, and return the certificate, with the best bound so far."""
        program, active = self.program, point.active
        self.blocks[active.index] = active.blocks
        self.priced = self._price(self.alive, self.targets, self.priced)
        left = program.leave(point.error)
        violation = self.priced.values.amax() / program.beta
        self.bound = max(self.bound, float(program.dual_bound(left, violation)))
        objective = float(0.5 * left.square().sum() + program.penalty(self.blocks))
        certificate = Certificate(program.scope, objective, self.bound, float(violation))
        if self.callback is not None and self.iteration:
            self.callback(self.iteration, certificate)
        self._screen(point, objective)
        return certificate

    def _price(
        self, index: Int[Tensor, " m"], targets: Float[Tensor, "m d"], warm: ConePricing | None
    ) -> ConePricing:
        """Price some blocks."""
        program = self.program
        if not program.has_cones:
            return ConePricing.without_cones(targets, program.norm, program.beta)
        return price_blocks(
            program.features.rows, program.design.masks, program.gates[index], targets,
            program.norm, program.beta, cells=index, warm=warm,
            tile_entries=self.method.chunk_entries)

    def _screen(self, point: Point, objective: float) -> None:
        """Leave blocks that are zero at the optimum out for good."""
        priced = self.priced
        if priced is None:
            return
        gone = self.method.proved_zero(point.error, priced.values, objective)
        left = (~gone).nonzero()[:, 0]
        self.alive, self.targets = self.alive[left], self.targets[left]
        self.priced = ConePricing(*(getattr(priced, field.name)[left]
                                    for field in fields(priced)))

    def _over(self, certificate: Certificate) -> bool:
        """Tell whether there is nothing left to do, or no more to be done."""
        return (certificate.gap <= self.tol or self.stalled
                or self.iteration >= self.max_iter)

    def _values(self) -> Float[Tensor, " K"]:
        """Return the dual norms of all blocks, zero for those proved to be zero."""
        none = self.blocks.new_zeros(len(self.alive))
        return self._everywhere(none if self.priced is None else self.priced.values)

    def _joining(self, point: Point) -> Int[Tensor, " k"]:
        """Return blocks that must join: violating ones, and those in use but out of work.

        Where none violates, the goal is brought nearer.
        """
        beta, values, out = self.program.beta, self._values(), self._outside(point)
        idle = out & (self.blocks != 0).any(1)
        violating = out & (values > beta * (1 + 0.25 * min(self.goals[0], self.tol)))
        if not bool(violating.any()) or bool(idle.any()):
            self.goals = self.goals[1:] or [max(0.5 * self.goals[0], 0.01 * self.tol)]
        return self._worst(torch.maximum(values, (2 * beta - values).where(idle, 0.0)),
                           violating | idle, point)

    def _leaving(self, point: Point) -> Bool[Tensor, " m"]:
        """Tell which blocks in work the optimum will hardly use, or is proved not to.

        Those whose share of the largest norm is below their relative dual slack: at the optimum
        one of the two is zero.
        """
        norm, active = self.program.norm, point.active
        norms = norm.norms(active.blocks)
        largest = torch.cat([norms, norm.norms(self.blocks)]).amax()
        slack = 1 - self.method.own_values(point) / self.program.beta
        return (norms < slack * largest) & ~self.settled[active.index]

    def _exchanged(
        self, point: Point, joining: Int[Tensor, " k"], leaving: Bool[Tensor, " m"]
    ) -> Point:
        """Let go of blocks out of use, once each, and let others join, if that is worth it."""
        active = point.active
        self.blocks[active.index] = active.blocks
        if len(joining) == 0 and 4 * int(leaving.sum()) <= len(leaving):
            return point
        if len(leaving):
            self.settled[active.index[leaving]] = True
            self.blocks[active.index[leaving]] = 0.0
            active = active.taken((~leaving).nonzero()[:, 0])
        room = self.most_blocks - len(joining)
        latest = torch.arange(len(active.index), device=self.alive.device)[-room:]
        active = self._ready(active.taken(latest)).joined(self._fresh(joining))
        self.metric = self.method.metric(active.index)
        return self.method.enter(active, self.blocks.index_fill(0, active.index, 0.0))

    def _ready(self, active: Active) -> Active:
        """Return blocks with as many places for rows as fresh ones have."""
        return replace(active, working=self.method.cone_rows.leading(
            active.working, self.method.places))

    def _fresh(self, joining: Int[Tensor, " k"]) -> Active:
        """Return blocks that join, with the rows that price them."""
        gates = self.program.norm.normalised(self.program.gates[joining])
        targets = self.targets[torch.searchsorted(self.alive, joining)]
        priced = self._price(joining, targets, None)
        working = WorkingRows(priced.rows, priced.multipliers > 0, priced.multipliers)
        return self._ready(Active(joining, self.blocks[joining], gates, working))

    def _descended(self, point: Point) -> Point:
        """Step until the blocks in work are within the goal of their own optimum."""
        method, best, since = self.method, math.inf, 0
        primal, dual = method.bounds(point)
        while self.iteration < self.max_iter:
            self.iteration += 1
            gap = torch.maximum(primal - dual, torch.finfo(primal.dtype).eps * primal)
            point, self.metric = method.step(point, self.metric, gap, self._care(primal, gap))
            primal, dual = method.bounds(point)
            now = float((primal - dual) / primal)
            since = 0 if now < 0.9 * best else since + 1
            best = min(best, now)
            self.stalled = since >= _STALL_STEPS
            if now <= self.goals[0] or self.stalled:
                break
        return point

    def _care(self, primal: Float[Tensor, ""], gap: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return how far the model may stay above its minimum.

        An exact model once, to the goal. Else below the objective's own excess, which is about
        the square of the relative gap that the same residual certifies.
        """
        if self.metric.exact:
            return 0.05 * self.goals[0] * primal
        return torch.maximum(torch.minimum(1e-3 * gap, 0.05 * gap**2 / primal), 1e-12 * primal)

    def _pruned(self, point: Point, certificate: Certificate) -> Certificate:
        """Zero the blocks that the optimum does not use, if the gap stays within the tolerance."""
        program, index = self.program, point.active.index
        norms = program.norm.norms(self.blocks)
        unused = norms < (1 - self._values() / program.beta) * norms.amax()
        pruned = self.blocks.where(~unused[:, None], 0.0)
        kept = self.method.enter(replace(point.active, blocks=pruned[index]),
                                 pruned.index_fill(0, index, 0.0))
        left = program.leave(kept.error)
        objective = float(0.5 * left.square().sum() + program.penalty(pruned))
        after = replace(certificate, objective=objective)
        if after.gap > max(self.tol, certificate.gap):
            return certificate
        self.blocks = pruned
        return after
