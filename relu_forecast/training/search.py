"""Local search for a network: violating neurons join, and all neurons move across cells.

THEORY 6.3: sampled patterns stay far from the network's optimum. Neurons join and leave here as
in a conditional-gradient method whose atoms slide: Denoyelle, Duval, Peyre & Soubies, Inverse
Problems 36 (2020) 014001. On subsamples first, where there are many samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.newton import move_neurons
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.sizing import resize


@dataclass(frozen=True)
class Budget:
    """How far a local search goes."""

    gap: float
    """Relative gap, as a quick search sees it, to reach."""
    n_steps: int
    """Most steps."""
    first: int = 0
    """Steps done before: kinks are narrower from step to step."""


@dataclass(frozen=True)
class LocalSearch:
    """The search on one problem, in its standardised units; see `Problem.standardised`."""

    problem: Problem
    """Loss, beta and norm."""
    settings: TrainingSettings
    report: Callable[[Neurons], None] | None = None
    """Told of the network after every step, in the units of the problem."""

    @property
    def steps_per_round(self) -> int:
        """Steps until all neurons are priced again."""
        return self.settings.rounds.steps_per_round

    def find(self, seed: int) -> Neurons:
        """Find neurons on subsamples of growing size; none where there are few samples."""
        generator = np.random.default_rng(seed)
        neurons = Neurons.none(self.problem.features, self.problem.n_targets)
        budget = Budget(self.settings.search.subsample_gap, self.settings.search.subsample_steps)
        for problem in self._subsamples(seed):
            neurons = LocalSearch(problem, self.settings).improve(
                neurons, None, budget, generator)
        return neurons

    def _subsamples(self, seed: int) -> Iterator[Problem]:
        """Yield the problem on 1,000 random samples, on five times as many, ..., not on all."""
        n, size = len(self.problem.targets), self.settings.search.first_subsample
        order = np.random.default_rng(seed).permutation(n)
        while 2 * size < n:
            kept = torch.as_tensor(np.sort(order[:size])).to(self.problem.targets.device)
            yield self.problem.subsampled(kept)
            size *= self.settings.search.subsample_growth

    def improve(
        self, neurons: Neurons, found: PricedNeurons | None, budget: Budget,
        generator: np.random.Generator
    ) -> Neurons:
        """Let violating neurons join, and all move, until a quick search finds none.

        ``found`` are neurons that may join first; None searches for them.
        """
        problem, settings = self.problem, self.settings.search
        pricer, widest = Pricer(problem.features, self.settings.pricing), settings.widest
        for step in range(budget.first, budget.first + budget.n_steps):
            left = problem.left_of(neurons)
            residual = left[: len(problem.targets)]
            if found is None:
                found = pricer.search_near(
                    residual, neurons, settings.quick_starts, generator).found
            found = found.revalued(problem.features, residual)
            violation = float(found.values[0]) / problem.beta
            gap = problem.certify("network-estimated", left, neurons.blocks, violation).gap
            if gap <= budget.gap:
                break
            above = (1 + settings.worth_joining * budget.gap) * problem.beta
            new = pricer.distinct(found, above, settings.most_joining)
            first, last = self._widths(step, gap, widest, budget.gap)
            neurons, widest = self._insert(neurons, new, first, last)
            if self.report is not None:
                self.report(neurons)
            found = None
        return neurons

    def _widths(self, step: int, gap: float, widest: float, tol: float) -> tuple[float, float]:
        """Return the first and the last width of the kinks of a step."""
        settings = self.settings.search
        scheduled = min(gap, settings.widest * settings.narrowing**step)
        first = min(max(settings.narrowest, scheduled), widest)
        last = min(settings.last_of_first * first, settings.last_of_gap * gap)
        return first, max(last, settings.last_of_tol * tol)

    def _insert(
        self, neurons: Neurons, new: PricedNeurons, first: float, last: float
    ) -> tuple[Neurons, float]:
        """Let new neurons join at their best sizes, and all move; never return anything worse.

        Returned is the network after the move, or before it where no move was any good, and the
        first width of the kinks that was good.
        """
        problem, settings = self.problem, self.settings.search
        before = resize(problem, neurons.joined(new.neurons))
        value = problem.objective_of(before)
        for width in (first, first * settings.last_of_first):
            moved = move_neurons(problem, before, width, min(width, last),
                                 settings.newton_steps, self.settings.newton)
            after = resize(problem, moved)
            if problem.objective_of(after) < value:
                return after, width
        return before, width
