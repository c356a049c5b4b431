"""Training again: the optimum of a training from scratch, by objective and certificate."""

import numpy as np
import pytest

from relu_forecast.estimators import CircularCNNRegressor, ConvexCNNRegressor, ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
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
def trail():
    """What a fit of a dense network leaves behind."""
    return ConvexReLURegressor(beta_ratio=0.2, tol=TOL).fit(*windows(0, 60)).trail()


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_samples_that_come_and_go_end_in_the_optimum_of_a_cold_training(kind, parameters):
    start = kind(beta_ratio=0.2, tol=TOL, **parameters).fit(*windows(0, 60)).trail()
    for first, last in ((0, 64), (20, 80)):
        warm = kind(beta_ratio=0.2, tol=TOL, **parameters).fit(*windows(first, last), start=start)
        cold = kind(beta=warm.beta_, tol=TOL, **parameters).fit(*windows(first, last))
        assert warm.gap_ <= TOL
        assert warm.beta_max_ == pytest.approx(cold.beta_max_, rel=1e-3)
        assert warm.objective_ == pytest.approx(cold.objective_, rel=2 * TOL)
        start = warm.trail()


def test_other_targets_and_penalties_end_in_their_optimum(trail):
    X, y = windows(0, 60)
    for ratio, targets in ((0.5, y), (0.2, y[::-1].copy())):
        warm = ConvexReLURegressor(beta_ratio=ratio, tol=TOL).fit(X, targets, start=trail)
        cold = ConvexReLURegressor(warm.beta_, tol=TOL).fit(X, targets)
        assert warm.gap_ <= TOL
        assert warm.objective_ == pytest.approx(cold.objective_, rel=2 * TOL)


def test_a_start_without_neurons_is_a_cold_start():
    X, y = windows(0, 60)
    silent = ConvexReLURegressor(beta_ratio=1.5).fit(X, y).trail()
    assert len(silent["signs"]) == 0
    cold = ConvexReLURegressor(beta_ratio=0.3).fit(X, y)
    warm = ConvexReLURegressor(beta_ratio=0.3).fit(X, y, start=silent)
    np.testing.assert_array_equal(warm.predict(X), cold.predict(X))


@pytest.mark.parametrize("change", [
    lambda trail: trail | {"blocks": 1e6 * trail["blocks"]},
    lambda trail: trail | {"blocks": 0 * trail["blocks"]},
    lambda trail: trail | {"signs": -trail["signs"]},
    lambda trail: trail | {"ends": trail["ends"][:0]},
    lambda trail: trail | {"linear_ends": 0 * trail["linear_ends"]},
    lambda trail: {name: np.repeat(part, 3, axis=0) for name, part in trail.items()}],
    ids=["huge", "zero", "signs", "no ends", "zero linear ends", "threefold"])
def test_a_bad_start_costs_time_and_not_the_optimum(trail, change):
    X, y = windows(0, 60)
    warm = ConvexReLURegressor(beta_ratio=0.2, tol=TOL).fit(X, y, start=change(trail))
    cold = ConvexReLURegressor(warm.beta_, tol=TOL).fit(X, y)
    assert warm.gap_ <= TOL
    assert warm.beta_max_ == pytest.approx(cold.beta_max_, rel=1e-3)
    assert warm.objective_ == pytest.approx(cold.objective_, rel=2 * TOL)


@pytest.mark.parametrize(("change", "message"), [
    (lambda trail: {}, r"start must be a dict of blocks, signs, ends and linear_ends; got the n"),
    (lambda trail: {"signs": trail["signs"]}, r"got the names \['signs'\]"),
    (lambda trail: trail | {"ends": np.pad(trail["ends"], ((0, 0), (0, 1)))}, "of 4 columns"),
    (lambda trail: trail | {"signs": trail["signs"][:-1]}, "a sign per block"),
    (lambda trail: trail | {"signs": trail["signs"][:, np.newaxis]}, "a sign per block"),
    (lambda trail: trail | {"linear_ends": trail["ends"][0]}, "of 4 columns"),
    (lambda trail: trail | {"blocks": np.nan * trail["blocks"]}, r"start\['blocks'\] must be fin"),
    (lambda trail: trail | {"ends": np.inf + trail["ends"]}, r"start\['ends'\] must be finite"),
    (lambda trail: trail | {"signs": "plus"}, r"start\['signs'\] must be real numbers")])
def test_what_no_fit_left_behind_is_refused(trail, change, message):
    model = ConvexReLURegressor()
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(*windows(0, 60), start=change(trail))
    assert not hasattr(model, "network_")


def test_a_start_of_another_architecture_is_refused(trail):
    with pytest.raises(InvalidArgumentError, match="linear_ends of 3 columns.*same architecture"):
        ConvexCNNRegressor(2).fit(*windows(0, 60), start=trail)
