"""Best heads of given directions, against the group Lasso by CVXPY."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch

from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.group_lasso import (
    Moments,
    columns_left,
    fit_heads,
    resize_groups,
    solve_group_lasso,
)
from relu_forecast.training.settings import GroupLassoSettings
from tests.training.joint import KINDS, joint_neurons, joint_problem

SETTINGS = GroupLassoSettings(precision=1e-9)


def by_cvxpy(problem, directions) -> float:
    """Return the least objective over all heads, the skip's coefficients among the variables."""
    features, (n, C) = problem.features, problem.targets.shape
    m, S = len(directions), features.n_sites
    outputs = features.outputs(directions).reshape(n, S * m).numpy()
    heads = cp.Variable((S * m, C))
    error, ridge = problem.targets.numpy() - outputs @ heads, 0.0
    if problem.skip is not None:
        slopes = cp.Variable((problem.skip.inputs.shape[1], C))
        error = error - problem.skip.inputs.numpy() @ slopes - np.ones((n, 1)) @ cp.Variable((1, C))
        ridge = problem.skip.penalty / 2 * cp.sum_squares(slopes)
    groups = sum(cp.norm(heads[j::m], "fro") for j in range(m))
    program = cp.Problem(cp.Minimize(
        0.5 * cp.sum_squares(error) + ridge + problem.beta * groups))
    return float(program.solve(cp.CLARABEL))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_targets", "ridge"), [(1, None), (3, 0.5)])
@pytest.mark.parametrize("beta", [0.3, 3.0])
def test_heads_are_those_of_the_group_lasso(kind, n_targets, ridge, beta) -> None:
    problem = joint_problem(kind, n_targets, ridge=ridge, beta=beta)
    neurons = joint_neurons(problem, 8)
    resized = resize_groups(problem, neurons, SETTINGS)
    expected = by_cvxpy(problem, problem.norm.normalised(neurons.blocks))
    assert problem.objective_of(resized) == pytest.approx(expected, rel=1e-6)
    assert 0 < len(resized) <= 8
    torch.testing.assert_close(resized.heads.norm(dim=1), torch.ones(len(resized)).double())


@pytest.mark.parametrize("kind", ["dense", "sites"])
@pytest.mark.parametrize("first", ["zero", "one", "far"])
def test_the_end_does_not_depend_on_the_start(kind, first) -> None:
    problem = joint_problem(kind)
    directions = problem.norm.normalised(joint_neurons(problem, 10).blocks)
    sizes = {"zero": torch.zeros(10), "one": torch.ones(10), "far": 1e3 * torch.rand(10)}[first]
    found = fit_heads(problem, directions, sizes, SETTINGS)
    reference = fit_heads(problem, directions, torch.full((10,), 0.1), SETTINGS)
    torch.testing.assert_close(found.weights, reference.weights, atol=1e-5, rtol=1e-4)
    assert found.violation <= 1 + 1e-6


def test_optimality_of_heads_and_sizes() -> None:
    problem = joint_problem("sites")
    directions = problem.norm.normalised(joint_neurons(problem, 12).blocks)
    found = fit_heads(problem, directions, torch.zeros(12), SETTINGS)
    heads, sizes = found.weights, found.sizes
    torch.testing.assert_close(heads.norm(dim=1), sizes, atol=1e-6, rtol=1e-6)
    used = sizes > 0
    neurons = Neurons(directions * sizes[:, None], heads / sizes[:, None].clamp_min(1e-300))
    residual = problem.residual_of(neurons.taken(used))
    outputs = problem.features.outputs(directions)
    pulls = problem.features.correlations(outputs, residual)
    torch.testing.assert_close(pulls[used], problem.beta * neurons.heads[used],
                               atol=1e-4, rtol=1e-4)
    assert bool((pulls[~used].norm(dim=1) <= problem.beta * (1 + 1e-6)).all())


def test_neurons_that_are_almost_the_same_do_not_hold_it_up() -> None:
    problem = joint_problem("dense")
    directions = problem.norm.normalised(joint_neurons(problem, 5).blocks).repeat(6, 1)
    noise = torch.as_tensor(np.random.default_rng(2).standard_normal(directions.shape))
    copies = problem.norm.normalised(directions + 1e-5 * noise)
    one = resize_groups(problem, Neurons(directions[:5], torch.ones(5, 3).double()), SETTINGS)
    moments = Moments.of(problem, copies)
    many = solve_group_lasso(moments, problem.beta, torch.ones(30), 1, SETTINGS)
    weights = many.weights
    value = 0.5 * (problem.left_targets - columns_left(problem, copies) @ weights).square().sum()
    value = float(value + problem.beta * weights.norm(dim=1).sum())
    assert value == pytest.approx(problem.objective_of(one), rel=1e-3)
    assert many.violation <= 1 + 1e-4


def test_working_sets_end_where_all_at_once_do() -> None:
    problem = joint_problem("dense", n=80, beta=2.0)
    directions = problem.norm.normalised(joint_neurons(problem, 60).blocks)
    ends = [fit_heads(problem, directions, torch.zeros(60), GroupLassoSettings(
        precision=1e-9, most_joining=most)) for most in (3, 1000)]
    torch.testing.assert_close(ends[0].weights, ends[1].weights, atol=1e-5, rtol=1e-4)


def test_above_the_largest_penalty_nothing_is_left() -> None:
    problem = joint_problem("dense", beta=1e6)
    assert len(resize_groups(problem, joint_neurons(problem, 5), SETTINGS)) == 0
    nothing = Neurons.none(problem.features, problem.n_targets)
    assert len(resize_groups(problem, nothing, SETTINGS)) == 0


@pytest.mark.cuda
def test_heads_on_the_device_are_those_on_the_cpu() -> None:
    problem = joint_problem("dense", ridge=None)
    moments = Moments.of(problem, problem.norm.normalised(joint_neurons(problem, 8).blocks))
    there = Moments(moments.gram.cuda(), moments.correlations.cuda())
    ends = [solve_group_lasso(own, problem.beta, torch.zeros(8).to(own.gram), 1, SETTINGS)
            for own in (moments, there)]
    torch.testing.assert_close(ends[1].weights.cpu(), ends[0].weights, atol=1e-6, rtol=1e-6)
