from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.networks.features import Features
from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm, signals_of
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.training.pricing.exact import price_exactly
from relu_forecast.training.pricing.search import PricedNeurons, price
from relu_forecast.training.pricing.starts import perturbed_starts, random_starts
from relu_forecast.windows.sliding import patches

KINDS = ["dense", "convolution", "circular"]


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def dense(X):
    return Features(X, len(X), GroupNorm.euclidean(X))


def make(kind, n, d, seed=0):
    """Features whose blocks have d real coordinates, the rows Gaussian."""
    if kind == "convolution":
        X = gaussian(n, d + 2, seed=seed)
        return Features(patches(X, d).flatten(0, 1), n, GroupNorm.euclidean(X))
    X = gaussian(n, d, seed=seed)
    return dense(X) if kind == "dense" else Features(fourier_coordinates(X), n, fourier_norm(X))


def worth(features, residual, blocks):
    """``v'P(Ru)_+`` at norm one, written out."""
    unit = blocks / features.norm.norms(blocks)[:, None]
    outputs = (features.rows @ unit.T).clamp(min=0)
    return residual @ outputs.reshape(features.n_samples, -1, len(blocks)).sum(1)


def coordinates(kind, vectors):
    return fourier_coordinates(vectors) if kind == "circular" else vectors


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(n=st.integers(1, 20), d=st.integers(1, 5), seed=st.integers(0, 999))
def test_what_is_priced_is_true_sorted_and_of_norm_one(kind, n, d, seed):
    features, residual = make(kind, n, d, seed), gaussian(n, seed=seed + 1)
    starts = gaussian(12, features.width, seed=seed + 2)
    found = price(features, residual, starts)
    alive = found.values != 0
    torch.testing.assert_close(
        found.values[alive], found.signs[alive] * worth(features, residual,
                                                        found.directions[alive]))
    assert bool((found.values.diff() <= 0).all())
    lengths = features.norm.norms(found.directions[alive])
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert set(found.signs.tolist()) <= {-1.0, 1.0}
    if kind == "circular":
        signals = signals_of(found.directions, d)
        torch.testing.assert_close(fourier_coordinates(signals), found.directions)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(n=st.integers(1, 20), seed=st.integers(0, 999))
def test_in_the_plane_the_search_comes_near_the_maximum_of_a_fine_sweep(kind, n, seed):
    features, residual = make(kind, n, 2, seed), gaussian(n, seed=seed + 1)
    angles = torch.linspace(0, 2 * torch.pi, 20001, dtype=torch.float64)
    circle = coordinates(kind, torch.stack([angles.cos(), angles.sin()], dim=1))
    best = float(worth(features, residual, circle).abs().max())
    starts = random_starts(features, 60, np.random.default_rng(seed))
    assert float(price(features, residual, starts).values[0]) >= best * (1 - 1e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [8, 30])
@pytest.mark.parametrize("d", [3, 4])
def test_the_search_comes_near_the_maximum_of_sampling_and_local_search(kind, n, d):
    generator, shortfalls = np.random.default_rng(0), []
    for seed in range(4):
        features, residual = make(kind, n, d, seed), gaussian(n, seed=seed + 10)
        best = sampled_maximum(kind, features, residual, d, generator)
        starts = random_starts(features, 200, np.random.default_rng(seed))
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


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_never_ends_below_its_starts(kind):
    features, residual, starts = make(kind, 30, 4), gaussian(30, seed=1), gaussian(50, 4, seed=2)
    starts = coordinates(kind, starts)
    begun = worth(features, residual, starts).abs().max()
    assert float(price(features, residual, starts).values[0]) >= float(begun) * (1 - 1e-6)


def test_the_search_with_groups_finds_a_neuron_of_a_single_frequency():
    t = torch.arange(8, dtype=torch.float64)
    phases = torch.linspace(0, 6, 50, dtype=torch.float64)
    X = (2 * torch.pi * t / 8 + phases[:, None]).cos() + 0.1 * gaussian(50, 8)
    features = Features(fourier_coordinates(X), 50, fourier_norm(X))
    residual = X[:, 0].clamp(min=0)
    starts = random_starts(features, 100, np.random.default_rng(0))
    found = price(features, residual, starts).directions[:1]
    shares = (features.norm.group_norms(found) * features.norm.weights)[0]
    assert float(shares[1]) > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_of_a_start_does_not_matter_and_a_zero_start_is_harmless(kind):
    features, residual = make(kind, 30, 4), gaussian(30, seed=1)
    starts = coordinates(kind, gaussian(10, 4, seed=2))
    expected = price(features, residual, starts).values
    again = price(features, residual, 1e6 * starts).values
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=0.0)
    starts = torch.cat([starts, torch.zeros_like(starts[:1])])
    found = price(features, residual, starts)
    assert bool(torch.isfinite(found.values).all())
    torch.testing.assert_close(found.values[0], expected[0])


