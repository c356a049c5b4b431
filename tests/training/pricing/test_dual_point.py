"""Dual points: bounds that later finds lower, and the best of them."""

from __future__ import annotations

import pytest
import torch

from relu_forecast.training.pricing.dual_point import DualPoint, DualPoints
from relu_forecast.training.pricing.priced import PricedNeurons, Pricing
from relu_forecast.training.settings import DualSettings
from tests.training.joint import joint_neurons, joint_problem


def priced(problem, neurons, scope="network-estimated") -> Pricing:
    """Return some directions priced at the residual of the linear part."""
    found = PricedNeurons(neurons.blocks, neurons.heads, neurons.heads[:, 0])
    residual = problem.left_targets[: len(problem.targets)]
    worth = found.revalued(problem.features, residual)
    if problem.n_head_entries == 1:
        signs = worth.values.sign()
        worth = PricedNeurons(worth.directions, worth.heads * signs[:, None], worth.values * signs)
    return Pricing(worth.best_first(), scope)


def test_a_worse_neuron_lowers_a_bound_and_a_better_one_does_not() -> None:
    problem = joint_problem("dense")
    some = priced(problem, joint_neurons(problem, 20))
    worst, mild = some.found.at(torch.tensor([0])), some.found.at(torch.tensor([19]))
    point = DualPoint.of(problem, problem.left_targets, float(mild.values[0]) / problem.beta)
    assert point.challenged(problem, mild).bound == pytest.approx(point.bound)
    lower = point.challenged(problem, worst)
    assert lower.bound < point.bound
    assert lower.violation == pytest.approx(some.worst / problem.beta)
    expected = problem.dual_bound(problem.left_targets, torch.tensor(lower.violation).double())
    assert lower.bound == pytest.approx(float(expected))


@pytest.mark.parametrize("n_targets", [1, 3])
def test_the_best_bound_is_kept_until_it_is_refuted(n_targets) -> None:
    problem = joint_problem("dense", n_targets)
    points = DualPoints(problem, DualSettings())
    some = priced(problem, joint_neurons(problem, 20))
    worst, mild = (Pricing(some.found.at(torch.tensor([k])), "network-estimated")
                   for k in (0, 19))
    points.add(problem.left_targets, mild)
    claimed = points.bound
    points.add(0.01 * problem.left_targets, worst)
    assert points.bound < claimed
    refuted = points.bound
    points.add(problem.left_targets, mild)  # the worst one is remembered
    assert points.bound == pytest.approx(refuted)


def test_a_direction_counts_with_either_sign() -> None:
    problem = joint_problem("dense", 1)
    found = priced(problem, joint_neurons(problem, 5)).found
    turned = PricedNeurons(found.directions, -found.heads, -found.values)
    point = DualPoint.of(problem, problem.left_targets, 1e-3)
    assert point.challenged(problem, turned).violation == pytest.approx(
        point.challenged(problem, found).violation)


def test_a_proven_bound_stays_and_few_points_are_kept() -> None:
    problem = joint_problem("dense", 1)
    points = DualPoints(problem, DualSettings(most_points=2))
    some = priced(problem, joint_neurons(problem, 20))
    points.add(problem.left_targets, Pricing(some.found.at(torch.tensor([19])), "network"))
    proven = points.bound
    for _ in range(4):
        points.add(problem.left_targets, some)
    assert points.bound == proven
    assert len(points.points) == 2


def test_a_neuron_is_recalled_with_the_sign_that_helps() -> None:
    problem = joint_problem("dense", 1)
    points = DualPoints(problem, DualSettings())
    points.add(problem.left_targets, priced(problem, joint_neurons(problem, 20)))
    residual = problem.left_targets[: len(problem.targets)]
    for own in (residual, -residual, residual.roll(7, 0)):
        found = points.recalled(own)
        added = problem.features.outputs(found.directions) * found.heads[:, 0]
        torch.testing.assert_close(found.values, added.T @ own[:, 0])
        assert bool((found.values >= 0).all())
        assert torch.equal(found.values, found.values.sort(descending=True).values)


def test_of_proven_bounds_the_best_stays() -> None:
    problem = joint_problem("dense", 1)
    points = DualPoints(problem, DualSettings())
    some = priced(problem, joint_neurons(problem, 20), "network")
    points.add(problem.left_targets, some)
    proven = points.bound
    points.add(0.01 * problem.left_targets, some)
    assert points.bound == proven > 0


def test_a_neuron_that_is_found_again_is_remembered_once() -> None:
    problem = joint_problem("dense", 1)
    points = DualPoints(problem, DualSettings())
    some = priced(problem, joint_neurons(problem, 20))
    for _ in range(3):
        points.add(problem.left_targets, some)
    assert len(points.known.values) == 20
