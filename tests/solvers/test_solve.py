from __future__ import annotations

import inspect
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
import torch

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    sample_patterns,
)
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import SelectionSettings, SolverSettings, WorkingSetSettings, solve
from relu_forecast.solvers.selection import newton_bytes
from relu_forecast.windows.sliding import hankel
from tests.pairs import in_pairs
from tests.solvers.programs import (
    ACTIVATIONS,
    ARCHITECTURES,
    SKIPS,
    gaussian_data,
    random_program,
    window_program,
    windows,
)

TINY = 1e-9


@pytest.fixture(scope="module")
def ecg_program():
    """Return 300 windows of 15 samples of the ECG, on 20 patterns, at a hundredth of beta_max."""
    X, y = windows(300, 15)
    gates = torch.tensor(np.random.default_rng(0).standard_normal((15, 20)).T.copy())
    patterns = ActivationPatterns.from_gates(X, gates)
    gated = ConvexProgram(X, y, patterns, 1.0, activation="gated_relu")
    return ConvexProgram(X, y, patterns, 0.01 * gated.beta_max())


def test_the_ecg_program_has_the_known_optimum(ecg_program):
    solution = solve(ecg_program)
    assert solution.status == "optimal"
    assert solution.gap <= 1e-6
    assert solution.objective == pytest.approx(20.91643, rel=1e-6)
    assert ecg_program.cone_violation(solution.blocks) <= TINY
    assert solution.network().objective(
        ecg_program.X, ecg_program.y, ecg_program.beta) == pytest.approx(solution.objective)


def test_the_ecg_program_in_float32_is_good_to_three_digits(ecg_program):
    solution = solve(ecg_program, tol=1e-4, dtype=torch.float32)
    assert solution.blocks.dtype == torch.float32
    assert solution.objective == pytest.approx(20.91643, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "activation", "skip"), in_pairs(ARCHITECTURES, ACTIVATIONS, SKIPS))
def test_the_solvers_and_the_network_agree_on_one_optimum(name, activation, skip):
    program = random_program(name=name, n=11, n_patterns=4, seed=3, activation=activation, **skip)
    ours, reference = solve(program, tol=1e-7), solve(program, method="cvxpy")
    assert ours.objective == pytest.approx(reference.objective, rel=1e-6)
    assert ours.gap <= 1e-7
    assert reference.gap <= 1e-6
    assert program.cone_violation(ours.blocks) <= TINY
    assert (ours.method, reference.method) == ("interior_point", "cvxpy")
    assert ours.dual_objective <= reference.objective * (1 + 1e-7)
    assert reference.dual_objective <= ours.objective * (1 + 1e-7)
    network = ours.network()
    outputs = program.design.forward(ours.blocks)[:, 0]
    if program.skip is not None:
        weight, bias = program.skip.fit(program.y - outputs)
        outputs = outputs + program.X @ weight + bias
    with torch.no_grad():
        torch.testing.assert_close(network(program.X), outputs)
    own = network.objective(program.X, program.y, program.beta, program.task.skip_penalty)
    assert own == pytest.approx(ours.objective, rel=1e-10)
    assert network.n_neurons == ours.n_neurons


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["patches", "circular, even"])
def test_no_feasible_point_found_on_the_way_beats_the_bound(name, activation, skip):
    program = random_program(name=name, activation=activation, **skip)
    best = solve(program, tol=1e-9).objective
    seen = []
    solve(program, tol=1e-3, callback=lambda step, certificate: seen.append(certificate))
    assert seen
    assert all(certificate.gap >= 0.0 for certificate in seen)
    assert all(certificate.dual_objective <= best * (1 + 1e-12) for certificate in seen)
    assert all(certificate.objective >= best * (1 - 1e-9) for certificate in seen)


