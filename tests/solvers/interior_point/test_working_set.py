from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.datasets import load_ecg
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import (
    SelectionSettings,
    SolverSettings,
    WorkingSetSettings,
    selection,
    solve,
)
from relu_forecast.solvers.interior_point.held_blocks import HeldBlocks
from relu_forecast.solvers.interior_point.rays import solve_on_rays
from relu_forecast.solvers.interior_point.working_set import WorkingSet
from relu_forecast.windows.sliding import hankel

ARCHITECTURES = {"dense": Dense(), "constant": Dense(True), "conv": Convolution(3),
                 "circular": Circular()}
every_architecture = pytest.mark.parametrize("name", list(ARCHITECTURES))
every_activation = pytest.mark.parametrize("activation", ["relu", "gated_relu"])
SKIPS = {"none": {}, "skip": {"linear_skip": True},
         "ridge": {"linear_skip": True, "skip_penalty": 1.0}}


def ecg_windows(n, lags=8, start=0):
    values = load_ecg().to_numpy()[start : start + n + lags]
    X, y = hankel((values - values.mean()) / values.std(), lags)
    return torch.tensor(X), torch.tensor(y)


def build(name="dense", *, n=90, n_patterns=60, ratio=0.02, seed=0, **options):
    """Return a program of some 60 patterns, many more than are held at first."""
    architecture = ARCHITECTURES[name]
    X, y = ecg_windows(n, start=2000 * seed)
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, seed)
    gated = ConvexProgram(X, y, patterns, 1.0, activation="gated_relu",
                          architecture=architecture, **options.get("skip", {}))
    return ConvexProgram(X, y, patterns, ratio * gated.beta_max(), architecture=architecture,
                         activation=options.get("activation", "relu"), **options.get("skip", {}))


FEW_HELD = SolverSettings(working_set=WorkingSetSettings(first_weights=1, joining_weights=1))
"""Begin with six blocks, and let three in at a time."""


def all_held(program, tol):
    settings = SolverSettings(working_set=WorkingSetSettings(first_weights=10**6))
    return solve(program, tol=tol, settings=settings)


@pytest.mark.parametrize("skip", list(SKIPS))
@every_activation
@every_architecture
def test_a_working_set_ends_at_the_optimum_of_all_blocks(name, activation, skip):
    program = build(name, activation=activation, skip=SKIPS[skip])
    solution, every = solve(program, settings=FEW_HELD), all_held(program, 1e-8)
    assert program.n_blocks > 30
    assert (solution.status, every.status) == ("optimal", "optimal")
    assert solution.gap <= 1e-6
    assert solution.objective == pytest.approx(every.objective, rel=1e-6)
    assert solution.dual_objective <= every.objective * (1 + 1e-9)
    assert float(program.objective(solution.blocks)) == pytest.approx(
        solution.objective, rel=1e-12)
    assert program.cone_violation(solution.blocks) <= 1e-9


@pytest.mark.parametrize("ratio", [0.3, 0.003])
def test_cvxpy_agrees_on_more_blocks_than_are_held(ratio):
    program = build(n=40, n_patterns=15, ratio=ratio)
    ours, reference = solve(program, settings=FEW_HELD, tol=1e-7), solve(program, method="cvxpy")
    assert ours.objective == pytest.approx(reference.objective, rel=1e-6)
    assert ours.dual_objective <= reference.objective * (1 + 1e-7)


@every_activation
def test_bounds_told_on_the_way_hold_for_all_blocks(activation):
    program = build(activation=activation)
    best = all_held(program, 1e-9).objective
    told = []
    solution = solve(program, settings=FEW_HELD,
                     callback=lambda step, certificate: told.append(certificate))
    assert max(certificate.dual_objective for certificate in told) <= best * (1 + 1e-9)
    assert min(certificate.objective for certificate in told) >= best * (1 - 1e-9)
    assert told[-1].gap <= 1e-6
    assert len(told) > solution.n_iter
    assert any(certificate.dual_objective == 0.0 for certificate in told)


