from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import circulant

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import (
    Architecture,
    Circular,
    Convolution,
    Dense,
    default_architecture,
)
from relu_forecast.networks.fourier import fourier_coordinates, signals_of
from relu_forecast.networks.modules import CircularReLUNetwork, ConvReLUNetwork, ReLUNetwork
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.windows.sliding import patches

ARCHITECTURES = {
    "dense": (Dense(), 4), "constant": (Dense(True), 4), "patches": (Convolution(2), 4),
    "stride": (Convolution(2, 2), 5), "patches, constant": (Convolution(3, 1, True), 4),
    "circular, odd": (Circular(), 5), "circular, even": (Circular(), 4),
    "circular, two samples": (Circular(), 2), "circular, one sample": (Circular(), 1)}
every_architecture = pytest.mark.parametrize("name", list(ARCHITECTURES))
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
SIGNS = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]).double()


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def blocks_of(name, m=4, seed=1):
    """Return samples, and blocks that a neuron can have."""
    architecture, d = ARCHITECTURES[name]
    X = gaussian(9, d)
    gates = gaussian(m, architecture.gate_inputs(X).shape[1], seed=seed)
    return architecture, X, architecture.coordinates(gates)


def in_cones(program, seed):
    """Return blocks inside their cones, every other one zero."""
    sizes = torch.tensor(np.random.default_rng(seed).random((program.n_blocks, 1)))
    sizes[::2] = 0.0
    return sizes * program.gates


@every_architecture
def test_factors_are_balanced_and_cost_twice_the_norm(name):
    architecture, X, blocks = blocks_of(name)
    *_, hidden, output = architecture.factors(X, blocks, SIGNS)
    norms = architecture.features(X).norm.norms(blocks)
    torch.testing.assert_close(hidden.square().sum(1), norms)
    torch.testing.assert_close(output[:, 0].square(), norms)
    assert torch.equal(output.sign(), SIGNS)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if "circular" not in name])
def test_a_whole_block_is_the_product_of_its_two_weights(name):
    architecture, X, blocks = blocks_of(name)
    hidden, output = architecture.factors(X, blocks, SIGNS)
    torch.testing.assert_close(hidden * (SIGNS * output), blocks)


@settings(max_examples=15)
@given(d=st.integers(1, 8), seed=st.integers(0, 999))
def test_circulants_of_unit_filters_make_the_signals_of_circular_blocks(d, seed):
    signals, X = gaussian(4, d, seed=seed), gaussian(5, d, seed=seed + 1)
    filters, pooling, output = Circular().factors(X, fourier_coordinates(signals), SIGNS)
    for u, w1, w2, sign, z in zip(filters, pooling, output, SIGNS, signals, strict=True):
        assert float(u.norm()) == pytest.approx(1.0)
        rebuilt = circulant(u.numpy()) @ w1.numpy() * float(sign * w2)
        np.testing.assert_allclose(rebuilt, z, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 6, 7])
