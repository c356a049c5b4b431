"""The search for violating neurons of several outputs, sites or many weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.networks.architectures import Circular
from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.training.pricing.large_search import search_large, subsampled_evenly
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.scored_samples import ScoredSamples
from relu_forecast.training.pricing.search import is_large, search_violating
from relu_forecast.training.pricing.starts import random_starts
from relu_forecast.training.settings import PricingSettings

PRICING = PricingSettings()


def starts_of(features, n_starts, seed=0):
    return random_starts(features, n_starts, np.random.default_rng(seed), PRICING.whitened_rows)


def worth(features, residual, blocks):
    """``||[P_s(Ru)_+'V_c]_sc||`` at norm one, written out."""
    unit = blocks / features.norm.norms(blocks)[:, None]
    outputs = (unit @ features.rows.T).clamp(min=0).view(len(unit), features.n_samples, -1)
    pooling = features.pooling
    if pooling is None:
        pooling = torch.ones(1, features.n_patches).double()
    return torch.einsum("mnp,sp,nc->msc", outputs, pooling, residual).flatten(1).norm(dim=1)


@settings(max_examples=2)
@given(n=st.integers(1, 20), d=st.integers(1, 5), c=st.integers(1, 3), seed=st.integers(0, 999))
def test_what_is_priced_is_true_sorted_and_of_norm_one(
    kind_of_sites, gaussian, make, n, d, c, seed
):
    features, residual = make(kind_of_sites, n, d, seed), gaussian(n, c, seed=seed + 1)
    found = search_large(features, residual, gaussian(12, features.width, seed=2), PRICING)
    alive = found.values > 0
    expected = worth(features, residual, found.directions[alive])
    torch.testing.assert_close(found.values[alive], expected)
    correlations = features.correlations(features.outputs(found.directions), residual)
    torch.testing.assert_close((correlations * found.heads).sum(1), found.values)
    assert bool((found.values.diff() <= 0).all())
    lengths = features.norm.norms(found.directions[alive])
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    torch.testing.assert_close(found.heads.norm(dim=1), torch.ones(len(found.values)).double())


@pytest.mark.parametrize(("c", "d"), [(1, 4), (3, 3)])
def test_the_search_comes_near_the_maximum_of_sampling_and_local_search(
    c, d, kind_of_sites, gaussian, make
):
    generator, shortfalls = np.random.default_rng(0), []
    for seed in range(2):
        features, residual = make(kind_of_sites, 20, d, seed), gaussian(20, c, seed=seed + 10)
        best = sampled_maximum(features, residual, generator)
        found = search_large(features, residual, starts_of(features, 100, seed), PRICING)
        shortfalls.append(1 - float(found.values[0]) / best)
    assert max(shortfalls) < 1e-2
    assert float(np.median(shortfalls)) < 3e-3


def sampled_maximum(features, residual, generator):
    """Many samples, the best of them moved at random by less and less."""
    best = torch.as_tensor(generator.standard_normal((2000, features.width)))
    best[1000:] *= torch.as_tensor(10.0 ** generator.uniform(-2, 0, (1000, features.width)))
    for radius in 0.5 * 0.7 ** np.arange(20):
        best = best[worth(features, residual, best).argsort(descending=True)[:20]]
        best = best / best.norm(dim=1, keepdim=True)
        noise = torch.as_tensor(generator.standard_normal((15, 20, features.width)))
        best = torch.cat([best, (best + radius * noise).flatten(0, 1)])
    return float(worth(features, residual, best).max())


def test_with_many_weights_it_finds_what_formed_systems_find(gaussian):
    X, d = gaussian(400, 45), 45
    features, residual = Features(X, 400, GroupNorm.euclidean(X)), gaussian(400, 1, seed=1)
    starts = starts_of(features, 100)
    assert is_large(features, residual, PRICING)
    formed = replace(PRICING, formed_weights=d)
    assert not is_large(features, residual, formed)
    found = search_violating(features, residual, starts, PRICING).values[0]
    expected = search_violating(features, residual, starts, formed).values[0]
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=0.0)