def lecture_circular_program(X, y, patterns, beta, symmetric, gated):
    """Return the optimum of the lecture's program in C^d: an explicit DFT matrix, a complex Lasso.

    ``min 1/2 ||sum_i D_i Xt (w'_i - w_i) - y||^2 + beta/sqrt(d) sum_i (||w_i||_1 + ||w'_i||_1)``
    with ``Xt = X F`` and, in the cones, ``(2 D_i - I) Xt w_i`` real and non-negative.
    """
    d = X.shape[1]
    F = np.exp(-2j * np.pi * np.outer(np.arange(d), np.arange(d)) / d) / d**0.5
    fourier_samples = X @ F
    error, penalty, constraints = -y + 0j, 0.0, []
    for mask in patterns.masks.numpy():
        for sign in ([1.0] if gated else [1.0, -1.0]):
            w = cp.Variable(d, complex=True)
            outputs = fourier_samples @ w
            error = error + sign * cp.multiply(mask.astype(float), outputs)
            penalty = penalty + beta / d**0.5 * cp.norm(w, 1)
            if not gated:
                constraints += [cp.multiply(2.0 * mask - 1.0, cp.real(outputs)) >= 0,
                                cp.imag(outputs) == 0]
            if symmetric:
                constraints.append(w[(-np.arange(d)) % d] == cp.conj(w))
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(error) + penalty), constraints)
    return problem.solve(solver=cp.CLARABEL)


@pytest.mark.parametrize(("activation", "symmetric"), [
    ("relu", False), ("relu", True), ("gated_relu", False)])
@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_the_fourier_basis_gives_the_optimum_of_the_lectures_complex_lasso(
    d, activation, symmetric
):
    X, y = gaussian_data(n=8, d=d, seed=d)
    patterns = sample_patterns(X, 3, 0)
    program = ConvexProgram(X, y, patterns, 0.4, circular=True, activation=activation)
    expected = lecture_circular_program(X.numpy(), y.numpy(), patterns, 0.4, symmetric,
                                        activation == "gated_relu")
    assert solve(program, tol=1e-8).objective == pytest.approx(expected, rel=1e-6)


def test_conjugate_pairs_need_not_be_imposed_with_fewer_rows_than_samples_either():
    """The symmetric part of a point is feasible and costs no more, whatever the rank of X."""
    X, y = gaussian_data(n=3, d=6)
    patterns = sample_patterns(X, 3, 0)
    expected = solve(ConvexProgram(X, y, patterns, 0.2, circular=True), tol=1e-8).objective
    free = lecture_circular_program(X.numpy(), y.numpy(), patterns, 0.2, False, False)
    assert free == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["dense", "patches", "circular, odd"])
def test_all_patterns_make_the_solution_optimal_over_networks(name):
    architecture, d = ARCHITECTURES[name]
    X, y = gaussian_data(n=3, d=d)
    every = enumerate_patterns(architecture.gate_inputs(X))
    program = ConvexProgram(X, y, every, 0.3, architecture=architecture)
    solution = solve(program)
    assert (solution.status, solution.certificate.scope) == ("optimal", "network")
    some = sample_patterns(architecture.gate_inputs(X), 6, 1)
    fewer = solve(ConvexProgram(X, y, some, 0.3, architecture=architecture))
    assert fewer.certificate.scope == "program"
    assert solution.dual_objective <= fewer.objective


def test_auto_is_the_interior_point_and_gives_the_same_answer_twice():
    program = random_program()
    first, second = solve(program), solve(program, method="interior_point")
    assert first.method == second.method == "interior_point"
    assert torch.equal(first.blocks, second.blocks)


def test_a_tighter_tolerance_gives_a_smaller_gap_and_more_iterations():
    loose, tight = solve(random_program(), tol=1e-2), solve(random_program(), tol=1e-9)
    assert tight.gap <= 1e-9 < loose.gap <= 1e-2
    assert loose.n_iter < tight.n_iter


def test_the_callback_sees_every_iteration_and_the_last_gap():
    seen = []
    solution = solve(random_program(), callback=lambda *told: seen.append(told))
    assert [step for step, _ in seen] == list(range(1, solution.n_iter + 1))
    assert seen[-1][1].gap <= 1e-6 < seen[-2][1].gap
    assert all(certificate.scope == "program" for _, certificate in seen)


@pytest.mark.parametrize(
    ("name", "activation", "skip"), in_pairs(ARCHITECTURES, ACTIVATIONS, SKIPS[::2]))
