"""Which mover takes its turn."""

from __future__ import annotations

import pytest

from relu_forecast.training.movers import Mover, Movers
from relu_forecast.training.settings import RoundSettings, TrainingSettings
from tests.training.joint import joint_neurons, joint_problem

SETTINGS = TrainingSettings(rounds=RoundSettings(
    first_weights=1, few_weights=20, newton_weights=100))


@pytest.mark.parametrize(("kind", "n_targets", "m", "gap", "newton"), [
    ("dense", 1, 3, 0.5, True), ("dense", 1, 10, 0.5, False), ("dense", 1, 10, 1e-3, True),
    ("dense", 1, 30, 1e-3, False), ("dense", 3, 3, 1e-3, False), ("sites", 1, 3, 1e-3, False),
    ("circular", 1, 30, 0.5, True), ("circular", 3, 3, 1e-3, False)])
def test_newton_steps_move_what_is_small_or_near_its_end(kind, n_targets, m, gap, newton) -> None:
    problem = joint_problem(kind, n_targets)
    movers = Movers(problem, SETTINGS, lambda _: None, is_exact=False)
    chosen = movers.next(joint_neurons(problem, m), gap)
    assert (chosen is movers.by_newton) == newton
    assert (chosen is movers.by_gradients) != newton
    assert isinstance(chosen, Mover)
    first = movers.by_newton if (kind, n_targets) == ("circular", 1) else movers.by_gradients
    assert movers.first(joint_neurons(problem, 10)) is first


def test_newton_steps_find_networks_that_begin_small() -> None:
    problem = joint_problem("dense", 1)
    found = joint_neurons(problem, 10)
    for first_weights, newton in ((found.blocks.numel(), True), (1, False)):
        settings = TrainingSettings(rounds=RoundSettings(first_weights=first_weights))
        movers = Movers(problem, settings, lambda _: None, is_exact=False)
        assert (movers.first(found) is movers.by_newton) == newton


def test_where_all_neurons_are_priced_newton_steps_do_it_all() -> None:
    problem = joint_problem("dense", 1)
    movers = Movers(problem, SETTINGS, lambda _: None, is_exact=True)
    assert movers.first(joint_neurons(problem, 100)) is movers.by_newton
    assert movers.next(joint_neurons(problem, 100), 1.0) is movers.by_newton
