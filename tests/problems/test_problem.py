"""The problem: loss, residual, bound and certificate against what is written out in NumPy."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem, scaled_bound
from tests.fakes import FAKE, faked, faked_features, faked_skip

N = 20
KINDS = {"dense": Dense(True), "convolution": Convolution(3), "circular": Circular()}
SKIPS = {"none": None, "plain": 0.0, "ridge": 2.0}
every_kind = pytest.mark.parametrize("kind", list(KINDS))
every_skip = pytest.mark.parametrize("skip", list(SKIPS))
targets = pytest.mark.parametrize("c", [1, 2])


def make_problem(kind: str, skip: str = "none", c: int = 1) -> Problem:
    generator = np.random.default_rng(0)
    X, Y = (torch.tensor(generator.standard_normal((N, size))) for size in (4, c))
    own = None if SKIPS[skip] is None else LinearSkip.of(X, SKIPS[skip])
    return Problem(KINDS[kind].features(X), Y + X[:, :1], 0.5, own)


def drawn(problem: Problem, m: int = 5, seed: int = 1) -> Neurons:
    generator = np.random.default_rng(seed)
    blocks, heads = (torch.tensor(generator.standard_normal((m, size)))
                     for size in (problem.features.width, problem.n_targets))
    return Neurons(0.3 * blocks, heads / heads.norm(dim=1, keepdim=True))


def skip_matrix(skip: str) -> np.ndarray:
    """Return M in closed form."""
    if SKIPS[skip] is None:
        return np.eye(N)
    X = np.c_[np.random.default_rng(0).standard_normal((N, 4)), np.ones(N)]
    ridge = SKIPS[skip] * np.diag([1.0] * 4 + [0.0])
    return np.eye(N) - X @ np.linalg.solve(X.T @ X + ridge, X.T)


def outputs_of(problem: Problem, neurons: Neurons) -> np.ndarray:
    rows = problem.features.rows.numpy().reshape(N, -1, problem.features.width)
    active = np.maximum(rows @ neurons.blocks.numpy().T, 0).sum(1)
    return active @ neurons.heads.numpy()


@targets
@every_skip
@every_kind
def test_objective_residual_and_penalty_are_those_written_out(kind, skip, c):
    problem, M = make_problem(kind, skip, c), skip_matrix(skip)
    neurons = drawn(problem)
    error = problem.targets.numpy() - outputs_of(problem, neurons)
    np.testing.assert_allclose(problem.error_of(neurons), error, atol=1e-12)
    np.testing.assert_allclose(problem.residual_of(neurons), M @ error, atol=1e-10)
    sizes = problem.features.norm.norms(neurons.blocks).sum().item()
    expected = 0.5 * np.trace(error.T @ M @ error) + 0.5 * sizes
    assert problem.objective_of(neurons) == pytest.approx(expected, rel=1e-10)
    assert float(problem.penalty(neurons.blocks)) == pytest.approx(0.5 * sizes)
    value = problem.value(torch.tensor(error), neurons.blocks)
    assert float(value) == pytest.approx(expected, rel=1e-10)


@every_skip
@every_kind
def test_two_targets_lose_what_two_problems_lose_and_share_the_penalty(kind, skip):
    problem = make_problem(kind, skip, 2)
    neurons, features = drawn(problem), problem.features
    total = float(problem.penalty(neurons.blocks))
    for c in range(2):
        # A head shared by both targets is, for one of them, a neuron of another size.
        one = Problem(features, problem.targets[:, c : c + 1], problem.beta, problem.skip)
        share = neurons.heads[:, c : c + 1]
        alone = Neurons(neurons.blocks * share.abs(), share.sign())
        total += one.objective_of(alone) - float(one.penalty(alone.blocks))
        torch.testing.assert_close(one.residual_of(alone), problem.residual_of(neurons)[:, c:c + 1])
    assert problem.objective_of(neurons) == pytest.approx(total, rel=1e-12)


@targets
@every_skip
def test_what_is_left_has_the_inner_products_of_the_skip(skip, c):
    problem, M = make_problem("dense", skip, c), skip_matrix(skip)
    left = problem.left_targets.numpy()
    own = problem.targets.numpy()
    np.testing.assert_allclose(left.T @ left, own.T @ M @ own, atol=1e-10)
    np.testing.assert_allclose(problem.annihilate(problem.targets), M @ own, atol=1e-10)


def test_the_gram_matrix_is_that_of_the_rows():
    problem = make_problem("convolution")
    expected = sum(torch.outer(row, row) for row in problem.features.rows)
    torch.testing.assert_close(problem.row_gram, expected)


@targets
@every_skip
@every_kind
def test_the_bound_of_the_certificate_is_the_best_of_all_scales(kind, skip, c):
    problem, M = make_problem(kind, skip, c), skip_matrix(skip)
    neurons, worst = drawn(problem), 1.7
    found = problem.certify("network", problem.left_of(neurons), neurons.blocks, worst)
    residual, own = problem.residual_of(neurons).numpy(), problem.targets.numpy()
    error = own - outputs_of(problem, neurons)
    scales = np.linspace(0, 1 / worst, 2001)
    bounds = scales * (own * residual).sum() - scales**2 / 2 * np.trace(error.T @ M @ error)
    assert found.dual_objective == pytest.approx(max(bounds.max(), 0.0), rel=1e-5, abs=1e-9)
    assert found.objective == pytest.approx(problem.objective_of(neurons))
    assert found.violation == pytest.approx(worst)
    assert found.scope == "network"


@targets
@every_skip
def test_the_bound_is_below_the_optimum_over_the_sizes_of_given_neurons(skip, c):
    problem, M = make_problem("dense", skip, c), skip_matrix(skip)
    directions = drawn(problem, 12, 3)
    blocks = problem.norm.normalised(directions.blocks)
    active = problem.features.outputs(blocks).numpy()
    heads, own = directions.heads.numpy(), problem.targets.numpy()
    sizes, root = cp.Variable(12, nonneg=True), np.linalg.cholesky(M + 1e-12 * np.eye(N)).T
    error = root @ (own - active @ cp.diag(sizes) @ heads)
    program = cp.Problem(cp.Minimize(cp.sum_squares(error) / 2 + problem.beta * cp.sum(sizes)))
    program.solve(cp.CLARABEL)
    for scale in (0.0, 0.2, 1.0):
        neurons = Neurons(blocks * torch.tensor(scale * sizes.value)[:, None], directions.heads)
        residual = problem.residual_of(neurons).numpy()
        worst = max(0.0, ((active.T @ residual) * heads).sum(1).max())
        found = problem.certify(
            "program", problem.left_of(neurons), neurons.blocks, worst / problem.beta)
        assert found.dual_objective <= program.value * (1 + 1e-6)
        assert found.objective >= program.value * (1 - 1e-6)
    assert found.gap <= 1e-4  # at the optimum itself


def test_an_estimate_that_the_point_refutes_is_brought_down_to_its_objective():
    problem = Problem(Dense().features(torch.eye(2).double()), torch.ones(2, 1).double(), 0.1)
    fitted = Neurons(torch.ones(1, 2).double(), torch.ones(1, 1).double())
    nothing = problem.certify("network-estimated", 0 * problem.targets + 0.1,
                              0.0 * fitted.blocks, 0.0)
    assert nothing.dual_objective == nothing.objective == pytest.approx(0.01)


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
def test_the_scaled_bound_is_the_parabola_at_its_peak_or_at_the_last_feasible_scale(factor):
    target, left = (factor * torch.tensor(part).double() for part in ([[2.0], [1.0]],
                                                                      [[1.0], [0.5]]))
    linear, quadratic = 2.5 * factor**2, 1.25 * factor**2
    for violation, scale in ((0.1, 2.0), (0.5, 2.0), (1.0, 1.0), (4.0, 0.25)):
        found = scaled_bound(target, left, torch.tensor(violation).double())
        assert float(found) == pytest.approx(scale * linear - scale**2 / 2 * quadratic)
    assert float(scaled_bound(-target, left, torch.tensor(1.0).double())) == 0.0
    assert float(scaled_bound(target, 0 * left, torch.tensor(0.0).double())) == 0.0


@targets
@every_skip
@every_kind
def test_standardised_units_change_the_scale_and_no_network(kind, skip, c):
    problem = make_problem(kind, skip, c)
    large = Problem(problem.features.scaled(1e5), 1e-3 * problem.targets, 70.0, problem.skip)
    own = large.standardised()
    assert float(own.features.rows.square().mean().sqrt()) == pytest.approx(1.0)
    assert float(own.left_targets[:N].square().mean().sqrt()) == pytest.approx(1.0)
    neurons = drawn(own)
    ratio = large.objective_of(neurons.scaled(own.unit)) / own.objective_of(neurons)
    others = drawn(own, 3, 7)
    assert large.objective_of(others.scaled(own.unit)) == pytest.approx(
        ratio * own.objective_of(others), rel=1e-9)
    again = own.standardised()
    assert again.unit == pytest.approx(own.unit)
    assert again.beta == pytest.approx(own.beta)


def test_zeros_are_standardised_as_they_are():
    nothing = Problem(Dense().features(torch.zeros(5, 2).double()), torch.zeros(5, 1).double(), 1.0)
    own = nothing.standardised()
    assert (own.unit, own.beta) == (1.0, 1.0)


@targets
@every_skip
@every_kind
def test_the_problem_of_some_samples_has_penalties_in_proportion(kind, skip, c):
    problem, kept = make_problem(kind, skip, c), torch.tensor([3, 17, 5, 9, 11, 0, 8, 14, 2, 6])
    some = problem.subsampled(kept)
    X = torch.tensor(np.random.default_rng(0).standard_normal((N, 4)))[kept]
    own = None if SKIPS[skip] is None else LinearSkip.of(X, SKIPS[skip] / 2)
    expected = Problem(KINDS[kind].features(X), problem.targets[kept], 0.25, own)
    neurons = drawn(problem)
    assert some.objective_of(neurons) == pytest.approx(expected.objective_of(neurons), rel=1e-10)
    assert some.unit == problem.unit


@targets
@every_skip
@every_kind
def test_fake_cuda_losses_and_bounds_stay_on_the_device(kind, skip, c):
    problem = make_problem(kind, skip, c)
    neurons = drawn(problem)
    with FakeTensorMode():
        moved = Problem(faked_features(problem.features), faked(problem.targets), 0.5,
                        faked_skip(problem.skip))
        network = Neurons(faked(neurons.blocks), faked(neurons.heads))
        error = moved.error_of(network)
        left = moved.leave(error)
        parts = [error, left, moved.residual_of(network), moved.value(error, network.blocks),
                 moved.dual_bound(left, left.new_ones(())), moved.row_gram, moved.left_targets]
    assert {part.device.type for part in parts} == {FAKE}
    assert {part.dtype for part in parts} == {torch.float64}
