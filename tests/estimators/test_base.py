"""What all regressors do alike: checks of data, the choice of beta, prediction."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from relu_forecast.estimators import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
)
from relu_forecast.exceptions import InvalidArgumentError
from tests.estimators.samples import bent

KINDS = [ConvexReLURegressor, ConvexCNNRegressor, CircularCNNRegressor, NonconvexReLURegressor]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def fitted() -> ConvexReLURegressor:
    return ConvexReLURegressor(tol=1e-2).fit(*bent())


def test_absolute_beta_overrides_the_ratio() -> None:
    model = ConvexReLURegressor(beta=2.5, beta_ratio=0.5).fit(*bent())
    assert model.beta_ == 2.5


def test_pickles(fitted: ConvexReLURegressor) -> None:
    X, _ = bent()
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_values_are_refused(bad: float) -> None:
    X, y = bent(20)
    X[3, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        ConvexReLURegressor().fit(X, y)


@pytest.mark.parametrize("bad", [1e160, 1e-160])
def test_magnitudes_that_cannot_be_squared_are_refused(bad: float) -> None:
    X, y = bent(20)
    with pytest.raises(InvalidArgumentError, match="y must be of magnitude"):
        ConvexReLURegressor().fit(X, bad * y)
    with pytest.raises(InvalidArgumentError, match="X must be of magnitude"):
        ConvexReLURegressor().fit(bad * X, y)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match="^device must be 'auto' or 'cpu'"):
        ConvexReLURegressor(device="cuda").fit(*bent(20))


def test_predict_is_the_network(fitted: ConvexReLURegressor) -> None:
    X, _ = bent(seed=2)
    expected = fitted.network_(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-12)


@every_kind
def test_beta_is_given_or_a_share_of_the_largest(kind: Any) -> None:
    X, y = bent(20)
    options = {"n_steps": 2} if kind is NonconvexReLURegressor else {"tol": 0.5}
    shared = kind(beta_ratio=0.5, **options).fit(X, y)
    assert shared.beta_ == pytest.approx(0.5 * shared.beta_max_)
    given = kind(beta=0.7, beta_ratio=0.5, **options).fit(X, y)
    assert given.beta_ == 0.7
    assert given.beta_max_ == shared.beta_max_


@every_kind
@pytest.mark.parametrize(("options", "message"), [
    ({"beta": -1.0}, "beta must be"), ({"beta_ratio": 0.0}, "beta_ratio must be"),
    ({"skip_penalty": -1.0}, "skip_penalty must be"), ({"device": "tpu"}, "device must be"),
    ({"dtype": "int8"}, "dtype must be")])
def test_every_kind_refuses_what_none_can_take(
    kind: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        kind(**options).fit(*bent(20))


@every_kind
def test_predictions_are_float64_whatever_the_precision(kind: Any) -> None:
    X, y = bent(20)
    options = {"n_steps": 2} if kind is NonconvexReLURegressor else {"tol": 0.5}
    model = kind(dtype="float32", beta_ratio=0.5, **options).fit(X, y)
    assert next(model.network_.buffers(), next(model.network_.parameters())).dtype == torch.float32
    assert model.predict(X).dtype == np.float64
    reversed_rows = model.predict(X[::-1])
    np.testing.assert_allclose(reversed_rows[::-1], model.predict(X), rtol=1e-5, atol=1e-6)
