"""Bursts: a fixed number of steps on a batch of relaxations, without waiting for the device.

After each burst, the blocks whose two bounds agree leave the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.batches import taken
from relu_forecast.solvers.pricing.projection import Projection
from relu_forecast.solvers.pricing.relaxations import NewtonEquations, Relaxations, State
from relu_forecast.solvers.pricing.support import Support
from relu_forecast.solvers.settings import BlockPricingSettings


@dataclass(frozen=True)
class StoppingRule:
    """When a block is finished."""

    norm: GroupNorm
    """N."""
    beta: float
    """A block whose upper bound is at most this is certified, and finished."""
    width: float
    """Share of beta within which the two bounds of any other block must agree."""
    looseness: float
    """Share of the lower bound's excess over beta that they may differ by besides."""

    def unfinished(self, problems: Relaxations, state: Any) -> Bool[Tensor, " B"]:
        """Tell which blocks go on."""
        upper = self.norm.dual_norms(problems.targets + problems.cones.adjoint(state.multipliers))
        lower = (problems.targets * state.points).sum(1) / self.norm.norms(state.points)
        rounding = 50 * torch.finfo(upper.dtype).eps * self.norm.dual_norms(problems.targets)
        width = upper - lower
        wanted = self.looseness * (lower - self.beta).clamp_min(0.0)
        go_on: Tensor = (upper > self.beta) & (width > wanted + self.width * self.beta + rounding)
        return go_on


def solve_relaxations(
    problems: Relaxations, rule: StoppingRule, settings: BlockPricingSettings
) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B q"]]:
    """Return points u inside their cones and multipliers alpha > 0 that satisfy the rule.

    Cost O(B q d^2 + B d^3) per step, 5 to 25 steps. Blocks that do not get there are returned
    as they are: their bounds hold all the same.
    """
    kind: type[NewtonEquations[Any]] = Projection if rule.norm.n_groups == 1 else Support
    state = kind.start(rule.norm, problems)
    points, multipliers = state.points.clone(), state.multipliers.clone()
    unfinished = torch.arange(len(points), device=points.device)
    for _ in range(settings.most_bursts):
        state = burst(kind, problems, state, rule, settings)
        points[unfinished], multipliers[unfinished] = state.points, state.multipliers
        left = rule.unfinished(problems, state).nonzero()[:, 0]
        if len(left) == 0:
            break
        unfinished, problems, state = unfinished[left], taken(problems, left), taken(state, left)
    return points, multipliers


def burst(
    kind: type[NewtonEquations[State]], problems: Relaxations, state: State, rule: StoppingRule,
    settings: BlockPricingSettings
) -> State:
    """Take some steps, without waiting for the device."""
    for _ in range(settings.burst):
        wanted = rule.unfinished(problems, state)
        state = kind(rule.norm, problems, state).next(state, wanted, settings.step_back)
    return state
