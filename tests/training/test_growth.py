"""Growth by gradients: it ends near the optimum, on subsamples first, and never gets worse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.growth import Growth
from relu_forecast.training.search import Budget
from relu_forecast.training.settings import GrowthSettings, TrainingSettings
from tests.training.joint import KINDS, joint_neurons, joint_problem

SMALL = TrainingSettings(growth=GrowthSettings(drawn=8, evaluations=20))


def grown(problem, n_steps: int, gap: float = 1e-3, settings: TrainingSettings = SMALL) -> Neurons:
    """Return what a growth from nothing ends with."""
    nothing = Neurons.none(problem.features, problem.n_targets)
    return Growth(problem, settings).improve(
        nothing, None, Budget(gap, n_steps), np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_targets", "ridge"), [(1, None), (3, 0.5)])
def test_no_neuron_that_a_search_finds_violates_much(kind, n_targets, ridge) -> None:
    problem = joint_problem(kind, n_targets, ridge=ridge, beta=2.0).standardised()
    growth, neurons = Growth(problem, SMALL), grown(problem, 6, 1e-2)
    left = problem.left_of(neurons)
    priced = growth.pricer.search_near(
        left[: len(problem.targets)], neurons, 30, np.random.default_rng(5))
    certificate = problem.certify(
        priced.scope, left, neurons.blocks, priced.worst / problem.beta)
    assert certificate.gap <= 3e-2
    assert certificate.objective < 0.9 * float(0.5 * problem.left_targets.square().sum())


def test_as_low_as_lbfgs_from_random_networks() -> None:
    problem = joint_problem("dense", beta=1.0).standardised()
    ours = problem.objective_of(grown(problem, 6, 3e-3))
    for seed in range(2):
        start = joint_neurons(problem, 15, seed)
        hidden, heads = start.blocks.clone().requires_grad_(), start.heads.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([hidden, heads], max_iter=80, line_search_fn="strong_wolfe")

        def closure(hidden=hidden, heads=heads, optimizer=optimizer):
            optimizer.zero_grad()
            fitted = problem.features.combine(problem.features.outputs(hidden), heads)
            left = problem.leave(problem.targets - fitted)
            value = 0.5 * left.square().sum() + problem.beta / 2 * (
                hidden.square().sum() + heads.square().sum())
            value.backward()
            return value

        optimizer.step(closure)
        assert ours <= float(closure().detach()) * (1 + 3e-3)


def test_steps_never_raise_the_objective() -> None:
    problem = joint_problem("sites", beta=1.0).standardised()
    growth, generator = Growth(problem, SMALL), np.random.default_rng(0)
    neurons, before = grown(problem, 1), np.inf
    for step in range(1, 3):
        neurons = growth.improve(neurons, None, Budget(1e-6, 1, step), generator)
        value = problem.objective_of(neurons)
        assert value <= before * (1 + 1e-9)
        before = value


def test_subsamples_grow_with_the_weights_and_seeds_repeat() -> None:
    settings = TrainingSettings(growth=GrowthSettings(
        drawn=6, evaluations=20, fewest_samples=40, samples_per_weight=1, subsample_growth=2,
        subsample_steps=1))
    problem = joint_problem("dense", n=160, beta=8.0).standardised()
    growth = Growth(problem, settings)
    first, again = growth.find(3), growth.find(3)
    assert len(first) > 0
    assert torch.equal(first.blocks, again.blocks)
    linear = float(0.5 * problem.left_targets.square().sum())
    assert problem.objective_of(first) < 0.9 * linear
    few = joint_problem("dense", n=70, beta=8.0).standardised()
    assert len(Growth(few, settings).find(3)) == 0


def test_phases_are_reported() -> None:
    problem = joint_problem("dense", beta=1.0).standardised()
    told: list[Neurons] = []
    growth = Growth(problem, SMALL, told.append)
    nothing = Neurons.none(problem.features, problem.n_targets)
    growth.improve(nothing, None, Budget(1e-3, 1), np.random.default_rng(0))
    assert len(told) >= len(SMALL.growth.first_widths)
