"""Training again: the optimum of a training from scratch, by objective and certificate."""

from dataclasses import replace

import numpy as np
import pytest

from relu_forecast.estimators import CircularCNNRegressor, ConvexCNNRegressor, ConvexReLURegressor
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.retraining import _joined
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.warm_start import WarmStart
from relu_forecast.windows.sliding import hankel

RNG = np.random.default_rng(0)
SIGNAL = np.abs(np.sin(np.arange(80) / 5)) + 0.1 * RNG.normal(size=80)
TOL = 1e-2
KINDS = [(ConvexReLURegressor, {}), (ConvexCNNRegressor, {"filter_size": 2}),
         (CircularCNNRegressor, {})]


def windows(start, stop):
    """Windows of three samples and the samples after them."""
    return hankel(SIGNAL[start:stop], 3)


@pytest.fixture(scope="module")
def cold():
    """A dense network trained from nothing."""
    return ConvexReLURegressor(beta_ratio=0.2, tol=TOL).fit(*windows(0, 60))


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_samples_that_come_and_go_end_in_the_optimum_of_a_cold_training(kind, parameters):
    start = kind(beta_ratio=0.2, tol=TOL, **parameters).fit(*windows(0, 60)).warm_start_
    for first, last in ((0, 64), (20, 80)):
        warm = kind(beta_ratio=0.2, tol=TOL, **parameters).fit(
            *windows(first, last), warm_start=start)
        cold = kind(beta=warm.beta_, tol=TOL, **parameters).fit(*windows(first, last))
        assert warm.gap_ <= TOL
        assert warm.beta_max_ == pytest.approx(cold.beta_max_, rel=1e-3)
        assert warm.objective_ == pytest.approx(cold.objective_, rel=2 * TOL)
        start = warm.warm_start_


def test_other_targets_and_penalties_end_in_their_optimum(cold):
    X, y = windows(0, 60)
    for ratio, targets in ((0.5, y), (0.2, y[::-1].copy())):
        warm = ConvexReLURegressor(beta_ratio=ratio, tol=TOL).fit(
            X, targets, warm_start=cold.warm_start_)
        own = ConvexReLURegressor(warm.beta_, tol=TOL).fit(X, targets)
        assert warm.gap_ <= TOL
        assert warm.objective_ == pytest.approx(own.objective_, rel=2 * TOL)


def test_a_start_without_neurons_is_a_cold_start():
    X, y = windows(0, 60)
    silent = ConvexReLURegressor(beta_ratio=1.5).fit(X, y).warm_start_
    assert len(silent.neurons) == 0
    cold = ConvexReLURegressor(beta_ratio=0.3).fit(X, y)
    warm = ConvexReLURegressor(beta_ratio=0.3).fit(X, y, warm_start=silent)
    np.testing.assert_array_equal(warm.predict(X), cold.predict(X))


def changed(left, **parts):
    """Return a warm start with some tensors replaced."""
    neurons = Neurons(parts.pop("blocks", left.neurons.blocks),
                      parts.pop("heads", left.neurons.heads))
    return replace(left, neurons=neurons, **parts)


@pytest.mark.parametrize("change", [
    lambda left: changed(left, blocks=1e6 * left.neurons.blocks),
    lambda left: changed(left, blocks=0 * left.neurons.blocks),
    lambda left: changed(left, heads=-left.neurons.heads),
    lambda left: changed(left, ends=left.ends[:0]),
    lambda left: changed(left, linear_ends=0 * left.linear_ends),
    lambda left: WarmStart(
        left.neurons.joined(left.neurons), left.ends.repeat(3, 1), left.linear_ends.repeat(3, 1))],
    ids=["huge", "zero", "heads", "no ends", "zero linear ends", "many times"])
def test_a_bad_start_costs_time_and_not_the_optimum(cold, change):
    X, y = windows(0, 60)
    warm = ConvexReLURegressor(cold.beta_, tol=TOL).fit(
        X, y, warm_start=change(cold.warm_start_))
    assert warm.gap_ <= TOL
    assert warm.beta_max_ == pytest.approx(cold.beta_max_, rel=1e-3)
    assert warm.objective_ == pytest.approx(cold.objective_, rel=2 * TOL)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ends_that_help_join_with_the_sign_that_helps(sign, make_problem, draw_neurons):
    problem = make_problem("dense")
    ends = draw_neurons(problem, 6, 0).blocks
    problem = replace(problem, targets=sign * problem.features.outputs(ends[:1]) * 30)
    nothing, settings = Neurons.none(problem.features, 1), TrainingSettings()
    joined = _joined(problem, nothing, ends, 0.1, settings)
    assert len(joined) > 0
    assert joined.heads[problem.norm.norms(joined.blocks).argmax()].item() == sign
    assert problem.objective_of(joined) < 0.5 * problem.objective_of(nothing)
