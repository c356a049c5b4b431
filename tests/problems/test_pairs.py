"""Pairs of patterns and heads, against singular values and matrices written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.pairs import (
    Pairs,
    best_heads,
    best_pairs,
    correlations_over_heads,
    fewest_pairs,
)
from tests.solvers.programs import MANY, gaussian, many_targets

NORMS = {"one group": GroupNorm(torch.ones(1).double()),
         "three groups": GroupNorm(torch.tensor([1.0, 2.0, 0.5]).double())}
every_norm = pytest.mark.parametrize("norm", NORMS.values(), ids=list(NORMS))


def some_pairs():
    blocks, heads = gaussian(7, 6), gaussian(7, 4, seed=1)
    heads = heads / heads.norm(dim=1, keepdim=True)
    return Pairs(torch.tensor([0, 3, 3, 0, 3, 3, 5]), blocks, heads, torch.ones(7).double())


def matrices_of(pairs, count=6):
    total = torch.zeros(count, 6, 4).double()
    return total.index_add(0, pairs.patterns, pairs.blocks[:, :, None] * pairs.heads[:, None])


@pytest.mark.parametrize("name", list(MANY))
def test_correlations_are_the_products_with_every_site_and_target(name):
    task, patterns = many_targets(name=name)
    features, masks = task.features, patterns.masks.flatten(1)
    found = correlations_over_heads(features, masks, task.targets)
    gated = masks[:, :, None] * features.rows  # (P, N, d)
    pooled = torch.stack([features.pool(each) for each in gated])
    by_site = pooled.view(len(masks), len(task.X), features.n_sites, -1)
    written = torch.einsum("pnsd,nc->pdsc", by_site, task.targets).flatten(2)
    torch.testing.assert_close(found, written)


@every_norm
def test_the_best_pairs_reach_the_dual_norm_over_all_heads(norm):
    matrices = gaussian(5, 6, 4)
    sizes = torch.linalg.matrix_norm(
        matrices.view(5, norm.n_groups, -1, 4), 2) / norm.weights
    best = best_pairs(norm, matrices, 1.0, 100)
    assert float(best.values[0]) == pytest.approx(float(sizes.amax()))
    assert bool((best.values > 1.0).all())
    assert bool((best.values.diff() <= 0).all())
    worth = torch.einsum("kd,kdc,kc->k", best.blocks, matrices[best.patterns], best.heads)
    torch.testing.assert_close(worth, best.values)
    torch.testing.assert_close(norm.norms(best.blocks), torch.ones_like(worth))
    torch.testing.assert_close(best.heads.norm(dim=1), torch.ones_like(worth))
    for heads in gaussian(20, 4, seed=3):
        values = norm.dual_norms(matrices @ (heads / heads.norm()))
        assert float(values.amax()) <= float(best.values[0])


def test_no_more_pairs_are_returned_than_asked_for_and_one_in_any_case():
    matrices = gaussian(5, 6, 4)
    assert len(best_pairs(NORMS["one group"], matrices, 0.0, 3).values) == 3
    assert len(best_pairs(NORMS["one group"], matrices, 1e9, 3).values) == 1
    nothing = best_pairs(NORMS["one group"], 0 * matrices, 1.0, 3)
    torch.testing.assert_close(nothing.heads.norm(dim=1), torch.ones(1).double())


@every_norm
def test_the_fewest_pairs_make_the_same_matrices_at_the_nuclear_norm(norm):
    pairs = some_pairs()
    fewest = fewest_pairs(norm, pairs)
    torch.testing.assert_close(matrices_of(fewest), matrices_of(pairs))
    groups = matrices_of(pairs).view(6, norm.n_groups, -1, 4)
    nuclear = float((torch.linalg.matrix_norm(groups, "nuc") * norm.weights).sum())
    assert float(fewest.values.sum()) == pytest.approx(nuclear)
    torch.testing.assert_close(norm.norms(fewest.blocks), fewest.values)
    assert nuclear <= float(norm.norms(pairs.blocks).sum())
    ranks = np.linalg.matrix_rank(groups.numpy())
    assert len(fewest.values) == ranks.sum()


def test_the_best_head_of_a_block_is_what_it_sees():
    matrices, pairs = gaussian(6, 6, 4, seed=5), some_pairs()
    best = best_heads(matrices, pairs)
    worth = torch.einsum("kd,kdc->kc", pairs.blocks, matrices[pairs.patterns])
    torch.testing.assert_close(best.values, worth.norm(dim=1))
    torch.testing.assert_close(best.heads, worth / best.values[:, None])
    idle = best_heads(0 * matrices, pairs)
    assert torch.equal(idle.heads, pairs.heads)
    assert bool((idle.values == 0).all())


def test_leading_pairs_leave_out_copies_of_better_ones():
    pairs = some_pairs().taken(torch.tensor([0, 1, 1, 2, 6]))
    values = torch.tensor([1.0, 3.0, 5.0, 2.0, 4.0]).double()
    pairs = Pairs(pairs.patterns, pairs.blocks, pairs.heads, values)
    assert pairs.leading(0.0, 9).values.tolist() == [5.0, 4.0, 2.0, 1.0]
    assert pairs.leading(1.5, 2).values.tolist() == [5.0, 4.0]
    assert pairs.leading(9.0, 2).values.tolist() == [5.0]
