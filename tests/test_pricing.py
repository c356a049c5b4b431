from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.pricing import PricedNeurons, perturbed_starts, price, random_starts


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def worth(X, residual, directions, signs):
    return signs * ((directions @ X.T).relu() @ residual)


@settings(max_examples=10)
@given(n=st.integers(1, 20), d=st.integers(1, 4), seed=st.integers(0, 999))
def test_what_is_priced_is_true_sorted_and_of_unit_length(n, d, seed):
    X, residual = gaussian(n, d, seed=seed), gaussian(n, seed=seed + 1)
    found = price(X, residual, gaussian(12, d, seed=seed + 2))
    torch.testing.assert_close(
        found.values, worth(X, residual, found.directions, found.signs))
    assert bool((found.values.diff() <= 0).all())
    lengths = found.directions[found.values > 0].norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert set(found.signs.tolist()) <= {-1.0, 1.0}


@settings(max_examples=10)
@given(n=st.integers(1, 20), seed=st.integers(0, 999))
def test_in_the_plane_the_search_comes_near_the_maximum_of_a_fine_sweep(n, seed):
    X, residual = gaussian(n, 2, seed=seed), gaussian(n, seed=seed + 1)
    angles = torch.linspace(0, 2 * torch.pi, 20001, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    best = float(worth(X, residual, circle, torch.ones(1)).abs().max())
    starts = random_starts(X, 60, np.random.default_rng(seed))
    assert float(price(X, residual, starts).values[0]) >= best * (1 - 1e-2)


def test_the_search_never_ends_below_its_starts():
    X, residual, starts = gaussian(30, 4), gaussian(30, seed=1), gaussian(50, 4, seed=2)
    unit = starts / starts.norm(dim=1, keepdim=True)
    begun = worth(X, residual, unit, torch.ones(1)).abs().max()
    assert float(price(X, residual, starts).values[0]) >= float(begun)


def test_the_length_of_a_start_does_not_matter_and_a_zero_start_is_harmless():
    X, residual, starts = gaussian(30, 4), gaussian(30, seed=1), gaussian(10, 4, seed=2)
    expected = price(X, residual, starts).values
    torch.testing.assert_close(price(X, residual, 1e6 * starts).values, expected)
    starts = torch.cat([starts, torch.zeros(1, 4)])
    found = price(X, residual, starts)
    assert bool(torch.isfinite(found.values).all())
    torch.testing.assert_close(found.values[0], expected[0])


def test_diverse_keeps_the_best_of_neurons_that_do_the_same():
    X = gaussian(40, 3)
    base = torch.eye(3, dtype=torch.float64)
    near = base[0] + 1e-3 * base[1]
    directions = torch.stack([base[0], near / near.norm(), base[0], base[1], base[2]])
    neurons = PricedNeurons(directions, torch.tensor([1.0, 1, -1, 1, 1]).double(),
                            torch.tensor([5.0, 4, 3, 2, 1]).double())
    kept = neurons.diverse(X, above=1.5, most=10)
    assert kept.values.tolist() == [5.0, 3.0, 2.0]
    assert torch.equal(kept.directions, directions[[0, 2, 3]])
    assert kept.signs.tolist() == [1.0, -1.0, 1.0]
    assert neurons.diverse(X, above=1.5, most=2).values.tolist() == [5.0, 3.0]
    assert len(neurons.diverse(X, above=5.0, most=2).values) == 0


@pytest.mark.parametrize("n_starts", [1, 2, 7])
@pytest.mark.parametrize("shape", [(20, 4), (3, 5), (1, 1)])
def test_random_starts_are_as_many_as_asked_and_repeat(shape, n_starts):
    X = gaussian(*shape)
    starts = random_starts(X, n_starts, np.random.default_rng(0))
    assert starts.shape == (n_starts, shape[1])
    assert torch.equal(starts, random_starts(X, n_starts, np.random.default_rng(0)))
    assert bool(torch.isfinite(starts).all())


def test_half_of_the_random_starts_see_the_small_components():
    X = gaussian(200, 2) * torch.tensor([1.0, 1e-6])
    starts = random_starts(X, 400, np.random.default_rng(0))
    large, small = (starts * torch.tensor([1.0, 1e-6])).abs().T
    balanced = (torch.maximum(large, small) < 100 * torch.minimum(large, small)).double().mean()
    assert 0.4 < float(balanced) < 0.6


def test_random_starts_do_not_point_where_the_samples_have_no_component():
    X = torch.cat([gaussian(50, 2), torch.zeros(50, 1)], dim=1)
    starts = random_starts(X, 100, np.random.default_rng(0))
    outputs = (starts / starts.norm(dim=1, keepdim=True)) @ X.T
    assert float(outputs.norm(dim=1).min()) > 1e-8


def test_perturbed_starts_are_the_neurons_and_copies_near_them():
    neurons = 7 * gaussian(5, 30)
    unit = neurons / neurons.norm(dim=1, keepdim=True)
    starts = perturbed_starts(neurons, 18, np.random.default_rng(0))
    assert starts.shape == (25, 30)
    torch.testing.assert_close(starts[:5], unit)
    distance = (starts[5:].view(4, 5, 30) - unit).norm(dim=2)
    assert float(distance.min()) > 0.005
    assert float(distance.max()) < 0.6
