"""Neurons by their worth: sorted, revalued, and reduced to those that do different things."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.pricing.priced import PricedNeurons, Pricing
from relu_forecast.training.settings import PricingSettings

PRICING = PricingSettings()
one_and_two_targets = pytest.mark.parametrize("c", [1, 2])


def dense(X):
    return Features(X, len(X), GroupNorm.euclidean(X))


def drawn(width, c, m=6):
    generator = np.random.default_rng(c)
    directions, heads = (torch.tensor(generator.standard_normal((m, size))) for size in (width, c))
    heads = heads / heads.norm(dim=1, keepdim=True)
    return PricedNeurons(directions, heads, torch.zeros(m).double())


def values_of(features, residual, neurons):
    """``h'V'P(Ru)_+`` at norm one, neuron by neuron; heads of several entries are the best."""
    n, values = features.n_samples, []
    rows = features.rows.reshape(n, -1, features.width).numpy()
    for direction, head in zip(neurons.directions, neurons.heads.numpy(), strict=True):
        unit = (direction / features.norm.norms(direction[None])).numpy()
        outputs = np.maximum(rows @ unit, 0).sum(1)
        sums = residual.numpy().T @ outputs
        values.append(head @ sums if len(head) == 1 else np.linalg.norm(sums))
    return np.array(values)


@one_and_two_targets
def test_revalued_neurons_have_the_worth_of_the_equation_best_first(c, kind, gaussian, make):
    features, residual = make(kind, 20, 4), gaussian(20, c, seed=3)
    neurons = drawn(features.width, c)
    found = neurons.revalued(features, residual)
    expected = values_of(features, residual, neurons)
    np.testing.assert_allclose(found.values, np.sort(expected)[::-1], atol=1e-10)
    np.testing.assert_allclose(values_of(features, residual, found), found.values, atol=1e-10)
    torch.testing.assert_close(features.norm.norms(found.directions), torch.ones(6).double())
    torch.testing.assert_close(found.heads.norm(dim=1), torch.ones(6).double())
    outputs = features.outputs(found.directions)
    torch.testing.assert_close(((residual.T @ outputs).T * found.heads).sum(1), found.values)


@one_and_two_targets
def test_merged_neurons_are_both_best_first_and_at_takes_some(c):
    first, second = drawn(3, c, 4), drawn(3, c, 2)
    first = PricedNeurons(first.directions, first.heads, torch.tensor([4.0, 2, 2, 1]).double())
    second = PricedNeurons(second.directions, second.heads, torch.tensor([3.0, 2]).double())
    both = first.merged(second)
    assert both.values.tolist() == [4.0, 3.0, 2.0, 2.0, 2.0, 1.0]
    assert torch.equal(both.directions[[0, 2, 3, 5]], first.directions)  # ties stay in order
    assert torch.equal(both.at(torch.tensor([1, 4])).heads, second.heads)


@one_and_two_targets
def test_neurons_of_a_network_are_priced_neurons_without_a_value(c, gaussian):
    neurons = Neurons(7 * drawn(3, c).directions, drawn(3, c).heads)
    X, residual = gaussian(9, 3), gaussian(9, c, seed=1)
    found = PricedNeurons.unvalued(neurons).revalued(dense(X), residual)
    expected = values_of(dense(X), residual, PricedNeurons.unvalued(neurons))
    np.testing.assert_allclose(found.values, np.sort(expected)[::-1], atol=1e-10)


def test_the_worst_of_a_pricing_is_its_first():
    found = PricedNeurons(torch.eye(2), torch.ones(2, 1), torch.tensor([3.0, 1.0]))
    assert Pricing(found, "network").worst == 3.0


def test_distinct_keeps_the_best_of_neurons_that_do_the_same(gaussian):
    X = gaussian(40, 3)
    base = torch.eye(3, dtype=torch.float64)
    near = base[0] + 1e-3 * base[1]
    directions = torch.stack([base[0], near / near.norm(), base[0], base[1], base[2]])
    neurons = PricedNeurons(directions, torch.tensor([[1.0], [1], [-1], [1], [1]]).double(),
                            torch.tensor([5.0, 4, 3, 2, 1]).double())
    kept = neurons.distinct(dense(X), above=1.5, most=10, settings=PRICING)
    assert kept.values.tolist() == [5.0, 3.0, 2.0]
    assert torch.equal(kept.directions, directions[[0, 2, 3]])
    assert kept.heads[:, 0].tolist() == [1.0, -1.0, 1.0]
    few, none = (neurons.distinct(dense(X), above=above, most=2, settings=PRICING)
                 for above in (1.5, 5.0))
    assert few.values.tolist() == [5.0, 3.0]
    assert len(none.values) == 0


def test_distinct_compares_what_is_pooled():
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    features = Features(rows, 2, GroupNorm.euclidean(rows))
    neurons = PricedNeurons(torch.eye(2, dtype=torch.float64), torch.ones(2, 1).double(),
                            torch.tensor([2.0, 1.0]).double())
    assert len(neurons.distinct(features, above=0.0, most=5, settings=PRICING).values) == 1
    assert len(neurons.distinct(dense(rows), above=0.0, most=5, settings=PRICING).values) == 2


def test_neurons_of_different_heads_are_different():
    X = torch.eye(3).double()
    directions, up = X[[0, 0, 0]], torch.tensor([[1.0, 0.0], [0.6, 0.8], [1.0, 1e-3]]).double()
    neurons = PricedNeurons(directions, up / up.norm(dim=1, keepdim=True),
                            torch.tensor([3.0, 2.0, 1.0]).double())
    assert neurons.distinct(dense(X), 0.0, 5, PRICING).values.tolist() == [3.0, 2.0]
    strict = neurons.distinct(dense(X), 0.0, 5, PRICING, same=0.5)
    assert strict.values.tolist() == [3.0]
