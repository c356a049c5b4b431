from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from relu_forecast.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.datasets import load_ecg
from relu_forecast.descent import Descent, DescentProblem, descend
from relu_forecast.designs import DenseDesign
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError, InvalidTypeError
from relu_forecast.program import ConvexProgram
from relu_forecast.skip import LinearSkip
from relu_forecast.solvers import solve
from relu_forecast.solvers.interior_point import InteriorPoint
from relu_forecast.windows import hankel

ACTIVATIONS = ["relu", "gated_relu"]
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
TINY = 1e-9
FAKE = "cuda" if torch.backends.cuda.is_built() else "meta"
"""Device of fake tensors: a build of torch without CUDA cannot even slice fake CUDA tensors."""


def data(n=14, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.standard_normal((n, d))), torch.tensor(
        generator.standard_normal(n))


def build(beta=0.3, *, seed=0, n_patterns=5, **options):
    X, y = data(seed=seed)
    return ConvexProgram(X, y, sample_patterns(X, n_patterns, seed), beta, **options)


@pytest.fixture(scope="module")
def ecg_program():
    """Return 300 windows of 15 samples of the ECG, on 20 patterns, at a hundredth of beta_max."""
    values = load_ecg().to_numpy()[:315]
    X, y = (torch.tensor(part.copy()) for part in hankel((values - values.mean()) / values.std(),
                                                         lags=15))
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solution = solve(ecg_program, tol=1e-4, dtype=torch.float32)
    assert solution.blocks.dtype == torch.float32
    assert solution.objective == pytest.approx(20.91643, rel=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_solvers_agree_and_their_bounds_enclose_one_optimum(activation, skip, seed):
    program = build(activation=activation, seed=seed, **skip)
    ours, reference = solve(program), solve(program, method="cvxpy")
    assert ours.objective == pytest.approx(reference.objective, rel=1e-6)
    assert max(ours.gap, reference.gap) <= 1e-6
    assert program.cone_violation(ours.blocks) <= TINY
    assert (ours.method, reference.method) == ("interior_point", "cvxpy")
    assert ours.dual_objective <= reference.objective * (1 + 1e-7)


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_network_is_the_program_in_outputs_and_objective(activation, skip):
    program = build(activation=activation, **skip)
    solution = solve(program)
    network = solution.network()
    outputs = program.design.forward(solution.blocks)
    if program.skip is not None:
        left = program.y - outputs
        weight, bias = program.skip.fit(left)
        outputs = outputs + program.X @ weight + bias
    with torch.no_grad():
        torch.testing.assert_close(network(program.X), outputs)
    own = network.objective(program.X, program.y, program.beta, program.skip_penalty)
    assert own == pytest.approx(solution.objective, rel=1e-10)
    assert network.n_neurons == solution.n_neurons


def test_auto_is_the_interior_point_and_gives_the_same_answer_twice():
    program = build()
    first, second = solve(program), solve(program, method="interior_point")
    assert first.method == second.method == "interior_point"
    assert torch.equal(first.blocks, second.blocks)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_unfinished_solve_warns_with_its_gap(activation):
    with pytest.warns(ConvergenceWarning) as caught:
        solution = solve(build(activation=activation), max_iter=2)
    assert solution.status == "max_iter"
    assert solution.n_iter == 2
    assert solution.gap > 1e-6
    assert f"relative gap {solution.gap:.1e} > tol=1.0e-06" in str(caught[0].message)
    assert "raise max_iter" in str(caught[0].message)


def test_an_impossible_tolerance_stalls_and_says_so():
    with pytest.warns(ConvergenceWarning, match="stalled.*loosen tol"):
        solution = solve(build(), tol=1e-18)
    assert solution.status == "stalled"
    assert solution.gap < 1e-8


def test_an_unfinished_reference_solve_is_a_status_and_one_warning_of_ours():
    with pytest.warns(ConvergenceWarning, match="raise max_iter") as caught:
        solution = solve(build(), method="cvxpy", max_iter=2)
    assert solution.status == "max_iter"
    assert [warning.category for warning in caught] == [ConvergenceWarning]


def test_a_tighter_tolerance_gives_a_smaller_gap_and_more_iterations():
    loose, tight = solve(build(), tol=1e-2), solve(build(), tol=1e-9)
    assert tight.gap <= 1e-9 < loose.gap <= 1e-2
    assert loose.n_iter < tight.n_iter


def test_the_callback_sees_every_iteration_and_the_last_gap():
    seen = []
    solution = solve(build(), callback=lambda step, certificate: seen.append((step, certificate)))
    assert [step for step, _ in seen] == list(range(1, solution.n_iter + 1))
    assert seen[-1][1].gap <= 1e-6 < seen[-2][1].gap
    assert all(certificate.scope == "program" for _, certificate in seen)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unused_blocks_are_exactly_zero(activation):
    program = build(0.5 * build(activation=activation).beta_max(), activation=activation)
    solution = solve(program)
    assert 0 < solution.n_neurons < program.n_blocks
    assert solution.n_neurons == int((solution.blocks.norm(dim=1) > 0).sum())
    assert solution.gap <= 1e-6


@pytest.mark.parametrize("ratio", [1.001, 1.5, 100.0])
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_above_beta_max_there_is_no_neuron(activation, skip, ratio):
    options = {"activation": activation, **skip}
    solution = solve(build(ratio * build(**options).beta_max(), **options))
    assert solution.status == "optimal"
    assert solution.n_neurons == 0
    assert solution.network().n_neurons == 0


def test_no_network_by_gradients_is_below_the_optimum_over_all_patterns():
    X, y = data(n=8, d=2)
    program = ConvexProgram(X, y, sample_patterns(X, 3000, 0), 0.1)
    assert len(program.patterns) == 16
    bound = solve(program, tol=1e-8)
    problem = DescentProblem(X, y, 0.1, None)
    settings = Descent("lbfgs", n_neurons=12, n_steps=300, learning_rate=1.0)
    found = [problem.network(*descend(problem, settings, seed)).objective(X, y, 0.1)
             for seed in range(6)]
    assert min(found) >= bound.dual_objective
    assert min(found) <= bound.objective * 1.02


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("skip", SKIPS[:2])
def test_units_change_nothing_but_the_scale(skip, scale):
    program = build(**skip)
    targets = ConvexProgram(program.X, scale * program.y, program.patterns,
                            scale * program.beta, **skip)
    samples = ConvexProgram(scale * program.X, program.y, program.patterns,
                            scale * program.beta, **skip)
    expected = solve(program).objective
    assert solve(targets).objective == pytest.approx(scale**2 * expected, rel=2e-6)
    assert solve(samples).objective == pytest.approx(expected, rel=2e-6)


def degenerate_cases():
    """Return samples and targets that are awkward but have an optimum."""
    generator = np.random.default_rng(0)
    X, y = (part.numpy() for part in data())
    sinusoid, after = hankel(np.sin(0.3 * np.arange(30)), 6)
    return {
        "sinusoid of rank two": (sinusoid, after), "duplicated rows": (X.repeat(2, 0), y.repeat(2)),
        "conflicting rows": (X[:1].repeat(14, 0), y), "one row": (X[:1], y[:1]),
        "duplicated columns": (np.hstack([X, X]), y), "one column": (X[:, :1], y),
        "more columns than rows": (generator.standard_normal((4, 9)), y[:4]),
        "rows of very different size": (X * 10.0 ** generator.uniform(-6, 6, (14, 1)), y),
        "a row of rounding size": (np.vstack([X[:13], 1e-17 * X[13:]]), y),
        "an outlier": (X, np.append(1e8, y[1:])), "a target of zero": (X, 0 * y),
        "samples of zero": (0 * X, y)}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", list(degenerate_cases()))
def test_degenerate_samples_are_solved(name, activation):
    X, y = (torch.tensor(np.array(part)) for part in degenerate_cases()[name])
    patterns = sample_patterns(X, 6, 0)
    ceiling = ConvexProgram(X, y, patterns, 1.0, activation=activation).beta_max()
    program = ConvexProgram(X, y, patterns, 0.05 * ceiling or 1.0, activation=activation)
    solution = solve(program)
    assert solution.status == "optimal"
    assert solution.gap <= 1e-6
    own = solution.network().objective(X, y, program.beta)
    assert own == pytest.approx(solution.objective, rel=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["linear", "constant", "sinusoid", "fewer rows than weights"])
def test_a_target_that_the_skip_fits_leaves_nothing_to_the_network(name, activation):
    X, _ = data()
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


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("ratio", [1e-6, 1e-4, 0.999])
def test_weak_and_strong_penalties_are_solved(ratio, skip):
    program = build(ratio * build(**skip).beta_max(), **skip)
    solution = solve(program)
    assert solution.status == "optimal"
    own = solution.network().objective(program.X, program.y, program.beta, program.skip_penalty)
    assert own == pytest.approx(solution.objective, rel=1e-8)


def test_a_gate_of_zero_is_never_reported_optimal_with_a_bound_that_is_no_number():
    X, y = data()
    patterns = ActivationPatterns.from_gates(X, torch.zeros(1, 3).double())
    solution = solve(ConvexProgram(X, y, patterns, 0.1, activation="gated_relu"))
    assert solution.status == "optimal"
    assert np.isfinite(solution.dual_objective)


@pytest.mark.parametrize(("argument", "value", "error"), [
    ("method", "newton", InvalidArgumentError), ("tol", 0.0, InvalidArgumentError),
    ("tol", "1", InvalidTypeError), ("max_iter", 0, InvalidArgumentError),
    ("max_iter", 2.5, InvalidTypeError)])
def test_bad_options_are_named(argument, value, error):
    with pytest.raises(error) as caught:
        solve(build(), **{argument: value})
    assert caught.value.argument == argument


def moved(program, move):
    """Return a program whose tensors all went through ``move``, its checks long passed."""
    copy = object.__new__(ConvexProgram)
    copy.__dict__.update(program.__dict__)
    copy.X, copy.y = move(program.X), move(program.y)
    copy.patterns = ActivationPatterns(move(program.patterns.masks), move(program.patterns.gates))
    design = program.design
    copy.design = DenseDesign(copy.X, move(design.masks), move(design.signs))
    copy.__dict__["cone_rows"] = move(program.cone_rows)
    copy.__dict__["skip"] = program.skip and LinearSkip(
        **{name: move(part) for name, part in vars(program.skip).items()})
    return copy


def checked(**options):
    """Return a program that has computed all that it computes on the host."""
    program = build(**options)
    assert program.cone_rows.all()
    assert (program.skip is None) != program.linear_skip
    return program


def tensors_of(state):
    return list(vars(state).values())


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fake_cuda_steps_stay_on_the_device_and_never_ask_the_host(activation, skip):
    program = checked(activation=activation, **skip)
    with FakeTensorMode():
        fake = moved(program, lambda t: torch.empty(t.shape, dtype=t.dtype, device=FAKE))
        method = InteriorPoint(fake)
        state = method.start()
        for _ in range(3):
            state = method.step(state)
        bounds = fake.bounds(state.blocks, method.cone_multipliers(state))
    every = [*tensors_of(state), *bounds, method.gram, method.linear]
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert {tensor.dtype for tensor in every} == {torch.float64}


def test_fake_cuda_tensors_refuse_a_host_synchronisation():
    with FakeTensorMode():
        scalar = torch.empty((), device=FAKE)
        with pytest.raises(DataDependentOutputException):
            float(scalar)


def test_fake_cuda_steps_keep_float32():
    program = checked(linear_skip=True)
    with FakeTensorMode():
        def move(tensor):
            dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
            return torch.empty(tensor.shape, dtype=dtype, device=FAKE)

        method = InteriorPoint(moved(program, move))
        state = method.step(method.start())
    assert {tensor.dtype for tensor in tensors_of(state)} == {torch.float32}


@pytest.mark.cuda
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_cuda_gives_the_optimum_of_the_cpu(activation, skip):
    program = build(activation=activation, **skip)
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
