from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.networks.fourier import fourier_norm
from relu_forecast.networks.norms import GroupNorm

KINDS = {
    "euclidean": lambda: (GroupNorm.euclidean(torch.zeros(1).double()), 3),
    "weighted": lambda: (GroupNorm(torch.tensor([0.5, 2.0, 1.0]).double()), 6),
    "weighted entries": lambda: (GroupNorm(torch.tensor([3.0, 0.1]).double()), 2),
    "fourier, odd": lambda: (fourier_norm(torch.zeros(0, 5).double()), 6),
    "fourier, even": lambda: (fourier_norm(torch.zeros(0, 6).double()), 8),
    "fourier, one sample": lambda: (fourier_norm(torch.zeros(0, 1).double()), 2)}
every_kind = pytest.mark.parametrize("kind", list(KINDS))


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def by_hand(norm, block):
    """Return ``sum_g omega_g ||z_g||`` of one block, group by group."""
    size = len(block) // len(norm.weights)
    return sum(float(weight) * float(np.linalg.norm(block[g * size : (g + 1) * size]))
               for g, weight in enumerate(norm.weights))


@every_kind
def test_the_norm_is_the_weighted_sum_over_groups(kind):
    norm, d = KINDS[kind]()
    blocks = gaussian(4, d)
    blocks[1] = 0.0
    np.testing.assert_allclose(norm.norms(blocks), [by_hand(norm, block) for block in blocks])
    assert norm.n_groups == len(norm.weights) == norm.group_norms(blocks).shape[1]


def test_groups_are_a_view():
    norm, d = KINDS["weighted"]()
    blocks = gaussian(2, d)
    norm.grouped(blocks)[0, 1, 0] = 7.0
    assert blocks[0, 2] == 7.0


@every_kind
@settings(max_examples=8)
@given(k=st.integers(1, 4), seed=st.integers(0, 999))
def test_the_dual_norm_is_the_largest_pairing_with_a_point_of_norm_one(kind, k, seed):
    norm, d = KINDS[kind]()
    correlations = gaussian(k, d, seed=seed)
    dual = norm.dual_norms(correlations)
    for other in range(20):
        points = norm.normalised(gaussian(k, d, seed=other))
        assert bool(((points * correlations).sum(1) <= dual * (1 + 1e-12)).all())
    ratios = norm.group_norms(correlations) / norm.weights
    best = torch.zeros_like(correlations)
    groups = norm.grouped(best)
    for row, group in enumerate(ratios.argmax(1)):
        groups[row, group] = norm.grouped(correlations)[row, group]
    torch.testing.assert_close((norm.normalised(best) * correlations).sum(1), dual)


@every_kind
def test_normalised_blocks_have_norm_one_and_zeros_stay(kind):
    norm, d = KINDS[kind]()
    blocks = gaussian(3, d)
    blocks[1] = 0.0
    unit = norm.normalised(blocks)
    np.testing.assert_allclose(norm.norms(unit), [1.0, 0.0, 1.0])
    torch.testing.assert_close(unit * norm.norms(blocks)[:, None], blocks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_euclidean_norm_has_one_group_in_the_dtype_of_its_model(dtype):
    norm = GroupNorm.euclidean(torch.zeros(2, dtype=dtype))
    assert norm.weights.tolist() == [1.0]
    assert norm.weights.dtype == dtype
