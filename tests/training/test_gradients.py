from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.features import Features
from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm
from relu_forecast.networks.hidden_layers import CircularLayer, DirectLayer
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.problem import Problem
from relu_forecast.training.gradients import (
    GradientSettings,
    TracePoint,
    loss_and_gradients,
    objective_and_gradients,
    skip_targets,
    train_by_gradients,
)
from relu_forecast.windows.sliding import patches


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


X, Y = gaussian(40, 4), gaussian(40, 1, seed=1).abs()
FEATURES = {
    "dense": Features(X, 40, GroupNorm.euclidean(X)),
    "convolution": Features(patches(X, 3).flatten(0, 1), 40, GroupNorm.euclidean(X)),
    "circular": Features(fourier_coordinates(X), 40, fourier_norm(X))}
LAYERS = {"dense": DirectLayer(4), "convolution": DirectLayer(3), "circular": CircularLayer(4)}
SKIPS = {"none": None, "plain": LinearSkip.of(X), "ridge": LinearSkip.of(X, 3.0)}
SETTINGS = {
    "adam": GradientSettings("adam", 10, 100, 0.02),
    "sgd": GradientSettings("sgd", 10, 25, 0.01, 8),
    "full-batch sgd": GradientSettings("sgd", 10, 100, 0.01),
    "lbfgs": GradientSettings("lbfgs", 10, 50, 1.0)}
every_architecture = pytest.mark.parametrize("architecture", list(FEATURES))
every_skip = pytest.mark.parametrize("name", list(SKIPS))
every_optimizer = pytest.mark.parametrize("optimizer", list(SETTINGS))


def literal_outputs(architecture, hidden, output):
    """The network, neuron by neuron and patch by patch."""
    rows = FEATURES[architecture].rows.reshape(40, -1, hidden.shape[1])
    neurons = zip(hidden, output, strict=True)
    return sum(((rows @ weights).clamp(min=0) * share).sum(1) for weights, share in neurons)


def start(problem, architecture, seed=0):
    parameters = LAYERS[architecture].initial(10, seed)
    return objective_and_gradients(problem, LAYERS[architecture], parameters)


@every_architecture
@every_skip
def test_the_written_gradients_are_those_of_autograd(name, architecture):
    skip, layer = SKIPS[name], LAYERS[architecture]
    problem = Problem(FEATURES[architecture], Y, 0.7, skip)
    parameters = [part.requires_grad_() for part in layer.initial(6, seed=2)]
    error = Y[:, 0] - literal_outputs(architecture, layer.hidden(parameters), parameters[-1])
    left = error if skip is None else skip.annihilate(error)
    penalised = parameters[1:] if architecture == "circular" else parameters
    value = 0.5 * error.dot(left) + 0.35 * sum(part.square().sum() for part in penalised)
    expected = torch.autograd.grad(value, parameters)
    found, gradients = objective_and_gradients(
        problem, layer, [part.detach() for part in parameters])
    torch.testing.assert_close(found, value.detach())
    for part, right in zip(gradients, expected, strict=True):
        torch.testing.assert_close(part, right)


@every_architecture
def test_the_loss_has_no_penalty_in_it_and_leaves_its_arguments(architecture):
    layer = LAYERS[architecture]
    parameters = layer.initial(6, 2)
    weights = layer.hidden(parameters), parameters[-1]
    before = [part.clone() for part in weights]
    light, heavy = (Problem(FEATURES[architecture], Y, beta) for beta in (0.1, 10.0))
    for left, right in zip(loss_and_gradients(light, *weights),
                           loss_and_gradients(heavy, *weights), strict=True):
        assert torch.equal(left, right)
    assert all(torch.equal(left, right) for left, right in zip(weights, before, strict=True))


@every_architecture
@every_skip
def test_the_gradients_of_the_batches_add_up_to_the_gradient_of_the_whole(name, architecture):
    problem = Problem(FEATURES[architecture], Y, 0.7, SKIPS[name])
    layer = LAYERS[architecture]
    parameters = layer.initial(6, 2)
    targets = skip_targets(problem, layer.hidden(parameters), parameters[-1])
    without_skip = Problem(problem.features, targets, problem.beta)
    _, full = objective_and_gradients(problem, layer, parameters)
    order = torch.as_tensor(np.random.default_rng(0).permutation(40))
    parts = [objective_and_gradients(without_skip.subsampled(kept), layer, parameters)[1]
             for kept in order.split(7)]
    for whole, *batches in zip(full, *parts, strict=True):
        torch.testing.assert_close(torch.stack(batches).sum(0), whole)


