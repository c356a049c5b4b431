"""Working sets: the interior point method on the few blocks that matter, all others priced.

At an optimum a dozen blocks of hundreds are not zero. The Newton method holds a few of them;
whenever it is close enough to their optimum all others are priced, ``min_{alpha >= 0}
N*(s_k R'D_k P'r + R'(2 D_k - I) alpha) <= beta``, and those that violate it join. A state of the
central path from before the blocks' fate was sealed is kept, and the enlarged set goes on from
there: from near the boundary an interior point method hardly gets away. The cost follows the
number of non-zero blocks, not that of patterns; THEORY section 6.2.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.slabs import PerDevice
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.method import InteriorPoint, InteriorState
from relu_forecast.solvers.interior_point.rays import solve_on_rays
from relu_forecast.solvers.pricing.blocks import ConePricing, price_blocks
from relu_forecast.solvers.pruning import prune
from relu_forecast.solvers.solution import Solution, Status

Callback = Callable[[int, Certificate], None]

_FIRST_VARIABLES, _NEW_VARIABLES = 240, 180
"""Weights of the blocks that are held first, and of those that may join at any time."""
_FIRST_BLOCKS, _NEW_BLOCKS = 6, 3
"""So many blocks at least, however wide."""
_CLEARLY = 1.02
"""Ratio to beta above which a block joins at a glance."""
_STALL_CHECKS, _STALL_CHECKS_FAR_OUT = 8, 40
_FAR_OUT = 1e-2
_MOST_VARIABLES = 20_000
_GLANCE, _LOOK = 1e-1, 1e-2
"""Relative gaps of the working set at which other blocks are first seen, and first priced."""
_RAYS, _NEGLIGIBLE = 200, 1e-3
"""Most blocks of the first guess, and the share of its largest below which one is not in it."""
_LIFT = 2.0
"""Length along its gate of a block that starts, in units of the size of an idle block."""
_UNDECIDED = 0.7
"""Relative gap at which most blocks' fate is open: where an enlarged set goes on from."""
_CHECK_EVERY = PerDevice(1, 4)
"""Steps between two checks of the gap, each of which waits for the device."""


class WorkingSetTooLargeError(InvalidArgumentError):
    """More blocks must be held at a time than a Newton matrix has room for."""


@dataclass(frozen=True)
class _Held:
    """The blocks that the Newton method holds.

    Attributes
    ----------
    index : Tensor of int, shape (m,)
        Which blocks of the whole program.
    program : ConvexProgram
        Of these blocks.
    method : InteriorPoint
        On these blocks.
    state : InteriorState
        Where it is.
    """

    index: Int[Tensor, " m"]
    program: ConvexProgram
    method: InteriorPoint
    state: InteriorState

    @classmethod
    def of(
        cls, program: ConvexProgram, index: Int[Tensor, " m"], guess: Float[Tensor, "m d"]
    ) -> _Held:
        """Start with some blocks, from a guess inside their closed cones."""
        _check_size(program, len(index))
        own = program.restricted(index)
        method = InteriorPoint.of(own)
        share = method.share(own.objective(guess))
        if own.has_cones:
            guess = _lifted(own, guess, _LIFT * share / own.beta)
        return cls(index, own, method, method.centred(guess, share))

    @property
    def multipliers(self) -> Float[Tensor, "m N"] | None:
        """The cone multipliers lambda of the state, or None without cones."""
        if not self.program.has_cones:
            return None
        return self.state.multipliers.abs().where(self.program.cone_rows, 0.0)

    def certificate(self) -> Certificate:
        """Return the certificate of the state over the blocks held."""
        return self.program.certificate(self.state.blocks, self.multipliers)

    def unused(self) -> Bool[Tensor, " m"]:
        """Tell which blocks the optimum will hardly use.

        Those whose share of the largest norm is below their relative dual slack: at the optimum
        one of the two is zero.
        """
        program, blocks = self.program, self.state.blocks
        residual = program.annihilate(program.error(blocks))
        correlations = program.correlations(residual, self.multipliers)
        slack = 1 - program.norm.dual_norms(correlations) / program.beta
        norms = program.norm.norms(blocks)
        return norms < slack * norms.amax()

    def restricted(self, kept: Int[Tensor, " k"]) -> _Held:
        """Let go of all but some of the blocks held."""
        d, own = self.program.features.width, self.program.restricted(kept)
        columns = (kept[:, None] * d + torch.arange(d, device=kept.device)).flatten()
        method = replace(
            self.method, gram=self.method.gram[columns][:, columns],
            linear=self.method.linear[kept], cones=self.method.cones.restricted(kept))
        return _Held(self.index[kept], own, method, self.state.restricted(kept))

    def grown(
        self, program: ConvexProgram, new: Int[Tensor, " k"], share: Float[Tensor, ""]
    ) -> _Held:
        """Let blocks join near their gates, with products of ``share``."""
        index = torch.cat([self.index, new])
        _check_size(program, len(index))
        own = program.restricted(index)
        method = InteriorPoint.of(own, self.method)
        lifted = _lifted(own, torch.zeros_like(own.gates), _LIFT * share / own.beta)
        joining = torch.arange(len(self.index), len(index), device=index.device)
        state = self.state.joined(method.centred(lifted, share).restricted(joining))
        return _Held(index, own, method, state)


