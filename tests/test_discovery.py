from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.descent import DescentProblem
from relu_forecast.discovery import Neurons, consolidate, local_objective, refine
from relu_forecast.networks import ReLUNetwork
from relu_forecast.skip import LinearSkip


def make_problem(skip: bool = False, n: int = 60, d: int = 3) -> DescentProblem:
    generator = np.random.default_rng(0)
    X = torch.as_tensor(generator.standard_normal((n, d)))
    y = (X @ torch.ones(d, dtype=X.dtype)).relu() - (X[:, 0] - X[:, 1]).relu()
    return DescentProblem(X, y, 0.5, LinearSkip.of(X) if skip else None)


def start(problem: DescentProblem, n_neurons: int = 12) -> Neurons:
    return Neurons.of_weights(*problem.initial(n_neurons, 1))


def test_neurons_and_weights_are_the_same_network() -> None:
    problem = make_problem()
    hidden, output = problem.initial(5, 3)
    network = ReLUNetwork(*Neurons.of_weights(hidden, output).weights())
    expected = (problem.X @ hidden.T).relu() @ output
    torch.testing.assert_close(network(problem.X).detach(), expected)
    balanced = network.hidden_weight.norm(dim=1)
    torch.testing.assert_close(balanced, network.output_weight.abs())


def test_zero_neurons_are_dropped() -> None:
    hidden = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    output = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    assert len(Neurons.of_weights(hidden, output)) == 1


@pytest.mark.parametrize("skip", [False, True])
def test_local_objective_is_that_of_the_balanced_network(skip: bool) -> None:
    problem = make_problem(skip)
    neurons = start(problem)
    network = problem.network(*neurons.weights())
    value = network.objective(problem.X, problem.y, problem.beta)
    assert local_objective(problem, neurons) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("skip", [False, True])
def test_refine_descends_to_a_stationary_network(skip: bool) -> None:
    problem = make_problem(skip)
    before = start(problem)
    after = refine(problem, before, 300)
    assert local_objective(problem, after) < 0.5 * local_objective(problem, before)
    _, hidden_gradient, output_gradient = problem.objective_and_gradients(*after.weights())
    assert float(output_gradient.abs().amax()) < 0.05
    assert float(hidden_gradient.abs().amax()) < 0.05


def test_consolidate_merges_copies_at_no_cost() -> None:
    problem = make_problem()
    one = Neurons(torch.tensor([[1.0, 1.0, 1.0], [0.5, -0.5, 0.0]], dtype=torch.float64),
                  torch.tensor([1.0, -1.0], dtype=torch.float64))
    split = one.scaled(0.25).joined(one.scaled(0.75))
    merged = consolidate(problem, split, 1e-12)
    assert len(merged) == 2
    assert local_objective(problem, merged) == pytest.approx(local_objective(problem, one))


def test_consolidate_stays_within_its_budget() -> None:
    problem = make_problem(skip=True)
    neurons = refine(problem, start(problem, 30), 60)
    value = local_objective(problem, neurons)
    for share in (0.0, 1e-3, 1e-1):
        fewer = consolidate(problem, neurons, share * value)
        assert local_objective(problem, fewer) <= (1 + share) * value + 1e-12
        assert len(fewer) <= len(neurons)


def test_consolidate_never_merges_opposite_signs() -> None:
    problem = make_problem()
    block = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
    kept = consolidate(problem, Neurons(block, signs), 0.0)
    assert set(kept.signs.tolist()) <= {1.0, -1.0}
    total = kept.contributions(problem.X).sum(1)
    assert local_objective(problem, kept) <= local_objective(problem, Neurons(block, signs))
    assert total.shape == problem.y.shape
