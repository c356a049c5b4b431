from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.pricing.relaxations import (
    BatchedCholesky,
    Relaxations,
    moved,
    plus,
)
from tests.solvers.programs import gaussian


@dataclass(frozen=True)
class Pair:
    points: Tensor
    others: Tensor


def test_products_are_those_of_each_cone():
    cones = gaussian(3, 5, 2)
    batch = Relaxations(OwnRows(cones, gaussian(3, 5) > 0), gaussian(3, 2), gaussian(3, 2))
    points, weights = gaussian(3, 2), gaussian(3, 5)
    for b in range(3):
        torch.testing.assert_close(batch.cones.outputs(points)[b], cones[b] @ points[b])
        torch.testing.assert_close(batch.cones.adjoint(weights)[b], cones[b].T @ weights[b])
        torch.testing.assert_close(
            batch.cones.weighted_grams(weights)[b], cones[b].T @ weights[b].diag() @ cones[b])
    slacks = batch.slacks(points)
    assert bool((slacks > 0).all())
    assert bool((slacks[~batch.cones.present] == 1).all())


def test_factors_solve_and_tell_where_a_matrix_is_not_positive_definite():
    roots, right = gaussian(3, 4, 4), gaussian(3, 4)
    matrices = roots @ roots.mT
    solve = BatchedCholesky(matrices)
    torch.testing.assert_close(
        solve(right), torch.linalg.solve(matrices, right), rtol=1e-6, atol=1e-6)
    assert solve.failed.tolist() == [0, 0, 0]
    matrices[1, 0, 1] = matrices[1, 1, 0] = 1e3
    assert [bool(one) for one in BatchedCholesky(matrices).failed] == [False, True, False]


def test_steps_move_the_blocks_that_are_wanted_and_finite():
    state, step = Pair(gaussian(4, 2), gaussian(4, 3)), Pair(gaussian(4, 2), gaussian(4, 3))
    step.points[3] = torch.inf
    length = torch.tensor([0.5, 2.0, 0.5, 0.5]).double()
    wanted = torch.tensor([True, True, False, True])
    new = moved(state, step, length, wanted)
    torch.testing.assert_close(new.others[0], state.others[0] + 0.5 * step.others[0])
    torch.testing.assert_close(new.others[1], state.others[1] + step.others[1])
    assert torch.equal(new.others[2:], state.others[2:])
    torch.testing.assert_close(
        plus(state, step, length).others, state.others + length[:, None] * step.others)
