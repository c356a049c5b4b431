"""The pricer: exact where it can be, else by search; the largest penalty; searches again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.pricing.exact import price_exactly
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.pricing.scored_samples import ScoredSamples
from relu_forecast.training.settings import PricingSettings

PRICING = PricingSettings()


def test_it_is_exact_up_to_three_dimensions_of_a_euclidean_norm_in_double(gaussian, make):
    assert Pricer(make("dense", 30, 3), PRICING).is_exact
    assert Pricer(make("convolution", 30, 2), PRICING).is_exact
    assert not Pricer(make("dense", 30, 4), PRICING).is_exact
    assert not Pricer(make("circular", 30, 3), PRICING).is_exact
    rows = gaussian(30, 3).float()
    assert not Pricer(Features(rows, 30, GroupNorm.euclidean(rows)), PRICING).is_exact


@pytest.mark.parametrize("c", [1, 3])
def test_all_neurons_of_several_outputs_are_priced_exactly(c, kind_of_sites, gaussian, make):
    features, residual = make(kind_of_sites, 20, 2), gaussian(20, c, seed=1)
    pricer = Pricer(features, PRICING, c)
    assert pricer.is_exact == (kind_of_sites != "circular")
    if pricer.is_exact:
        assert pricer.is_cheap
        priced = pricer.price_linear(residual, 0)
        assert priced.scope == "network"
        again = priced.found.revalued(features, residual)
        torch.testing.assert_close(again.values, priced.found.values)
        torch.testing.assert_close(again.heads, priced.found.heads)
        searched = pricer.search(residual, gaussian(50, 2, seed=2)).worst
        assert searched == pytest.approx(priced.worst, rel=1e-3)
        assert searched <= priced.worst * (1 + 1e-12)


@pytest.mark.parametrize(("c", "exact", "cheap"), [(1, True, True), (4, True, False),
                                                   (5, False, False)])
def test_the_more_outputs_the_fewer_rows_are_priced_exactly(c, exact, cheap, make):
    pricer = Pricer(make("dense", 50, 3), PricingSettings(exact_rows=100, cheap_rows=50), c)
    assert (pricer.is_exact, pricer.is_cheap) == (exact, cheap)


@pytest.mark.parametrize(("rows", "d", "exact", "cheap"), [
    (30, 3, True, True), (60, 3, True, False), (120, 3, False, False), (120, 2, True, True)])
def test_settings_say_how_many_rows_are_exact_and_cheap(rows, d, exact, cheap, make):
    pricer = Pricer(make("dense", rows, d), PricingSettings(exact_rows=100, cheap_rows=50))
    assert (pricer.is_exact, pricer.is_cheap) == (exact, cheap)


def test_all_neurons_are_priced_exactly(gaussian, make):
    features, residual = make("convolution", 25, 3), gaussian(25, 1, seed=1)
    priced = Pricer(features, PRICING).price_all(residual)
    exact = price_exactly(features.rows, features.spread(residual)[:, 0])
    assert priced.scope == "network"
    assert priced.worst == exact.value
    again = priced.found.revalued(features, residual)
    torch.testing.assert_close(again.values, priced.found.values)


def test_the_bound_covers_what_the_numerical_row_space_leaves_out(gaussian):
    rows = gaussian(40, 2) @ gaussian(2, 3, seed=1) + 1e-15 * gaussian(40, 3, seed=2)
    residual = gaussian(40, 1, seed=3)
    exact = price_exactly(rows, residual[:, 0])
    priced = Pricer(Features(rows, 40, GroupNorm.euclidean(rows)), PRICING).price_all(residual)
    assert exact.value > float(exact.values[0])
    assert priced.worst == exact.value


def test_a_search_near_a_network_sees_its_neurons_and_the_ends_of_earlier_ones(gaussian, make):
    features, residual = make("dense", 40, 5), gaussian(40, 1, seed=1)
    pricer = Pricer(features, PRICING)
    best = pricer.price_linear(residual, 0).found.at(torch.arange(1))
    network = Neurons(3 * best.directions, best.heads)
    near = pricer.search_near(residual, network, 1, np.random.default_rng(0), n_finished=1)
    assert near.scope == "network-estimated"
    assert near.worst >= float(best.values[0]) * (1 - 1e-9)
    none = Neurons.none(features, 1)
    ends = pricer.search_near(residual, none, 1, np.random.default_rng(0), ends=best.directions)
    assert ends.worst >= float(best.values[0]) * (1 - 1e-6)
    assert ends.worst >= pricer.search_near(
        residual, none, 1, np.random.default_rng(0)).worst * (1 - 1e-9)


def test_with_several_outputs_many_starts_go_on_from_between_their_ends(gaussian, make):
    features, residual = make("dense", 60, 6), gaussian(60, 3, seed=1)
    few, many = (Pricer(features, PricingSettings(starts_per_round=size), 3) for size in (9, 4))
    none = Neurons.none(features, 3)
    first = few.search_near(residual, none, 8, np.random.default_rng(0))
    more = many.search_near(residual, none, 8, np.random.default_rng(0))
    assert more.worst >= first.worst * (1 - 1e-6)
    assert len(more.found.values) > len(first.found.values)
    again = many.search_near(residual, none, 8, np.random.default_rng(0))
    assert torch.equal(again.found.values, more.found.values)


def test_pricing_the_linear_part_again_from_its_ends_finds_the_same(kind, gaussian, make):
    features, residual = make(kind, 30, 4), gaussian(30, 1, seed=1)
    pricer = Pricer(features, PRICING)
    first = pricer.price_linear(residual, 0)
    again = pricer.reprice_linear(residual, first.found.directions[:4], 2, 4, 1)
    assert again.worst == pytest.approx(first.worst, rel=1e-3)
    assert again.scope == first.scope
    repeated = pricer.price_linear(residual, 0)
    assert torch.equal(first.found.values, repeated.found.values)


def test_where_it_is_exact_pricing_again_needs_no_ends(gaussian, make):
    features, residual = make("dense", 30, 3), gaussian(30, 1, seed=1)
    pricer = Pricer(features, PRICING)
    again = pricer.reprice_linear(residual, torch.zeros(0, 3).double(), 1, 1, 0)
    assert again.scope == "network"
    assert again.worst == pricer.price_linear(residual, 0).worst


def test_distinct_is_that_of_the_neurons_on_its_features(gaussian, make):
    features = make("dense", 30, 3)
    found = PricedNeurons(torch.eye(3).double()[[0, 0, 1]], torch.ones(3, 1).double(),
                          torch.tensor([3.0, 2.0, 1.0]).double())
    assert Pricer(features, PRICING).distinct(found, 0.0, 5).values.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("architecture", [
    Dense(), Circular(), Convolution(2), Convolution(2, sites=2)])
def test_beta_max_of_gated_networks_of_several_outputs_is_a_largest_singular_value(
    architecture, gaussian
):
    X, Y = gaussian(20, 4), gaussian(20, 3, seed=1)
    task = TrainingTask(X, Y, architecture, "gated_relu", True)
    features, residual = task.features, task.linear_residual
    pricer = Pricer(features, PRICING, 3)
    linear = pricer.price_linear(residual, 0)
    found = pricer.beta_max(task, linear)
    relu = pricer.beta_max(TrainingTask(X, Y, architecture, "relu", True), linear)
    assert relu == linear.worst
    assert found >= relu * (1 - 1e-9)
    rows, weights = features.rows, ScoredSamples(features, residual).row_weights()
    for gate in linear.found.directions[:5]:
        matrix = (rows * (rows @ gate >= 0)[:, None]).T @ weights
        groups = features.norm.grouped(matrix.T).unbind(1)
        worths = [float(torch.linalg.svdvals(group)[0] / omega)
                  for group, omega in zip(groups, features.norm.weights, strict=True)]
        assert found >= max(worths) * (1 - 1e-12)


@pytest.mark.parametrize("architecture", [Dense(), Circular()])
def test_beta_max_of_gated_networks_is_the_largest_dual_norm_of_their_patterns(
    architecture, gaussian
):
    X, Y = gaussian(20, 4), gaussian(20, 1, seed=1)
    task = TrainingTask(X, Y, architecture, "gated_relu", True)
    pricer = Pricer(task.features, PRICING)
    linear = pricer.price_linear(task.linear_residual, 0)
    found = pricer.beta_max(task, linear)
    relu = pricer.beta_max(TrainingTask(X, Y, architecture, "relu", True), linear)
    rows = task.features.rows
    masks = (linear.found.directions @ rows.T >= 0).double()
    gated = (masks * task.linear_residual[:, 0]) @ rows
    assert found >= float(task.features.norm.dual_norms(gated).amax()) * (1 - 1e-12)
    assert found >= relu * (1 - 1e-9)
    assert relu == linear.worst
