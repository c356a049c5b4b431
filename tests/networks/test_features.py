from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Circular, Convolution, Dense

ARCHITECTURES = {"dense": Dense(), "constant": Dense(True), "patches": Convolution(2),
                 "stride": Convolution(2, 2, True), "circular": Circular(),
                 "segments": Convolution(2, sites=3), "flatten": Convolution(2, sites="flatten")}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(),
                                             ids=list(ARCHITECTURES))
X = torch.tensor(np.random.default_rng(0).standard_normal((6, 5)))


@every_architecture
def test_outputs_are_a_literal_loop_over_samples_rows_and_neurons(architecture):
    features = architecture.features(X)
    blocks = torch.tensor(np.random.default_rng(1).standard_normal((3, features.width)))
    weights = features.pooling
    if weights is None:
        weights = torch.ones(1, features.n_patches)
    expected = np.zeros((6, features.n_sites, 3))
    for t in range(6):
        for k in range(features.n_patches):
            for j in range(3):
                active = max(0.0, float(features.rows[t * features.n_patches + k] @ blocks[j]))
                expected[t, :, j] += weights[:, k].numpy() * active
    np.testing.assert_allclose(features.outputs(blocks), expected.reshape(-1, 3))
    assert features.n_patches == len(architecture.gate_inputs(X)) // 6


@every_architecture
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_spread_is_the_adjoint_of_pool(architecture, shape):
    features = architecture.features(X)
    generator = np.random.default_rng(2)
    rows = torch.tensor(generator.standard_normal((len(features.rows), *shape)))
    samples = torch.tensor(generator.standard_normal((6 * features.n_sites, *shape)))
    pooled = features.pool(rows)
    assert pooled.shape == samples.shape
    torch.testing.assert_close((pooled * samples).sum(), (rows * features.spread(samples)).sum())
    if features.n_sites == 1:
        torch.testing.assert_close(
            pooled[4], rows[4 * features.n_patches : 5 * features.n_patches].sum(0))


@every_architecture
@pytest.mark.parametrize("n_targets", [1, 3])
def test_what_neurons_add_see_and_correlate_with_are_one_map(architecture, n_targets):
    features, generator = architecture.features(X), np.random.default_rng(3)
    sites, m = features.n_sites, 4

    def drawn(*shape):
        return torch.tensor(generator.standard_normal(shape))

    outputs, values = drawn(6 * sites, m), drawn(6, n_targets)
    heads = drawn(m, sites * n_targets)
    added = torch.einsum("nsm,msc->nc", outputs.view(6, sites, m),
                         heads.view(m, sites, n_targets))
    torch.testing.assert_close(features.combine(outputs, heads), added)
    inner = (added * values).sum()
    torch.testing.assert_close((features.seen(values, heads) * outputs).sum(), inner)
    torch.testing.assert_close((features.correlations(outputs, values) * heads).sum(), inner)


@every_architecture
def test_sliced_features_are_those_of_consecutive_samples(architecture):
    some, expected = architecture.features(X).sliced(slice(2, 5)), architecture.features(X[2:5])
    torch.testing.assert_close(some.rows, expected.rows)
    assert (some.n_samples, some.n_sites) == (3, expected.n_sites)


@every_architecture
def test_restricted_features_are_those_of_the_samples(architecture):
    kept = torch.tensor([4, 0, 3])
    some, expected = architecture.features(X).restricted(kept), architecture.features(X[kept])
    torch.testing.assert_close(some.rows, expected.rows)
    assert (some.n_samples, some.n_patches) == (3, expected.n_patches)
    torch.testing.assert_close(some.norm.weights, expected.norm.weights)


@every_architecture
def test_scaling_scales_the_outputs(architecture):
    features = architecture.features(X)
    blocks = features.rows[:2]
    torch.testing.assert_close(features.scaled(3.0).outputs(blocks), 3 * features.outputs(blocks))


def test_zero_rows_cut_nothing():
    samples = X.clone()
    samples[2] = 0.0
    samples[4, :4] = 0.0
    assert Dense().features(samples).cutting.tolist() == [True, True, False, True, True, True]
    assert Circular().features(samples).cutting.tolist() == [True, True, False, True, True, True]
    by_patch = Convolution(2).features(samples).cutting.unflatten(0, (6, 4))
    assert not by_patch[2].any()
    assert by_patch[4].tolist() == [False, False, False, True]
    assert Dense(True).features(samples).cutting.all()


@every_architecture
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_keep_the_dtype(architecture, dtype):
    features = architecture.features(X.to(dtype))
    assert features.rows.dtype == features.norm.weights.dtype == dtype
