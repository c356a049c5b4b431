from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch

from relu_forecast.networks.features import Features
from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm, signals_of
from relu_forecast.networks.hidden_layers import DirectLayer
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.gradients import Descent, DescentProblem, objective_and_gradients
from relu_forecast.training.gradients import descend as gradient_descent
from relu_forecast.training.newton import _InSamples, _InWeights, descend
from relu_forecast.training.pricing.search import price
from relu_forecast.training.pricing.starts import perturbed_starts
from relu_forecast.training.search import Growth, grow
from relu_forecast.training.sizing import (
    certificate,
    consolidate,
    local_objective,
    local_residual,
    resize,
)
from relu_forecast.training.softening import SoftModulus, SoftNorm
from relu_forecast.windows.sliding import patches

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


def drawn_neurons(problem: DescentProblem, m: int, seed: int) -> Neurons:
    """Return Gaussian neurons of both signs, without weight where the rows have nothing."""
    generator = np.random.default_rng(seed)
    blocks = torch.as_tensor(generator.standard_normal((m, problem.features.width)))
    signs = torch.ones(m, dtype=torch.float64)
    signs[1::2] = -1.0
    return Neurons(0.1 * blocks * (problem.features.rows != 0).any(0), signs)


@with_and_without_skip
@every_kind
def test_local_objective_and_residual_are_those_written_out(kind: str, skip: bool) -> None:
    problem = make_problem(kind, skip)
    neurons, features = drawn_neurons(problem, 5, 1), problem.features
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


@with_and_without_skip
@every_kind
def test_newton_steps_descend_to_a_critical_point(kind: str, skip: bool) -> None:
    problem = make_problem(kind, skip)
    before = resize(problem, drawn_neurons(problem, 12, 1))
    after = descend(problem, before, 0.3, 1e-6, 80)
    assert len(after) == len(before)
    assert torch.equal(after.signs, before.signs)
    assert local_objective(problem, after) < 0.9 * local_objective(problem, before)
    again = local_objective(problem, descend(problem, after, 1e-6, 1e-7, 20))
    assert again == pytest.approx(local_objective(problem, after), rel=1e-3)


def test_newton_steps_end_as_low_as_gradients_do() -> None:
    problem = make_problem("dense", n=200)
    lows = []
    for seed in range(3):
        descent = Descent("lbfgs", 30, 600, 1.0)
        hidden, output = gradient_descent(problem, DirectLayer(4), descent, seed)
        lows.append(local_objective(problem, Neurons.of_weights(hidden, output)))
    ours = [local_objective(problem, descend(
        problem, resize(problem, drawn_neurons(problem, 30, seed)), 0.3, 1e-6, 100))
        for seed in range(3)]
    assert min(ours) <= min(lows) * (1 + 1e-3)


@with_and_without_skip
@every_kind
def test_resized_neurons_are_the_non_negative_lasso_on_their_directions(
    kind: str, skip: bool
) -> None:
    problem = make_problem(kind, skip)
    neurons = drawn_neurons(problem, 6, 2)
    resized = resize(problem, neurons)
    directions = problem.features.norm.normalised(neurons.blocks)
    outputs = (problem.features.outputs(directions) * neurons.signs).numpy()
    sizes, error = cp.Variable(6, nonneg=True), problem.y.numpy()
    error = error - outputs @ sizes
    if problem.skip is not None:
        columns = np.c_[np.random.default_rng(0).standard_normal((60, 4)), np.ones(60)]
        error = error - columns @ cp.Variable(5)
    program = cp.Problem(cp.Minimize(
        0.5 * cp.sum_squares(error) + problem.beta * cp.sum(sizes)))
    program.solve(cp.CLARABEL)
    assert local_objective(problem, resized) == pytest.approx(program.value, rel=1e-6)
    assert bool((problem.features.norm.norms(resized.blocks) > 0).all())


def test_a_neuron_that_the_skip_explains_is_dropped() -> None:
    problem = make_problem("dense", skip=True)
    rows = problem.features.rows
    positive = DescentProblem(
        Features(rows.abs(), 60, problem.features.norm), problem.y, problem.beta,
        LinearSkip.of(rows.abs()))
    always_on = Neurons(torch.ones(1, 4).double(), torch.ones(1).double())
    assert len(resize(positive, always_on)) == 0


