"""What moves the neurons of a training: gradients, or Newton steps where they are cheap."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.descent import Report
from relu_forecast.training.growth import Growth
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.search import Budget, LocalSearch
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.sizing import resize


@runtime_checkable
class Mover(Protocol):
    """Lets violating neurons join and all neurons move, on one problem in standardised units."""

    @property
    def steps_per_round(self) -> int:
        """Steps until all neurons are priced again."""

    def find(self, seed: int) -> Neurons:
        """Find neurons on subsamples; none where there are few samples."""

    def improve(
        self, neurons: Neurons, found: PricedNeurons | None, budget: Budget,
        generator: np.random.Generator
    ) -> Neurons:
        """Let violating neurons join, and all move; never return anything worse."""


class Movers:
    """Both kinds of movers of one problem, in its standardised units.

    A step of gradients costs O(N m d) and brings a network near its optimum; a Newton step costs
    O(n (m d)^2) and brings it there. Neurons with heads of several entries move by gradients.
    """

    def __init__(
        self, problem: Problem, settings: TrainingSettings, report: Report, is_exact: bool
    ) -> None:
        self.problem, self.settings = problem, settings
        self.report, self.is_exact = report, is_exact

    @cached_property
    def by_gradients(self) -> Mover:
        """Many weights."""
        return Growth(self.problem, self.settings, self.report)

    @cached_property
    def by_newton(self) -> Mover:
        """Few weights, one target, one site."""
        return LocalSearch(self.problem, self.settings, self.report)

    def first(self, found: Neurons) -> Mover:
        """Return what finds the first neurons, given those that gain most beside the linear part.

        Where few of these are of use together the network tends to stay small.
        """
        if self._always_newton:
            return self.by_newton
        if self.problem.n_head_entries > 1:
            return self.by_gradients
        useful = resize(self.problem, found)
        small = useful.blocks.numel() <= self.settings.rounds.first_weights
        return self.by_newton if small else self.by_gradients

    @property
    def _always_newton(self) -> bool:
        """Whether neurons are few by nature, or of many groups: gradients crawl to their zeros."""
        groups = self.problem.norm.n_groups > 1
        return self.problem.n_head_entries == 1 and (self.is_exact or groups)

    def next(self, neurons: Neurons, gap: float) -> Mover:
        """Return what moves these neurons, whose gap is known."""
        rounds, weights = self.settings.rounds, neurons.blocks.numel()
        near = gap <= rounds.newton_gap and weights <= rounds.newton_weights
        small = near or weights <= rounds.few_weights
        if self._always_newton or (self.problem.n_head_entries == 1 and small):
            return self.by_newton
        return self.by_gradients
