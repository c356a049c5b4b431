from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import circulant
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.modules import (
    CircularReLUNetwork,
    ConvReLUNetwork,
    ReLUNetwork,
)
from relu_forecast.networks.two_layer import SkipWeights
from relu_forecast.storage import decode, encode
from relu_forecast.windows.sliding import patches
from tests.fakes import FAKE, fake, faked


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


D, M, N, H = 5, 4, 7, 3
X, Y, W2 = gaussian(N, D, seed=7), gaussian(N, seed=8), gaussian(M, seed=1)
SKIP = SkipWeights(gaussian(D, seed=3), gaussian(seed=4))
GATE_BIAS = gaussian(M, seed=6)


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


DENSE = {"hidden_weight": gaussian(M, D)}
CONV = {"filters": gaussian(M, H)}
CIRCULAR = {"filters": unit(gaussian(M, D)), "pooling_weight": gaussian(M, D, seed=9)}
CASES = {
    "dense": (ReLUNetwork, DENSE),
    "dense, bias": (ReLUNetwork, {**DENSE, "hidden_bias": gaussian(M, seed=2)}),
    "dense, gated": (ReLUNetwork, {**DENSE, "gate": gaussian(M, D, seed=5)}),
    "dense, bias, gated": (ReLUNetwork, {
        **DENSE, "hidden_bias": gaussian(M, seed=2), "gate": gaussian(M, D, seed=5),
        "gate_bias": GATE_BIAS}),
    "convolution": (ConvReLUNetwork, CONV),
    "convolution, stride": (ConvReLUNetwork, {**CONV, "stride": 2}),
    "convolution, bias": (ConvReLUNetwork, {**CONV, "filter_bias": gaussian(M, seed=2)}),
    "convolution, gated": (ConvReLUNetwork, {**CONV, "gate": gaussian(M, H, seed=5)}),
    "convolution, stride, bias, gated": (ConvReLUNetwork, {
        **CONV, "stride": 2, "filter_bias": gaussian(M, seed=2), "gate": gaussian(M, H, seed=5),
        "gate_bias": GATE_BIAS}),
    "circular": (CircularReLUNetwork, CIRCULAR),
    "circular, gated": (CircularReLUNetwork, {**CIRCULAR, "gate": gaussian(M, D, seed=5)})}
every_case = pytest.mark.parametrize("case", list(CASES))
with_or_without_skip = pytest.mark.parametrize("skip", [None, SKIP], ids=["alone", "skip"])


def build(case, skip=None, n_neurons=M):
    kind, parts = CASES[case]
    parts = {name: part if name == "stride" else part[:n_neurons] for name, part in parts.items()}
    return kind(output_weight=W2[:n_neurons], skip=skip, **parts)


def dot(a, b):
    return sum(float(p) * float(q) for p, q in zip(a, b, strict=True))


def linear_part(parts, j, x):
    """Return the input of neuron j for one row, before any bias: by circulant, or plainly."""
    if "pooling_weight" in parts:
        matrix = circulant(parts["filters"][j].numpy())
        return dot(x.numpy() @ matrix, parts["pooling_weight"][j])
    return dot(x, parts.get("hidden_weight", parts.get("filters"))[j])


def neuron(parts, j, x):
    """Return what neuron j gives for one row."""
    bias = parts.get("hidden_bias", parts.get("filter_bias", torch.zeros(M)))
    inner = linear_part(parts, j, x) + float(bias[j])
    if "gate" not in parts:
        return max(0.0, inner)
    opening = dot(x, parts["gate"][j]) + float(parts.get("gate_bias", torch.zeros(M))[j])
    return inner if opening >= 0 else 0.0


def by_hand(case, x, skip):
    """Return the output for one window, neuron by neuron and patch by patch."""
    kind, parts = CASES[case]
    stride = parts.get("stride", 1)
    rows = [x] if kind is not ConvReLUNetwork else [
        x[start : start + H] for start in range(0, D - H + 1, stride)]
    total = sum(float(W2[j]) * neuron(parts, j, row) for j in range(M) for row in rows)
    return total if skip is None else total + dot(skip.weight, x) + float(skip.bias)


