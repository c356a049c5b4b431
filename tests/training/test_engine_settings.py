"""Tuning constants of trainings by gradients: every one of them changes what it says."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.descent import DescentData, descend
from relu_forecast.training.group_lasso import Moments, solve_group_lasso
from relu_forecast.training.growth import Growth
from relu_forecast.training.search import Budget
from relu_forecast.training.settings import (
    DescentSettings,
    GroupLassoSettings,
    GrowthSettings,
    TrainingSettings,
)
from tests.training.joint import joint_neurons, joint_problem

pytestmark = pytest.mark.long

DESCENT = {"memory": 2, "first_step": 1e-3, "sufficient_decrease": 0.9, "shortening": (0.4, 0.6),
           "least_curvature": 0.5, "norm_width": 5.0, "checked_every": 7, "settled": 0.99}


def descended(settings: DescentSettings) -> list[float]:
    """Return where a descent from large weights ends, of a norm with groups."""
    problem = joint_problem("circular")
    neurons = joint_neurons(problem, 5).scaled(30.0)
    data = DescentData.of(problem, torch.float64)
    return descend(data, neurons, (0.5, 0.1), 40, settings).blocks.flatten().tolist()


@pytest.mark.parametrize("name", DESCENT)
def test_every_setting_of_a_descent_changes_its_end(name) -> None:
    changed = replace(DescentSettings(), **{name: DESCENT[name]})
    assert descended(changed) != descended(DescentSettings())


def test_every_setting_of_a_descent_was_tried() -> None:
    assert set(DESCENT) == {field.name for field in fields(DescentSettings)}


LASSO = {"precision": 0.3, "most_growths": 1, "most_joining": 1, "most_steps": 1,
         "most_projections": 1, "sufficient_decrease": 0.999, "most_releases": 1,
         "least_damping": 0.5}


def sized(settings: GroupLassoSettings) -> list[float]:
    """Return the sizes of neurons, many of them almost the same."""
    problem = joint_problem("dense", beta=0.3)
    directions = problem.norm.normalised(joint_neurons(problem, 6).blocks).repeat(4, 1)
    noise = torch.as_tensor(np.random.default_rng(2).standard_normal(directions.shape))
    moments = Moments.of(problem, problem.norm.normalised(directions + 1e-3 * noise))
    settings = replace(settings, most_joining=min(settings.most_joining, 4))
    ends = [solve_group_lasso(moments, problem.beta, first, 1, settings).sizes
            for first in (torch.zeros(24), torch.linspace(1e-3, 9.0, 24))]
    return torch.cat(ends).tolist()


@pytest.mark.parametrize("name", LASSO)
def test_every_setting_of_the_group_lasso_changes_its_end(name) -> None:
    changed = replace(GroupLassoSettings(), **{name: LASSO[name]})
    assert sized(changed) != sized(GroupLassoSettings())


GROWTH = {"drawn": 3, "first_size": 1.0, "new_size": 1.0, "first_widths": (0.5,),
          "widths": (0.5,), "evaluations": 60, "most_joining": 1, "joining_share": 5.0,
          "worth_joining": 30.0, "single_gap": 10.0, "fewest_samples": 25,
          "samples_per_weight": 100, "subsample_growth": 6, "worth_subsampling": 1.2,
          "subsample_gap": 0.9, "subsample_steps": 1}


def grown(settings: GrowthSettings, **others) -> list[float]:
    """Return what a growth finds on subsamples, and then on all samples."""
    base = {"drawn": 2, "evaluations": 20, "fewest_samples": 20, "samples_per_weight": 1,
            "subsample_growth": 2, "most_joining": 4, "joining_share": 0.1}
    changed = {name: value for name, value in vars(settings).items()
               if value != vars(GrowthSettings())[name]}
    own = TrainingSettings(growth=replace(GrowthSettings(), **{**base, **changed}), **others)
    problem = joint_problem("dense", n=240, beta=12.0).standardised()
    growth = Growth(problem, own)
    end = growth.improve(growth.find(0), None, Budget(1e-2, 3), np.random.default_rng(0))
    return end.blocks.flatten().tolist()


@pytest.fixture(scope="module")
def usual_growth() -> list[float]:
    return grown(GrowthSettings())


@pytest.mark.parametrize("name", GROWTH)
def test_every_setting_of_a_growth_changes_what_it_finds(name, usual_growth) -> None:
    assert grown(replace(GrowthSettings(), **{name: GROWTH[name]})) != usual_growth


def test_every_setting_of_the_group_lasso_was_tried() -> None:
    assert set(LASSO) | {"least_size"} == {field.name for field in fields(GroupLassoSettings)}


def test_every_setting_of_a_growth_was_tried() -> None:
    assert set(GROWTH) | {"most_descents", "last_widths"} == {
        field.name for field in fields(GrowthSettings)}


def test_a_descent_that_fails_is_followed_by_a_narrower_one() -> None:
    problem = joint_problem("dense", beta=1.0).standardised()
    start, ends = joint_neurons(problem, 8), []
    for most in (1, 2):
        own = TrainingSettings(growth=GrowthSettings(
            widths=(5.0, 1e-3), most_descents=most, evaluations=20))
        growth = Growth(problem, own)
        neurons = growth.improve(growth._sized(start), None, Budget(1e-3, 1, 1),
                                 np.random.default_rng(0))
        ends.append(problem.objective_of(neurons))
    assert ends[1] <= ends[0]


def test_neurons_of_no_size_are_dropped() -> None:
    problem = joint_problem("dense")
    few = Neurons(joint_neurons(problem, 3).blocks, joint_neurons(problem, 3).heads)
    growth = Growth(problem, TrainingSettings(group_lasso=GroupLassoSettings(least_size=0.9)))
    assert len(growth._sized(few)) < 3


def test_a_finished_network_settles_and_never_gets_worse() -> None:
    problem = joint_problem("dense", beta=1.0).standardised()
    start, ends = joint_neurons(problem, 8), []
    for widths in ((5.0,), (1e-2, 1e-3)):
        own = TrainingSettings(growth=GrowthSettings(last_widths=widths))
        ends.append(problem.objective_of(Growth(problem, own).settle(start, 1e-6)))
    assert ends[1] < ends[0] <= problem.objective_of(start)
