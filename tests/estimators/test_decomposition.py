"""What regressors say, taken apart: sums, and the linear function around a sample."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    Dense,
    GroupedReLURegressor,
    InvalidArgumentError,
)
from relu_forecast.estimators.decomposition import decompose

GENERATOR = np.random.default_rng(3)
X = GENERATOR.standard_normal((60, 6))
Y = np.stack([np.abs(X[:, 0] - X[:, 1]), np.maximum(X[:, 2], 0) + X[:, 3],
              np.abs(X[:, :3].sum(axis=1))], axis=1) + 0.05 * GENERATOR.standard_normal((60, 3))
OPTIONS = {"beta_ratio": 0.1, "tol": 0.1}
REGRESSORS = {
    "dense": ConvexReLURegressor(**OPTIONS),
    "no skip": ConvexReLURegressor(**OPTIONS, linear_skip=False),
    "part of the inputs": ConvexReLURegressor(
        **OPTIONS, architecture=Dense(constant_input=True, inputs=4)),
    "gated": ConvexReLURegressor(**OPTIONS, activation="gated_relu", n_patterns=20),
    "convolution": ConvexCNNRegressor(3, **OPTIONS),
    "sites": ConvexCNNRegressor(3, sites="flatten", **OPTIONS),
    "circular": CircularCNNRegressor(**OPTIONS),
    "no neurons": ConvexReLURegressor(beta_ratio=1.5),
    "linear": Ridge(1.0),
}
CASES = [(name, n_targets) for name in REGRESSORS for n_targets in (1, 3)]


@cache
def fitted(name, n_targets):
    return clone(REGRESSORS[name]).fit(X, Y[:, 0] if n_targets == 1 else Y)


@pytest.mark.parametrize(("name", "n_targets"), CASES)
def test_parts_sum_to_the_prediction(name, n_targets):
    model = fitted(name, n_targets)
    for sample in X[:5]:
        parts = decompose(model, sample)
        expected = np.atleast_1d(model.predict(sample[np.newaxis])[0])
        np.testing.assert_allclose(parts.contributions.sum(axis=1), expected, rtol=1e-12,
                                   atol=1e-12)
        assert parts.contributions.shape == (n_targets, len(parts.parts))
        assert len(parts.parts) == 1 + getattr(model, "n_neurons_", 0)
        assert (parts.contributions[:, ~parts.fires] == 0).all()


def switches(network, rows):
    """Which neurons are on, patch by patch."""
    samples = torch.as_tensor(rows)
    if hasattr(network, "sites"):
        samples = samples.unfold(1, network.filters.shape[1], 1)
        return samples @ network.filters.T + network.filter_bias >= 0
    if network.gate is not None:
        return samples @ network.gate.T + network.gate_bias >= 0
    filters = network.effective_filters
    bias = getattr(network, "hidden_bias", None)
    linear = samples[:, : filters.shape[1]] @ filters.T
    return linear + (0 if bias is None else bias) >= 0


@pytest.mark.parametrize(("name", "n_targets"), CASES)
@settings(max_examples=25, deadline=None)
@given(row=st.integers(0, 59), seed=st.integers(0, 2**31), size=st.floats(1e-3, 3.0))
def test_inside_a_cell_predictions_move_as_the_linear_function_says(name, n_targets, row, seed,
                                                                     size):
    model, sample = fitted(name, n_targets), X[row]
    move = size * np.random.default_rng(seed).standard_normal(6)
    if hasattr(model, "network_"):
        while not torch.equal(*switches(model.network_, np.stack([sample, sample + move]))):
            move = move / 2
    before, after = (np.atleast_1d(model.predict(one[np.newaxis])[0])
                     for one in (sample, sample + move))
    np.testing.assert_allclose(
        after, before + move @ decompose(model, sample).weights, rtol=1e-10, atol=1e-10)


def test_groups_have_their_own_linear_part():
    groups = np.arange(60) % 2
    model = GroupedReLURegressor(0.1, tol=0.1, group_penalty=0.1).fit(
        X, Y[:, 0] + groups * X[:, 5], groups=groups)
    own = [model.decompose(X[0], group) for group in (0, 1, None)]
    expected = [model.predict(X[:1], groups=np.array([group]))[0] for group in (0, 1, 7)]
    np.testing.assert_allclose([one.contributions.sum() for one in own], expected, rtol=1e-12)
    assert own[1].weights[5, 0] - own[0].weights[5, 0] > 0.5
    later = model.predict(X[:1] + 1e-6, groups=np.array([1]))[0]
    assert later - expected[1] == pytest.approx(1e-6 * own[1].weights.sum(), rel=1e-6)


def test_linear_models_of_one_target_and_what_is_none():
    parts = decompose(LinearRegression().fit(X, Y[:, 0]), X[0])
    assert [one.kind for one in parts.parts] == ["linear"]
    assert parts.weights.shape == (6, 1)
    with pytest.raises(InvalidArgumentError, match="model must be made of networks and linear"):
        decompose(RandomForestRegressor(2).fit(X, Y), X[0])
