"""Networks trained by gradients: they come down to the convex optimum and not below it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from relu_forecast.datasets import load_ecg
from relu_forecast.estimators import (
    ConvexReLURegressor,
    NonconvexReLURegressor,
)
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.windows.sliding import hankel
from tests.estimators.samples import Data, bent


@pytest.fixture(scope="module")
def fitted() -> ConvexReLURegressor:
    return ConvexReLURegressor().fit(*bent())


@pytest.fixture(scope="module")
def ecg_windows() -> Data:
    ecg = load_ecg().to_numpy()[20_000:20_060]
    return hankel((ecg - ecg.mean()) / ecg.std(), 8)


@pytest.mark.parametrize(
    "options",
    [{"optimizer": "adam"}, {"optimizer": "lbfgs"},
     {"optimizer": "sgd", "learning_rate": 0.1, "n_steps": 400}])
def test_nonconvex_training_approaches_the_convex_optimum(
    options: dict[str, Any], fitted: ConvexReLURegressor
) -> None:
    X, y = bent()
    model = NonconvexReLURegressor(**options, beta=fitted.beta_).fit(X, y)
    floor = fitted.objective_ * (1 - fitted.tol)
    assert floor <= model.objective_ <= 1.1 * fitted.objective_
    assert model.objective_ == pytest.approx(
        model.network_.objective(torch.as_tensor(X), torch.as_tensor(y), model.beta_))


def test_trace_descends_and_counts() -> None:
    model = NonconvexReLURegressor("adam", n_steps=50).fit(*bent())
    assert [point.step for point in model.trace_] == list(range(50))
    assert model.trace_[-1].objective < model.trace_[0].objective
    seconds = [point.seconds for point in model.trace_]
    assert seconds == sorted(seconds)
    assert model.n_iter_ == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [({"optimizer": "rmsprop"}, "optimizer must be"), ({"n_neurons": 0}, "n_neurons must be"),
     ({"n_steps": -1}, "n_steps must be"), ({"learning_rate": 0.0}, "learning_rate must be"),
     ({"batch_size": 0}, "batch_size must be"),
     ({"optimizer": "lbfgs", "batch_size": 8}, "batch_size must be None for L-BFGS")])
def test_bad_nonconvex_parameters_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        NonconvexReLURegressor(**options).fit(*bent(20))


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_neurons", 5), ("n_steps", 10), ("learning_rate", 1e-3), ("batch_size", 16),
     ("linear_skip", False), ("fit_intercept", False), ("random_state", 3)])
def test_every_nonconvex_parameter_changes_the_fit(name: str, value: Any) -> None:
    X, y = bent(60)
    plain = NonconvexReLURegressor(n_steps=30).fit(X, y).predict(X)
    options = {"n_steps": 30, name: value}
    assert not np.array_equal(NonconvexReLURegressor(**options).fit(X, y).predict(X), plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"architecture": "deep"}, "architecture must be"),
     ({"filter_size": 3}, "filter_size, stride and sites must be left out"),
     ({"architecture": "circular", "fit_intercept": True}, "fit_intercept must be False")])
def test_architectures_that_contradict_themselves_are_refused(
    options: dict[str, Any], message: str, ecg_windows: Data
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        NonconvexReLURegressor(**options).fit(*ecg_windows)
