from __future__ import annotations

import inspect
import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from relu_forecast.estimators import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
    StagedReLURegressor,
)

ESTIMATORS = [
    ConvexReLURegressor(beta_ratio=0.9, tol=0.5, max_iter=1),
    ConvexReLURegressor(beta_ratio=0.5, patterns="sampled", n_patterns=3, tol=0.1),
    ConvexCNNRegressor(beta_ratio=0.9, tol=0.5, max_iter=1),
    CircularCNNRegressor(beta_ratio=0.9, tol=0.5, max_iter=1),
    NonconvexReLURegressor(n_neurons=5, n_steps=5),
]


@pytest.fixture(autouse=True)
def unchecked_init(monkeypatch):
    """Take the annotation checks of these tests off __init__: scikit-learn forbids any there."""
    for estimator in {type(estimator) for estimator in ESTIMATORS} | {StagedReLURegressor}:
        monkeypatch.setattr(estimator, "__init__", inspect.unwrap(estimator.__init__))


def hold(estimator, check):
    """Run a check of scikit-learn; trainings may stay unfinished."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert check(estimator) is None


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_conventions(estimator, check):
    hold(estimator, check)


@pytest.mark.long
@parametrize_with_checks([
    ConvexCNNRegressor(sites="flatten", beta_ratio=0.9, tol=0.5, max_iter=1),
    NonconvexReLURegressor(n_neurons=3, n_steps=30, architecture="conv", sites="flatten"),
    NonconvexReLURegressor(n_neurons=3, n_steps=3, architecture="circular"),
    StagedReLURegressor(0.9, (0.9,), skip_penalty=0.1, tol=0.5, max_iter=1)])
def test_scikit_learn_conventions_of_variants(estimator, check):
    hold(estimator, check)
