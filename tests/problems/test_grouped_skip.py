"""A linear part with deviations of groups, against one dense ridge regression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Dense
from relu_forecast.patterns import sample_patterns
from relu_forecast.problems import ConvexProgram
from relu_forecast.problems.grouped_skip import GroupedSkip, Segments
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.task import TrainingTask

RNG = np.random.default_rng(3)
N, D, G = 70, 3, 4
X = RNG.standard_normal((N, D))
GROUPS = RNG.choice([0, 0, 0, 1, 3], N)  # of very different sizes, one of them empty
TARGETS = RNG.standard_normal((N, 2))


def dense(skip_penalty, group_penalty):
    """Return all columns, common and of groups, and the ridge on each."""
    inputs = np.hstack([X, np.ones((N, 1))])
    own = [inputs * (g == GROUPS)[:, None] for g in range(G)]
    ridge = np.r_[[skip_penalty] * D, 0.0, [group_penalty] * (G * (D + 1))]
    return np.hstack([inputs, *own]), ridge


def skip_of(skip_penalty=0.7, group_penalty=2.0):
    return GroupedSkip.grouped(
        torch.tensor(X), skip_penalty, torch.tensor(GROUPS), G, group_penalty)


@pytest.mark.parametrize("group_penalty", [1e-4, 2.0, 1e4])
@pytest.mark.parametrize("skip_penalty", [0.0, 0.7])
def test_it_is_one_ridge_regression_on_common_columns_and_those_of_groups(
        skip_penalty, group_penalty):
    columns, ridge = dense(skip_penalty, group_penalty)
    inverse = np.linalg.pinv(columns.T @ columns + np.diag(ridge))
    skip, targets = skip_of(skip_penalty, group_penalty), torch.tensor(TARGETS)
    matrix = np.eye(N) - columns @ inverse @ columns.T
    np.testing.assert_allclose(skip.annihilate(targets), matrix @ TARGETS, atol=1e-7)
    np.testing.assert_allclose(skip.kept_shares, np.diag(matrix), atol=1e-8)
    left = skip.leave(targets)
    np.testing.assert_allclose(left.T @ left, TARGETS.T @ matrix @ TARGETS, atol=1e-6)
    weights = inverse @ columns.T @ TARGETS
    weight, bias = skip.fit(targets)
    np.testing.assert_allclose(torch.cat([weight, bias[None]]), weights[:D + 1], atol=1e-6)
    deviations = skip.deviations(targets - torch.tensor(X) @ weight - bias)
    np.testing.assert_allclose(
        deviations, weights[D + 1:].reshape(G, D + 1, 2), atol=1e-6)
    np.testing.assert_allclose(
        skip.outputs(deviations), columns[:, D + 1:] @ weights[D + 1:], atol=1e-6)


def test_q_and_l_are_orthonormal_and_all_forms_of_them_agree():
    skip, values = skip_of(), torch.tensor(TARGETS)
    basis, shrinkage = skip.matrices
    one = torch.eye(basis.shape[1], dtype=torch.float64)
    torch.testing.assert_close(basis.T @ basis + shrinkage.T @ shrinkage, one)
    taken = skip.own.products(values)
    torch.testing.assert_close(taken, basis.T @ values)
    torch.testing.assert_close(skip.shrunk(taken), shrinkage @ taken)
    torch.testing.assert_close(skip.leave_quickly(values), skip.leave(values))
    torch.testing.assert_close(skip.leave(values[:, 0]), skip.leave(values)[:, 0])
    part = slice(13, 41)
    rows, left = skip.rows(part), values[part].clone()
    torch.testing.assert_close(rows.products(values[part]), basis[part].T @ values[part])
    rows.subtract(left, taken)
    torch.testing.assert_close(left, values[part] - basis[part] @ taken)


def test_a_large_penalty_leaves_the_common_part_alone():
    plain, targets = LinearSkip.of(torch.tensor(X), 0.7), torch.tensor(TARGETS)
    torch.testing.assert_close(skip_of(0.7, 1e12).annihilate(targets), plain.annihilate(targets),
                               atol=1e-8, rtol=0)


def test_the_skip_of_some_samples_has_its_ridges_in_proportion():
    kept = torch.tensor([60, 3, 8, 20, 21, 35, 36])
    expected = GroupedSkip.grouped(torch.tensor(X)[kept], 0.07, torch.tensor(GROUPS)[kept], G, 0.2)
    some, targets = skip_of().restricted(kept), torch.tensor(TARGETS)[kept]
    torch.testing.assert_close(some.annihilate(targets), expected.annihilate(targets))


def test_another_precision_keeps_what_it_is():
    single, targets = skip_of().to(torch.float32), torch.tensor(TARGETS)
    left = single.leave_quickly(targets.float())
    assert left.dtype == torch.float32
    torch.testing.assert_close(left.double(), skip_of().leave(targets), atol=1e-5, rtol=1e-5)


def test_products_of_groups_do_not_depend_on_the_order_of_samples():
    order = torch.tensor(RNG.permutation(N))
    groups, values = torch.tensor(GROUPS), torch.tensor(TARGETS)
    sums = []
    for index in (torch.arange(N), order):
        segments = Segments.of(groups[index], G)
        sums.append(segments.products(segments.padded(values[index]), values[index]))
    torch.testing.assert_close(*sums)
    expected = np.stack([TARGETS[g == GROUPS].T @ TARGETS[g == GROUPS] for g in range(G)])
    np.testing.assert_allclose(sums[0], expected)


def test_programs_on_given_patterns_take_it_as_a_matrix():
    columns, _ = dense(2.0, 2.0)
    plain = TrainingTask.checked(X, TARGETS[:, 0], Dense(True), "relu", True, 2.0)
    own = replace(plain, groups=torch.tensor(GROUPS), group_penalty=2.0)
    vars(plain)["skip"] = LinearSkip.of(torch.tensor(np.delete(columns, D, axis=1)), 2.0)
    patterns = sample_patterns(plain.gate_inputs, 5, 0)
    torch.testing.assert_close(ConvexProgram.of(own, patterns, 0.1).gram(),
                               ConvexProgram.of(plain, patterns, 0.1).gram())