@torch.no_grad()
@with_or_without_skip
@every_case
def test_outputs_equal_the_sum_over_neurons_and_patches(case, skip):
    network = build(case, skip)
    np.testing.assert_allclose(network(X), [by_hand(case, x, skip) for x in X], rtol=1e-10)
    assert network.n_neurons == M
    torch.testing.assert_close(network.hidden(X) @ W2 + (
        0.0 if skip is None else X @ skip.weight + skip.bias), network(X))


@with_or_without_skip
@every_case
def test_the_objective_is_loss_plus_half_the_squares_of_the_weights(case, skip):
    parts = CASES[case][1]
    loss = 0.5 * sum((by_hand(case, x, skip) - float(y)) ** 2 for x, y in zip(X, Y, strict=True))
    penalised = ["pooling_weight"] if "pooling_weight" in parts else [
        name for name in ("hidden_weight", "hidden_bias", "filters", "filter_bias")
        if name in parts]
    squares = dot(W2, W2) + sum(
        dot(parts[name].flatten(), parts[name].flatten()) for name in penalised)
    network = build(case, skip)
    assert network.objective(X, Y, 0.3) == pytest.approx(loss + 0.15 * squares)
    ridge = 0.0 if skip is None else dot(skip.weight, skip.weight)
    assert network.objective(X, Y, 0.3, skip_penalty=0.8) == pytest.approx(
        loss + 0.15 * squares + 0.4 * ridge)


@torch.no_grad()
@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("conv")])
def test_a_convolution_of_windows_is_that_of_their_patches(case):
    network = build(case)
    cut = patches(X, H, CASES[case][1].get("stride", 1))
    torch.testing.assert_close(network(cut), network(X))


@torch.no_grad()
def test_the_skip_of_a_convolution_of_patches_sees_their_entries():
    cut = patches(X, H)
    skip = SkipWeights(gaussian(9, seed=3), gaussian(seed=4))
    network = ConvReLUNetwork(CONV["filters"], W2, skip=skip)
    expected = build("convolution")(X) + cut.reshape(N, 9) @ skip.weight + skip.bias
    torch.testing.assert_close(network(cut), expected)


def test_a_convolution_of_unknown_stride_takes_patches_only():
    network = ConvReLUNetwork(CONV["filters"], W2, stride=None)
    torch.testing.assert_close(network(patches(X, H)), build("convolution")(X))
    with pytest.raises(InvalidArgumentError, match="X must be patches"):
        network(X)


@torch.no_grad()
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6])
def test_the_circular_layer_is_a_circulant_product_and_a_circular_conv1d(d):
    filters, pooling, samples = unit(gaussian(3, d)), gaussian(3, d, seed=1), gaussian(6, d, seed=2)
    network = CircularReLUNetwork(filters, pooling, gaussian(3, seed=3))
    expected = np.stack([
        np.maximum(samples.numpy() @ circulant(u.numpy()) @ w.numpy(), 0.0)
        for u, w in zip(filters, pooling, strict=True)], axis=1)
    np.testing.assert_allclose(network.hidden(samples), expected, atol=1e-12)
    torch.testing.assert_close(network.filters, filters)
    layer = network.convolution
    assert isinstance(layer, torch.nn.Conv1d)
    assert layer.padding_mode == "circular"
    correlations = layer(samples[:, None, :])
    by_roll = torch.stack([torch.stack([samples @ u.roll(shift) for shift in range(d)], dim=1)
                           for u in filters], dim=1)
    torch.testing.assert_close(correlations, by_roll)


def test_the_convolution_is_a_conv1d_of_its_filters():
    layer = build("convolution, stride, bias, gated").convolution
    assert isinstance(layer, torch.nn.Conv1d)
    assert (layer.kernel_size, layer.stride, layer.out_channels) == ((H,), (2,), M)
    assert torch.equal(layer.weight[:, 0], CONV["filters"])


NAMES = {"dense, bias, gated": ({"hidden_weight", "hidden_bias", "output_weight"},
                                {"gate", "gate_bias"}),
         "convolution, stride, bias, gated": (
             {"convolution.weight", "convolution.bias", "output_weight"}, {"gate", "gate_bias"}),
         "circular, gated": ({"convolution.weight", "pooling_weight", "output_weight"}, {"gate"})}


@pytest.mark.parametrize("case", list(NAMES))
def test_weights_are_parameters_and_gates_are_not(case):
    network, (weights, gates) = build(case), NAMES[case]
    assert {name for name, _ in network.named_parameters()} == weights
    assert set(network.state_dict()) == weights | gates
    skip = {"skip_weight", "skip_bias"}
    assert {name for name, _ in build(case, SKIP).named_parameters()} == weights | skip


