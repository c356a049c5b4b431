"""Tasks: what is refused, the linear part alone, and the networks that tasks make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.task import TrainingTask

X = torch.tensor(np.random.default_rng(0).standard_normal((12, 4)))
Y = torch.tensor(np.random.default_rng(1).standard_normal(12))
ARCHITECTURES = {"dense": Dense(True), "convolution": Convolution(2), "circular": Circular()}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(),
                                             ids=list(ARCHITECTURES))
every_skip = pytest.mark.parametrize("options", [{}, {"linear_skip": True},
                                                 {"linear_skip": True, "skip_penalty": 2.0}])


def neurons_of(task: TrainingTask) -> Neurons:
    generator = np.random.default_rng(2)
    gates = torch.tensor(generator.standard_normal((3, task.gate_inputs.shape[1])))
    heads = torch.tensor([[1.0], [-1.0], [1.0]]).double()
    return Neurons(task.architecture.coordinates(gates), heads)


@every_skip
@every_architecture
def test_the_network_of_neurons_has_their_objective(architecture, options):
    task = TrainingTask(X, Y[:, None], architecture, "relu", **options)
    neurons, problem = neurons_of(task), task.problem(0.3)
    network = task.network(neurons)
    assert task.objective(network, 0.3) == pytest.approx(problem.objective_of(neurons), rel=1e-10)
    with torch.no_grad():
        outputs = network(X)
    if not options:
        torch.testing.assert_close(outputs, neurons.outputs(task.features)[:, 0])
    elif "skip_penalty" not in options:
        torch.testing.assert_close(Y - outputs, problem.residual_of(neurons)[:, 0])
    assert problem.features is task.features
    assert problem.skip is task.skip


@pytest.mark.parametrize("ridge", [1e-9, 3.0])
def test_the_linear_part_alone_is_that_of_scikit_learn(ridge):
    task = TrainingTask(X, Y[:, None], Dense(), "relu", True, ridge)
    model = Ridge(alpha=ridge).fit(X, Y)
    residual = Y.numpy() - model.predict(X)
    np.testing.assert_allclose(task.linear_residual[:, 0], residual, atol=1e-7)
    expected = 0.5 * residual @ residual + ridge / 2 * model.coef_ @ model.coef_
    assert task.linear_objective == pytest.approx(expected, rel=1e-7)
    empty = task.network(Neurons.none(task.features, 1))
    assert empty.gate is None
    np.testing.assert_allclose(empty(X).detach(), model.predict(X), atol=1e-7)


def test_without_a_skip_the_linear_part_is_nothing():
    task = TrainingTask(X, Y[:, None], Dense())
    assert task.skip is None
    assert torch.equal(task.linear_residual, task.targets)
    assert task.linear_objective == pytest.approx(0.5 * float(Y.square().sum()))


def test_the_skip_sees_whole_windows_and_not_patches():
    task = TrainingTask(X, Y[:, None], Convolution(2), "relu", True)
    assert task.skip.inputs.shape == (12, 4)
    assert task.features.n_patches == 3
    assert task.gate_inputs.shape == (36, 2)


@every_architecture
def test_a_task_of_another_dtype_has_all_its_parts_in_it(architecture):
    task = TrainingTask(X, Y[:, None], architecture, "relu", True, 1.0)
    single = task.to(X.float())
    parts = (single.X, single.targets, single.features.rows, single.skip.basis)
    assert {part.dtype for part in parts} == {torch.float32}
    assert (single.architecture, single.skip_penalty) == (task.architecture, 1.0)
    assert single.linear_objective == pytest.approx(task.linear_objective, rel=1e-5)


def test_checked_data_are_tensors_and_targets_a_column():
    task = TrainingTask.checked(X.tolist(), Y.tolist(), None, "relu", False, 0.0)
    assert task.X.dtype == task.targets.dtype == torch.float64
    assert task.targets.shape == (12, 1)
    assert task.architecture == Dense()
    patched = TrainingTask.checked(X.reshape(12, 2, 2), Y, None, "relu", False, 0.0)
    assert patched.architecture == Convolution(None)
    assert TrainingTask.checked(X.float(), Y, Dense(), "relu", True, 1).skip_penalty == 1.0


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"X": X[:, 0]}, InvalidArgumentError, "^X must be"),
    ({"y": Y[:5]}, InvalidArgumentError, "^y must be"),
    ({"X": X * float("nan")}, InvalidArgumentError, "^X must be finite"),
    ({"activation": "tanh"}, InvalidArgumentError, "^activation must be"),
    ({"skip_penalty": 1.0}, InvalidArgumentError, "^skip_penalty must be 0 without"),
    ({"skip_penalty": -1.0, "linear_skip": True}, InvalidArgumentError, "^skip_penalty must be"),
    ({"architecture": "dense"}, InvalidTypeError, "^architecture must be of type"),
    ({"architecture": Dense}, InvalidTypeError, "^architecture must be of type"),
    ({"architecture": Convolution(None)}, InvalidArgumentError, "^X must be")])
def test_what_cannot_be_trained_on_is_named(change, error, message):
    good = {"X": X, "y": Y, "architecture": Dense(), "activation": "relu", "linear_skip": False,
            "skip_penalty": 0.0}
    with pytest.raises(error, match=message):
        TrainingTask.checked(**{**good, **change})