@every_kind
@with_and_without_skip
def test_the_certificate_of_neurons_is_that_of_the_program_on_their_cells(
    kind: str, skip: bool
) -> None:
    problem = make_problem(kind, skip)
    neurons = resize(problem, drawn_neurons(problem, 5, 3))
    residual = local_residual(problem, neurons)
    worst = 1.7 * problem.beta
    found = certificate(problem, neurons, worst, "network")
    target, left = problem.leave(problem.y), problem.leave(
        problem.y - neurons.contributions(problem.features).sum(1))
    scales = torch.linspace(0, 1 / 1.7, 2001, dtype=torch.float64)
    bounds = scales * target.dot(left) - 0.5 * scales**2 * left.square().sum()
    assert found.dual_objective == pytest.approx(float(bounds.amax()), rel=1e-5)
    assert found.objective == pytest.approx(local_objective(problem, neurons))
    assert found.violation == pytest.approx(1.7)
    assert len(residual) == 60


def test_softened_kinks_have_the_derivatives_of_what_they_soften() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(7, 3, dtype=torch.float64, generator=generator).requires_grad_()
    widths = torch.tensor([0.1, 1.0, 2.0], dtype=torch.float64)
    soft = SoftModulus.of(values, widths)
    torch.testing.assert_close(soft.lengths, (values**2 + widths**2).sqrt())
    slopes, = torch.autograd.grad((values**2 + widths**2).sqrt().sum(), values, create_graph=True)
    torch.testing.assert_close(soft.slopes, slopes)
    curvatures, = torch.autograd.grad(slopes.sum(), values)
    torch.testing.assert_close(soft.curvatures(soft.slopes), curvatures)
    blocks = torch.randn(2, 2, 3, dtype=torch.float64, generator=generator)
    norm = SoftNorm.of(blocks, widths[:2])
    for j, g in ((0, 1), (1, 0)):
        def length(z: torch.Tensor, width: float = float(widths[j])) -> torch.Tensor:
            return (z.square().sum() + width**2).sqrt()

        torch.testing.assert_close(
            norm.slopes[j, g], torch.autograd.functional.jacobian(length, blocks[j, g]))
        torch.testing.assert_close(norm.curvatures(norm.slopes)[j, g],
                                   torch.autograd.functional.hessian(length, blocks[j, g]))


@pytest.mark.parametrize("n", [6, 40])
def test_the_newton_matrix_is_solved_by_weights_and_by_samples_alike(n: int) -> None:
    generator = np.random.default_rng(0)
    roots = torch.as_tensor(generator.standard_normal((4, 3, 3)))
    blocks, columns = roots @ roots.mT, torch.as_tensor(generator.standard_normal((n, 12)))
    right = torch.as_tensor(generator.standard_normal((4, 3)))
    dense = torch.block_diag(*blocks) + columns.T @ columns
    expected = torch.linalg.solve(dense, right.flatten()).view(4, 3)
    for solver in (_InWeights(blocks, [columns[:2], columns[2:]]),
                   _InSamples(blocks, [columns[:2], columns[2:]])):
        assert solver.factorise(1e-14)
        torch.testing.assert_close(solver.solve(right), expected, rtol=1e-4, atol=1e-5)


@every_kind
def test_without_neurons_there_is_nothing_to_move(kind: str) -> None:
    problem = make_problem(kind)
    width = problem.features.width
    nothing = Neurons(problem.y.new_zeros(0, width), problem.y.new_zeros(0))
    assert len(descend(problem, nothing, 0.1, 1e-3, 10)) == 0
    assert len(resize(problem, nothing)) == 0
    assert len(consolidate(problem, nothing, 1.0)) == 0
    loss = 0.5 * float(problem.y.square().sum())
    assert local_objective(problem, nothing) == pytest.approx(loss)


@every_kind
def test_consolidate_merges_copies_at_no_cost(kind: str) -> None:
    problem = make_problem(kind)
    moved = descend(problem, drawn_neurons(problem, 12, 2), 0.3, 1e-3, 100)
    one = consolidate(problem, moved, 0.0)
    split = one.scaled(0.25).joined(one.scaled(0.75))
    assert local_objective(problem, split) == pytest.approx(local_objective(problem, one))
    merged = consolidate(problem, split, 1e-12)
    assert 0 < len(merged) <= len(one)
    assert local_objective(problem, merged) <= local_objective(problem, one) + 1e-9


@every_kind
def test_consolidate_stays_within_its_budget(kind: str) -> None:
    problem = make_problem(kind, skip=True)
    neurons = descend(problem, drawn_neurons(problem, 30, 1), 0.3, 1e-3, 60)
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


@pytest.mark.filterwarnings("ignore:Objective contains too many subexpressions")
@pytest.mark.parametrize(("kind", "n", "d", "skip"), [
    ("dense", 8, 3, False), ("circular", 8, 4, False), ("circular", 8, 3, True),
    ("circular", 7, 5, False)])
def test_growing_ends_near_the_optimum_and_find_its_patterns(
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
    growth = Growth(1e-4, 20)
    neurons = grow(problem, resize(problem, drawn_neurons(problem, 30, 0)), None, growth,
                   generator)
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