@dataclass(frozen=True)
class _Approach:
    """How near the blocks held have come to their own optimum.

    Attributes
    ----------
    held : _Held
        At the state of the smallest gap.
    undecided : InteriorState
        From where a larger set should go on.
    certificate : Certificate
        Of `held`, over its blocks only.
    stalled : bool
        Whether rounding stopped progress.
    """

    held: _Held
    undecided: InteriorState
    certificate: Certificate
    stalled: bool


class WorkingSet:
    """One solve of a program.

    In single precision all blocks are priced in it, and the few held are in double: Newton's
    matrices of near-collinear windows need that, and a relative gap of 1e-5 is reached.

    Parameters
    ----------
    program : ConvexProgram
        Not solved by the zero network.
    tol : float
        Relative gap to reach.
    max_iter : int
        Most Newton steps.
    callback : callable or None
        Told every certificate.
    """

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None
    ) -> None:
        self.program, self.tol, self.max_iter, self.callback = program, tol, max_iter, callback
        self.fine = program.in_double()
        self.iteration, self.bound = 0, 0.0
        device = program.X.device
        self.every = _CHECK_EVERY.on(device)
        self.settled = torch.zeros(program.n_blocks, dtype=torch.bool, device=device)

    def solve(self, start: Float[Tensor, "K d"] | None) -> Solution:
        """Go through growing sets of blocks until all blocks are priced within the tolerance."""
        began = time.perf_counter()
        held, priced = self._first(start), None
        goals = self._goals(held)
        while True:
            approach = self._approach(held, goals[0])
            held, over = approach.held, approach.stalled or self.iteration >= self.max_iter
            joining = held.index[:0] if over else self._at_a_glance(held, priced)
            if len(joining) == 0 and (over or goals[0] < _GLANCE):
                priced = self._price(held, priced)
                certificate = self._certificate(approach, priced)
                if priced is not None:
                    self._tell(certificate)
                if over or certificate.gap <= self.tol:
                    break
                joining = self._violating(held, priced, goals[0])
            if len(joining):
                held = self._exchanged(approach, joining)
            else:
                goals = goals[1:] or [goals[0] / 10]
        return self._solution(approach, certificate, began)

    def _first(self, start: Float[Tensor, "K d"] | None) -> _Held:
        """Hold the blocks of a guess, and those that are worth most beside it."""
        program = self.fine
        most = max(_FIRST_BLOCKS, _FIRST_VARIABLES // program.features.width)
        guess = self._guess(most) if start is None else _inside(program, start.to(program.X))
        worth = self._worth(program.error(guess), None)
        norms = program.norm.norms(guess)
        used = norms > _NEGLIGIBLE * norms.amax()
        worth = worth.where(~used, worth.amax() + norms)
        index = worth.argsort(descending=True, stable=True)[:max(most, int(used.sum()))]
        return _Held.of(program, index, guess[index])

    def _guess(self, most: int) -> Float[Tensor, "K d"]:
        """Return the optimum on rays through gates; zero where all blocks will be held anyway."""
        program = self.fine
        blocks = program.X.new_zeros(program.n_blocks, program.features.width)
        if program.has_cones and most < program.n_blocks:
            worth = self._worth(program.targets, None)
            chosen = worth.argsort(descending=True, stable=True)[:_RAYS]
            blocks[chosen] = solve_on_rays(program, chosen)
        return blocks

    def _worth(
        self, error: Float[Tensor, "n C"], before: ConePricing | None
    ) -> Float[Tensor, " K"]:
        """Return what directions known in the cones of all blocks see of an error.

        Cells of many samples are thin, and their gates see most of what any direction in them
        does. Without cones the direction is the best one.
        """
        program, targets = self.program, self._targets(error)
        if not program.has_cones:
            return program.norm.dual_norms(targets)
        worth = (targets * program.norm.normalised(program.gates)).sum(1)
        if before is not None:
            worth = torch.maximum(worth, (targets * before.directions).sum(1))
        return worth

    def _goals(self, held: _Held) -> list[float]:
        """Return the relative gaps at which to price, the last one for good."""
        if len(held.index) == self.program.n_blocks:
            return [self.tol]
        return [*(goal for goal in (_GLANCE, _LOOK) if goal > self.tol), 0.5 * self.tol]

    def _approach(self, held: _Held, goal: float) -> _Approach:
        """Step until the blocks held are within ``goal`` of their own optimum, or no further."""
        state = undecided = held.state
        best: tuple[InteriorState, Certificate] | None = None
        gap, since = math.inf, 0
        while best is None or (
                gap > goal and since < _patience(gap) and self.iteration < self.max_iter):
            state, self.iteration = held.method.step(state), self.iteration + 1
            if self.iteration % self.every and self.iteration < self.max_iter:
                continue
            now = replace(held, state=state).certificate()
            since = 0 if now.gap < gap else since + 1
            if best is None or now.gap < gap:
                best, gap = (state, now), now.gap
            if gap >= _UNDECIDED:
                undecided = state
            self._report(held, now)
        return _Approach(replace(held, state=best[0]), undecided, best[1],
                         gap > goal and since >= _patience(gap))

    def _report(self, held: _Held, certificate: Certificate) -> None:
        """Tell the caller the objective, and the best bound over all blocks so far."""
        bound = self.bound
        if len(held.index) == self.program.n_blocks:
            bound = certificate.dual_objective
        self._tell(replace(certificate, scope=self.program.scope, dual_objective=bound))

    def _tell(self, certificate: Certificate) -> None:
        """Tell the caller."""
        if self.callback is not None:
            self.callback(self.iteration, certificate)

    def _targets(self, error: Float[Tensor, "n C"]) -> Float[Tensor, "K d"]:
        """Return the correlations of all blocks with what the skip leaves of an error."""
        return self.program.design.adjoint(self.fine.annihilate(error).to(self.program.targets))

    def _at_a_glance(self, held: _Held, before: ConePricing | None) -> Int[Tensor, " k"]:
        """Return blocks that some known direction shows to be violating, unless there are few."""
        if len(held.index) == self.program.n_blocks:
            return held.index[:0]
        worth = self._worth(held.program.error(held.state.blocks), before)
        joining = self._worst(held, worth, _CLEARLY)
        return joining if len(joining) >= self._few else joining[:0]

    @property
    def _few(self) -> int:
        """How many blocks may join, however few are held."""
        return max(_NEW_BLOCKS, _NEW_VARIABLES // self.program.features.width)

    def _worst(
        self, held: _Held, worth: Float[Tensor, " K"], above: float
    ) -> Int[Tensor, " k"]:
        """Return the blocks not held of the largest worth, half as many as are held at most."""
        others = worth.where(self._outside(held), 0.0)
        count = int((others > self.program.beta * above).sum())
        most = max(self._few, len(held.index) // 2)
        return others.argsort(descending=True, stable=True)[: min(count, most)]

    def _price(self, held: _Held, before: ConePricing | None) -> ConePricing | None:
        """Price all blocks at the residual of those held; nothing to do if all are held."""
        if len(held.index) == self.program.n_blocks:
            return None
        program = self.program
        targets = self._targets(held.program.error(held.state.blocks))
        if not program.has_cones:
            return ConePricing.without_cones(targets, program.norm, program.beta)
        return price_blocks(
            program.features.rows, program.design.masks, program.gates, targets, program.norm,
            program.beta, warm=before)

    def _outside(self, held: _Held) -> Bool[Tensor, " K"]:
        """Tell which blocks are not held."""
        outside = torch.ones(self.program.n_blocks, dtype=torch.bool, device=held.index.device)
        return outside.index_fill_(0, held.index, False)

    def _certificate(self, approach: _Approach, priced: ConePricing | None) -> Certificate:
        """Return the certificate over all blocks, with the best bound so far."""
        held, over = approach.held, approach.certificate
        left = self.fine.leave(held.program.error(held.state.blocks))
        violation = left.new_tensor(over.violation)
        if priced is not None:
            others = priced.values.where(self._outside(held), 0.0).amax() / self.program.beta
            violation = torch.maximum(violation, others.to(violation))
        self.bound = max(self.bound, float(self.fine.dual_bound(left, violation)))
        return Certificate(self.program.scope, over.objective, self.bound, float(violation))

    def _violating(
        self, held: _Held, priced: ConePricing | None, goal: float
    ) -> Int[Tensor, " k"]:
        """Return blocks that must join, the worst first and half as many as are held at most."""
        if priced is None:
            return held.index[:0]
        return self._worst(held, priced.values, 1 + 0.25 * min(goal, self.tol))

    def _exchanged(self, approach: _Approach, violating: Int[Tensor, " k"]) -> _Held:
        """Let go of blocks out of use, once each, and let the violating ones join."""
        held = approach.held
        leaving = held.unused() & ~self.settled[held.index]
        self.settled[held.index[leaving]] = True
        kept = (~leaving).nonzero()[:, 0]
        share = held.method.share(held.method.complementarity(approach.undecided))
        return replace(held, state=approach.undecided).restricted(kept).grown(
            self.fine, violating, share)

    def _solution(
        self, approach: _Approach, certificate: Certificate, began: float
    ) -> Solution:
        """Prune, and lay the blocks held among the others, which are zero."""
        held = approach.held
        found, certificate = prune(
            held.program, held.state.blocks, held.multipliers, certificate, self.tol)
        blocks = self.program.X.new_zeros(self.program.n_blocks, found.shape[1])
        blocks[held.index] = found.to(blocks)
        status: Status = "stalled" if approach.stalled else "max_iter"
        if certificate.gap <= self.tol:
            status = "optimal"
        return Solution(self.program, blocks, certificate, status, "interior_point",
                        self.iteration, time.perf_counter() - began)


def _lifted(
    program: ConvexProgram, blocks: Float[Tensor, "m d"], length: Float[Tensor, ""]
) -> Float[Tensor, "m d"]:
    """Return the blocks a length along their gates away, strictly inside their cones."""
    return blocks + length * program.norm.normalised(program.gates)


def _inside(program: ConvexProgram, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "K d"]:
    """Return the blocks moved along their gates into their cones, or zero where that is far."""
    if not program.has_cones:
        return blocks
    gates = program.norm.normalised(program.gates)
    outside = -program.design.margins(blocks) / program.design.margins(gates)
    reach = outside.where(program.cone_rows, 0.0).amax(dim=1).clamp_min(0.0)
    near = reach < program.norm.norms(blocks)
    return (blocks + reach[:, None] * gates).where(near[:, None], 0.0)


def _patience(gap: float) -> int:
    """Return how many checks may pass without a smaller gap: near the optimum rounding stops it."""
    return _STALL_CHECKS_FAR_OUT if gap > _FAR_OUT else _STALL_CHECKS


def _check_size(program: ConvexProgram, n_held: int) -> None:
    """Refuse a Newton matrix that is too large."""
    if n_held * program.features.width > _MOST_VARIABLES:
        raise WorkingSetTooLargeError(
            "method", f"'proximal' where a Newton matrix has more than {_MOST_VARIABLES:,} rows",
            f"{n_held:,} blocks of {program.features.width} weights",
            "Pass method='proximal', fewer patterns or a larger beta.")


def solve_interior_point(
    program: ConvexProgram,
    tol: float,
    max_iter: int,
    callback: Callback | None,
    start: Float[Tensor, "K d"] | None = None,
) -> Solution:
    """Solve to a relative gap of ``tol`` or until ``max_iter`` or rounding stops progress."""
    began = time.perf_counter()
    nothing = program.X.new_zeros(program.n_blocks, program.features.width)
    certificate = program.certificate(nothing, None)
    if certificate.gap <= tol:
        return Solution(program, nothing, certificate, "optimal", "interior_point", 0,
                        time.perf_counter() - began)
    return WorkingSet(program, tol, max_iter, callback).solve(start)
