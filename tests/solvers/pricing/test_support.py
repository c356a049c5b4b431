from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import pytest
import torch

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.support import Support
from tests.solvers.programs import random_relaxations


def test_steps_converge_to_the_support_function_and_stay_inside():
    norm = GroupNorm(torch.tensor([0.5, 1.0], dtype=torch.float64))
    batch = random_relaxations(4, 5, 4)
    batch = replace(batch, inner=norm.normalised(batch.inner))
    cones, targets = batch.cones.rows, batch.targets
    state = Support.start(norm, batch)
    wanted = torch.tensor([True] * 3 + [False])
    for _ in range(30):
        state = Support(norm, batch, state).next(state, wanted, 0.99)
        assert bool((state.slacks > 0).all())
        assert bool((state.norms > norm.group_norms(state.points)).all())
    assert torch.equal(state.points[3], Support.start(norm, batch).points[3])
    for b in range(3):
        u = cp.Variable(4)
        constraints = [cones[b].numpy() @ u >= 0,
                       0.5 * cp.norm(u[:2]) + cp.norm(u[2:]) <= 1]
        value = cp.Problem(cp.Maximize(targets[b].numpy() @ u), constraints).solve(
            solver=cp.CLARABEL)
        assert float((targets[b] * state.points[b]).sum()) == pytest.approx(value, abs=1e-6)
        assert float(state.levels[b]) == pytest.approx(value, abs=1e-6)