@every_activation
@every_architecture
def test_a_start_at_another_beta_saves_steps_and_changes_nothing(name, activation):
    before = solve(build(name, activation=activation, ratio=0.03))
    program = build(name, activation=activation, ratio=0.02)
    cold, warm = solve(program), solve(program, start=before.blocks)
    assert warm.gap <= 1e-6
    assert warm.objective == pytest.approx(cold.objective, rel=2e-6)
    again = solve(program, start=cold.blocks.numpy())
    assert again.n_iter <= cold.n_iter


def test_a_start_outside_its_cones_is_moved_inside():
    program = build()
    cold = solve(program)
    noise = torch.as_tensor(np.random.default_rng(0).standard_normal(cold.blocks.shape))
    for start in (cold.blocks + 1e-3 * noise, noise, torch.zeros_like(noise)):
        solution = solve(program, start=start)
        assert solution.gap <= 1e-6
        assert program.cone_violation(solution.blocks) <= 1e-9


@pytest.mark.parametrize(("start", "error", "message"), [
    (np.zeros((3, 8)), InvalidArgumentError, "^start must be of shape"),
    (np.full((120, 8), np.nan), InvalidArgumentError, "^start must be finite"),
    (["a"], InvalidTypeError, "^start must be real numbers")])
def test_bad_starts_are_named(start, error, message):
    with pytest.raises(error, match=message):
        solve(build(), start=start)


@every_activation
@every_architecture
def test_single_precision_reaches_a_gap_of_one_in_a_hundred_thousand(name, activation):
    program = build(name, activation=activation)
    exact = solve(program)
    single = solve(program, tol=1e-5, dtype=torch.float32)
    assert single.status == "optimal"
    assert single.blocks.dtype == torch.float32
    assert single.objective == pytest.approx(exact.objective, rel=1e-5)
    assert float(program.objective(single.blocks.double())) == pytest.approx(
        exact.objective, rel=1e-5)


def test_single_precision_and_warm_starts_on_the_thin_cells_of_a_thousand_windows():
    X, y = ecg_windows(1000, lags=15)
    patterns = sample_patterns(X, 30, 0)
    program = ConvexProgram(X, y, patterns, 17.3)
    single = solve(program, tol=1e-5, dtype=torch.float32)
    assert single.gap <= 1e-5
    exact = solve(program)
    assert single.objective == pytest.approx(exact.objective, rel=1e-5)
    assert solve(program, start=exact.blocks).n_iter < 0.8 * exact.n_iter


def test_the_same_program_gives_the_same_blocks():
    program = build()
    once, again = (solve(program, settings=FEW_HELD) for _ in range(2))
    assert torch.equal(once.blocks, again.blocks)


@pytest.mark.parametrize("spoil", ["repeated rows", "zero rows", "repeated columns", "a sine"])
def test_degenerate_windows_are_solved(spoil):
    X, y = ecg_windows(120)
    if spoil == "repeated rows":
        X, y = X.repeat(2, 1), y.repeat(2)
    elif spoil == "zero rows":
        X = torch.cat([X, torch.zeros(10, 8).double()])
        y = torch.cat([y, torch.ones(10).double()])
    elif spoil == "repeated columns":
        X = torch.cat([X, X[:, :3]], dim=1)
    else:
        signal = np.sin(np.arange(128) / 9.0)
        X, y = (torch.tensor(part.copy()) for part in hankel(signal, 8))
        y = y.abs()
    patterns = sample_patterns(X, 40, 0)
    program = ConvexProgram(X, y, patterns, 0.05)
    solution = solve(program, settings=FEW_HELD)
    assert solution.gap <= 1e-6
    assert solution.objective == pytest.approx(all_held(program, 1e-7).objective, rel=1e-6)


def test_auto_takes_the_interior_point_where_it_fits_and_says_why():
    program = build()
    solution = solve(program)
    assert solution.method == "interior_point"
    assert "MiB allowed" in solution.reason
    assert solve(program, method="interior_point").reason == "asked for"
    sizes = [selection.newton_bytes(one, SelectionSettings()) for one in (program, build(n=400))]
    assert sizes[0] < sizes[1]
    X, y = ecg_windows(20_001, lags=2)
    free = ConvexProgram(X, y, sample_patterns(X, 5, 0), 10.0, activation="gated_relu")
    choice = selection.choose(free, "auto", 1e12, SelectionSettings())
    assert choice.solver == "proximal"
    assert "20,001 samples of free blocks" in choice.reason


