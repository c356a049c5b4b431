from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import SolverSettings, WorkingSetSettings, solve
from relu_forecast.solvers.interior_point.block_working_set import BlockWorkingSet
from relu_forecast.solvers.interior_point.held_blocks import HeldBlocks
from relu_forecast.windows.sliding import hankel
from tests.pairs import in_pairs
from tests.solvers.programs import ACTIVATIONS, SKIPS, WINDOWED, window_program, windows

FEW_HELD = SolverSettings(working_set=WorkingSetSettings(first_weights=1, joining_weights=1))
"""Begin with six blocks, and let three in at a time."""
every_architecture = pytest.mark.parametrize("name", list(WINDOWED))
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


@cache
def build(name="dense", *, n=70, n_patterns=28, ratio=0.02, **options):
    """Return a program of more blocks than are held at first."""
    return window_program(name, n=n, lags=5, n_patterns=n_patterns, ratio=ratio, **options)


@cache
def solved(program):
    """Return the solution with the settings of the package, which several tests ask for."""
    return solve(program)


@cache
def few_held(program):
    """Return the solution that begins with few blocks."""
    return solve(program, settings=FEW_HELD)


def all_held(program, tol):
    settings = SolverSettings(working_set=WorkingSetSettings(first_weights=10**6))
    return solve(program, tol=tol, settings=settings)


@pytest.mark.parametrize(("name", "activation", "skip"), in_pairs(WINDOWED, ACTIVATIONS, SKIPS))
def test_a_working_set_ends_at_the_optimum_of_all_blocks(name, activation, skip):
    program = build(name, activation=activation, **skip)
    solution, every = few_held(program), all_held(program, 1e-8)
    assert program.n_blocks > 20
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


def test_a_bound_that_was_reached_stays_when_a_worse_block_is_priced():
    program = build(activation="gated_relu")
    solver = BlockWorkingSet(program, 1e-6, 200, None, FEW_HELD)
    held = solver.restart = solver._first(None)
    progress = solver._newton_steps(held, 1e-2)
    left = program.leave(held.program.error(progress.held.blocks))
    bounds = {ratio: float(program.dual_bound(left, torch.tensor(ratio).double()))
              for ratio in (8.0, 2.0, 4.0)}
    assert bounds[8.0] < bounds[4.0] < bounds[2.0]
    for ratio, best in ((8.0, 8.0), (2.0, 2.0), (4.0, 2.0)):
        certificate = solver._certificate(progress, torch.tensor(ratio * program.beta).double())
        assert certificate.violation == pytest.approx(ratio)
        assert certificate.dual_objective == pytest.approx(bounds[best])


@every_activation
@every_architecture
def test_a_start_at_another_beta_saves_steps_and_changes_nothing(name, activation):
    before = solve(build(name, activation=activation, ratio=0.03))
    program = build(name, activation=activation)
    cold, warm = solved(program), solve(program, start=before.blocks)
    assert warm.gap <= 1e-6
    assert warm.objective == pytest.approx(cold.objective, rel=2e-6)
    again = solve(program, start=cold.blocks.numpy())
    assert again.n_iter <= cold.n_iter + 1


@every_activation
@every_architecture
def test_single_precision_reaches_a_gap_of_one_in_a_hundred_thousand(name, activation):
    program = build(name, activation=activation)
    exact = solved(program)
    single = solve(program, tol=1e-5, dtype=torch.float32)
    assert single.status == "optimal"
    assert single.blocks.dtype == torch.float32
    assert single.objective == pytest.approx(exact.objective, rel=1e-5)
    assert float(program.objective(single.blocks.double())) == pytest.approx(
        exact.objective, rel=1e-5)


def test_single_precision_and_warm_starts_on_the_thin_cells_of_a_thousand_windows():
    X, y = windows(1000, 15)
    patterns = sample_patterns(X, 30, 0)
    program = ConvexProgram(X, y, patterns, 17.3)
    single = solve(program, tol=1e-5, dtype=torch.float32)
    assert single.gap <= 1e-5
    exact = solve(program)
    assert single.objective == pytest.approx(exact.objective, rel=1e-5)
    assert solve(program, start=exact.blocks).n_iter < 0.8 * exact.n_iter


def test_the_same_program_gives_the_same_blocks():
    program = build()
    again = solve(program, settings=FEW_HELD)
    assert torch.equal(few_held(program).blocks, again.blocks)


@pytest.mark.parametrize("spoil", ["repeated rows", "zero rows", "repeated columns", "a sine"])
def test_degenerate_windows_are_solved(spoil):
    X, y = windows(70, 5)
    if spoil == "repeated rows":
        X, y = X.repeat(2, 1), y.repeat(2)
    elif spoil == "zero rows":
        X = torch.cat([X, torch.zeros(10, 5).double()])
        y = torch.cat([y, torch.ones(10).double()])
    elif spoil == "repeated columns":
        X = torch.cat([X, X[:, :3]], dim=1)
    else:
        signal = np.sin(np.arange(75) / 9.0)
        X, y = (torch.tensor(part.copy()) for part in hankel(signal, 5))
        y = y.abs()
    patterns = sample_patterns(X, 25, 0)
    program = ConvexProgram(X, y, patterns, 0.05)
    solution = solve(program, settings=FEW_HELD)
    assert solution.gap <= 1e-6
    assert solution.objective == pytest.approx(all_held(program, 1e-7).objective, rel=1e-6)


def test_too_few_iterations_are_a_status_and_a_bound_that_holds():
    program = build()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        solution = solve(program, settings=FEW_HELD, max_iter=5)
    assert solution.n_iter == 5
    assert solution.status == "max_iter"
    assert solution.dual_objective <= few_held(program).objective


def test_all_blocks_that_were_held_may_leave(monkeypatch):
    program = build()
    expected = few_held(program).objective
    monkeypatch.setattr(HeldBlocks, "unused", lambda held: torch.ones_like(
        held.index, dtype=torch.bool))
    solution = solve(program, settings=FEW_HELD)
    assert solution.gap <= 1e-6
    assert solution.objective == pytest.approx(expected, rel=1e-6)


def test_holding_all_blocks_needs_no_pricing():
    program = build(n_patterns=4)
    solver = BlockWorkingSet(program, 1e-6, 200, None, SolverSettings())
    solution = solver.solve(None)
    assert solution.gap <= 1e-6
    assert program.n_blocks <= 30