@every_architecture
@every_optimizer
def test_training_lowers_the_objective_and_repeats_itself(optimizer, architecture):
    name = {"dense": "none", "convolution": "plain", "circular": "plain"}[architecture]
    problem = Problem(FEATURES[architecture], Y, 0.1, SKIPS[name])
    layer, settings = LAYERS[architecture], SETTINGS[optimizer]
    trained = train_by_gradients(problem, layer, settings, seed=0)
    again = train_by_gradients(problem, layer, settings, seed=0)
    end, _ = objective_and_gradients(problem, layer, trained)
    assert float(end) < 0.95 * float(start(problem, architecture)[0])
    assert all(torch.equal(left, right) for left, right in zip(trained, again, strict=True))
    assert not torch.equal(trained[0], train_by_gradients(problem, layer, settings, seed=1)[0])


def test_the_filters_of_a_trained_circular_network_have_unit_length():
    problem = Problem(FEATURES["circular"], Y, 0.1)
    filters, pooling, output = train_by_gradients(problem, LAYERS["circular"], SETTINGS["adam"], 0)
    torch.testing.assert_close(filters.norm(dim=1), torch.ones(10, dtype=torch.float64))
    assert pooling.shape == (10, 4)
    assert output.shape == (10,)


def test_training_makes_the_three_factors_as_cheap_as_the_norm_says():
    features, layer = FEATURES["circular"], LAYERS["circular"]
    problem = Problem(features, Y, 0.5)

    def excess(parameters):
        value, _ = objective_and_gradients(problem, layer, parameters)
        hidden = layer.hidden(parameters)
        loss, _, _ = loss_and_gradients(problem, hidden, parameters[-1])
        norms = features.norm.norms(hidden * parameters[-1].abs()[:, None]).sum()
        return float(value / (loss + 0.5 * norms)) - 1

    trained = train_by_gradients(problem, layer, GradientSettings("lbfgs", 10, 500, 1.0), 0)
    assert excess(layer.initial(10, 0)) > 0.03
    assert 0 <= excess(trained) < 0.01


@every_optimizer
def test_the_trace_starts_at_the_initial_objective_and_falls(optimizer):
    problem, trace = Problem(FEATURES["dense"], Y, 0.1), []
    train_by_gradients(problem, LAYERS["dense"], SETTINGS[optimizer], 0, trace.append)
    assert all(isinstance(point, TracePoint) for point in trace)
    assert trace[0].objective == pytest.approx(float(start(problem, "dense")[0]))
    assert trace[-1].objective < trace[0].objective
    seconds = [point.seconds for point in trace]
    assert seconds == sorted(seconds)
    assert [point.step for point in trace] == list(range(len(trace)))


@pytest.mark.parametrize("change", [
    {"n_steps": 20}, {"learning_rate": 0.003}, {"batch_size": 20}, {"n_neurons": 9}])
def test_every_setting_changes_the_result(change):
    problem, base = Problem(FEATURES["dense"], Y, 0.1), vars(SETTINGS["sgd"])
    before, after = (
        train_by_gradients(problem, LAYERS["dense"], GradientSettings(**options), 0)[0]
        for options in (base, {**base, **change}))
    assert before.shape != after.shape or not torch.allclose(before, after)


def test_training_keeps_the_dtype_of_the_features():
    single = Features(X.float(), 40, GroupNorm.euclidean(X.float()))
    problem = Problem(single, Y.float(), 0.1)
    trained = train_by_gradients(problem, LAYERS["dense"], GradientSettings("adam", 5, 1, 0.02), 0)
    double = train_by_gradients(Problem(FEATURES["dense"], Y, 0.1), LAYERS["dense"],
                     GradientSettings("adam", 5, 1, 0.02), 0)
    for left, right in zip(trained, double, strict=True):
        assert left.dtype == torch.float32
        torch.testing.assert_close(left, right.float())