def test_auto_takes_the_proximal_method_where_memory_is_short():
    X, y = ecg_windows(20_000)
    patterns = sample_patterns(X, 10, 0)
    program = ConvexProgram(X, y, patterns, 300.0)
    short = selection.newton_bytes(program, SelectionSettings()) - 1
    solution = solve(program, memory_limit=short, tol=1e-4)
    assert solution.method == "proximal"
    assert "too much" in solution.reason
    assert solution.objective == pytest.approx(solve(program, tol=1e-5).objective, rel=1e-4)


def test_a_working_set_without_room_is_an_error_or_another_method():
    program = build(activation="gated_relu")
    expected = solve(program, settings=FEW_HELD).objective
    little = replace(FEW_HELD, working_set=replace(FEW_HELD.working_set, most_weights=80))
    with pytest.raises(InvalidArgumentError, match="^method must be 'proximal' where"):
        solve(program, method="interior_point", settings=little)
    solution = solve(program, tol=1e-5, settings=little)
    assert solution.method == "proximal"
    assert "working set" in solution.reason
    assert solution.objective == pytest.approx(expected, rel=1e-5)


def test_too_few_iterations_are_a_status_and_a_bound_that_holds():
    program = build()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        solution = solve(program, settings=FEW_HELD, max_iter=5)
    assert solution.n_iter == 5
    assert solution.status == "max_iter"
    assert solution.dual_objective <= solve(program, settings=FEW_HELD).objective


@every_architecture
def test_the_guess_on_rays_is_a_lasso_on_the_gates_outputs(name):
    program = build(name, n_patterns=8)
    chosen = torch.arange(program.n_blocks)
    blocks = solve_on_rays(program, chosen, 200)
    assert program.cone_violation(blocks) == 0.0
    rays = program.norm.normalised(program.gates)
    columns = (program.features.outputs(rays) * program.design.heads[:, 0]).numpy()
    # beta sum_k c_k = (|c'1 + shift|^2 - ...)/2 needs no such trick: shift the target instead
    root = np.linalg.cholesky(columns.T @ columns + 1e-10 * np.eye(columns.shape[1]))
    target = np.linalg.solve(root, columns.T @ program.y.numpy() - program.beta)
    lengths = torch.tensor(nnls(root.T, target)[0])
    best = float(program.objective(lengths[:, None] * rays))
    assert best * (1 - 1e-6) <= float(program.objective(blocks)) <= best * 1.01


def test_fake_cuda_guess_on_rays_stays_on_the_device(moved):
    program = build(skip=SKIPS["skip"])
    device = "cuda" if torch.backends.cuda.is_built() else "meta"
    assert program.skip is not None
    assert bool(program.cone_rows.all())
    assert bool(program.gates.any())  # computed once, and cached
    with FakeTensorMode():
        def move(tensor):
            return torch.empty(tensor.shape, dtype=tensor.dtype, device=device)

        fake = moved(program, move)
        blocks = solve_on_rays(fake, move(torch.arange(9)), 200)
    assert blocks.device.type == device
    assert blocks.shape == (9, 8)


def test_all_blocks_that_were_held_may_leave(monkeypatch):
    program = build()
    expected = solve(program, settings=FEW_HELD).objective
    monkeypatch.setattr(HeldBlocks, "unused", lambda held: torch.ones_like(
        held.index, dtype=torch.bool))
    solution = solve(program, settings=FEW_HELD)
    assert solution.gap <= 1e-6
    assert solution.objective == pytest.approx(expected, rel=1e-6)


def test_holding_all_blocks_needs_no_pricing():
    program = build(n_patterns=4)
    solver = WorkingSet(program, 1e-6, 200, None, SolverSettings())
    solution = solver.solve(None)
    assert solution.gap <= 1e-6
    assert program.n_blocks <= 30