def test_from_beta_max_on_there_is_the_skip_and_no_neuron(name, activation, skip):
    options = {"name": name, "activation": activation, **skip}
    threshold = random_program(**options).beta_max()
    for ratio in (1.0, 100.0):
        program = random_program(ratio * threshold, **options)
        solution = solve(program)
        assert solution.status == "optimal"
        assert solution.n_neurons == 0
        network = solution.network()
        assert network.n_neurons == 0
        own = network.objective(program.X, program.y, program.beta, program.task.skip_penalty)
        assert own == pytest.approx(solution.objective, rel=1e-12)
        with torch.no_grad():
            outputs = network(program.X)
        expected = torch.zeros(14).double()
        if program.skip is not None:
            weight, bias = program.skip.fit(program.y)
            expected = program.X @ weight + bias
        torch.testing.assert_close(outputs, expected)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("skip", SKIPS[:2])
@pytest.mark.parametrize("name", ["dense", "circular, even"])
def test_units_change_nothing_but_the_scale(name, skip, scale):
    program = random_program(name=name, **skip)
    options = {"architecture": program.task.architecture, **skip}
    targets = ConvexProgram(program.X, scale * program.y, program.patterns,
                            scale * program.beta, **options)
    samples = ConvexProgram(scale * program.X, program.y, program.patterns,
                            scale * program.beta, **options)
    expected = solve(program).objective
    assert solve(targets).objective == pytest.approx(scale**2 * expected, rel=2e-6)
    assert solve(samples).objective == pytest.approx(expected, rel=2e-6)


def degenerate_cases():
    """Return samples and targets that are awkward but have an optimum."""
    generator = np.random.default_rng(0)
    X, y = (part.numpy() for part in gaussian_data())
    sinusoid, after = hankel(np.sin(0.3 * np.arange(30)), 6)
    return {
        "sinusoid of rank two": (sinusoid, after), "duplicated rows": (X.repeat(2, 0), y.repeat(2)),
        "conflicting rows": (X[:1].repeat(14, 0), y), "one row": (X[:1], y[:1]),
        "duplicated columns": (np.hstack([X, X]), y), "one column": (X[:, :1], y),
        "more columns than rows": (generator.standard_normal((4, 9)), y[:4]),
        "rows of very different size": (X * 10.0 ** generator.uniform(-6, 6, (14, 1)), y),
        "a row of rounding size": (np.vstack([X[:13], 1e-17 * X[13:]]), y),
        "an outlier": (X, np.append(1e8, y[1:])), "a target of zero": (X, 0 * y),
        "a constant target": (X, 0 * y + 3.0),
        "a column of zeros": (X * [1.0, 0.0, 1.0], y),
        "samples of zero": (0 * X, y)}


@pytest.mark.parametrize(("circular", "activation"), [
    (False, "relu"), (False, "gated_relu"), (True, "relu")])
@pytest.mark.parametrize("name", list(degenerate_cases()))
def test_degenerate_samples_are_solved(name, circular, activation):
    X, y = (torch.tensor(np.array(part)) for part in degenerate_cases()[name])
    patterns, options = sample_patterns(X, 6, 0), {"activation": activation, "circular": circular}
    ceiling = ConvexProgram(X, y, patterns, 1.0, **options).beta_max()
    program = ConvexProgram(X, y, patterns, 0.05 * ceiling or 1.0, **options)
    solution = solve(program)
    assert solution.status == "optimal"
    assert solution.gap <= 1e-6
    own = solution.network().objective(X, y, program.beta)
    assert own == pytest.approx(solution.objective, rel=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["linear", "constant", "sinusoid", "fewer rows than weights"])
def test_a_target_that_the_skip_fits_leaves_nothing_to_the_network(name, activation):
    X, _ = gaussian_data()
    y = {"linear": X.sum(1), "constant": torch.full((14,), 3.0).double(), "sinusoid": None,
         "fewer rows than weights": torch.ones(3).double().cumsum(0) ** 2}[name]
    if name == "sinusoid":
        X, y = (torch.tensor(np.array(part)) for part in hankel(np.sin(0.3 * np.arange(30)), 6))
    X = X[: len(y)]
    program = ConvexProgram(X, y, sample_patterns(X, 6, 0), 0.1, activation=activation,
                            linear_skip=True)
    solution = solve(program)
    assert solution.status == "optimal"
    assert 0.0 <= solution.objective <= 1e-20
    assert solution.n_neurons == 0
    assert solution.network().objective(X, y, 0.1) <= 1e-20


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("ratio", [1e-6, 0.999])
@pytest.mark.parametrize("name", ["dense", "stride, constant", "circular, even"])
def test_weak_and_strong_penalties_are_solved(name, ratio, skip):
    options = {"name": name, **skip}
    program = random_program(ratio * random_program(**options).beta_max(), **options)
    solution = solve(program)
    assert solution.status == "optimal"
    own = solution.network().objective(
        program.X, program.y, program.beta, program.task.skip_penalty)
    assert own == pytest.approx(solution.objective, rel=1e-8)


