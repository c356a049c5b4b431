"""Growth of a network by gradients: violating neurons join, all descend, all get the best heads.

The counterpart of `search` for networks of many weights or of several outputs, at a cost of O(N m
d) a step where a Newton step has O(n (m d)^2). On subsamples first, where there are many samples
for each weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.descent import DescentData, Report, descend
from relu_forecast.training.group_lasso import resize_groups
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.pricing.starts import random_starts
from relu_forecast.training.search import Budget
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.sizing import resize


@dataclass(frozen=True, eq=False)
class Growth:
    """The growth on one problem, in its standardised units; see `Problem.standardised`."""

    problem: Problem
    """Loss, beta and norm."""
    settings: TrainingSettings
    """Tuning constants."""
    report: Report | None = None
    """Told of the network after every phase of a descent, in the units of the problem."""
    steps_per_round: ClassVar[int] = 1
    """Steps until all neurons are priced again: a step costs as much as pricing."""

    @cached_property
    def single(self) -> DescentData:
        """The problem in single precision."""
        return DescentData.of(self.problem, torch.float32)

    @cached_property
    def double(self) -> DescentData:
        """The problem in its own precision."""
        return DescentData.of(self.problem, self.problem.targets.dtype)

    @cached_property
    def pricer(self) -> Pricer:
        """Prices neurons on the samples of the problem."""
        return Pricer(self.problem.features, self.settings.pricing, self.problem.n_targets)

    def find(self, seed: int) -> Neurons:
        """Find neurons on a subsample, and on larger ones; none where there are few samples.

        The sizes follow the number of weights that the network has come to have.
        """
        generator, own = np.random.default_rng(seed), self.settings.growth
        order = generator.permutation(len(self.problem.targets))
        neurons = Neurons.none(self.problem.features, self.problem.n_targets)
        size = own.fewest_samples
        while own.worth_subsampling * size < len(order):
            kept = torch.as_tensor(np.sort(order[:size])).to(self.problem.targets.device)
            budget = Budget(own.subsample_gap, own.subsample_steps)
            part = Growth(self.problem.subsampled(kept), self.settings, None)
            neurons = part.improve(neurons, None, budget, generator)
            weights = neurons.blocks.numel() + neurons.heads.numel()
            size = max(own.subsample_growth * size, own.samples_per_weight * weights)
        return neurons

    def improve(
        self, neurons: Neurons, found: PricedNeurons | None, budget: Budget,
        generator: np.random.Generator
    ) -> Neurons:
        """Let violating neurons join, and all descend, until a quick search finds none.

        ``found`` are neurons that may join first; None searches for them.
        """
        problem, settings = self.problem, self.settings
        for step in range(budget.first, budget.first + budget.n_steps):
            left = problem.left_of(neurons)
            residual = left[: len(problem.targets)]
            if found is None:
                found = self.pricer.search_near(
                    residual, neurons, settings.search.quick_starts, generator).found
            found = found.revalued(problem.features, residual)
            violation = float(found.values[0]) / problem.beta
            gap = problem.certify("network-estimated", left, neurons.blocks, violation).gap
            if gap <= budget.gap:
                break
            neurons = self._grow(neurons, residual, found, step, gap, budget.gap, generator)
            found = None
        return neurons

    def _grow(
        self, neurons: Neurons, residual: Float[Tensor, "n C"], found: PricedNeurons, step: int,
        gap: float, tol: float, generator: np.random.Generator
    ) -> Neurons:
        """Let neurons join and all descend; never return anything worse."""
        problem, own = self.problem, self.settings.growth
        above = (1 + own.worth_joining * tol) * problem.beta
        most = max(own.most_joining, int(own.joining_share * len(neurons)))
        new = found.distinct(problem.features, above, most, self.settings.pricing).neurons
        if len(neurons) == 0:
            drawn = self._draw(residual, generator)
            before = _of_size(problem, new.joined(drawn), residual, own.first_size)
        else:
            before = self._sized(neurons.joined(new.scaled(own.new_size)))
        left_out = min(step, len(own.widths)) - 1  # all but the last for a warm start, at step 0
        widths = own.widths[left_out:] if len(neurons) else own.first_widths
        data = self._data(max(gap, tol))
        value = problem.objective_of(before) if len(neurons) else np.inf
        for _ in range(own.most_descents):
            moved = descend(data, before, widths, own.evaluations, self.settings.descent,
                            self.report)
            after = self._sized(moved)
            if problem.objective_of(after) < value:
                return after
            widths = widths[-1:]
        return before

    def settle(self, neurons: Neurons, tol: float) -> Neurons:
        """Let the neurons of a finished network descend once more, with kinks all but sharp.

        Few neurons are left by then, so that this takes little time; never anything worse.
        """
        own = self.settings.growth
        if not own.last_widths:
            return neurons
        moved = self._sized(descend(self._data(tol), neurons, own.last_widths, own.evaluations,
                                    self.settings.descent))
        return min(moved, neurons, key=self.problem.objective_of)

    def _draw(
        self, residual: Float[Tensor, "n C"], generator: np.random.Generator
    ) -> Neurons:
        """Return neurons in random directions; their heads are the best for the residual."""
        problem, own = self.problem, self.settings.growth
        drawn = random_starts(problem.features, own.drawn, generator,
                              self.settings.pricing.whitened_rows)
        drawn = drawn * (problem.features.rows != 0).any(0)  # nothing where no row has anything
        return Neurons(drawn, drawn.new_ones(len(drawn), problem.n_head_entries))

    def _data(self, gap: float) -> DescentData:
        """Return what descends at a gap: single precision is enough far from the optimum."""
        return self.single if gap > self.settings.growth.single_gap else self.double

    def _sized(self, neurons: Neurons) -> Neurons:
        """Give neurons their best heads and sizes; heads of one entry are signs, which stay."""
        if self.problem.n_head_entries == 1:
            return resize(self.problem, neurons)
        return resize_groups(self.problem, neurons, self.settings.group_lasso)


def _of_size(
    problem: Problem, neurons: Neurons, residual: Float[Tensor, "n C"], size: float
) -> Neurons:
    """Return directions with the best heads, and sizes in proportion to what each is worth."""
    directions = problem.norm.normalised(neurons.blocks)
    outputs = problem.features.outputs(directions)
    heads = problem.features.correlations(outputs, residual)
    worth = heads.norm(dim=1, keepdim=True)
    used = worth[:, 0] > 0
    sizes = size * worth / worth.amax()
    return Neurons((directions * sizes)[used], (heads / worth)[used])
