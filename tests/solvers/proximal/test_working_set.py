from __future__ import annotations

import pytest
import torch

from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import SolverSettings
from relu_forecast.solvers.proximal.budget import Budget
from relu_forecast.solvers.proximal.working_set import solve_proximal
from relu_forecast.solvers.reference import solve_cvxpy
from tests.pairs import in_pairs
from tests.solvers.programs import ACTIVATIONS, SKIPS, random_program, window_program

GIBIBYTE = 2**30
DEFAULTS = SolverSettings()


def ecg_program(n, n_patterns, activation, lags=6, **skip):
    return window_program(n=n, lags=lags, n_patterns=n_patterns, ratio=0.01,
                          activation=activation, **skip)


def solved(program, tol=1e-7, max_iter=200, callback=None, memory_limit=2**31, start=None):
    return solve_proximal(
        program, tol, max_iter, callback, DEFAULTS, start, memory_limit=memory_limit)


@pytest.mark.parametrize(("name", "activation", "skip"), in_pairs(
    ["constant", "stride, constant", "circular, even"], ACTIVATIONS, SKIPS[::2]))
def test_the_proximal_method_and_clarabel_agree_on_one_optimum(name, activation, skip):
    program = random_program(name=name, n=11, n_patterns=2, seed=3, activation=activation, **skip)
    ours, reference = solved(program), solve_cvxpy(program, 1e-8, 200)
    assert (ours.status, ours.method) == ("optimal", "proximal")
    assert ours.gap <= 1e-7
    assert ours.objective == pytest.approx(reference.objective, rel=1e-6)
    assert ours.objective == pytest.approx(float(program.objective(ours.blocks)), rel=1e-9)
    assert ours.dual_objective <= reference.objective * (1 + 1e-7)
    assert program.cone_violation(ours.blocks) <= 1e-12
    assert ours.certificate.scope == program.scope


@pytest.mark.parametrize("options", SKIPS[:2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_sketched_curvature_reaches_the_optimum_of_collinear_windows(activation, options):
    """More windows than samples in a sketch, and thin cells."""
    program = ecg_program(500, 5, activation, lags=4, **options)
    seen = []
    solution = solved(program, 1e-6, 100, lambda step, now: seen.append((step, now)))
    assert solution.status == "optimal"
    assert program.cone_violation(solution.blocks) <= 1e-12
    own = program.certificate(solution.blocks, None)
    assert solution.objective == pytest.approx(own.objective, rel=1e-9)
    best = min(certificate.objective for _, certificate in seen)
    assert all(certificate.dual_objective <= best for _, certificate in seen)
    assert [step for step, _ in seen] == sorted({step for step, _ in seen})


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_where_not_all_blocks_fit_sets_of_them_take_turns(activation, monkeypatch):
    program = ecg_program(50, 5, activation, lags=3)
    whole = solved(program, 1e-4)
    assert whole.n_neurons > 3
    monkeypatch.setattr(Budget, "of", classmethod(lambda cls, *_: Budget(2**18, 3)))
    turns = solved(program, 1e-1, 300)
    assert turns.gap <= 1e-1
    assert turns.n_neurons > 3
    assert turns.objective == pytest.approx(whole.objective, rel=1e-1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_result_does_not_depend_on_the_slabs(activation):
    program = ecg_program(60, 3, activation, lags=3)
    whole = solved(program, 1e-9, memory_limit=GIBIBYTE)
    parts = solved(program, 1e-9, memory_limit=200_000)
    sizes = [Budget.of(program, limit, 8) for limit in (200_000, GIBIBYTE)]
    assert sizes[0].slab_entries < sizes[1].slab_entries
    assert parts.objective == pytest.approx(whole.objective, rel=2e-9)
    torch.testing.assert_close(parts.blocks, whole.blocks, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["dense", "patches", "circular, odd"])
def test_from_beta_max_on_nothing_is_used_and_below_something_is(name, activation):
    threshold = random_program(name=name, activation=activation).beta_max()
    above = solved(random_program(1.0001 * threshold, name=name, activation=activation))
    assert (above.status, above.n_neurons, above.n_iter) == ("optimal", 0, 0)
    below = solved(random_program(0.5 * threshold, name=name, activation=activation))
    assert 0 < below.n_neurons < below.program.n_blocks


def test_blocks_of_a_start_from_another_beta_are_active_first():
    program = ecg_program(60, 8, "relu", lags=4)
    cold = solved(program, 1e-6)
    similar = ConvexProgram(program.X, program.y, program.patterns, 1.02 * program.beta)
    seen, gaps = [], []
    for start in (None, cold.blocks):
        solution = solved(similar, 1e-6, 100, lambda _, now: gaps.append(now.gap), start=start)
        seen.append((solution.objective, gaps[0]))
        gaps.clear()
    (objective, gap), (same, smaller) = seen
    assert same == pytest.approx(objective, rel=2e-6)
    assert smaller < 1.1 * gap


def test_too_few_steps_are_a_status():
    solution = solved(ecg_program(150, 12, "relu"), 1e-6, 1)
    assert (solution.status, solution.n_iter) == ("max_iter", 1)
    assert solution.gap > 1e-6


def test_an_impossible_tolerance_stalls():
    solution = solved(random_program(n_patterns=1), 1e-17, 30)
    assert solution.status in ("stalled", "max_iter")
    assert 1e-17 < solution.gap < 1e-8


def test_float32_is_good_to_three_digits():
    program = ecg_program(60, 2, "relu", lags=4)
    single = program.to("cpu", torch.float32)
    solution = solved(single, 1e-4, 60)
    assert solution.blocks.dtype == torch.float32
    assert solution.objective == pytest.approx(solved(program).objective, rel=1e-3)