@torch.no_grad()
@with_or_without_skip
@every_case
def test_a_network_without_neurons_is_its_skip(case, skip):
    network = build(case, skip, n_neurons=0)
    expected = torch.zeros(N).double() if skip is None else X @ skip.weight + skip.bias
    torch.testing.assert_close(network(X), expected)
    assert network.n_neurons == 0
    assert network.hidden(X).shape == (N, 0)
    assert network.objective(X, Y, 0.3) == pytest.approx(
        0.5 * float((Y - expected).square().sum()))


@every_case
def test_gradients_are_those_of_finite_differences(case):
    network = build(case, SKIP)
    (0.5 * (network(X) - Y).square().sum()).backward()
    for parameter in network.parameters():
        direction, step = gaussian(*parameter.shape, seed=11), 1e-6
        with torch.no_grad():
            values = []
            for sign in (1.0, -1.0):
                parameter.add_(sign * step * direction)
                values.append(float(0.5 * (network(X) - Y).square().sum()))
                parameter.sub_(sign * step * direction)
        slope = float((parameter.grad * direction).sum())
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-7)


@torch.no_grad()
@every_case
def test_a_network_moves_to_float32_whole(case):
    network = build(case, SKIP)
    expected = network(X)
    torch.testing.assert_close(network.float()(X.float()), expected.float(), rtol=1e-4, atol=1e-4)


W3, SKIP3 = gaussian(M, 3, seed=11), SkipWeights(gaussian(D, 3, seed=12), gaussian(3, seed=13))
Y3, SCALE = gaussian(N, 3, seed=14), torch.tensor([0.5, 1.0, 20.0]).double()


def with_outputs(case, skip=SKIP3, scale=SCALE, **sites):
    """Return the network of a case with three outputs; `sites` are of a convolution."""
    kind, parts = CASES[case]
    weight = W3 if not sites else gaussian(M, 2, 3, seed=11)
    return kind(output_weight=weight, skip=skip, target_scale=scale, **parts, **sites)


@torch.no_grad()
@every_case
def test_several_outputs_are_networks_side_by_side_that_share_their_neurons(case):
    network = with_outputs(case)
    kind, parts = CASES[case]
    single = [kind(output_weight=W3[:, c], skip=SkipWeights(SKIP3.weight[:, c], SKIP3.bias[c]),
                   **parts) for c in range(3)]
    expected = torch.stack([each(X) for each in single], dim=1)
    torch.testing.assert_close(network(X), expected * SCALE)
    assert network.n_outputs == 3
    assert single[0].n_outputs is None
    losses = sum(each.objective(X, Y3[:, c] / SCALE[c], 0.0) for c, each in enumerate(single))
    hidden = sum(float(each.square().sum()) for each in network.hidden_weights())
    squares = hidden + float(W3.square().sum())
    assert network.objective(X, Y3, 0.3, 0.8) == pytest.approx(
        losses + 0.15 * squares + 0.4 * float(SKIP3.weight.square().sum()))


OUTPUTS = [(case, {}) for case in ("dense, bias, gated", "convolution, bias", "circular, gated")]
OUTPUTS.append(("convolution, bias", {"sites": 2}))


@torch.no_grad()
@pytest.mark.parametrize(("case", "sites"), OUTPUTS)
def test_networks_of_several_outputs_come_back_from_their_files(case, sites):
    network = with_outputs(case, **sites)
    again = decode(*encode(network))
    assert type(again) is type(network)
    assert torch.equal(again(X), network(X))
    assert again.n_outputs == 3


@pytest.mark.parametrize(("case", "sites"), OUTPUTS)
def test_fake_cuda_networks_of_several_outputs_stay_on_the_device(case, sites):
    kind, parts = CASES[case]
    with FakeTensorMode():
        own = {name: faked(part) if isinstance(part, torch.Tensor) else part
               for name, part in parts.items()}
        network = kind(output_weight=fake(M, 2, 3) if sites else fake(M, 3),
                       skip=SkipWeights(fake(D, 3), fake(3)), target_scale=fake(3), **own, **sites)
        outputs = network(fake(N, D))
    assert outputs.shape == (N, 3)
    assert outputs.device.type == FAKE
