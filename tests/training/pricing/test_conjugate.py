"""Climbs by products: their systems are solved, and what climbs never asks the host."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.training.pricing.conjugate import (
    _Axes,
    _conjugate_gradients,
    _kinked,
    climb_by_products,
    norm_metric,
)
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.scored_samples import ScoredSamples
from tests.fakes import FAKE, fake, faked_features


def unit(heads):
    return heads / heads.norm(dim=1, keepdim=True)


def test_as_many_products_as_weights_solve_the_system(kind, gaussian, make):
    features = make(kind, 40, 4)
    rows, norm, d = features.rows, features.norm, features.width
    directions = norm.normalised(gaussian(3, d, seed=1))
    bent, pull = gaussian(len(rows), 3, seed=2).abs(), gaussian(3, d, seed=3)
    metric = norm_metric(norm, directions, directions + 1.0, 0.1)
    axes = _Axes.of(rows.T @ rows / len(rows), norm)
    move = _conjugate_gradients(
        _kinked(rows, metric, bent), axes, metric, bent.sum(0), pull, d)
    matrices = torch.stack([(rows.T * weights) @ rows for weights in bent.T])
    expected = torch.linalg.solve(matrices + torch.diag_embed(metric), pull)
    torch.testing.assert_close(move, expected)


def test_the_metric_is_that_of_a_quadratic_bound_of_the_squared_norm(kind, gaussian, make):
    features = make(kind, 10, 4)
    norm, points = features.norm, gaussian(50, features.width)
    at = norm.normalised(gaussian(50, features.width, seed=1))
    metric = norm_metric(norm, at, at, 0.0) / at.square().sum(1, keepdim=True)
    bound = (metric * points.square()).sum(1)
    assert bool((bound >= norm.norms(points).square() * (1 - 1e-12)).all())
    torch.testing.assert_close((metric * at.square()).sum(1), torch.ones(50).double())


@pytest.mark.parametrize("c", [1, 3])
def test_climbs_rise_and_their_values_are_those_of_their_points(
    c, kind_of_sites, gaussian, make
):
    features = make(kind_of_sites, 30, 4)
    samples = ScoredSamples(features, gaussian(30, c, seed=1))
    begun = PricedNeurons(gaussian(9, features.width, seed=2),
                          unit(gaussian(9, features.n_sites * c, seed=3)),
                          torch.zeros(9).double())
    before = begun.revalued(features, samples.residual)
    climbed = climb_by_products(samples, begun, (0.3, 0.1, 0.03, 0.01), 4)
    again = climbed.revalued(features, samples.residual)
    torch.testing.assert_close(climbed.values, again.values)
    torch.testing.assert_close(climbed.heads, again.heads)
    assert float(climbed.values.mean()) > float(before.values.mean())
    assert bool((climbed.values.diff() <= 0).all())


@pytest.mark.parametrize("c", [1, 2])
def test_fake_cuda_climbs_stay_on_the_device_and_never_ask_the_host(c, kind_of_sites, make):
    features = make(kind_of_sites, 12, 4)
    with FakeTensorMode():
        samples = ScoredSamples(faked_features(features), fake(12, c))
        begun = PricedNeurons(fake(5, features.width), fake(5, features.n_sites * c), fake(5))
        climbed = climb_by_products(samples, begun, (0.1, 0.01), 3)
        single = samples.in_single()
    assert {part.device.type for part in vars(climbed).values()} == {FAKE}
    assert {part.dtype for part in vars(climbed).values()} == {torch.float64}
    assert single.features.rows.dtype == single.residual.dtype == torch.float32
