"""Rounds: the best network and the best bound are kept, wherever they come from."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast.problems.certificates import Certificate
from relu_forecast.training.group_lasso import resize_groups
from relu_forecast.training.growth import Growth
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.rounds import Round, Rounds
from relu_forecast.training.search import Budget
from relu_forecast.training.settings import (
    DualSettings,
    GroupLassoSettings,
    GrowthSettings,
    TrainingSettings,
)
from tests.training.joint import joint_neurons, joint_problem


@pytest.fixture(scope="module")
def parts():
    """A problem, its pricer, and a rough and a better network."""
    problem = joint_problem("dense", beta=2.0)
    settings = TrainingSettings(growth=GrowthSettings(drawn=20))
    pricer = Pricer(problem.features, settings.pricing, problem.n_targets)
    rough = resize_groups(problem, joint_neurons(problem, 6), GroupLassoSettings())
    better = Growth(problem, settings).improve(
        rough, None, Budget(1e-3, 5), np.random.default_rng(0))
    return problem, pricer, rough, better


def priced(problem, pricer, neurons) -> Round:
    """Return a network with what a search says of it."""
    left = problem.left_of(neurons)
    found = pricer.search_near(left[: len(problem.targets)], neurons, 10, np.random.default_rng(1))
    certificate = problem.certify(
        found.scope, left, neurons.blocks, found.worst / problem.beta)
    return Round(neurons, certificate, found)


def test_the_best_network_and_the_best_bound_are_kept(parts) -> None:
    problem, pricer, rough, better = parts
    linear = pricer.price_linear(problem.left_targets[: len(problem.targets)], 0)
    told: list[tuple[int, Certificate]] = []
    rounds = Rounds(problem, linear, DualSettings(), lambda *known: told.append(known))
    first = rounds.certificate
    value = 0.5 * float(problem.left_targets.square().sum())
    assert first.objective == pytest.approx(value)
    assert 0 <= first.dual_objective <= value
    for number, neurons in enumerate((better, rough), 1):
        rounds.number = number
        rounds.add(priced(problem, pricer, neurons))
    end = rounds.certificate
    assert end.objective == pytest.approx(problem.objective_of(better))
    assert rounds.reached.neurons is better
    assert end.dual_objective <= end.objective
    assert end.dual_objective > first.dual_objective
    assert [number for number, _ in told] == [1, 2]


def test_a_network_on_the_way_counts_only_if_it_is_better(parts) -> None:
    problem, pricer, rough, better = parts
    linear = pricer.price_linear(problem.left_targets[: len(problem.targets)], 0)
    rounds = Rounds(problem, linear, DualSettings(), None)
    for neurons, kept in ((rough, rough), (better, better), (rough, better)):
        rounds.reach(neurons)
        assert rounds.reached.neurons is kept
        assert rounds.certificate.objective == pytest.approx(problem.objective_of(kept))
