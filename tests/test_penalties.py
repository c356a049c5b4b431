from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.penalties import GroupNorm

cases = {"k": st.integers(1, 6), "d": st.integers(1, 4), "seed": st.integers(0, 999),
         "beta": st.floats(1e-3, 1e3), "step": st.floats(1e-2, 1e2)}


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def test_value_is_beta_times_the_sum_of_row_norms():
    assert float(GroupNorm(2.0).value(torch.tensor([[3.0, 4.0], [0.0, 0.0], [5.0, 12.0]]))) == 36.0


@settings(max_examples=20)
@given(**cases)
def test_prox_and_projection_on_the_dual_ball_add_up(k, d, seed, beta, step):
    penalty, blocks = GroupNorm(beta), 10 * beta * gaussian(k, d, seed=seed)
    norms = blocks.norm(dim=1, keepdim=True)
    projection = blocks * (step * beta / norms).clamp_max(1.0)
    torch.testing.assert_close(penalty.prox(blocks, step) + projection, blocks)


@settings(max_examples=20)
@given(**cases)
def test_prox_is_no_worse_than_any_point_near_it(k, d, seed, beta, step):
    penalty, blocks = GroupNorm(beta), 2 * step * beta * gaussian(k, d, seed=seed)
    best = penalty.prox(blocks, step)
    size = 0.1 * step * beta

    def cost(point):
        return float(0.5 * (point - blocks).square().sum() + step * penalty.value(point))

    others = [best + size * gaussian(k, d, seed=other) for other in range(20)]
    others += [blocks, torch.zeros_like(blocks)]
    assert all(cost(best) <= cost(other) * (1 + 1e-12) for other in others)


def test_prox_gives_exact_zeros_and_takes_zero_blocks():
    blocks = torch.tensor([[0.0, 0.0], [0.3, 0.4], [3.0, 4.0]], dtype=torch.float64)
    expected = torch.tensor([[0.0, 0.0], [0.0, 0.0], [2.4, 3.2]], dtype=torch.float64)
    torch.testing.assert_close(GroupNorm(0.5).prox(blocks, 2.0), expected)
    assert not GroupNorm(0.5).prox(blocks, 2.0)[:2].any()


@settings(max_examples=20)
@given(k=cases["k"], d=cases["d"], seed=cases["seed"], beta=cases["beta"])
def test_dual_norm_is_the_largest_pairing_with_a_point_of_value_one(k, d, seed, beta):
    penalty, correlations = GroupNorm(beta), gaussian(k, d, seed=seed)
    dual = float(penalty.dual_norm(correlations))
    points = [gaussian(k, d, seed=other) for other in range(50)]
    pairings = [float((point * correlations).sum() / penalty.value(point)) for point in points]
    assert max(pairings) <= dual * (1 + 1e-12)
    longest = int(correlations.norm(dim=1).argmax())
    point = torch.zeros_like(correlations)
    point[longest] = correlations[longest]
    assert np.isclose(float((point * correlations).sum() / penalty.value(point)), dual)