def test_signals_without_some_frequencies_are_factored_too(d):
    constant, pure = torch.ones(d).double(), torch.tensor(np.cos(2 * np.pi * np.arange(d) / d))
    signals = torch.stack([constant, pure, 1e-100 * constant, 1e-20 * pure + constant])
    filters, pooling, output = Circular().factors(gaussian(2, d), fourier_coordinates(signals),
                                                  SIGNS)
    rebuilt = np.stack([circulant(u.numpy()) @ w1.numpy() * float(sign * w2) for u, w1, w2, sign in
                        zip(filters, pooling, output, SIGNS, strict=True)])
    np.testing.assert_allclose(rebuilt, signals, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(filters.norm(dim=1), torch.ones(4).double())


def test_no_other_factors_of_a_circular_block_are_cheaper():
    signals, generator = gaussian(1, 5), np.random.default_rng(0)
    blocks = fourier_coordinates(signals)
    cheapest = float(Circular().features(signals).norm.norms(blocks)[0])
    for _ in range(200):
        u = generator.standard_normal(5)
        w1 = np.linalg.solve(circulant(u / np.linalg.norm(u)), signals[0].numpy())
        assert np.linalg.norm(w1) >= cheapest * (1 - 1e-12)


@every_architecture
def test_no_blocks_make_a_network_without_neurons(name):
    architecture, X, blocks = blocks_of(name)
    *factors, output = architecture.factors(X, blocks[:0], SIGNS[:0])
    network = architecture.network([*factors, output[:, 0]], None, None)
    assert network.n_neurons == 0
    assert network(X).tolist() == [0.0] * 9


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
@every_architecture
def test_the_network_is_the_program_in_outputs_and_objective_at_any_point(name, activation, skip):
    architecture, X, _ = blocks_of(name)
    y = gaussian(9, seed=5)
    patterns = sample_patterns(architecture.gate_inputs(X), 5, 0)
    program = ConvexProgram(X, y, patterns, 0.4, activation=activation,
                            architecture=architecture, **skip)
    blocks = in_cones(program, 2)
    if activation == "gated_relu":  # its blocks need no cone
        signals = gaussian(*patterns.gates.shape, seed=9)
        blocks = architecture.coordinates(signals) * (blocks != 0).any(1, keepdim=True)
    network = program.network(blocks)
    outputs = program.design.forward(blocks)[:, 0]
    if program.skip is not None:
        weight, bias = program.skip.fit(y - outputs)
        outputs = outputs + X @ weight + bias
    with torch.no_grad():
        torch.testing.assert_close(network(X), outputs)
    own = network.objective(X, y, 0.4, program.task.skip_penalty)
    assert own == pytest.approx(float(program.objective(blocks)), rel=1e-10)
    assert network.n_neurons == int((blocks != 0).any(1).sum())


@every_architecture
def test_features_times_coordinates_are_products_of_rows_and_gates(name):
    architecture, X, _ = blocks_of(name)
    rows = architecture.gate_inputs(X)
    gates = gaussian(3, rows.shape[1])
    features = architecture.features(X)
    torch.testing.assert_close(features.rows @ architecture.coordinates(gates).T, rows @ gates.T)
    assert isinstance(architecture, Architecture)


def test_convolution_of_windows_is_convolution_of_patches():
    X = gaussian(6, 5)
    whole, given_patches = Convolution(2, 2), Convolution(None)
    cut = patches(X, 2, 2)
    torch.testing.assert_close(whole.gate_inputs(X), given_patches.gate_inputs(cut))
    assert given_patches.features(cut).n_patches == 2


def test_a_constant_input_is_the_last_entry_of_every_row_and_becomes_the_bias():
    X = gaussian(6, 5)
    for architecture in (Dense(True), Convolution(3, 1, True)):
        rows = architecture.gate_inputs(X)
        assert rows[:, -1].tolist() == [1.0] * len(rows)
        weights, gates = gaussian(2, rows.shape[1]), gaussian(2, rows.shape[1], seed=3)
        network = architecture.network([weights, gaussian(2, seed=4)], gates, None)
        assert torch.equal(network.gate_bias, gates[:, -1])
        bias = getattr(network, "hidden_bias", None)
        assert torch.equal(network.convolution.bias if bias is None else bias, weights[:, -1])


def test_the_shape_of_the_samples_gives_the_default_architecture():
    X = gaussian(3, 4)
    assert default_architecture(X) == Dense()
    assert default_architecture(patches(X, 2)) == Convolution(None)
    with pytest.raises(InvalidArgumentError, match=r"^X must be windows \(n, d\) for this"):
        Circular().check_input(patches(X, 2))


def test_each_architecture_makes_its_own_network():
    X, kinds = gaussian(3, 4), []
    for architecture in (Dense(), Convolution(2), Circular()):
        factors = architecture.factors(X, architecture.features(X).rows[:2], SIGNS[:2])
        kinds.append(type(architecture.network(factors, None, None)))
    assert kinds == [ReLUNetwork, ConvReLUNetwork, CircularReLUNetwork]


@pytest.mark.parametrize(("architecture", "argument"), [
    (Convolution(5), "filter_size"), (Convolution(0), "filter_size"),
    (Convolution(2, 0), "stride"), (Convolution(2, -1), "stride")])
def test_filters_that_do_not_fit_are_named(architecture, argument):
    with pytest.raises(InvalidArgumentError) as caught:
        architecture.features(gaussian(3, 4))
    assert caught.value.argument == argument


def test_unused_coordinates_of_a_circular_block_change_nothing():
    architecture, X, blocks = blocks_of("circular, even")
    blocks = fourier_coordinates(signals_of(blocks, 4))
    extended = blocks.clone()
    extended[:, 1] = 1.0
    features = architecture.features(X)
    torch.testing.assert_close(features.outputs(extended), features.outputs(blocks))


def test_a_dense_layer_of_some_columns_is_that_of_these_columns():
    X = torch.randn(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for constant_input in (False, True):
        part, whole = Dense(constant_input, inputs=3), Dense(constant_input)
        assert torch.equal(part.gate_inputs(X), whole.gate_inputs(X[:, :3]))
        factors = [torch.ones(2, 3 + constant_input, dtype=torch.float64),
                   torch.ones(2, dtype=torch.float64)]
        assert torch.equal(part.network(factors, None, None)(X),
                           whole.network(factors, None, None)(X[:, :3]))
    with pytest.raises(RuntimeError):  # a network of three columns takes no more than three
        Dense().network([torch.ones(2, 3, dtype=torch.float64), torch.ones(2)], None, None)(X)
    with pytest.raises(InvalidArgumentError, match="at most the 5 columns of X"):
        Dense(inputs=6).check_input(X)
    with pytest.raises(InvalidArgumentError, match="inputs"):
        Dense(inputs=0)