def test_diverse_keeps_the_best_of_neurons_that_do_the_same():
    X = gaussian(40, 3)
    base = torch.eye(3, dtype=torch.float64)
    near = base[0] + 1e-3 * base[1]
    directions = torch.stack([base[0], near / near.norm(), base[0], base[1], base[2]])
    neurons = PricedNeurons(directions, torch.tensor([1.0, 1, -1, 1, 1]).double(),
                            torch.tensor([5.0, 4, 3, 2, 1]).double())
    kept = neurons.diverse(dense(X), above=1.5, most=10)
    assert kept.values.tolist() == [5.0, 3.0, 2.0]
    assert torch.equal(kept.directions, directions[[0, 2, 3]])
    assert kept.signs.tolist() == [1.0, -1.0, 1.0]
    assert neurons.diverse(dense(X), above=1.5, most=2).values.tolist() == [5.0, 3.0]
    assert len(neurons.diverse(dense(X), above=5.0, most=2).values) == 0


def test_diverse_compares_what_is_pooled():
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    features = Features(rows, 2, GroupNorm.euclidean(rows))
    neurons = PricedNeurons(torch.eye(2, dtype=torch.float64), torch.ones(2).double(),
                            torch.tensor([2.0, 1.0]).double())
    assert len(neurons.diverse(features, above=0.0, most=5).values) == 1
    assert len(neurons.diverse(dense(rows), above=0.0, most=5).values) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_starts", [1, 2, 7])
@pytest.mark.parametrize("shape", [(20, 4), (3, 5), (1, 1)])
def test_random_starts_are_as_many_as_asked_and_repeat(kind, shape, n_starts):
    features = make(kind, *shape)
    starts = random_starts(features, n_starts, np.random.default_rng(0))
    assert starts.shape == (n_starts, features.width)
    assert torch.equal(starts, random_starts(features, n_starts, np.random.default_rng(0)))
    assert bool(torch.isfinite(starts).all())


def test_half_of_the_random_starts_see_the_small_components():
    X = gaussian(200, 2) * torch.tensor([1.0, 1e-6])
    starts = random_starts(dense(X), 400, np.random.default_rng(0))
    large, small = (starts * torch.tensor([1.0, 1e-6])).abs().T
    balanced = (torch.maximum(large, small) < 100 * torch.minimum(large, small)).double().mean()
    assert 0.4 < float(balanced) < 0.6


def test_random_starts_favour_few_groups_where_there_are_groups():
    features = make("circular", 100, 8)
    starts = random_starts(features, 300, np.random.default_rng(0))
    shares = features.norm.group_norms(starts) * features.norm.weights
    largest = shares.amax(1) / shares.sum(1)
    assert float((largest > 0.8).double().mean()) > 0.05
    assert float((largest < 0.5).double().mean()) > 0.05


def test_random_starts_do_not_point_where_the_samples_have_no_component():
    X = torch.cat([gaussian(50, 2), torch.zeros(50, 1)], dim=1)
    starts = random_starts(dense(X), 100, np.random.default_rng(0))
    outputs = (starts / starts.norm(dim=1, keepdim=True)) @ X.T
    assert float(outputs.norm(dim=1).min()) > 1e-8


def test_perturbed_starts_are_the_neurons_and_copies_near_them():
    neurons = 7 * gaussian(5, 30)
    unit = neurons / neurons.norm(dim=1, keepdim=True)
    features = dense(gaussian(40, 30))
    starts = perturbed_starts(features, neurons, 18, np.random.default_rng(0))
    assert starts.shape == (25, 30)
    torch.testing.assert_close(starts[:5], unit)
    distance = (starts[5:].view(4, 5, 30) - unit).norm(dim=2)
    assert float(distance.min()) > 0.005
    assert float(distance.max()) < 0.6


@pytest.mark.parametrize("n", [200, 600])
@pytest.mark.parametrize("seed", [0, 4])
def test_on_many_rows_the_search_finds_the_exact_maximum_on_faces(n, seed):
    X = torch.cat([gaussian(n, 2, seed=seed), torch.ones(n, 1)], dim=1)
    features, residual = Features(X, n, GroupNorm.euclidean(X)), gaussian(n, seed=seed + 100)
    starts = random_starts(features, 300, np.random.default_rng(0))
    found = price(features, residual, starts)
    exact = price_exactly(X, residual).value
    assert exact * (1 - 1e-3) <= float(found.values[0]) <= exact * (1 + 1e-12)
    torch.testing.assert_close(
        found.values[0], found.signs[0] * (X @ found.directions[0]).relu().dot(residual))
    without = price(features, residual, starts, 1)
    assert float(without.values[0]) <= float(found.values[0]) * (1 + 1e-12)
