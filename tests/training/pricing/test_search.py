"""The search for violating neurons: what it finds is true, and near what is largest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.features import Features
from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm, signals_of
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.training.pricing.exact import price_exactly
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.search import _climb, _scout, search_violating
from relu_forecast.training.pricing.starts import random_starts
from relu_forecast.training.settings import PricingSettings
from tests.fakes import FAKE, fake, faked_features

PRICING = PricingSettings()


def price(features, residual, starts, **options):
    return search_violating(features, residual[:, None], starts, PRICING, **options)


def starts_of(features, n_starts, seed=0):
    return random_starts(features, n_starts, np.random.default_rng(seed), PRICING.whitened_rows)


def worth(features, residual, blocks):
    """``v'P(Ru)_+`` at norm one, written out."""
    unit = blocks / features.norm.norms(blocks)[:, None]
    outputs = (features.rows @ unit.T).clamp(min=0)
    return residual @ outputs.reshape(features.n_samples, -1, len(blocks)).sum(1)


def coordinates(kind, vectors):
    return fourier_coordinates(vectors) if kind == "circular" else vectors


@settings(max_examples=10)
@given(n=st.integers(1, 20), d=st.integers(1, 5), seed=st.integers(0, 999))
def test_what_is_priced_is_true_sorted_and_of_norm_one(kind, gaussian, make, n, d, seed):
    features, residual = make(kind, n, d, seed), gaussian(n, seed=seed + 1)
    starts = gaussian(12, features.width, seed=seed + 2)
    found = price(features, residual, starts)
    alive = found.values != 0
    torch.testing.assert_close(
        found.values[alive], found.heads[alive, 0] * worth(features, residual,
                                                        found.directions[alive]))
    assert bool((found.values.diff() <= 0).all())
    lengths = features.norm.norms(found.directions[alive])
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert set(found.heads.flatten().tolist()) <= {-1.0, 1.0}
    if kind == "circular":
        signals = signals_of(found.directions, d)
        torch.testing.assert_close(fourier_coordinates(signals), found.directions)


@settings(max_examples=10)
@given(n=st.integers(1, 20), seed=st.integers(0, 999))
def test_in_the_plane_the_search_comes_near_the_maximum_of_a_fine_sweep(
    kind, gaussian, make, n, seed
):
    features, residual = make(kind, n, 2, seed), gaussian(n, seed=seed + 1)
    angles = torch.linspace(0, 2 * torch.pi, 20001, dtype=torch.float64)
    circle = coordinates(kind, torch.stack([angles.cos(), angles.sin()], dim=1))
    best = float(worth(features, residual, circle).abs().max())
    starts = starts_of(features, 60, seed)
    assert float(price(features, residual, starts).values[0]) >= best * (1 - 1e-2)


@pytest.mark.parametrize("n", [8, 30])
@pytest.mark.parametrize("d", [3, 4])
def test_the_search_comes_near_the_maximum_of_sampling_and_local_search(kind, gaussian, make, n, d):
    generator, shortfalls = np.random.default_rng(0), []
    for seed in range(4):
        features, residual = make(kind, n, d, seed), gaussian(n, seed=seed + 10)
        best = sampled_maximum(kind, features, residual, d, generator)
        starts = starts_of(features, 200, seed)
        shortfalls.append(1 - float(price(features, residual, starts).values[0]) / best)
    assert max(shortfalls) < 1e-2
    assert float(np.median(shortfalls)) < 3e-3


def sampled_maximum(kind, features, residual, d, generator):
    """Many samples, the best of them moved at random by less and less."""
    best = torch.as_tensor(generator.standard_normal((20000, d)))
    for radius in 0.5 * 0.7 ** np.arange(25):
        values = worth(features, residual, coordinates(kind, best)).abs()
        best = best[values.argsort(descending=True)[:20]]
        best = best / best.norm(dim=1, keepdim=True)
        noise = torch.as_tensor(generator.standard_normal((50, 20, d)))
        best = torch.cat([best, (best + radius * noise).flatten(0, 1)])
    return float(worth(features, residual, coordinates(kind, best)).abs().max())


