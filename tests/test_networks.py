from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks import GatedReLUNetwork, ReLUNetwork


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


W1, W2, B1, A, A0 = (gaussian(4, 3), gaussian(4, seed=1), gaussian(4, seed=2),
                     gaussian(3, seed=3), gaussian(seed=4))
GATES, C1 = gaussian(4, 3, seed=5), gaussian(4, seed=6)
X, Y = gaussian(10, 3, seed=7), gaussian(10, seed=8)
PARTS = [{}, {"hidden_bias": B1}, {"skip_weight": A}, {"skip_bias": A0},
         {"hidden_bias": B1, "skip_weight": A, "skip_bias": A0}]


def by_hand(x, parts, gates=None, gate_bias=None):
    """Return the output for one sample, neuron by neuron."""
    bias = parts.get("hidden_bias", torch.zeros(4))
    total = float(parts.get("skip_weight", torch.zeros(3)).double() @ x)
    total += float(parts.get("skip_bias", 0.0))
    for j in range(4):
        inner = float(W1[j] @ x + bias[j])
        opening = inner if gates is None else float(
            gates[j] @ x + (0.0 if gate_bias is None else gate_bias[j]))
        total += inner * float(W2[j]) if opening >= 0 else 0.0
    return total


@pytest.mark.parametrize("parts", PARTS)
def test_relu_outputs_equal_the_sum_over_neurons(parts):
    network = ReLUNetwork(W1, W2, **parts)
    with torch.no_grad():
        outputs = network(X)
    np.testing.assert_allclose(outputs, [by_hand(x, parts) for x in X], rtol=1e-12)
    assert network.n_neurons == 4


@pytest.mark.parametrize("gate_bias", [None, C1])
@pytest.mark.parametrize("parts", PARTS)
def test_gated_outputs_equal_the_sum_over_neurons(parts, gate_bias):
    network = GatedReLUNetwork(GATES, W1, W2, gate_bias=gate_bias, **parts)
    with torch.no_grad():
        outputs = network(X)
    expected = [by_hand(x, parts, GATES, gate_bias) for x in X]
    np.testing.assert_allclose(outputs, expected, rtol=1e-12)


@pytest.mark.parametrize("parts", PARTS)
def test_the_objective_is_loss_plus_half_the_squares_of_the_weights(parts):
    loss = 0.5 * sum((by_hand(x, parts) - float(y)) ** 2 for x, y in zip(X, Y, strict=True))
    squares = float(W1.square().sum() + W2.square().sum())
    squares += float(parts.get("hidden_bias", torch.zeros(1)).square().sum())
    ridge = float(parts.get("skip_weight", torch.zeros(1)).square().sum())
    network = ReLUNetwork(W1, W2, **parts)
    assert np.isclose(network.objective(X, Y, 0.3), loss + 0.15 * squares)
    assert np.isclose(network.objective(X, Y, 0.3, skip_penalty=0.8),
                      loss + 0.15 * squares + 0.4 * ridge)


@pytest.mark.parametrize("skip", [{}, {"skip_weight": A, "skip_bias": A0}])
@pytest.mark.parametrize("gates", [None, GATES])
def test_folding_a_constant_input_changes_no_output(gates, skip):
    network = ReLUNetwork(W1, W2, **skip) if gates is None else GatedReLUNetwork(
        gates, W1, W2, **skip)
    constant = torch.cat([X[:, :2], torch.ones(10, 1)], dim=1)
    folded = network.fold_constant_input()
    with torch.no_grad():
        torch.testing.assert_close(folded(X[:, :2]), network(constant))
    assert folded.objective(X[:, :2], Y, 0.3) == pytest.approx(network.objective(constant, Y, 0.3))


def test_weights_are_parameters_and_gates_are_not():
    network = GatedReLUNetwork(GATES, W1, W2, hidden_bias=B1)
    names = {"hidden_weight", "output_weight", "hidden_bias"}
    assert {name for name, _ in network.named_parameters()} == names
    assert set(network.state_dict()) == {*names, "gate"}


def test_a_network_without_neurons_is_its_skip():
    network = ReLUNetwork(W1[:0], W2[:0], skip_weight=A, skip_bias=A0)
    with torch.no_grad():
        torch.testing.assert_close(network(X), X @ A + A0)
    assert network.n_neurons == 0
