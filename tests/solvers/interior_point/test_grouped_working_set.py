from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.dual_norms import smallest_dual_norm
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import GroupedSettings, SolverSettings, WorkingSetSettings, solve
from relu_forecast.solvers.interior_point.block_working_set import BlockWorkingSet
from relu_forecast.solvers.interior_point.grouped_working_set import GroupedWorkingSet
from relu_forecast.solvers.interior_point.held import WorkingSetTooLargeError
from tests.solvers.programs import ACTIVATIONS, SKIPS, random_program, window_program

TIGHT = SolverSettings(grouped=GroupedSettings(
    first_blocks=1, fewest_groups=1, first_groups=0.1, joining_groups=1, joining_blocks=1))
"""Start from almost nothing, so that pairs and blocks have to join."""


def random_circular_program(seed, *, ratio=None, n_targets=1):
    """Return a small program whose sizes, penalty, activation and skip the seed decides."""
    generator = np.random.default_rng(seed)
    d, n = int(generator.choice([1, 2, 3, 4, 7])), int(generator.integers(3, 8))
    X = torch.tensor(generator.standard_normal((n, d)))
    y = torch.tensor(generator.standard_normal((n, n_targets)).squeeze(1) if n_targets == 1
                     else generator.standard_normal((n, n_targets)))
    options = {"activation": ("relu", "gated_relu")[seed % 2], "circular": True,
               **SKIPS[seed % 3]}
    patterns = sample_patterns(X, int(generator.integers(1, 4)), seed)
    if n_targets > 1:
        heads = generator.standard_normal((len(patterns), n_targets))
        options["heads"] = heads / np.linalg.norm(heads, axis=1, keepdims=True)
    beta = float(10 ** generator.uniform(-2, 0.3))
    program = ConvexProgram(X, y, patterns, beta, **options)
    if ratio is None:
        return program
    return ConvexProgram(X, y, patterns, ratio * program.beta_max(), **options)


def agrees_with_the_reference(program, settings=None):
    """Solve twice, and compare objectives, bounds and cones."""
    ours = solve(program, tol=1e-8, settings=settings)
    reference = solve(program, method="cvxpy", tol=1e-6)
    scale = max(reference.objective, 1e-9)
    assert abs(ours.objective - reference.objective) <= 1e-6 * scale
    assert ours.dual_objective <= reference.objective * (1 + 1e-6) + 1e-12
    assert ours.gap <= 1e-7
    assert program.cone_violation(ours.blocks) <= 1e-10


@pytest.mark.parametrize("first", [
    *range(0, 20, 5), *(pytest.param(k, marks=pytest.mark.long) for k in range(20, 100, 5))])
def test_random_programs_have_the_optimum_of_the_reference(first):
    for seed in range(first, first + 5):
        agrees_with_the_reference(random_circular_program(seed), TIGHT if seed % 4 else None)


def test_penalties_near_the_largest_have_the_optimum_of_the_reference():
    for seed in (100, 102, 104, 105):
        agrees_with_the_reference(random_circular_program(seed, ratio=0.99))


def test_programs_of_two_targets_have_the_optimum_of_the_reference():
    for seed in range(8):
        agrees_with_the_reference(random_circular_program(seed, n_targets=2), TIGHT)


def test_a_thin_cell_of_smooth_windows_needs_its_ray_first():
    program = window_program("circular", n=120, lags=12, n_patterns=6, ratio=0.02)
    agrees_with_the_reference(program, TIGHT)