def test_neurons_known_before_climb_and_are_never_lost(kind_of_sites, gaussian, make):
    features, residual = make(kind_of_sites, 30, 4), gaussian(30, 2, seed=1)
    best = search_large(
        features, residual, starts_of(features, 100), PRICING).at(torch.arange(3))
    found = search_large(features, residual, starts_of(features, 2, 5), PRICING, known=best)
    assert float(found.values[0]) >= float(best.values[0])
    begun = PricedNeurons(best.directions, best.heads, torch.zeros(3).double())
    again = search_large(features, residual, starts_of(features, 2, 5), PRICING, known=begun)
    assert float(again.values[0]) >= float(best.values[0]) * (1 - 1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_of_rows_and_residuals_scale_the_values(scale, kind_of_sites, gaussian, make):
    features, residual = make(kind_of_sites, 30, 4), gaussian(30, 2, seed=1)
    starts = starts_of(features, 8)
    plain = search_large(features, residual, starts, PRICING).values[0]
    for moved, values in ((features, scale * residual), (features.scaled(scale), residual)):
        torch.testing.assert_close(search_large(moved, values, starts, PRICING).values[0],
                                   scale * plain, rtol=1e-5, atol=0)


@pytest.mark.parametrize("c", [1, 2])
def test_a_zero_residual_and_zero_starts_are_harmless(c, kind_of_sites, gaussian, make):
    features, residual = make(kind_of_sites, 30, 4), gaussian(30, c, seed=1)
    starts = torch.cat([gaussian(5, features.width), torch.zeros(1, features.width).double()])
    assert bool(torch.isfinite(search_large(features, residual, starts, PRICING).values).all())
    nothing = search_large(features, 0 * residual, starts, PRICING)
    assert nothing.values.tolist() == [0.0] * len(nothing.values)
    torch.testing.assert_close(
        nothing.heads.norm(dim=1), torch.ones(len(nothing.values)).double())


def test_few_samples_see_the_linear_part_of_all(kind_of_sites, gaussian, make):
    features, residual = make(kind_of_sites, 300, 4), gaussian(300, 2, seed=1)
    few = subsampled_evenly(ScoredSamples(features, residual), 60)
    assert few.features.n_samples == 60
    blocks = gaussian(3, features.width, seed=2)

    def linear(samples):
        pooled = samples.features.pool(samples.features.rows @ blocks.T)
        return samples.features.correlations(pooled, samples.residual) / len(samples.residual)

    torch.testing.assert_close(
        linear(few), linear(ScoredSamples(features, residual)), rtol=1e-5, atol=1e-6)


def test_where_rows_are_many_all_but_the_finished_climb_on_some(gaussian):
    X, residual = gaussian(3000, 4), gaussian(3000, 2, seed=1)
    features, starts = Features(X, 3000, GroupNorm.euclidean(X)), gaussian(30, 4, seed=2)
    capped = replace(PRICING, climbed_rows=1500, scouted_rows_large=500)
    found = search_large(features, residual, starts, capped)
    expected = search_large(features, residual, starts, PRICING).values[0]
    torch.testing.assert_close(found.values[0], expected, rtol=3e-2, atol=0.0)
    torch.testing.assert_close(found.values, worth(features, residual, found.directions))
    unfinished = search_large(features, residual, starts, capped, n_finished=0).values[0]
    assert float(unfinished) <= float(found.values[0])


@pytest.mark.parametrize(("c", "seed"), [(1, 3), (3, 4)])
def test_the_best_value_is_as_precise_as_asked_wherever_the_search_starts(c, seed):
    """Sizes of groups, and heads, converge only linearly: a few steps are not enough for them."""
    generator = np.random.default_rng(seed)
    features = Circular().features(torch.as_tensor(generator.standard_normal((6, 4))))
    residual, spreads = torch.as_tensor(generator.standard_normal((6, c))), []
    for share, most in ((1e-10, 1), (1.0, 30), (1e-10, 30)):
        precise = replace(PRICING, settled=share, most_settling=most)
        values = [float(search_violating(
            features, residual, starts_of(features, 100, first), precise).values[0])
            for first in range(3)]
        spreads.append(np.ptp(values) / max(values))
    assert min(spreads[:2]) > 1e-6
    assert spreads[2] < 1e-10


def test_a_training_asks_for_the_precision_that_its_gap_needs():
    assert PRICING.for_gap(1e-6).settled < PRICING.settled < PRICING.for_gap(1e-2).settled
