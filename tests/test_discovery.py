from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch

from relu_forecast.features import Features
from relu_forecast.fourier import fourier_coordinates, fourier_norm, signals_of
from relu_forecast.hidden_layers import DirectLayer
from relu_forecast.penalties import GroupNorm
from relu_forecast.skip import LinearSkip
from relu_forecast.training.descent import DescentProblem, objective_and_gradients
from relu_forecast.training.discovery import (
    consolidate,
    local_objective,
    local_residual,
    random_neurons,
    refine,
)
from relu_forecast.training.neurons import Neurons
from relu_forecast.training.pricing import perturbed_starts, price, random_starts
from relu_forecast.windows import patches

KINDS = ["dense", "convolution", "circular"]
every_kind = pytest.mark.parametrize("kind", KINDS)
with_and_without_skip = pytest.mark.parametrize("skip", [False, True])


def features_of(kind: str, X: torch.Tensor) -> Features:
    if kind == "circular":
        return Features(fourier_coordinates(X), len(X), fourier_norm(X))
    rows = X if kind == "dense" else patches(X, 3).flatten(0, 1)
    return Features(rows, len(X), GroupNorm.euclidean(X))


def make_problem(kind: str, skip: bool = False, n: int = 60, d: int = 4) -> DescentProblem:
    generator = np.random.default_rng(0)
    X = torch.as_tensor(generator.standard_normal((n, d)))
    y = (X @ torch.ones(d, dtype=X.dtype)).relu() - (X[:, 0] - X[:, 1]).relu()
    return DescentProblem(features_of(kind, X), y, 0.5, LinearSkip.of(X) if skip else None)


@with_and_without_skip
@every_kind
def test_local_objective_and_residual_are_those_written_out(kind: str, skip: bool) -> None:
    problem = make_problem(kind, skip)
    neurons, features = random_neurons(problem, 5, 1), problem.features
    rows = features.rows.reshape(60, -1, features.width)
    outputs = sum((rows @ block).clamp(min=0).sum(1) * sign
                  for block, sign in zip(neurons.blocks, neurons.signs, strict=True))
    torch.testing.assert_close(neurons.contributions(features).sum(1), outputs)
    residual = problem.annihilate(problem.y - outputs)
    torch.testing.assert_close(local_residual(problem, neurons), residual)
    value = 0.5 * residual.square().sum() + 0.5 * features.norm.norms(neurons.blocks).sum()
    assert local_objective(problem, neurons) == pytest.approx(float(value), rel=1e-12)


def test_neurons_and_balanced_weights_are_the_same_network() -> None:
    problem = make_problem("dense")
    hidden, output = DirectLayer(4).initial(5, 3)
    neurons = Neurons.of_weights(hidden, output)
    expected = problem.features.outputs(hidden) @ output
    torch.testing.assert_close(neurons.contributions(problem.features).sum(1), expected)
    balanced, shares = neurons.weights()
    torch.testing.assert_close(problem.features.outputs(balanced) @ shares, expected)
    torch.testing.assert_close(balanced.norm(dim=1), shares.abs())
    value, _ = objective_and_gradients(problem, DirectLayer(4), [balanced, shares])
    assert local_objective(problem, neurons) == pytest.approx(float(value), rel=1e-12)


def test_zero_neurons_are_dropped() -> None:
    hidden = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    output = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    assert len(Neurons.of_weights(hidden, output)) == 1


@every_kind
def test_random_neurons_repeat_and_have_no_weight_that_does_nothing(kind: str) -> None:
    problem = make_problem(kind)
    neurons = random_neurons(problem, 9, 0)
    assert len(neurons) == 9
    assert set(neurons.signs.tolist()) == {-1.0, 1.0}
    assert torch.equal(neurons.blocks, random_neurons(problem, 9, 0).blocks)
    assert not torch.equal(neurons.blocks, random_neurons(problem, 9, 1).blocks)
    if kind == "circular":
        again = fourier_coordinates(signals_of(neurons.blocks, 4))
        torch.testing.assert_close(again, neurons.blocks)


