"""Bursts: interior point steps on a batch of relaxations, until each has bounds that agree.

A burst is a fixed number of steps without waiting for the device; after it, blocks that are
finished leave the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.projection import Projection, ProjectionState
from relu_forecast.solvers.pricing.relaxations import Relaxations, taken
from relu_forecast.solvers.pricing.support import Support, SupportState
from relu_forecast.solvers.settings import BlockPricingSettings

State = TypeVar("State", ProjectionState, SupportState)


@runtime_checkable
class Steps(Protocol[State]):
    """What `Projection` and `Support` have in common."""

    def start(self, problems: Relaxations) -> State:
        """Return a first interior point."""

    def step(self, problems: Relaxations, state: State, wanted: Bool[Tensor, " B"]) -> State:
        """Return the next one, and the same where none is wanted."""


@dataclass(frozen=True)
class StoppingRule:
    """When a block is finished.

    Attributes
    ----------
    norm : GroupNorm
        N.
    beta : float
        A block whose upper bound is at most this is certified, and finished.
    width : float
        Share of beta within which the two bounds of any other block must agree,
    looseness : float
        or this share of the excess of the lower bound over beta.
    """

    norm: GroupNorm
    beta: float
    width: float
    looseness: float

    def unfinished(
        self, problems: Relaxations, state: ProjectionState | SupportState
    ) -> Bool[Tensor, " B"]:
        """Tell which blocks go on."""
        upper = self.norm.dual_norms(problems.targets + problems.pull(state.multipliers))
        lower = (problems.targets * state.points).sum(1) / self.norm.norms(state.points)
        rounding = 50 * torch.finfo(upper.dtype).eps * self.norm.dual_norms(problems.targets)
        width = upper - lower
        wanted = self.looseness * (lower - self.beta).clamp_min(0.0)
        return (upper > self.beta) & (width > wanted + self.width * self.beta + rounding)


def solve_relaxations(
    problems: Relaxations, rule: StoppingRule, settings: BlockPricingSettings
) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B q"]]:
    """Return points u inside their cones and multipliers alpha > 0 that satisfy the rule.

    Cost O(B q d^2 + B d^3) per step, 5 to 25 steps. Blocks that do not get there are returned
    as they are: their bounds hold all the same.
    """
    if rule.norm.n_groups == 1:
        return _solve(Projection(rule.norm, settings.step_back), problems, rule, settings)
    return _solve(Support(rule.norm, settings.step_back), problems, rule, settings)


def _solve(
    method: Steps[State], problems: Relaxations, rule: StoppingRule,
    settings: BlockPricingSettings,
) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B q"]]:
    """Run bursts of steps on the blocks that are not finished."""
    state = method.start(problems)
    points, multipliers = state.points.clone(), state.multipliers.clone()
    unfinished = torch.arange(len(points), device=points.device)
    for _ in range(settings.most_bursts):
        state = burst(method, problems, state, rule, settings.burst)
        points[unfinished], multipliers[unfinished] = state.points, state.multipliers
        left = rule.unfinished(problems, state).nonzero()[:, 0]
        if len(left) == 0:
            break
        unfinished, problems, state = unfinished[left], taken(problems, left), taken(state, left)
    return points, multipliers


def burst(
    method: Steps[State], problems: Relaxations, state: State, rule: StoppingRule, n_steps: int
) -> State:
    """Take so many steps, without waiting for the device."""
    for _ in range(n_steps):
        state = method.step(problems, state, rule.unfinished(problems, state))
    return state
