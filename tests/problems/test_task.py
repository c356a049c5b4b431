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


Y3 = torch.tensor(np.random.default_rng(3).standard_normal((12, 3)))
SITES = {**ARCHITECTURES, "two sites": Convolution(2, sites=2),
         "every patch": Convolution(2, 1, True, "flatten"),
         "a single patch": Convolution(4, sites="flatten")}


@every_skip
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("name", list(SITES))
def test_the_network_of_neurons_of_many_outputs_has_their_objective(name, c, scale, options):
    task = TrainingTask(X, Y3[:, :c], SITES[name], "relu", is_vector=False, **options)
    task = task.scaled() if scale else task
    problem, generator = task.problem(0.3), np.random.default_rng(4)
    heads = torch.tensor(generator.standard_normal((3, problem.n_head_entries)))
    neurons = Neurons(neurons_of(task).blocks, heads / heads.norm(dim=1, keepdim=True))
    network = task.network(neurons)
    assert task.objective(network, 0.3) == pytest.approx(problem.objective_of(neurons), rel=1e-10)
    with torch.no_grad():
        outputs = network(X)
    assert outputs.shape == (12, c)
    left = (Y3[:, :c] - outputs) / (1.0 if task.target_scale is None else task.target_scale)
    if "skip_penalty" not in options:
        torch.testing.assert_close(left, problem.residual_of(neurons))
    none = task.network(Neurons.none(task.features, c))
    assert none.output_weight.shape == (0, *network.output_weight.shape[1:])
    with torch.no_grad():
        assert none(X).shape == (12, c)


@pytest.mark.parametrize("name", list(SITES))
def test_targets_given_as_a_vector_make_a_network_that_returns_one(name):
    task = TrainingTask(X, Y[:, None], SITES[name], "relu", True)
    heads = torch.ones(3, task.features.n_sites).double() / task.features.n_sites**0.5
    neurons = Neurons(neurons_of(task).blocks, heads)
    network = task.network(neurons)
    assert network.n_outputs is None
    assert network(X).shape == (12,)
    assert task.scaled() is task
    problem = task.problem(0.3)
    assert task.objective(network, 0.3) == pytest.approx(problem.objective_of(neurons), rel=1e-10)


@pytest.mark.parametrize("options", [{}, {"linear_skip": True},
                                     {"linear_skip": True, "skip_penalty": 2.0}])
def test_scaled_targets_are_those_whose_linear_residual_has_size_one(options):
    units = torch.tensor([1.0, 1e4, 1e-3]).double()
    task = TrainingTask(X, units * Y3, Dense(), "relu", is_vector=False, **options)
    scaled = task.scaled()
    rms = scaled.linear_residual.square().mean(0).sqrt()
    torch.testing.assert_close(rms, torch.ones(3).double())
    torch.testing.assert_close(scaled.raw_targets, units * Y3)
    assert scaled.skip is task.skip
    assert task.target_scale is None


def test_targets_that_the_linear_part_fits_are_not_scaled():
    linear = X @ torch.ones(4).double()
    targets = torch.stack([Y, torch.full_like(Y, 3.0), torch.zeros_like(Y), linear], dim=1)
    beside = TrainingTask(X, targets, Dense(), "relu", True, is_vector=False).scaled()
    assert beside.target_scale[1:].tolist() == [1.0, 1.0, 1.0]
    alone = TrainingTask(X, targets, Dense(), is_vector=False).scaled()
    assert alone.target_scale[1:3].tolist() == [3.0, 1.0]


@pytest.mark.parametrize(("dtype", "size", "level"), [
    (torch.float32, 20.0, 1e5), (torch.float64, 50.0, 1e11)])
def test_small_changes_of_a_high_level_do_not_outweigh_other_targets(dtype, size, level):
    targets = torch.stack([Y, size * Y3[:, 1] + level], dim=1).to(dtype)
    task = TrainingTask(X.to(dtype), targets, Dense(), "relu", True, is_vector=False).scaled()
    assert task.linear_residual.square().mean(0).sqrt().amax() < 1.01


def test_a_scaled_task_moves_to_another_dtype_whole():
    single = TrainingTask(X, Y3, Dense(), is_vector=False).scaled().to(X.float())
    assert single.target_scale.dtype == torch.float32
    assert single.raw_targets.dtype == torch.float32
    assert not single.is_vector


def test_checked_targets_may_have_columns():
    task = TrainingTask.checked(X, Y3, None, "relu", False, 0.0)
    assert (task.n_targets, task.is_vector) == (3, False)
    column = TrainingTask.checked(X, Y3[:, :1], None, "relu", False, 0.0)
    assert (column.n_targets, column.is_vector) == (1, False)
    assert TrainingTask.checked(X, Y, None, "relu", False, 0.0).is_vector


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
    ({"y": Y3[:5]}, InvalidArgumentError, "^y must be a vector of 12 targets"),
    ({"y": Y3[:, :0]}, InvalidArgumentError, "^y must be .* of C >= 1"),
    ({"y": Y3[:, :, None]}, InvalidArgumentError, "^y must be a vector of 12 targets"),
    ({"y": Y3 / 0.0}, InvalidArgumentError, "^y must be finite"),
    ({"architecture": Convolution(2, sites=4)}, InvalidArgumentError, "^sites must be at most"),
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
