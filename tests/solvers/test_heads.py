"""Programs over all heads: against the nuclear norm in CVXPY, and against nothing better."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.networks.architectures import Dense
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    sample_patterns,
)
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers import (
    HeadSettings,
    SolverSettings,
    beta_max_over_heads,
    solve,
    solve_with_heads,
)
from relu_forecast.solvers.heads import _Alternation
from relu_forecast.solvers.reference import solve_over_heads
from tests.solvers.programs import ACTIVATIONS, MANY, SKIPS, gaussian, many_targets


@pytest.mark.parametrize(("name", "skip"), [
    ("dense", SKIPS[1]), ("one site", SKIPS[2]), ("two sites", SKIPS[1]),
    ("every site", SKIPS[1]), ("circular", SKIPS[2])])
def test_pairs_and_the_nuclear_norm_have_one_optimum(name, skip):
    task, patterns = many_targets(name=name, activation="gated_relu", **skip)
    reference, matrices = solve_over_heads(task, patterns, 1.0)
    solution = solve_with_heads(task, patterns, 1.0, tol=1e-6)
    assert solution.objective == pytest.approx(reference, rel=1e-6)
    assert solution.dual_objective <= reference * (1 + 1e-8)
    assert 0.0 <= solution.gap <= 1e-6
    assert solution.status == "optimal"
    assert task.objective(solution.network(), 1.0) == pytest.approx(solution.objective, rel=1e-9)
    heads = solution.program.design.heads
    found = torch.zeros_like(matrices)
    for mask, own, head in zip(solution.program.patterns.masks, solution.blocks, heads,
                               strict=True):
        place = int((patterns.masks == mask).flatten(1).all(1).nonzero()[0, 0])
        found[place] += torch.outer(own, head)
    same = [0.5 * task.problem(1.0).leave(error).square().sum() for error in (
        solution.program.error(solution.blocks), error_of(task, patterns, matrices))]
    torch.testing.assert_close(same[0], same[1], rtol=1e-3, atol=1e-6)


def error_of(task, patterns, matrices):
    """Return what gated blocks of matrices over all heads leave of the targets."""
    features, left = task.features, task.targets.clone()
    for mask, matrix in zip(patterns.masks.flatten(1), matrices, strict=True):
        pooled = features.pool(mask[:, None] * features.rows).view(
            len(left), features.n_sites, -1)
        own = matrix.view(features.width, features.n_sites, -1)
        left -= torch.einsum("nsd,dsc->nc", pooled, own)
    return left


@pytest.mark.parametrize("name", ["dense", "two sites"])
def test_no_head_in_the_cones_lowers_the_objective(name):
    task, patterns = many_targets(name=name, n_patterns=2, linear_skip=True)
    solution = solve_with_heads(task, patterns, 0.7, tol=1e-3)
    assert solution.gap <= 1e-3
    assert solution.certificate.scope == "program"
    assert solution.program.cone_violation(solution.blocks) <= 1e-9
    own = solution.program
    relaxed, _ = solve_over_heads(replace(task, activation="gated_relu"), patterns, 0.7)
    assert solution.objective >= relaxed * (1 - 1e-8)
    for seed in range(2):  # pairs with other heads are of no use
        drawn = own.patterns.masks.repeat(2, *[1] * (own.patterns.masks.ndim - 1))
        gates = own.patterns.gates.repeat(2, 1)
        heads = torch.cat([own.design.heads, gaussian(*own.design.heads.shape, seed=seed)])
        more = ConvexProgram.of(task, type(own.patterns)(drawn, gates), 0.7, heads=heads)
        assert solve(more, tol=1e-6).objective >= solution.objective * (1 - 1e-3)


def test_all_patterns_of_relu_networks_have_an_estimated_bound_for_all_networks():
    task = TrainingTask(gaussian(6, 2), gaussian(6, 3, seed=1), Dense(), is_vector=False)
    solution = solve_with_heads(task, enumerate_patterns(task.gate_inputs), 1.0, tol=1e-3)
    assert solution.certificate.scope == "network-estimated"
    assert solution.gap <= 1e-3


@pytest.mark.long
@pytest.mark.parametrize(("name", "activation"), [
    *((name, "gated_relu") for name in MANY), ("two sites", "relu")])
def test_beta_max_over_heads_is_where_the_first_neuron_comes(name, activation):
    task, patterns = many_targets(name=name, activation=activation, n_patterns=2)
    largest = beta_max_over_heads(task, patterns)
    above, below = (solve_with_heads(task, patterns, share * largest, tol=1e-3)
                    for share in (1.001, 0.8))
    assert above.n_neurons == 0
    assert above.gap <= 1e-3
    assert below.n_neurons > 0


@pytest.mark.parametrize("seed", [3, 21, 28])
def test_no_head_of_the_circle_is_worth_more_than_the_best_that_is_found(seed):
    """In a cone a block is worth something with a head or with its opposite, seldom with both."""
    task, patterns = many_targets(n_patterns=1, n_targets=2, n=8, seed=seed)
    angles = torch.arange(240).double() * torch.pi / 120
    heads = torch.stack([angles.cos(), angles.sin()], dim=1)
    every = ActivationPatterns(patterns.masks.expand(240, -1), patterns.gates.expand(240, -1))
    best = ConvexProgram.of(task, every, 1.0, heads=heads).beta_max()
    assert beta_max_over_heads(task, patterns) == pytest.approx(best, rel=1e-3)


def test_the_pairs_of_a_gated_pattern_are_as_few_as_the_rank_of_its_matrix():
    task, patterns = many_targets(activation="gated_relu")
    solution = solve_with_heads(task, patterns, 0.3, tol=1e-5)
    design, counts = solution.program.design, []
    for mask in patterns.masks:
        own = (design.masks == mask).all(1) & solution.used
        blocks, heads = solution.blocks[own], design.heads[own]
        assert len(blocks) == int(torch.linalg.matrix_rank(blocks.T @ heads, rtol=1e-9))
        torch.testing.assert_close(heads @ heads.T, torch.eye(len(heads)).double())
        counts.append(len(blocks))
    assert max(counts) > 1


def test_known_pairs_come_back_with_the_head_that_is_best_for_them():
    task, patterns = many_targets(activation="gated_relu")
    search = _Alternation(task, patterns, 0.3, "auto", SolverSettings(), HeadSettings())
    known = search.best(task.linear_residual, None)
    residual = gaussian(*task.targets.shape, seed=9)
    found = search.best(residual, known)
    for pattern, block in zip(known.patterns, known.blocks, strict=True):
        outputs = patterns.masks[pattern] * (task.features.rows @ block)
        worth = residual.T @ outputs  # of the block with each unit head
        same = (found.patterns == pattern) & ((found.blocks - block).norm(dim=1) < 1e-9)
        assert bool(same.any())
        torch.testing.assert_close(found.heads[same][-1], worth / worth.norm())
        assert float(found.values[same][-1]) == pytest.approx(float(worth.norm()))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_target_has_both_signs_as_before(activation):
    X, y = gaussian(14, 3), gaussian(14, seed=1)
    task = TrainingTask(X, y[:, None], MANY["dense"][0], activation)
    patterns = sample_patterns(task.gate_inputs, 4, 0)
    program = ConvexProgram.of(task, patterns, 0.3)
    assert torch.equal(solve_with_heads(task, patterns, 0.3).blocks, solve(program).blocks)
    assert beta_max_over_heads(task, patterns) == program.beta_max()


def test_targets_that_the_skip_fits_need_no_neuron():
    X = gaussian(14, 3)
    task = TrainingTask(X, X[:, :2].repeat(1, 2), MANY["dense"][0], linear_skip=True)
    patterns = sample_patterns(task.gate_inputs, 4, 0)
    assert beta_max_over_heads(task, patterns) == pytest.approx(0.0, abs=1e-9)
    solution = solve_with_heads(task, patterns, 0.3)
    assert (solution.n_neurons, solution.status) == (0, "optimal")


def test_too_few_rounds_are_a_status_and_a_warning():
    task, patterns = many_targets(activation="gated_relu")
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        solution = solve_with_heads(task, patterns, 0.5, max_iter=2)
    assert (solution.status, solution.n_iter) == ("max_iter", 2)
    assert solution.dual_objective <= solve_over_heads(task, patterns, 0.5)[0] * (1 + 1e-8)


def test_bad_arguments_are_named():
    task, patterns = many_targets()
    for argument, change in {"beta": {"beta": 0.0}, "tol": {"tol": -1.0},
                             "max_iter": {"max_iter": 0}, "method": {"method": "adam"}}.items():
        with pytest.raises(InvalidArgumentError, match=f"^{argument} must be"):
            solve_with_heads(task, patterns, **{"beta": 0.5} | change)
    other = sample_patterns(gaussian(9, 4), 3, 0)
    for call in (lambda: solve_with_heads(task, other, 0.5),
                 lambda: beta_max_over_heads(task, other)):
        with pytest.raises(InvalidArgumentError, match="^patterns must be"):
            call()


ALTERED = {"joining": 0.3, "joining_pairs": 1, "promising": 0.95, "climbing_steps": 1,
           "precision": 1e-6, "finest": 0.5, "patience": 1}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::relu_forecast.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("field", [each.name for each in fields(HeadSettings)])
def test_every_setting_changes_the_course(field):
    in_cones = field in ("promising", "climbing_steps")
    task, patterns = many_targets(
        name="two sites", n_patterns=3, activation="relu" if in_cones else "gated_relu")
    before = HeadSettings(finest=1e-2) if field == "patience" else HeadSettings()
    course = [
        solve_with_heads(task, patterns, 0.7, tol=1e-13, search=search,
                         max_iter=12 if field == "patience" else 2 if in_cones else 4)
        for search in (before, replace(before, **{field: ALTERED[field]}))]
    first, second = ((each.n_iter, each.status, each.blocks.tolist()) for each in course)
    assert first != second
