"""Features and a residual on the same samples."""

from __future__ import annotations

import torch

from relu_forecast.training.pricing.scored_samples import ScoredSamples


def test_the_weights_of_rows_are_those_of_all_entries_of_a_head(kind_of_sites, gaussian, make):
    features = make(kind_of_sites, 12, 3)
    samples = ScoredSamples(features, gaussian(12, 2, seed=1))
    outputs = features.rows @ gaussian(features.width, 5, seed=2)
    torch.testing.assert_close(
        outputs.relu().T @ samples.row_weights(), samples.correlations(outputs))


def test_slopes_are_the_gradient_of_the_worth_in_the_outputs(kind_of_sites, gaussian, make):
    features = make(kind_of_sites, 12, 3)
    samples = ScoredSamples(features, gaussian(12, 2, seed=1))
    heads = gaussian(5, 2 * features.n_sites, seed=3)
    outputs = (features.rows @ gaussian(features.width, 5, seed=2)).requires_grad_()
    (samples.correlations(outputs) * heads).sum().backward()
    torch.testing.assert_close(
        outputs.grad, samples.slopes(heads) * (outputs.detach() > 0))


def test_in_single_precision_all_is_of_size_one_and_points_the_same_way(
    kind_of_sites, gaussian, make
):
    features = make(kind_of_sites, 12, 3).scaled(1e-50)
    samples = ScoredSamples(features, 1e60 * gaussian(12, 2, seed=1))
    single = samples.in_single()
    assert single.features.rows.abs().amax() == single.residual.abs().amax() == 1
    assert {single.features.rows.dtype, single.residual.dtype} == {torch.float32}
    blocks = gaussian(5, features.width, seed=2)
    expected = samples.correlations(1e50 * (features.rows @ blocks.T)).flatten()
    found = single.correlations(single.features.rows @ blocks.T.float()).double().flatten()
    torch.testing.assert_close(
        found / found.norm(), expected / expected.norm(), rtol=1e-4, atol=1e-5)
