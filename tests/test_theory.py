"""The theorems on small instances, by experiment; `benchmarks/theory.py` runs many more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import circulant
from scipy.optimize import approx_fprime

from benchmarks import joint_theory
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import enumerate_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import solve

_PATH = Path(__file__).parents[1] / "benchmarks" / "theory.py"
_SPEC = importlib.util.spec_from_file_location("theory_benchmark", _PATH)
theory = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = theory
_SPEC.loader.exec_module(theory)

every_kind = pytest.mark.parametrize("name", list(theory.KINDS))
pooled_kinds = pytest.mark.parametrize("name", ["dense", "convolution"])
CORNERS = torch.tensor([[1.0, 0.5], [1.0, -0.5], [-1.0, 0.5], [-1.0, -0.5]]).double()
TARGETS = torch.tensor([1.0, -1.0, 1.0, -1.0]).double()


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@every_kind
def test_no_training_is_below_the_convex_optimum_and_some_come_down_to_it(name):
    duels = [theory.duel(theory.KINDS[name], 8, seed) for seed in range(20, 30, 2)]
    for one in duels:
        assert one.mismatch <= 1e-6
        assert one.bound >= one.convex * (1 - 1e-6)
        assert one.excess.min() >= -1e-6
    assert sum(one.excess.min() <= 1e-3 for one in duels) >= 2


@every_kind
def test_the_trained_objective_is_the_networks_with_its_gradients(name):
    program = theory.random_program(theory.KINDS[name], 3)
    objective, size = theory.nonconvex_objective(program, 4)
    theta = gaussian(size)
    value, gradient = objective(theta)
    numeric = approx_fprime(theta, lambda point: objective(point)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())
    factors = list(torch.tensor(theta[:-4]).reshape(-1, 4, (size - 4) // (8 if name == "circular"
                                                                        else 4)))
    if name == "circular":
        factors[0] = factors[0] / factors[0].norm(dim=1, keepdim=True)
    network = program.task.architecture.network([*factors, torch.tensor(theta[-4:])], None, None)
    assert network.objective(program.X, program.y, program.beta) == pytest.approx(value)


@pytest.mark.parametrize("name", list(joint_theory.JOINT_KINDS))
def test_no_training_of_many_outputs_is_below_its_certificate(name):
    kind = joint_theory.JOINT_KINDS[name]
    duels = [joint_theory.joint_duel(kind, 3, seed) for seed in (0, 8)]
    for one in duels:
        assert one.scope == ("network-estimated" if name == "circular" else "network")
        assert one.mismatch <= 1e-12
        assert 0 <= one.gap <= 1e-6
        assert one.lowest >= -1e-9
    assert min(one.excess.min() for one in duels) <= 1e-2


@pytest.mark.parametrize(("name", "sites"), [
    ("dense", 1), ("convolution", 1), ("convolution", 2), ("circular", 1)])
def test_the_gradients_of_many_outputs_are_those_of_differences(name, sites):
    architecture = joint_theory.JOINT_KINDS[name].architecture
    objective, size = theory.architecture_objective(
        architecture, gaussian(7, 4), gaussian(7, 3, seed=1), 0.3, 5, sites)
    theta = gaussian(size, seed=2)
    value, gradient = objective(theta)
    numeric = approx_fprime(theta, lambda point: objective(point)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())
    assert value > 0


@every_kind
def test_no_step_from_the_recovered_weights_gets_below_the_bound(name):
    program = theory.random_program(theory.KINDS[name], 5)
    solution = solve(program, tol=1e-9)
    network = solution.network()
    weights = [network.output_weight[:, None]]
    weights += [network.filters, network.pooling_weight] if name == "circular" else [
        weight.reshape(network.n_neurons, -1) for weight in network.hidden_weights()]
    theta = torch.cat([part.flatten() for part in (*weights[1:], weights[0])]).detach().numpy()
    objective, _ = theory.nonconvex_objective(program, network.n_neurons)
    assert objective(theta)[0] == pytest.approx(solution.objective, rel=1e-10)
    for step in (1e-6, 1e-4, 1e-2):
        for seed in range(10):
            moved = theta + step * gaussian(len(theta), seed=seed)
            assert objective(moved)[0] >= solution.dual_objective


def test_a_neuron_and_its_rescalings_cost_the_block_at_least():
    """AM-GM: ``(|w1|^2 + w2^2) / 2 >= |w1| |w2|``, with equality where recovery balances."""
    z = torch.tensor(gaussian(1, 4))
    hidden, output = Dense().factors(z, z, torch.ones(1, 1).double())
    cost = [float((hidden * a).square().sum() + (output / a).square().sum()) / 2
            for a in np.linspace(0.2, 5.0, 97)]
    assert min(cost) >= float(z.norm()) * (1 - 1e-12)
    assert float(hidden.square().sum() + output.square().sum()) / 2 == pytest.approx(
        float(z.norm()))


@settings(max_examples=10)
@given(d=st.integers(1, 7), seed=st.integers(0, 999))
def test_a_circulant_is_diagonal_in_the_fourier_domain(d, seed):
    u, w = gaussian(2, d, seed=seed)
    spectrum = d**0.5 * np.fft.fft(u, norm="ortho") * np.fft.fft(w, norm="ortho")
    np.testing.assert_allclose(np.fft.fft(circulant(u) @ w, norm="ortho"), spectrum, atol=1e-12)


def test_a_circular_network_of_one_sample_is_a_dense_one():
    X, y = torch.tensor(gaussian(9, 1)), torch.tensor(gaussian(9, seed=1))
    every = enumerate_patterns(X)
    optima = [solve(ConvexProgram(X, y, every, 0.2, circular=circular), tol=1e-8).objective
              for circular in (False, True)]
    assert optima[0] == pytest.approx(optima[1], rel=1e-7)


@settings(max_examples=2)
@given(seed=st.integers(0, 999), share=st.floats(0.02, 0.9))
def test_a_circular_penalty_is_never_dearer_than_the_dense_one(seed, share):
    X, y = torch.tensor(gaussian(6, 3, seed=seed)), torch.tensor(gaussian(6, seed=seed + 1))
    every = enumerate_patterns(X)
    beta = share * ConvexProgram(X, y, every, 1.0).beta_max()
    dense, circular = (solve(ConvexProgram(X, y, every, beta, circular=flag), tol=1e-8)
                       for flag in (False, True))
    assert circular.dual_objective <= dense.objective


def test_a_filter_as_long_as_the_window_is_a_dense_network():
    X, y = torch.tensor(gaussian(7, 2)), torch.tensor(gaussian(7, seed=1))
    every = enumerate_patterns(X)
    optima = [solve(ConvexProgram(X, y, every, 0.2, architecture=architecture), tol=1e-8).objective
              for architecture in (Dense(), Convolution(2))]
    assert optima[0] == pytest.approx(optima[1], rel=1e-8)


@pytest.mark.parametrize("d", [3, 4])
def test_rotating_the_windows_changes_no_optimum_of_the_circular_network(d):
    X, y = torch.tensor(gaussian(5, d)), torch.tensor(gaussian(5, seed=1))
    optima = [solve(ConvexProgram(rows, y, enumerate_patterns(rows), 0.2,
                                  architecture=Circular()), tol=1e-8).objective
              for rows in (X, X.roll(1, 1), X.flip(1))]
    assert optima == pytest.approx([optima[0]] * 3, rel=1e-7)


@pooled_kinds
@settings(max_examples=2)
@given(seed=st.integers(0, 999))
def test_low_rank_patterns_are_within_the_bound_of_projected_neurons(name, seed):
    full = solve(theory.random_program(theory.KINDS[name], seed), tol=1e-8)
    for rank in range(1, full.program.features.width + 1):
        found = theory.low_rank_bounds(full, rank)
        assert found.full * (1 - 1e-6) <= found.reduced <= found.bound * (1 + 1e-6)
        assert found.reduced <= found.full * found.factor * (1 + 1e-6)
    assert found.reduced == pytest.approx(found.full, rel=1e-6)


def test_one_plus_sigma_over_beta_is_no_bound_for_the_squared_loss():
    """Targets and beta times c: every optimum times c^2, sigma / beta over c."""
    program = ConvexProgram(CORNERS, TARGETS, enumerate_patterns(CORNERS), 0.1,
                            architecture=Dense())
    small, large = (
        theory.low_rank_bounds(solve(theory.rescaled(program, factor), tol=1e-8), 1)
        for factor in (1.0, 1000.0))
    assert small.reduced / small.full == pytest.approx(1.1111, abs=1e-4)
    assert large.reduced / large.full == pytest.approx(small.reduced / small.full, rel=1e-6)
    assert (small.slides, large.slides) == (pytest.approx(11.0), pytest.approx(1.01))
    assert large.reduced > large.slides * large.full
    assert large.reduced <= min(large.bound, large.factor * large.full)


def optimum_with_knots_at_data_points(x, y, constant, beta):
    """Return the least objective beside a skip of neurons (x - x_t)_+ and (x_t - x)_+ only."""
    rows = np.c_[x, np.full(len(x), constant)]
    neurons = np.c_[np.ones(len(x)), -x / constant]
    neurons /= np.linalg.norm(neurons, axis=1, keepdims=True)
    outputs = np.maximum(rows @ np.r_[neurons, -neurons].T, 0)
    weights, line, level = cp.Variable(outputs.shape[1]), cp.Variable(), cp.Variable()
    error = outputs @ weights + x * line + level - y
    problem = cp.Problem(cp.Minimize(cp.sum_squares(error) / 2 + beta * cp.norm1(weights)))
    return problem.solve(solver=cp.CLARABEL)


@pytest.mark.parametrize(("constant", "held"), [(1.0, False), (100.0, True)])
def test_a_penalised_bias_can_put_a_knot_between_data_points(constant, held):
    x = np.array([-0.9669, -0.9181, -0.4604, 0.0872, 0.2133, 0.2739, 0.459, 0.6265, 0.8255])
    y = gaussian(18)[9:]
    rows = np.c_[x, np.full(len(x), constant)]
    model = ConvexReLURegressor(beta_ratio=3e-3, tol=1e-8, fit_intercept=False).fit(rows, y)
    assert model.certificate_.scope == "network"
    at_data = optimum_with_knots_at_data_points(x, y, constant, model.beta_)
    assert at_data >= model.certificate_.dual_objective * (1 - 1e-8)
    if held:
        assert at_data <= model.objective_ * (1 + 2e-6)
    else:
        assert at_data >= model.objective_ * 1.002
