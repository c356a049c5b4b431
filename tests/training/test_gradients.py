from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.architectures import Convolution
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
from tests.fakes import FAKE, faked, faked_features, faked_skip


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


X, Y = gaussian(40, 4), gaussian(40, 1, seed=1).abs()
Y3 = torch.cat([Y, gaussian(40, 2, seed=2)], dim=1)
FEATURES = {
    "dense": Features(X, 40, GroupNorm.euclidean(X)),
    "convolution": Convolution(3).features(X),
    "two sites": Convolution(2, sites=2).features(X),
    "every patch": Convolution(2, sites="flatten").features(X),
    "circular": Features(fourier_coordinates(X), 40, fourier_norm(X))}
LAYERS = {"dense": DirectLayer(4), "convolution": DirectLayer(3), "two sites": DirectLayer(2),
          "every patch": DirectLayer(2), "circular": CircularLayer(4)}
SKIPS = {"none": None, "plain": LinearSkip.of(X), "ridge": LinearSkip.of(X, 3.0)}
SETTINGS = {
    "adam": GradientSettings("adam", 10, 100, 0.02),
    "sgd": GradientSettings("sgd", 10, 25, 0.01, 8),
    "full-batch sgd": GradientSettings("sgd", 10, 100, 0.01),
    "lbfgs": GradientSettings("lbfgs", 10, 50, 1.0)}
targets = pytest.mark.parametrize("c", [1, 3])
every_architecture = pytest.mark.parametrize("architecture", list(FEATURES))
every_skip = pytest.mark.parametrize("name", list(SKIPS))
every_optimizer = pytest.mark.parametrize("optimizer", list(SETTINGS))


def problem_of(architecture, beta, skip="none", c=1):
    return Problem(FEATURES[architecture], Y3[:, :c], beta, SKIPS[skip])


def literal_outputs(architecture, hidden, output):
    """The network, neuron by neuron, site by site and patch by patch."""
    features = FEATURES[architecture]
    rows = features.rows.reshape(40, -1, hidden.shape[1])
    weights = features.pooling
    if weights is None:
        weights = torch.ones(1, rows.shape[1]).double()
    total = 0.0
    for weight, heads in zip(hidden, output.reshape(len(output), len(weights), -1), strict=True):
        for share, head in zip(weights, heads, strict=True):
            total = total + ((rows @ weight).clamp(min=0) @ share)[:, None] * head
    return total


def start(problem, architecture, seed=0):
    parameters = LAYERS[architecture].initial(10, seed, problem.n_head_entries)
    return objective_and_gradients(problem, LAYERS[architecture], parameters)


@every_architecture
@every_skip
@targets
def test_the_written_gradients_are_those_of_autograd(name, architecture, c):
    skip, layer = SKIPS[name], LAYERS[architecture]
    problem = problem_of(architecture, 0.7, name, c)
    parameters = [part.requires_grad_() for part in layer.initial(6, 2, problem.n_head_entries)]
    error = problem.targets - literal_outputs(
        architecture, layer.hidden(parameters), parameters[-1])
    left = error if skip is None else skip.annihilate(error)
    penalised = parameters[1:] if architecture == "circular" else parameters
    value = 0.5 * (error * left).sum() + 0.35 * sum(part.square().sum() for part in penalised)
    expected = torch.autograd.grad(value, parameters)
    found, gradients = objective_and_gradients(
        problem, layer, [part.detach() for part in parameters])
    torch.testing.assert_close(found, value.detach())
    for part, right in zip(gradients, expected, strict=True):
        torch.testing.assert_close(part, right)
        assert part.is_contiguous()  # as L-BFGS of torch asks


@every_architecture
@targets
def test_the_loss_has_no_penalty_in_it_and_leaves_its_arguments(architecture, c):
    light, heavy = (problem_of(architecture, beta, c=c) for beta in (0.1, 10.0))
    layer = LAYERS[architecture]
    parameters = layer.initial(6, 2, light.n_head_entries)
    weights = layer.hidden(parameters), parameters[-1]
    before = [part.clone() for part in weights]
    for left, right in zip(loss_and_gradients(light, *weights),
                           loss_and_gradients(heavy, *weights), strict=True):
        assert torch.equal(left, right)
    assert all(torch.equal(left, right) for left, right in zip(weights, before, strict=True))


@every_architecture
@every_skip
@targets
def test_the_gradients_of_the_batches_add_up_to_the_gradient_of_the_whole(name, architecture, c):
    problem = problem_of(architecture, 0.7, name, c)
    layer = LAYERS[architecture]
    parameters = layer.initial(6, 2, problem.n_head_entries)
    targets = skip_targets(problem, layer.hidden(parameters), parameters[-1])
    without_skip = Problem(problem.features, targets, problem.beta)
    _, full = objective_and_gradients(problem, layer, parameters)
    order = torch.as_tensor(np.random.default_rng(0).permutation(40))
    parts = [objective_and_gradients(without_skip.subsampled(kept), layer, parameters)[1]
             for kept in order.split(7)]
    for whole, *batches in zip(full, *parts, strict=True):
        torch.testing.assert_close(torch.stack(batches).sum(0), whole)


@pytest.mark.parametrize("architecture", ["dense", "convolution", "circular", "two sites"])
@every_optimizer
def test_training_lowers_the_objective_and_repeats_itself(optimizer, architecture):
    name = "none" if architecture == "dense" else "plain"
    problem = problem_of(architecture, 0.1, name, 3 if architecture == "two sites" else 1)
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
    assert output.shape == (10, 1)


def test_the_output_weights_of_a_trained_network_are_by_site_and_target():
    problem = problem_of("two sites", 0.1, "plain", 3)
    hidden, output = train_by_gradients(problem, LAYERS["two sites"], SETTINGS["adam"], 0)
    assert hidden.shape == (10, 2)
    assert output.shape == (10, 2 * 3)


def test_training_makes_the_three_factors_as_cheap_as_the_norm_says():
    features, layer = FEATURES["circular"], LAYERS["circular"]
    problem = Problem(features, Y, 0.5)

    def excess(parameters):
        value, _ = objective_and_gradients(problem, layer, parameters)
        hidden = layer.hidden(parameters)
        loss, _, _ = loss_and_gradients(problem, hidden, parameters[-1])
        norms = features.norm.norms(hidden * parameters[-1].norm(dim=1)[:, None]).sum()
        return float(value / (loss + 0.5 * norms)) - 1

    trained = train_by_gradients(problem, layer, GradientSettings("lbfgs", 10, 500, 1.0), 0)
    assert excess(layer.initial(10, 0)) > 0.03
    assert 0 <= excess(trained) < 0.01


@every_optimizer
@targets
def test_the_trace_starts_at_the_initial_objective_and_falls(optimizer, c):
    problem, trace = problem_of("dense", 0.1, c=c), []
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


@every_architecture
@targets
def test_fake_cuda_gradients_stay_on_the_device(architecture, c):
    problem, layer = problem_of(architecture, 0.1, "ridge", c), LAYERS[architecture]
    parameters = layer.initial(6, 2, problem.n_head_entries)
    with FakeTensorMode():
        moved = Problem(faked_features(problem.features), faked(problem.targets), 0.1,
                        faked_skip(problem.skip))
        own = [faked(part) for part in parameters]
        value, gradients = objective_and_gradients(moved, layer, own)
        left = skip_targets(moved, layer.hidden(own), own[-1])
    assert {part.device.type for part in (value, left, *gradients)} == {FAKE}
    assert [part.shape for part in gradients] == [part.shape for part in parameters]
    assert left.shape == (40, c)
