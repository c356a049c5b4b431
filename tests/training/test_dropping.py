"""Dropping of neurons with several heads: within the budget, and the right ones first."""

from __future__ import annotations

import pytest
import torch

from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.dropping import drop_neurons
from relu_forecast.training.group_lasso import resize_groups
from relu_forecast.training.settings import GroupLassoSettings
from relu_forecast.training.sizing import simplify
from tests.training.joint import joint_neurons, joint_problem

SETTINGS = GroupLassoSettings()


@pytest.mark.parametrize("kind", ["dense", "sites"])
def test_dropping_stays_within_its_budget(kind) -> None:
    problem = joint_problem(kind, beta=0.1)
    neurons = resize_groups(problem, joint_neurons(problem, 12), SETTINGS)
    value, before = problem.objective_of(neurons), len(neurons)
    for share in (0.0, 1e-3, 1e-2, 1e-1):
        fewer = drop_neurons(problem, neurons, share * value, SETTINGS)
        assert problem.objective_of(fewer) <= value * (1 + share) * (1 + 1e-9)
        assert len(fewer) <= before
        before = len(fewer)
        simple = simplify(problem, neurons, share, SETTINGS)
        torch.testing.assert_close(simple.blocks, fewer.blocks)
    assert before < len(neurons)


def test_copies_are_dropped_at_no_cost() -> None:
    problem = joint_problem("dense", beta=0.3)
    one = resize_groups(problem, joint_neurons(problem, 6), SETTINGS)
    split = one.scaled(0.4).joined(one.scaled(0.6))
    value = problem.objective_of(one)
    assert problem.objective_of(split) == pytest.approx(value)
    fewer = drop_neurons(problem, split, 1e-6 * value, SETTINGS)
    assert len(fewer) <= len(one)
    assert problem.objective_of(fewer) <= value * (1 + 1e-5)


def test_without_neurons_there_is_nothing_to_drop() -> None:
    problem = joint_problem("dense")
    nothing = Neurons.none(problem.features, problem.n_targets)
    assert len(drop_neurons(problem, nothing, 1.0, SETTINGS)) == 0


def test_small_neurons_that_are_worth_more_than_the_budget_stay() -> None:
    """Those left out as negligible, here nearly all, count as well."""
    problem = joint_problem("dense", beta=0.1)
    neurons = resize_groups(problem, joint_neurons(problem, 12), SETTINGS)
    value = problem.objective_of(neurons)
    fewer = drop_neurons(problem, neurons, 1e-3 * value, GroupLassoSettings(least_size=0.2))
    assert problem.objective_of(fewer) <= value * (1 + 1e-3) * (1 + 1e-9)