@with_and_without_skip
@every_kind
def test_refine_descends(kind: str, skip: bool) -> None:
    problem = make_problem(kind, skip)
    before = random_neurons(problem, 12, 1)
    after = refine(problem, before, 100)
    assert local_objective(problem, after) < 0.5 * local_objective(problem, before)
    longer = refine(problem, before, 300)
    assert local_objective(problem, longer) <= local_objective(problem, after)
    assert local_objective(problem, refine(problem, longer, 1)) <= 1.001 * local_objective(
        problem, longer)


@with_and_without_skip
def test_refine_ends_where_the_weights_have_no_gradient(skip: bool) -> None:
    problem = make_problem("dense", skip)
    after = refine(problem, random_neurons(problem, 12, 2), 300)
    _, gradients = objective_and_gradients(problem, DirectLayer(4), [*after.weights()])
    assert max(float(gradient.abs().amax()) for gradient in gradients) < 0.05


def test_refine_ends_where_groups_are_at_their_optimum() -> None:
    problem = make_problem("circular")
    norm = problem.features.norm
    after = refine(problem, random_neurons(problem, 12, 1), 1000)
    _, gradient, _ = problem.loss_and_gradients(after.blocks, after.signs)
    sizes, slopes = norm.group_norms(after.blocks), norm.group_norms(gradient)
    threshold = (problem.beta * norm.weights).expand_as(slopes)
    zero = sizes == 0
    assert bool(zero.any())
    assert bool((slopes[zero] <= 1.05 * threshold[zero]).all())
    torch.testing.assert_close(slopes[~zero], threshold[~zero], rtol=0.1, atol=0.0)


def test_refine_can_bring_a_zero_group_to_life() -> None:
    problem = make_problem("circular")
    neurons = random_neurons(problem, 12, 1)
    neurons.blocks[:, :2] = 0.0
    after = refine(problem, neurons, 100)
    assert bool((after.blocks[:, 0] != 0).any())


@every_kind
def test_without_neurons_there_is_nothing_to_move(kind: str) -> None:
    problem = make_problem(kind)
    width = problem.features.width
    nothing = Neurons(problem.y.new_zeros(0, width), problem.y.new_zeros(0))
    assert len(refine(problem, nothing, 10)) == 0
    assert len(consolidate(problem, nothing, 1.0)) == 0
    loss = 0.5 * float(problem.y.square().sum())
    assert local_objective(problem, nothing) == pytest.approx(loss)


@every_kind
def test_consolidate_merges_copies_at_no_cost(kind: str) -> None:
    problem = make_problem(kind)
    moved = refine(problem, random_neurons(problem, 12, 2), 100)
    one = consolidate(problem, moved, 0.0)
    split = one.scaled(0.25).joined(one.scaled(0.75))
    assert local_objective(problem, split) == pytest.approx(local_objective(problem, one))
    merged = consolidate(problem, split, 1e-12)
    assert 0 < len(merged) <= len(one)
    assert local_objective(problem, merged) <= local_objective(problem, one) + 1e-9


@every_kind
def test_consolidate_stays_within_its_budget(kind: str) -> None:
    problem = make_problem(kind, skip=True)
    neurons = refine(problem, random_neurons(problem, 30, 1), 60)
    value = local_objective(problem, neurons)
    for share in (0.0, 1e-3, 1e-1):
        fewer = consolidate(problem, neurons, share * value)
        assert local_objective(problem, fewer) <= (1 + share) * value + 1e-12
        assert len(fewer) <= len(neurons)


def test_consolidate_never_merges_opposite_signs() -> None:
    problem = make_problem("dense")
    block = torch.ones(2, 4, dtype=torch.float64)
    neurons = Neurons(block, torch.tensor([1.0, -1.0], dtype=torch.float64))
    kept = consolidate(problem, neurons, 0.0)
    assert set(kept.signs.tolist()) <= {1.0, -1.0}
    assert all(torch.equal(row, block[0]) for row in kept.blocks)
    assert local_objective(problem, kept) <= local_objective(problem, neurons)


