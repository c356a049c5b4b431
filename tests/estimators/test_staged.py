"""Stages: one network, whose last linear part is fitted to the neurons before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast import ConvexReLURegressor, Dense, InvalidArgumentError, ReLUForecaster
from relu_forecast.estimators import StagedReLURegressor
from relu_forecast.storage import decode, encode

GENERATOR = np.random.default_rng(4)
X = GENERATOR.standard_normal((150, 4))
Y = np.stack([np.abs(X[:, 0] - X[:, 1]) + np.sin(3 * X[:, 2]), np.maximum(X[:, 3], 0) ** 2], axis=1)
Y = Y + 0.1 * GENERATOR.standard_normal(Y.shape)
GIVEN = {"beta_ratio": 0.2, "later_ratios": (0.2,), "skip_penalty": 0.5, "tol": 1e-2}


def by_hand(targets):
    """The two stages, spelled out."""
    first = ConvexReLURegressor(beta_ratio=0.2, skip_penalty=0.5, tol=1e-2).fit(X, targets)
    hidden = first.network_.hidden(torch.as_tensor(X)).detach().numpy()
    features = np.column_stack([X, hidden])
    second = ConvexReLURegressor(
        beta_ratio=0.2, skip_penalty=0.5, tol=1e-2,
        architecture=Dense(constant_input=True, inputs=4)).fit(features, targets)
    return first, second, features


@pytest.mark.parametrize("targets", [Y[:, 0], Y], ids=["one", "two"])
def test_one_network_is_all_stages(targets):
    model = StagedReLURegressor(**GIVEN).fit(X, targets)
    first, second, features = by_hand(targets)
    np.testing.assert_allclose(model.predict(X), second.predict(features), rtol=1e-10, atol=1e-10)
    assert model.stage_neurons_ == (first.n_neurons_, second.n_neurons_)
    assert model.n_neurons_ == sum(model.stage_neurons_) == model.network_.n_neurons
    assert model.certificates_ == (first.certificate_, second.certificate_)
    assert model.objective_ == second.objective_
    assert second.n_neurons_ > 0


def test_every_stage_is_certified_and_lowers_the_error():
    model = StagedReLURegressor(0.3, (0.3, 0.3), skip_penalty=0.1, tol=1e-2).fit(X, Y)
    assert len(model.certificates_) == 3
    for certificate in model.certificates_:
        assert 0 <= certificate.gap <= 1e-2
    fewer = StagedReLURegressor(0.3, (0.3,), skip_penalty=0.1, tol=1e-2).fit(X, Y)
    one, two = (np.mean((each.predict(X) - Y) ** 2) for each in (fewer, model))
    assert one > two


def test_without_later_stages_it_is_the_plain_network():
    plain = ConvexReLURegressor(beta_ratio=0.2, skip_penalty=0.5, tol=1e-2).fit(X, Y)
    staged = StagedReLURegressor(**GIVEN | {"later_ratios": ()}).fit(X, Y)
    np.testing.assert_array_equal(staged.predict(X), plain.predict(X))
    assert staged.certificates_ == (plain.certificate_,)


def test_the_ridge_is_chosen_for_each_stage():
    chosen = StagedReLURegressor(**GIVEN | {"skip_penalty": None}).fit(X, Y)
    given = StagedReLURegressor(**GIVEN | {"skip_penalty": 1e3}).fit(X, Y)
    assert np.mean((chosen.predict(X) - Y) ** 2) < np.mean((given.predict(X) - Y) ** 2)


def test_weights_of_zero_leave_samples_out():
    weights = (np.arange(150) < 90).astype(float)
    weighed = StagedReLURegressor(**GIVEN).fit(X, Y, weights)
    short = StagedReLURegressor(**GIVEN).fit(X[:90], Y[:90])
    np.testing.assert_allclose(weighed.predict(X), short.predict(X), rtol=1e-6, atol=1e-6)


def test_it_comes_back_from_a_file_and_forecasts(tmp_path):
    model = StagedReLURegressor(**GIVEN).fit(X, Y)
    back = decode(*encode(model))
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.certificates_ == model.certificates_
    wave = np.abs(np.sin(np.arange(120) / 5))
    forecaster = ReLUForecaster(4, 2, StagedReLURegressor(0.3, (0.3,), tol=0.1)).fit(wave)
    assert np.abs(forecaster.predict()["ReLU"] - np.abs(np.sin(np.arange(120, 122) / 5))).max() < .1


@pytest.mark.parametrize("ratios", [0.1, (0.1, -1.0), ("a",), None])
def test_penalties_that_are_none_are_refused(ratios):
    with pytest.raises((InvalidArgumentError, TypeError), match="later_ratios must be"):
        StagedReLURegressor(later_ratios=ratios).fit(X, Y)
