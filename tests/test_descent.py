from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.descent import Descent, DescentProblem, TracePoint, descend
from relu_forecast.skip import LinearSkip


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


X, Y = gaussian(40, 3), gaussian(40, seed=1).abs()
SKIPS = {"none": None, "plain": LinearSkip.of(X), "ridge": LinearSkip.of(X, 3.0)}
RIDGES = {"none": 0.0, "plain": 0.0, "ridge": 3.0}
SETTINGS = {
    "adam": Descent("adam", 10, 150, 0.02), "sgd": Descent("sgd", 10, 40, 0.01, 8),
    "full-batch sgd": Descent("sgd", 10, 150, 0.01), "lbfgs": Descent("lbfgs", 10, 100, 1.0)}


@pytest.mark.parametrize("name", list(SKIPS))
def test_the_written_gradients_are_those_of_autograd(name):
    skip = SKIPS[name]
    problem = DescentProblem(X, Y, 0.7, skip)
    hidden, output = (weight.requires_grad_() for weight in problem.initial(6, seed=2))
    error = Y - (X @ hidden.T).relu() @ output
    left = error if skip is None else skip.annihilate(error)
    value = 0.5 * error.dot(left) + 0.35 * (hidden.square().sum() + output.square().sum())
    expected = torch.autograd.grad(value, [hidden, output])
    found = problem.objective_and_gradients(hidden.detach(), output.detach())
    torch.testing.assert_close(found[0], value.detach())
    torch.testing.assert_close(found[1], expected[0])
    torch.testing.assert_close(found[2], expected[1])


@pytest.mark.parametrize("name", list(SKIPS))
def test_the_objective_is_that_of_the_network(name):
    problem = DescentProblem(X, Y, 0.7, SKIPS[name])
    weights = problem.initial(6, seed=2)
    value, _, _ = problem.objective_and_gradients(*weights)
    own = problem.network(*weights).objective(X, Y, 0.7, RIDGES[name])
    assert own == pytest.approx(float(value), rel=1e-12)


def test_without_a_skip_the_batches_of_an_epoch_average_to_the_full_gradient():
    problem = DescentProblem(X, Y, 0.7, None)
    weights = problem.initial(6, seed=2)
    _, *full = problem.objective_and_gradients(*weights)
    parts = [problem.batch_gradients(*weights, Y, rows) for rows in torch.arange(40).split(8)]
    for i in range(2):
        mean = torch.stack([part[i] for part in parts]).mean(0)
        torch.testing.assert_close(mean, full[i] / 40)


@pytest.mark.parametrize("name", ["plain", "ridge"])
def test_the_skip_target_gives_the_gradient_of_the_projected_loss(name):
    problem = DescentProblem(X, Y, 0.7, SKIPS[name])
    weights = problem.initial(6, seed=2)
    _, *full = problem.objective_and_gradients(*weights)
    target = problem.skip_target(*weights)
    found = problem.batch_gradients(*weights, target, torch.arange(40))
    for part, expected in zip(found, full, strict=True):
        torch.testing.assert_close(part, expected / 40)


@pytest.mark.parametrize("optimizer", list(SETTINGS))
@pytest.mark.parametrize("name", ["none", "plain"])
def test_training_lowers_the_objective_and_repeats_itself(optimizer, name):
    problem, settings = DescentProblem(X, Y, 0.1, SKIPS[name]), SETTINGS[optimizer]
    start, _, _ = problem.objective_and_gradients(*problem.initial(10, seed=0))
    trained = descend(problem, settings, seed=0)
    again = descend(problem, settings, seed=0)
    end, _, _ = problem.objective_and_gradients(*trained)
    assert float(end) < 0.95 * float(start)
    assert all(torch.equal(left, right) for left, right in zip(trained, again, strict=True))
    assert not torch.equal(trained[0], descend(problem, settings, seed=1)[0])


@pytest.mark.parametrize("optimizer", list(SETTINGS))
def test_the_trace_starts_at_the_initial_objective_and_falls(optimizer):
    problem, trace = DescentProblem(X, Y, 0.1, None), []
    start, _, _ = problem.objective_and_gradients(*problem.initial(10, seed=0))
    descend(problem, SETTINGS[optimizer], 0, trace.append)
    assert all(isinstance(point, TracePoint) for point in trace)
    assert trace[0].objective == pytest.approx(float(start))
    assert trace[-1].objective < trace[0].objective
    seconds = [point.seconds for point in trace]
    assert seconds == sorted(seconds)
    assert [point.step for point in trace] == list(range(len(trace)))


@pytest.mark.parametrize("change", [
    {"n_steps": 20}, {"learning_rate": 0.003}, {"batch_size": 20}, {"n_neurons": 9}])
def test_every_setting_changes_the_result(change):
    problem, base = DescentProblem(X, Y, 0.1, None), vars(SETTINGS["sgd"])
    before, _ = descend(problem, Descent(**base), 0)
    after, _ = descend(problem, Descent(**{**base, **change}), 0)
    assert before.shape != after.shape or not torch.allclose(before, after)


def test_the_initial_weights_are_the_same_in_every_dtype():
    single = DescentProblem(X.float(), Y.float(), 0.1, None).initial(5, 0)
    for left, right in zip(single, DescentProblem(X, Y, 0.1, None).initial(5, 0), strict=True):
        assert torch.equal(left, right.float())