def solve_convex(problem: DescentProblem, X: np.ndarray, masks: np.ndarray) -> tuple:
    """The convex program (2) on some patterns, by cvxpy with an explicit DFT matrix."""
    n, d = X.shape
    dft = np.fft.fft(np.eye(d), norm="ortho") / d**0.5
    circular = problem.features.norm.n_groups > 1
    blocks, sides = [cp.Variable(d) for _ in range(2 * len(masks))], np.repeat(masks, 2, axis=0)
    shares = [(-1) ** i * cp.multiply(sides[i], X @ block) for i, block in enumerate(blocks)]
    error = sum(shares) - problem.y.numpy()
    if problem.skip is not None:
        error = error + np.c_[X, np.ones(n)] @ cp.Variable(d + 1)
    penalty = sum(cp.norm1(dft @ block) if circular else cp.norm(block) for block in blocks)
    program = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(error) + problem.beta * penalty),
        [cp.multiply(2 * sides[i] - 1, X @ block) >= 0 for i, block in enumerate(blocks)])
    program.solve(cp.CLARABEL, ignore_dpp=True)
    return program.value, np.array([block.value for block in blocks])


def patterns(X: np.ndarray, gates: np.ndarray) -> np.ndarray:
    return np.unique((X @ gates.T >= 0).T, axis=0).astype(float)


def local_search(problem: DescentProblem, seed: int) -> Neurons:
    """Refine, price, refine, ...: all this module and pricing do, without a program."""
    generator, features = np.random.default_rng(seed), problem.features
    neurons = refine(problem, random_neurons(problem, 30, seed), 100)
    for _ in range(4):
        starts = torch.cat([random_starts(features, 100, generator),
                            perturbed_starts(features, neurons.blocks, 100, generator)])
        new = price(features, local_residual(problem, neurons), starts).diverse(
            features, problem.beta, 15)
        neurons = refine(problem, neurons.joined(
            Neurons(0.01 * new.directions, new.signs)), 100)
    return neurons


@pytest.mark.filterwarnings("ignore:Objective contains too many subexpressions")
@pytest.mark.parametrize(("kind", "n", "d", "skip"), [
    ("dense", 8, 3, False), ("circular", 8, 4, False), ("circular", 8, 3, True),
    ("circular", 7, 5, False)])
def test_refining_and_pricing_end_near_the_optimum_and_find_its_patterns(
    kind: str, n: int, d: int, skip: bool
) -> None:
    generator = np.random.default_rng(3)
    X, y = generator.standard_normal((n, d)), generator.standard_normal(n)
    windows = torch.as_tensor(X)
    beta = 0.1 * float(np.abs(X.T @ y).max())
    problem = DescentProblem(features_of(kind, windows), torch.as_tensor(y), beta,
                             LinearSkip.of(windows) if skip else None)
    optimum, _ = solve_convex(
        problem, X, patterns(X, generator.standard_normal((20000, d))))
    neurons = local_search(problem, 0)
    found = local_objective(problem, neurons)
    assert optimum * (1 - 1e-6) <= found <= optimum * (1 + 2e-2)
    starts = perturbed_starts(problem.features, neurons.blocks, 10, generator)
    near = price(problem.features, local_residual(problem, neurons), starts).directions[:10]
    gates = torch.cat([neurons.blocks, near])
    gates = signals_of(gates, d) if kind == "circular" else gates
    value, _ = solve_convex(problem, X, patterns(X, gates.numpy()))
    assert value <= optimum * (1 + 1e-3)


def test_a_neuron_and_its_mirror_image_are_one_beside_a_skip_and_two_without():
    X = torch.as_tensor(np.random.default_rng(0).standard_normal((40, 3)))
    features = Features(X, 40, GroupNorm.euclidean(X))
    block = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    pair = Neurons(torch.cat([block, -0.4 * block]), torch.ones(2).double())
    y = pair.contributions(features).sum(1) + X @ torch.tensor([1.0, 0.0, 3.0]).double()
    beside = DescentProblem(features, y, 0.1, LinearSkip.of(X))
    merged = consolidate(beside, pair, 1e-9)
    torch.testing.assert_close(merged.blocks.abs(), 1.4 * block.abs())
    assert local_objective(beside, merged) == pytest.approx(local_objective(beside, pair))
    assert len(consolidate(DescentProblem(features, y, 0.1), pair, 1e-9)) == 2
