"""Weights of samples: repeated rows, left-out rows, and objectives summed up by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from relu_forecast.estimators import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
)
from relu_forecast.exceptions import ConvergenceWarning
from tests.estimators.samples import bent

X, y = bent()
COUNTS = np.random.default_rng(5).integers(0, 4, len(X))
BETA = 2.0
CONVEX = {
    "dense": ConvexReLURegressor(BETA, tol=1e-9),
    "no intercept": ConvexReLURegressor(BETA, tol=1e-9, fit_intercept=False),
    "no skip": ConvexReLURegressor(BETA, tol=1e-9, linear_skip=False),
    "ridge": ConvexReLURegressor(BETA, tol=1e-9, skip_penalty=1.0),
    "convolution": ConvexCNNRegressor(2, beta=BETA, tol=1e-9),
    "sites": ConvexCNNRegressor(2, beta=BETA, tol=1e-2, sites="flatten"),
    "circular": CircularCNNRegressor(BETA, tol=1e-9),
    "sampled": ConvexReLURegressor(BETA, tol=1e-9, patterns="sampled"),
    "gated": ConvexReLURegressor(BETA, tol=1e-9, patterns="sampled", activation="gated_relu"),
}
every_convex = pytest.mark.parametrize("name", list(CONVEX))


def fitted(name, *data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(CONVEX[name]).fit(*data, **options)


def weighted_objective(model, X, y, weights, ridge=0.0):
    """Objective (1) from predictions and weights of the network, by NumPy."""
    network = model.network_
    parts = [network.output_weight, *network.hidden_weights()]
    squares = sum(float((part.detach().numpy() ** 2).sum()) for part in parts)
    value = 0.5 * weights @ (model.predict(X) - y) ** 2 + model.beta_ / 2 * squares
    if network.skip_weight is not None:
        value += ridge / 2 * float((network.skip_weight.detach().numpy() ** 2).sum())
    return value


@every_convex
def test_whole_weights_are_repeated_rows(name):
    weighted = fitted(name, X, y, COUNTS)
    repeated = fitted(name, X.repeat(COUNTS, axis=0), y.repeat(COUNTS))
    tol = 2e-2 if name == "sites" else 1e-6
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=tol)
    assert weighted.beta_max_ == pytest.approx(repeated.beta_max_, rel=1e-6)
    assert weighted.certificate_.scope == repeated.certificate_.scope
    apart = 0.1 if name == "sites" else 1e-5
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=apart)


def test_predictions_are_those_of_repeated_rows_where_the_optimum_is_proven():
    few, target = X[:, :2], np.abs(X[:, 0]) + np.maximum(X[:, 1], 0)
    model = ConvexReLURegressor(BETA, tol=1e-11)
    weighted = clone(model).fit(few, target, COUNTS)
    repeated = clone(model).fit(few.repeat(COUNTS, axis=0), target.repeat(COUNTS))
    assert weighted.certificate_.scope == repeated.certificate_.scope == "network"
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-9)
    np.testing.assert_allclose(weighted.predict(few), repeated.predict(few), atol=1e-6)


@every_convex
def test_the_objective_of_the_network_is_the_weighted_one(name):
    weights = np.random.default_rng(1).uniform(0.1, 5, len(X))
    model = fitted(name, X, y, sample_weight=weights)
    ridge = CONVEX[name].get_params()["skip_penalty"]
    expected = weighted_objective(model, X, y, weights, ridge)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.objective_ == pytest.approx(model.certificate_.objective, rel=1e-6)
    assert model.certificate_.dual_objective <= model.objective_ * (1 + 1e-12)


def test_the_certificate_bounds_every_weighted_network():
    """The dual bound, and beta_max, from gates all around: two inputs, nothing else."""
    generator = np.random.default_rng(2)
    few, target = generator.standard_normal((25, 2)), generator.standard_normal(25)
    weights = generator.uniform(0.1, 5, 25)
    angles = np.linspace(0, 2 * np.pi, 20_001)
    active = np.maximum(few @ np.stack([np.cos(angles), np.sin(angles)]), 0)
    model = ConvexReLURegressor(0.5, linear_skip=False, fit_intercept=False, tol=1e-9)
    model.fit(few, target, weights)
    assert model.certificate_.scope == "network"
    largest = np.abs((weights * target) @ active).max()
    assert model.beta_max_ == pytest.approx(largest, rel=1e-6)
    assert model.beta_max_ >= largest
    residual = target - model.predict(few)
    scale = min(1.0, 0.5 / np.abs((weights * residual) @ active).max())
    dual = scale * (weights * residual) @ target - scale**2 / 2 * weights @ residual**2
    assert model.certificate_.dual_objective == pytest.approx(dual, rel=1e-6)
    assert model.objective_ == pytest.approx(dual, rel=1e-6)


@pytest.mark.parametrize("name", ["dense", "convolution", "circular", "gated"])
def test_weights_of_one_are_none(name):
    plain, weighted = fitted(name, X, y), fitted(name, X, y, np.ones(len(X)))
    np.testing.assert_array_equal(weighted.predict(X), plain.predict(X))
    assert weighted.objective_ == plain.objective_


@pytest.mark.parametrize("name", ["dense", "convolution", "circular"])
def test_a_weight_of_zero_leaves_a_sample_out(name):
    kept = COUNTS > 0
    weighted, without = fitted(name, X, y, 1.0 * kept), fitted(name, X[kept], y[kept])
    np.testing.assert_array_equal(weighted.predict(X), without.predict(X))


def test_twice_the_weights_are_half_the_penalty():
    twice = ConvexReLURegressor(2 * BETA, tol=1e-9).fit(X, y, np.full(len(X), 2.0))
    once = ConvexReLURegressor(BETA, tol=1e-9).fit(X, y)
    assert twice.objective_ == pytest.approx(2 * once.objective_, rel=1e-7)
    assert twice.beta_max_ == pytest.approx(2 * once.beta_max_, rel=1e-7)
    np.testing.assert_allclose(twice.predict(X), once.predict(X), atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1e5])
def test_above_beta_max_the_linear_part_is_weighted_least_squares(level):
    weights = np.random.default_rng(3).uniform(0.01, 100, len(X))
    model = ConvexReLURegressor(beta_ratio=1.1).fit(X + level, y, weights)
    linear = LinearRegression().fit(X + level, y, weights)
    assert model.n_neurons_ == 0
    np.testing.assert_allclose(model.predict(X + level), linear.predict(X + level), atol=1e-7)


def test_several_targets_share_the_weights_and_their_scales():
    Y = np.stack([y, 100 * y**2, X[:, 0]], axis=1)
    model = ConvexReLURegressor(beta_ratio=0.5, tol=0.2)
    weighted = clone(model).fit(X, Y, COUNTS)
    repeated = clone(model).fit(X.repeat(COUNTS, axis=0), Y.repeat(COUNTS, axis=0))
    np.testing.assert_allclose(
        weighted.network_.target_scale, repeated.network_.target_scale, rtol=1e-10)
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=0.2)
    scale = weighted.network_.target_scale.numpy()
    errors = ((weighted.predict(X) - Y) / scale) ** 2
    network = weighted.network_
    penalty = sum(float(part.detach().square().sum()) for part in (
        network.output_weight, *network.hidden_weights()))
    assert weighted.objective_ == pytest.approx(
        0.5 * COUNTS @ errors.sum(1) + weighted.beta_ / 2 * penalty, rel=1e-9)


def test_a_warm_start_goes_beside_weights():
    cold = fitted("dense", X, y, COUNTS)
    warm = fitted("dense", X, y, COUNTS, warm_start=cold.warm_start_)
    assert warm.objective_ == pytest.approx(cold.objective_, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "sgd"])
def test_gradients_train_on_the_weighted_objective(optimizer):
    model = NonconvexReLURegressor(optimizer, 30, beta=BETA, n_steps=150)
    weighted = clone(model).fit(X, y, COUNTS)
    convex = ConvexReLURegressor(BETA, tol=1e-2).fit(X, y, COUNTS)
    assert weighted.objective_ == pytest.approx(
        weighted_objective(weighted, X, y, COUNTS), rel=1e-9)
    least = convex.certificate_.dual_objective
    assert least <= weighted.objective_ <= 1.3 * least
    if optimizer == "adam":
        repeated = clone(model).fit(X.repeat(COUNTS, axis=0), y.repeat(COUNTS))
        np.testing.assert_allclose(
            [point.objective for point in weighted.trace_[:20]],
            [point.objective for point in repeated.trace_[:20]], rtol=1e-8)


@pytest.mark.parametrize(("weights", "message"), [
    (np.r_[-1.0, np.ones(59)], "[Nn]egative"),
    (np.r_[np.nan, np.ones(59)], "NaN"),
    (np.r_[np.inf, np.ones(59)], "infinity"),
    (np.ones(59), "inconsistent|sample_weight.shape"),
    (np.ones((60, 1)), "1D"),
    (np.zeros(60), "zero|at least two"),
    (np.r_[1.0, np.zeros(59)], "at least two"),
    (np.r_[1e300, np.ones(59)], "roots of sample_weight"),
])
@pytest.mark.parametrize("model", [ConvexReLURegressor(), NonconvexReLURegressor(n_steps=1)])
def test_weights_that_cannot_be_used_are_refused(model, weights, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, weights)
