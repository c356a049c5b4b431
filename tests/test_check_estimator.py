from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from relu_forecast.estimators import ConvexReLURegressor, NonconvexReLURegressor

ESTIMATORS = [
    ConvexReLURegressor(tol=1e-2, max_iter=3),
    ConvexReLURegressor(patterns="sampled", n_patterns=5, activation="gated_relu"),
    NonconvexReLURegressor(n_neurons=10, n_steps=20),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_conventions(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert check(estimator) is None
