from __future__ import annotations

import torch
from scipy.optimize import nnls

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.projection import Projection
from tests.solvers.programs import random_relaxations


def test_steps_converge_to_the_projection_and_stay_inside():
    batch = random_relaxations(6, 5, 3)
    cones, targets = batch.cones.rows, batch.targets
    norm = GroupNorm.euclidean(targets)
    state = Projection.start(norm, batch)
    wanted = torch.tensor([True] * 5 + [False])
    for _ in range(25):
        state = Projection(norm, batch, state).next(state, wanted, 0.99)
        assert bool((state.slacks > 0).all())
        assert bool((state.multipliers > 0).all())
    for b in range(5):
        alpha = nnls(cones[b].T.numpy(), -targets[b].numpy())[0]
        projection = targets[b] + cones[b].T @ torch.tensor(alpha)
        torch.testing.assert_close(state.points[b], projection, rtol=1e-6, atol=1e-6)
    assert torch.equal(state.points[5], Projection.start(norm, batch).points[5])