def test_a_gate_of_zero_is_never_reported_optimal_with_a_bound_that_is_no_number():
    X, y = gaussian_data()
    patterns = ActivationPatterns.from_gates(X, torch.zeros(1, 3).double())
    solution = solve(ConvexProgram(X, y, patterns, 0.1, activation="gated_relu"))
    assert solution.status == "optimal"
    assert np.isfinite(solution.dual_objective)


@pytest.mark.parametrize(("start", "error", "message"), [
    (np.zeros((3, 8)), InvalidArgumentError, "^start must be of shape"),
    (np.full((120, 8), np.nan), InvalidArgumentError, "^start must be finite"),
    (["a"], InvalidTypeError, "^start must be real numbers")])
def test_bad_starts_are_named(start, error, message):
    with pytest.raises(error, match=message):
        solve(random_program(), start=start)


@pytest.mark.parametrize(("argument", "value", "error"), [
    ("method", "newton", InvalidArgumentError), ("tol", 0.0, InvalidArgumentError),
    ("tol", "1", InvalidTypeError), ("max_iter", 0, InvalidArgumentError),
    ("max_iter", 2.5, InvalidTypeError)])
def test_bad_options_are_named(argument, value, error):
    with pytest.raises(error) as caught:
        solve(random_program(), **{argument: value})
    assert caught.value.argument == argument


def test_auto_takes_the_proximal_method_where_memory_is_short():
    program = window_program(n=60, lags=4, n_patterns=8, ratio=0.1)
    short = newton_bytes(program, SelectionSettings()) - 1
    solution = solve(program, memory_limit=short, tol=1e-4)
    assert solution.method == "proximal"
    assert "too much" in solution.reason
    assert solution.objective == pytest.approx(solve(program, tol=1e-5).objective, rel=1e-4)


def test_a_working_set_without_room_is_an_error_or_another_method():
    program = window_program(n=60, lags=4, n_patterns=25, ratio=0.02, activation="gated_relu")
    few = WorkingSetSettings(first_weights=1, joining_weights=1)
    expected = solve(program, settings=SolverSettings(working_set=few)).objective
    little = SolverSettings(working_set=replace(few, most_weights=32))
    with pytest.raises(InvalidArgumentError, match="^method must be 'proximal' where"):
        solve(program, method="interior_point", settings=little)
    solution = solve(program, tol=1e-5, settings=little)
    assert solution.method == "proximal"
    assert "working set" in solution.reason
    assert solution.objective == pytest.approx(expected, rel=1e-5)


@pytest.mark.cuda
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_cuda_gives_the_optimum_of_the_cpu(name, activation, skip):
    program = random_program(name=name, activation=activation, **skip)
    expected, solution = solve(program), solve(program, device="cuda")
    assert solution.blocks.device.type == "cuda"
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(expected.objective, rel=2e-6)
    assert solution.network().output_weight.device.type == "cuda"


@pytest.mark.cuda
def test_cuda_ecg_program_has_the_known_optimum(ecg_program):
    solution = solve(ecg_program, device="cuda")
    assert solution.objective == pytest.approx(20.91643, rel=1e-6)
    assert solution.program.cone_violation(solution.blocks) <= TINY


def test_settings_of_another_kind_are_refused():
    X = torch.eye(2, dtype=torch.float64)
    program = ConvexProgram(X, [1.0, 2.0], sample_patterns(X, 5, 0), beta=0.1)
    with pytest.raises(InvalidTypeError, match="settings must be SolverSettings or None"):
        inspect.unwrap(solve)(program, settings=3)  # past the type checks of the tests
