"""Where searches start: random, whitened, near neurons and between them; on which subsample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.training.pricing.starts import (
    evenly_spaced,
    mixed_starts,
    perturbed_starts,
    random_starts,
    spread_starts,
    subsampled,
)


def dense(X):
    return Features(X, len(X), GroupNorm.euclidean(X))


@pytest.mark.parametrize("n_starts", [1, 2, 7])
@pytest.mark.parametrize("shape", [(20, 4), (3, 5), (1, 1)])
def test_random_starts_are_as_many_as_asked_and_repeat(kind, shape, n_starts, make):
    features = make(kind, *shape)
    starts = random_starts(features, n_starts, np.random.default_rng(0), 5000)
    assert starts.shape == (n_starts, features.width)
    assert torch.equal(starts, random_starts(features, n_starts, np.random.default_rng(0), 5000))
    assert bool(torch.isfinite(starts).all())


def test_half_of_the_random_starts_see_the_small_components(gaussian):
    X = gaussian(200, 2) * torch.tensor([1.0, 1e-6])
    starts = random_starts(dense(X), 400, np.random.default_rng(0), 5000)
    large, small = (starts * torch.tensor([1.0, 1e-6])).abs().T
    balanced = (torch.maximum(large, small) < 100 * torch.minimum(large, small)).double().mean()
    assert 0.4 < float(balanced) < 0.6


def test_random_starts_favour_few_groups_where_there_are_groups(make):
    features = make("circular", 100, 8)
    starts = random_starts(features, 300, np.random.default_rng(0), 5000)
    shares = features.norm.group_norms(starts) * features.norm.weights
    largest = shares.amax(1) / shares.sum(1)
    assert float((largest > 0.8).double().mean()) > 0.05
    assert float((largest < 0.5).double().mean()) > 0.05


def test_random_starts_do_not_point_where_the_samples_have_no_component(gaussian):
    X = torch.cat([gaussian(50, 2), torch.zeros(50, 1)], dim=1)
    starts = random_starts(dense(X), 100, np.random.default_rng(0), 5000)
    outputs = (starts / starts.norm(dim=1, keepdim=True)) @ X.T
    assert float(outputs.norm(dim=1).min()) > 1e-8


def test_perturbed_starts_are_the_neurons_and_copies_near_them(gaussian):
    neurons = 7 * gaussian(5, 30)
    unit = neurons / neurons.norm(dim=1, keepdim=True)
    features = dense(gaussian(40, 30))
    starts = perturbed_starts(features, neurons, 18, np.random.default_rng(0))
    assert starts.shape == (25, 30)
    torch.testing.assert_close(starts[:5], unit)
    distance = (starts[5:].view(4, 5, 30) - unit).norm(dim=2)
    assert float(distance.min()) > 0.005
    assert float(distance.max()) < 0.6


def test_mixed_starts_lie_between_two_neurons(gaussian):
    blocks = 5 * gaussian(4, 6)
    unit = blocks / blocks.norm(dim=1, keepdim=True)
    starts = mixed_starts(blocks, 30, np.random.default_rng(0))
    assert starts.shape == (30, 6)
    for start in starts:
        fits = [torch.linalg.lstsq(unit[[i, j]].T, start[:, None]).solution[:, 0]
                for i in range(4) for j in range(4) if i != j]
        pairs = [unit[[i, j]] for i in range(4) for j in range(4) if i != j]
        errors = [float((fit @ pair - start).norm()) for fit, pair in zip(fits, pairs, strict=True)]
        assert min(errors) < 1e-10
    # A single neuron is mixed with itself.
    alone = mixed_starts(blocks[:1], 5, np.random.default_rng(0))
    torch.testing.assert_close((alone @ unit[0]).abs(), alone.norm(dim=1))


@pytest.mark.parametrize("n_blocks", [0, 3])
def test_spread_starts_are_of_each_kind(n_blocks, kind, gaussian, make):
    features = make(kind, 20, 4)
    blocks = gaussian(n_blocks, features.width)
    starts = spread_starts(features, blocks, 5, np.random.default_rng(0), 5000)
    near = 0 if n_blocks == 0 else 3 + 6  # the neurons themselves, and two copies of each
    assert len(starts) == 10 + near + (5 if n_blocks else 0)
    torch.testing.assert_close(
        starts[:10], random_starts(features, 10, np.random.default_rng(0), 5000))
    again = spread_starts(features, blocks, 5, np.random.default_rng(0), 5000)
    assert torch.equal(starts, again)


def test_evenly_spaced_samples_reach_from_the_first_to_the_last(make):
    features = make("convolution", 50, 4)  # three rows per sample
    kept = evenly_spaced(features, 60)
    assert len(kept) == 20
    assert (int(kept[0]), int(kept[-1])) == (0, 49)
    assert {2, 3} >= set(kept.diff().tolist())
    assert len(evenly_spaced(features, 60, fewest=30)) == 30
    assert evenly_spaced(features, 1000, fewest=5).tolist() == list(range(50))
    assert evenly_spaced(features, 1).tolist() == [0]


def test_a_subsample_is_the_features_of_its_samples_or_all_of_them(kind, make):
    features = make(kind, 50, 4)
    assert subsampled(features, 10_000) is features
    some = subsampled(features, 10 * features.n_patches)
    expected = features.restricted(evenly_spaced(features, 10 * features.n_patches))
    assert torch.equal(some.rows, expected.rows)
    assert some.n_samples == 10
