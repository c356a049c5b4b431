"""Networks as blocks and heads: outputs against loops, and what makes others of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Architecture, Circular, Convolution, Dense
from relu_forecast.networks.hidden_layers import DirectLayer
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.gradients import objective_and_gradients

X = torch.tensor(np.random.default_rng(0).standard_normal((9, 4)))
ARCHITECTURES = {"dense": Dense(), "convolution": Convolution(2), "circular": Circular()}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(),
                                             ids=list(ARCHITECTURES))
targets = pytest.mark.parametrize("c", [1, 2])


def drawn(width: int, c: int, m: int = 5) -> Neurons:
    generator = np.random.default_rng(c)
    blocks, heads = (torch.tensor(generator.standard_normal((m, size))) for size in (width, c))
    return Neurons(blocks, heads / heads.norm(dim=1, keepdim=True))


@targets
@every_architecture
def test_outputs_are_a_loop_over_samples_neurons_and_targets(
    architecture: Architecture, c: int
) -> None:
    features = architecture.features(X)
    neurons, expected = drawn(features.width, c), np.zeros((9, c))
    rows = features.rows.reshape(9, -1, features.width)
    for t in range(9):
        for block, head in zip(neurons.blocks, neurons.heads, strict=True):
            for row in rows[t]:
                expected[t] += max(0.0, float(row @ block)) * head.numpy()
    np.testing.assert_allclose(neurons.outputs(features), expected, atol=1e-12)


@targets
@every_architecture
def test_outputs_of_both_are_the_sum_and_scaled_ones_are_scaled(
    architecture: Architecture, c: int
) -> None:
    features = architecture.features(X)
    neurons = drawn(features.width, c)
    outputs, first = neurons.outputs(features), torch.tensor([True, False, True, False, False])
    parts = neurons.taken(first), neurons.taken(torch.tensor([4, 1, 3]))
    assert [len(part) for part in parts] == [2, 3]
    torch.testing.assert_close(sum(part.outputs(features) for part in parts), outputs)
    torch.testing.assert_close(parts[0].joined(parts[1]).outputs(features), outputs)
    torch.testing.assert_close(neurons.scaled(2.5).outputs(features), 2.5 * outputs)
    assert torch.equal(neurons.scaled(2.5).heads, neurons.heads)


@targets
@every_architecture
def test_no_neurons_put_out_nothing_and_join_as_nothing(
    architecture: Architecture, c: int
) -> None:
    features = architecture.features(X.float())
    none = Neurons.none(features, c)
    assert len(none) == 0
    assert torch.equal(none.outputs(features), torch.zeros(9, c))
    some = drawn(features.width, c).to(features.rows)
    assert some.blocks.dtype == some.heads.dtype == torch.float32
    assert torch.equal(none.joined(some).blocks, some.blocks)


def test_neurons_and_balanced_weights_are_the_same_network() -> None:
    hidden, output = DirectLayer(4).initial(5, 3)
    neurons = Neurons(hidden * output.abs(), output.sign())
    problem = Problem(Dense().features(X), X[:, :1].abs(), 0.5)
    expected = problem.features.outputs(hidden) @ output
    torch.testing.assert_close(neurons.outputs(problem.features), expected)
    sizes = neurons.blocks.norm(dim=1, keepdim=True).sqrt()
    balanced, shares = neurons.blocks / sizes, sizes * neurons.heads
    torch.testing.assert_close(problem.features.outputs(balanced) @ shares, expected)
    value, _ = objective_and_gradients(problem, DirectLayer(4), [balanced, shares])
    assert problem.objective_of(neurons) == pytest.approx(float(value), rel=1e-12)