def test_duplicated_patterns_share_the_optimum_of_one():
    program = random_circular_program(2)
    twice = program.on(type(program.patterns)(
        program.patterns.masks.repeat(2, 1), program.patterns.gates.repeat(2, 1)), program.beta)
    assert solve(twice, tol=1e-8).objective == pytest.approx(
        solve(program, tol=1e-8).objective, rel=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_bound_on_few_pairs_counts_the_groups_that_are_not_held(activation):
    """Even where the pairs held are at their own optimum; there are no blocks beside them."""
    program = window_program(
        "circular", n=40, lags=8, n_patterns=3, ratio=0.02, activation=activation)
    optimum = solve(program, tol=1e-8).objective
    solver = GroupedWorkingSet(program, 1e-8, 200, None, SolverSettings(
        grouped=GroupedSettings(first_blocks=10**6, fewest_groups=1, first_groups=1e-9)))
    held, own_gap = solver._first(None), 1.0
    while own_gap > 1e-3:
        held = replace(held, state=held.method.step(held.state))
        certificate, own_gap, _ = solver._evaluated(held)
        assert certificate.dual_objective <= optimum * (1 + 1e-7)
        expected = held.program.certificate(held.blocks, held.multipliers)
        assert certificate.violation == pytest.approx(expected.violation)
        assert certificate.dual_objective == pytest.approx(expected.dual_objective)
    assert not bool(held.groups.all())
    assert certificate.gap > 1e-2


def begun(**rules):
    """Return a solver of windows, and what it holds first: a few groups of some blocks."""
    program = window_program("circular", n=40, lags=8, n_patterns=6, ratio=0.02)
    solver = GroupedWorkingSet(program, 1e-8, 200, None, SolverSettings(grouped=GroupedSettings(
        first_blocks=3, fewest_groups=1, first_groups=1e-9, **rules)))
    return solver, solver._first(None)


def test_a_larger_set_has_the_groups_that_joined_since_its_iterate():
    solver, held = begun()
    solver.restart = held
    new = torch.zeros_like(held.groups)
    new[1, (~held.groups[1]).nonzero()[0, 0]] = True
    after = solver._enlarged(held.with_groups(new, solver.settings), held.index[:0])
    assert torch.equal(after.groups, held.groups | new)
    assert torch.equal(after.index, held.index)


def test_blocks_that_join_keep_the_multipliers_they_violate_with():
    solver, held = begun()
    program = solver.fine
    joining = torch.arange(program.n_blocks)[~torch.isin(
        torch.arange(program.n_blocks), held.index)][:2]
    used = torch.ones(2, program.norm.n_groups, dtype=torch.bool)
    blocks = 0.1 * program.norm.normalised(program.gates * solver.seen)[joining]
    alpha = torch.zeros(2, len(program.features.rows)).double()
    alpha[:, ::3] = 1e3
    after = held.joined(program, joining, used, blocks, alpha, solver.settings)
    assert bool((after.state.multipliers[-2:].abs() >= alpha).all())
    assert bool((after.state.multipliers[-2:, 1::3].abs() < 1e3).all())


def test_the_last_pricing_is_exact_however_loose_the_others_are():
    solver, held = begun(looseness=1e3)
    program, beta = solver.fine, solver.fine.beta
    targets = 3 * solver._targets(held.error)
    rest = [k for k in range(program.n_blocks) if k not in held.index.tolist()]
    weights = program.norm.weights.numpy()
    signs = torch.where(program.design.masks, 1.0, -1.0).numpy()
    expected = max(smallest_dual_norm(
        program.features.rows.numpy().T * signs[k], targets[k].numpy(), weights) for k in rest)
    assert expected > beta
    loose = float(solver._priced(held, targets, final=False))
    assert loose > expected * (1 + 1e-2)
    assert float(solver._priced(held, targets, final=True)) == pytest.approx(expected, rel=1e-2)


def test_norms_of_one_group_keep_whole_blocks(monkeypatch):
    used = []
    for kind in (BlockWorkingSet, GroupedWorkingSet):
        solved = kind.solve
        monkeypatch.setattr(kind, "solve", lambda own, start, solved=solved: (
            used.append(type(own)), solved(own, start))[1])
    solve(random_program(name="dense"))
    solve(random_program(name="circular, even"))
    assert used == [BlockWorkingSet, GroupedWorkingSet]


def test_few_pairs_are_held_of_many(monkeypatch):
    program, held = window_program("circular", n=200, lags=32, n_patterns=6, ratio=0.05), []
    steps = GroupedWorkingSet._newton_steps
    monkeypatch.setattr(GroupedWorkingSet, "_newton_steps", lambda own, *given: (
        held.append(steps(own, *given)), held[-1])[1])
    solution = solve(program)
    last = held[-1].held
    assert int(last.groups.sum()) < 0.7 * program.n_blocks * program.norm.n_groups
    used = program.norm.group_norms(solution.blocks)[last.index] > 1e-3
    assert bool(last.groups[used].all())


def test_a_start_is_taken():
    program = window_program("circular", n=100, lags=16, n_patterns=8, ratio=0.02)
    cold = solve(program)
    warm = solve(program, start=cold.blocks)
    assert warm.gap <= 1e-6
    assert warm.objective == pytest.approx(cold.objective, rel=2e-6)
    assert warm.n_iter <= 1.5 * cold.n_iter


def test_single_precision_prices_in_it_and_solves_in_double():
    program = window_program("circular", n=100, lags=16, n_patterns=8, ratio=0.05)
    double = solve(program).objective
    single = solve(program, tol=1e-4, dtype=torch.float32)
    assert single.blocks.dtype == torch.float32
    assert single.gap <= 1e-4
    assert single.objective == pytest.approx(double, rel=1e-4)


def test_more_pairs_than_a_newton_matrix_has_room_for_are_refused():
    program = random_program(name="circular, even")
    settings = SolverSettings(working_set=WorkingSetSettings(most_weights=3))
    with pytest.raises(WorkingSetTooLargeError):
        solve(program, method="interior_point", settings=settings)
    assert solve(program, settings=settings).method == "proximal"


@pytest.fixture(scope="module")
def usual():
    program = window_program("circular", n=60, lags=16, n_patterns=8, ratio=0.01)
    base = GroupedSettings(first_blocks=3, first_groups=0.3, fewest_groups=2, joining_blocks=2)
    return base, solve(program, settings=SolverSettings(grouped=base))


@pytest.mark.long
@pytest.mark.parametrize("rules", [
    {"first_groups": 0.9}, {"fewest_groups": 5}, {"lift": 1.0}, {"joining_groups": 1},
    {"pause": 9}, {"among_held": 0.1}, {"nearly": 0.2}, {"nearly_gap": 0.9},
    {"pricing_gaps": (1e-4,)}, {"final_gap": 0.01}, {"joining_blocks": 1},
    {"reducing_gap": 1e-5}, {"unused": 0.01}, {"furthest": 1e-9}, {"restart_gap": 1e-3}])
def test_a_setting_changes_the_way_and_not_the_optimum(usual, rules):
    base, expected = usual
    settings = SolverSettings(grouped=replace(base, **rules))
    other = solve(expected.program, settings=settings)
    assert other.objective == pytest.approx(expected.objective, rel=2e-6)
    assert not torch.equal(other.blocks, expected.blocks)
