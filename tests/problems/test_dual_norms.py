"""The smallest dual norm that cone multipliers reach, against its dual problem."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from relu_forecast.problems.dual_norms import smallest_dual_norm

WEIGHTS = {"one group": [1.0], "one group, heavier": [2.5], "two groups": [1.0, 0.5],
           "single coordinates": [1.0, 2.0, 0.7, 1.0]}


def largest_product(cone, correlation, weights):
    """Return the largest ``c'z`` over ``N(z) <= 1`` and ``C'z >= 0``: by duality the same."""
    z = cp.Variable(len(correlation))
    groups = cp.reshape(z, (len(weights), len(correlation) // len(weights)), "C")
    norm = weights @ cp.norm(groups, 2, axis=1)
    problem = cp.Problem(cp.Maximize(correlation @ z), [norm <= 1, cone.T @ z >= 0])
    problem.solve(solver=cp.CLARABEL)
    return problem.value


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", list(WEIGHTS))
def test_it_is_the_largest_product_with_a_block_of_the_cone(name, seed):
    generator, weights = np.random.default_rng(seed), np.array(WEIGHTS[name])
    cone, correlation = generator.standard_normal((4, 5)), generator.standard_normal(4)
    gate = generator.standard_normal(4)
    cone = cone * np.sign(gate @ cone)  # so that the cone has an inside
    expected = largest_product(cone, correlation, weights)
    assert smallest_dual_norm(cone, correlation, weights) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_without_rows_that_hold_it_is_the_dual_norm(name):
    weights, correlation = np.array(WEIGHTS[name]), np.array([3.0, 4.0, 0.0, 1.0])
    sizes = np.linalg.norm(correlation.reshape(len(weights), -1), axis=1)
    found = smallest_dual_norm(np.zeros((4, 3)), correlation, weights)
    assert found == pytest.approx((sizes / weights).max(), rel=1e-6)


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_what_a_multiplier_cancels_is_zero(name):
    correlation = np.array([1.0, -2.0, 0.5, 1.0])
    found = smallest_dual_norm(-correlation[:, None], correlation, np.array(WEIGHTS[name]))
    assert found == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
@pytest.mark.parametrize("name", list(WEIGHTS))
def test_it_scales_with_the_correlation_and_not_with_the_cone(name, scale):
    generator, weights = np.random.default_rng(0), np.array(WEIGHTS[name])
    cone, correlation = generator.standard_normal((4, 2)), generator.standard_normal(4)
    plain = smallest_dual_norm(cone, correlation, weights)
    assert smallest_dual_norm(cone, scale * correlation, weights) == pytest.approx(
        scale * plain, rel=1e-6)
    assert smallest_dual_norm(scale * cone, correlation, weights) == pytest.approx(plain, rel=1e-6)
