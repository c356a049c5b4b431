"""Dual points: residuals whose multiples bound the objective from below.

A bound holds as far as its search could see. Neurons that are found later, at other residuals,
are put to the dual points that are kept: where one of them is worth more than all that was known,
the bound is lowered. So the best bound of all rounds stays honest.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.problem import Problem
from relu_forecast.training.pricing.priced import PricedNeurons, Pricing
from relu_forecast.training.settings import DualSettings

_SAME_DIRECTION = 1e-9
"""Entries of directions of norm one that differ by less are of the same one."""


@dataclass(frozen=True, eq=False)
class DualPoint:
    """A residual, and the worst neuron that any search has found for it."""

    left: Float[Tensor, "nd C"]
    """What a network and the best skip leave of the targets, see `Problem.left_of`."""
    violation: float
    """Largest worth of a neuron of cost one, as a share of beta."""
    bound: float
    """The lower bound that the best multiple gives."""

    @classmethod
    def of(cls, problem: Problem, left: Float[Tensor, "nd C"], violation: float) -> DualPoint:
        """Return the point with its bound."""
        bound = float(problem.dual_bound(left, left.new_tensor(violation)))
        return cls(left, violation, bound)

    def challenged(self, problem: Problem, found: PricedNeurons) -> DualPoint:
        """Return the point with the bound that is left beside these neurons."""
        if len(found.values) == 0:
            return self
        residual = self.left[: len(problem.targets)]
        values = found.revalued(problem.features, residual).values
        worst = float(values.abs().amax()) / problem.beta
        if worst <= self.violation:
            return self
        return DualPoint.of(problem, self.left, worst)


class DualPoints:
    """The best dual points of a training, and the neurons that were found on the way."""

    def __init__(self, problem: Problem, settings: DualSettings) -> None:
        self.problem, self.settings = problem, settings
        self.points: list[DualPoint] = []
        self.known: PricedNeurons | None = None
        self.proven = -float("inf")

    @property
    def bound(self) -> float:
        """The best lower bound."""
        return max([self.proven, *(point.bound for point in self.points)])

    def recalled(self, residual: Float[Tensor, "n C"]) -> PricedNeurons | None:
        """Return the neurons that are remembered, with their values at a residual.

        A search can miss what an earlier one found: such neurons are to join again, or else the
        bound that they refute stays where it is.
        """
        if self.known is None:
            return None
        known = self.known.revalued(self.problem.features, residual)
        signs = torch.where(known.values < 0, -1.0, 1.0).to(residual)
        return PricedNeurons(
            known.directions, known.heads * signs[:, None], known.values * signs).best_first()

    def add(self, left: Float[Tensor, "nd C"], priced: Pricing) -> None:
        """Add a residual and what pricing found for it, and put each to what the others know."""
        point = DualPoint.of(self.problem, left, priced.worst / self.problem.beta)
        if priced.scope == "network":
            self.proven = max(self.proven, point.bound)
            return
        found = priced.found.parts(self.settings.most_challenging)[0]
        self.points = [kept.challenged(self.problem, found) for kept in self.points]
        if self.known is not None:
            point = point.challenged(self.problem, self.known)
            known = self.known.directions
            fresh = torch.cdist(found.directions, known, p=torch.inf).amin(1) > _SAME_DIRECTION
            found = PricedNeurons.joined([found.at(fresh.nonzero()[:, 0]), self.known])
            found = found.parts(self.settings.most_known)[0]
        self.known = found
        self.points = sorted([*self.points, point], key=attrgetter("bound"), reverse=True)
        self.points = self.points[: self.settings.most_points]