def test_the_search_never_ends_below_its_starts(kind, gaussian, make):
    features, residual, starts = make(kind, 30, 4), gaussian(30, seed=1), gaussian(50, 4, seed=2)
    starts = coordinates(kind, starts)
    begun = worth(features, residual, starts).abs().max()
    assert float(price(features, residual, starts).values[0]) >= float(begun) * (1 - 1e-6)


def test_the_search_with_groups_finds_a_neuron_of_a_single_frequency(gaussian):
    t = torch.arange(8, dtype=torch.float64)
    phases = torch.linspace(0, 6, 50, dtype=torch.float64)
    X = (2 * torch.pi * t / 8 + phases[:, None]).cos() + 0.1 * gaussian(50, 8)
    features = Features(fourier_coordinates(X), 50, fourier_norm(X))
    residual = X[:, 0].clamp(min=0)
    starts = starts_of(features, 100, 0)
    found = price(features, residual, starts).directions[:1]
    shares = (features.norm.group_norms(found) * features.norm.weights)[0]
    assert float(shares[1]) > 0.999


def test_the_length_of_a_start_does_not_matter_and_a_zero_start_is_harmless(kind, gaussian, make):
    features, residual = make(kind, 30, 4), gaussian(30, seed=1)
    starts = coordinates(kind, gaussian(10, 4, seed=2))
    expected = price(features, residual, starts).values
    again = price(features, residual, 1e6 * starts).values
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=0.0)
    starts = torch.cat([starts, torch.zeros_like(starts[:1])])
    found = price(features, residual, starts)
    assert bool(torch.isfinite(found.values).all())
    torch.testing.assert_close(found.values[0], expected[0])


@pytest.mark.parametrize("n", [200, 600])
@pytest.mark.parametrize("seed", [0, 4])
def test_on_many_rows_the_search_finds_the_exact_maximum_on_faces(n, seed, gaussian):
    X = torch.cat([gaussian(n, 2, seed=seed), torch.ones(n, 1)], dim=1)
    features, residual = Features(X, n, GroupNorm.euclidean(X)), gaussian(n, seed=seed + 100)
    starts = starts_of(features, 300, 0)
    found = price(features, residual, starts)
    exact = price_exactly(X, residual).value
    assert exact * (1 - 1e-3) <= float(found.values[0]) <= exact * (1 + 1e-12)
    torch.testing.assert_close(
        found.values[0], found.heads[0, 0] * (X @ found.directions[0]).relu().dot(residual))
    without = price(features, residual, starts, n_finished=1)
    assert float(without.values[0]) <= float(found.values[0]) * (1 + 1e-12)


def test_neurons_known_before_climb_and_are_never_lost(kind, gaussian, make):
    features, residual = make(kind, 30, 4), gaussian(30, seed=1)
    best = price(features, residual, starts_of(features, 200)).at(torch.arange(3))
    known = PricedNeurons(best.directions, best.heads, torch.zeros(3).double())
    found = price(features, residual, starts_of(features, 2, 5), known=known)
    assert float(found.values[0]) >= float(best.values[0]) * (1 - 1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_of_rows_and_residuals_scale_the_values(scale, kind, gaussian, make):
    features, residual = make(kind, 30, 4), gaussian(30, seed=1)
    starts = starts_of(features, 20)
    plain = price(features, residual, starts).values[0]
    torch.testing.assert_close(price(features, scale * residual, starts).values[0],
                               scale * plain, rtol=1e-6, atol=0)
    torch.testing.assert_close(price(features.scaled(scale), residual, starts).values[0],
                               scale * plain, rtol=1e-6, atol=0)


def test_fake_cuda_climbs_stay_on_the_device_and_never_ask_the_host(kind, make):
    features = make(kind, 12, 4)
    with FakeTensorMode():
        moved = faked_features(features)
        weights, directions = fake(len(features.rows)), fake(5, features.width)
        scouted = _scout(moved, weights, directions)
        climbed = _climb(moved, weights, scouted, (0.1, 0.01))
    parts = [*vars(scouted).values(), *vars(climbed).values()]
    assert {part.device.type for part in parts} == {FAKE}
    assert {part.dtype for part in parts} == {torch.float64}
