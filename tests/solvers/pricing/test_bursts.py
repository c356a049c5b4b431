from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.pricing.bursts import StoppingRule, burst, solve_relaxations
from relu_forecast.solvers.pricing.projection import Projection, ProjectionState
from relu_forecast.solvers.pricing.relaxations import Relaxations
from relu_forecast.solvers.pricing.support import Support
from relu_forecast.solvers.settings import BlockPricingSettings
from tests.fakes import FAKE, fake
from tests.solvers.programs import random_relaxations


@pytest.mark.parametrize(("method", "n_groups"), [(Projection, 1), (Support, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fake_cuda_bursts_stay_on_the_device_and_never_ask_the_host(method, n_groups, dtype):
    with FakeTensorMode():
        norm = GroupNorm(fake(n_groups, dtype=dtype))
        problems = Relaxations(
            OwnRows(fake(7, 20, 6, dtype=dtype), fake(7, 20, dtype=torch.bool)),
            fake(7, 6, dtype=dtype), fake(7, 6, dtype=dtype))
        rule = StoppingRule(norm, 1.0, 1e-9, 1e-3)
        state = burst(method, problems, method.start(norm, problems), rule, BlockPricingSettings())
    every = list(vars(state).values())
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert {tensor.dtype for tensor in every} == {dtype}
    assert state.points.shape == (7, 6)


@pytest.mark.parametrize("weights", [[1.0], [0.5, 1.0, 2.0]])
def test_relaxations_are_solved_to_bounds_that_agree(weights):
    norm = GroupNorm(torch.tensor(weights, dtype=torch.float64))
    batch = random_relaxations(5, 6, 3)
    batch = replace(batch, inner=norm.normalised(batch.inner))
    points, multipliers = solve_relaxations(
        batch, StoppingRule(norm, 1e-6, 1e-7, 0.0), BlockPricingSettings())
    upper = norm.dual_norms(batch.targets + batch.cones.adjoint(multipliers))
    lower = (batch.targets * points).sum(1) / norm.norms(points)
    assert bool((batch.cones.outputs(points) >= -1e-12).all())
    assert bool((multipliers >= 0).all())
    positive = upper > 1e-6
    assert bool(positive.any())
    torch.testing.assert_close(upper[positive], lower[positive], rtol=1e-6, atol=1e-6)


def test_a_block_is_finished_when_certified_or_known_well_enough():
    norm = GroupNorm(torch.ones(1, dtype=torch.float64))
    batch = replace(
        random_relaxations(1, 1, 3), targets=torch.tensor([[3.0, 0.0, 0.0]]).double())
    state = ProjectionState(torch.tensor([[2.0, 1.0, 0.0]]).double(), torch.ones(1, 1).double(),
                            torch.zeros(1, 1).double())
    assert bool(StoppingRule(norm, 1.0, 1e-9, 0.0).unfinished(batch, state))
    assert not bool(StoppingRule(norm, 3.0, 1e-9, 0.0).unfinished(batch, state))
    assert not bool(StoppingRule(norm, 1.0, 1.0, 0.0).unfinished(batch, state))
    assert not bool(StoppingRule(norm, 1.0, 1e-9, 0.9).unfinished(batch, state))
