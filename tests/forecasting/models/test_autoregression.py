"""Autoregressions: against NumPy's least squares and literal loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Autoregression

RNG = np.random.default_rng(0)
SIGNAL = 3 + np.cumsum(RNG.normal(size=80))


def windows(values, lags, step):
    """Windows and the samples ``step`` after them, one by one."""
    rows = range(len(values) - lags - step + 1)
    return (
        np.array([values[t : t + lags] for t in rows]),
        np.array([values[t + lags + step - 1] for t in rows]))


def least_squares(X, y):
    """Weights and intercept of NumPy's least squares."""
    return np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)[0]


@pytest.mark.parametrize("transform", ["standardize", None])
@pytest.mark.parametrize("lags", [1, 5])
def test_one_step_of_least_squares_by_hand(lags, transform):
    model = Autoregression(lags, LinearRegression(), transform=transform)
    weights = least_squares(*windows(SIGNAL, lags, 1))
    expected = weights[:-1] @ SIGNAL[-lags:] + weights[-1]
    assert model.fit(SIGNAL).predict(1)["Autoregression"][0] == pytest.approx(expected)


@settings(max_examples=20)
@given(lags=st.integers(1, 6), h=st.integers(1, 12), n=st.integers(20, 80))
def test_recursive_forecasts_are_a_loop(lags, h, n):
    values = SIGNAL[:n]
    weights = least_squares(*windows(values, lags, 1))
    known = values.tolist()
    for _ in range(h):
        known.append(weights[:-1] @ known[-lags:] + weights[-1])
    model = Autoregression(lags, LinearRegression()).fit(values)
    np.testing.assert_allclose(model.predict(h)["Autoregression"], known[n:], atol=1e-8)


@settings(max_examples=20)
@given(lags=st.integers(1, 6), h=st.integers(1, 8), n=st.integers(20, 80))
def test_direct_forecasts_have_a_fit_per_step(lags, h, n):
    values = SIGNAL[:n]
    expected = []
    for step in range(1, h + 1):
        weights = least_squares(*windows(values, lags, step))
        expected.append(weights[:-1] @ values[-lags:] + weights[-1])
    model = Autoregression(lags, LinearRegression(), strategy="direct").fit(values, horizon=h)
    np.testing.assert_allclose(model.predict()["Autoregression"], expected, atol=1e-8)


def test_strategies_agree_on_the_first_step_and_on_no_other():
    recursive, direct = (
        Autoregression(4, Ridge(), strategy).fit(SIGNAL, horizon=3).predict()["Autoregression"]
        for strategy in ("recursive", "direct"))
    assert recursive[0] == direct[0]
    assert (recursive[1:] != direct[1:]).all()


def literal_transform(values, lags, step, name):
    """Features and targets of every window, and the feature of the last one, spelled out."""
    extra = int(name == "difference")
    X, y = windows(values, lags + extra, step)
    last = values[-lags - extra :]
    if name == "last_value":
        return X - X[:, -1:], y - X[:, -1], last - last[-1]
    return np.diff(X), y - X[:, -1], np.diff(last)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("transform", ["last_value", "difference"])
def test_transforms_by_hand(transform, strategy):
    h, known, expected = 4, SIGNAL.copy(), []
    for step in range(1, h + 1):
        ahead = 1 if strategy == "recursive" else step
        X, y, _ = literal_transform(SIGNAL, 5, ahead, transform)
        *_, x = literal_transform(known, 5, 1, transform)
        expected.append(known[-1] + Ridge(3.0).fit(X, y).predict(x[np.newaxis])[0])
        if strategy == "recursive":
            known = np.r_[known, expected[-1]]
    model = Autoregression(5, Ridge(3.0), strategy, transform).fit(SIGNAL, horizon=h)
    np.testing.assert_allclose(model.predict(h)["Autoregression"], expected)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize(
    ("transform", "scale", "level"),
    [("standardize", 7.0, -20.0), ("last_value", 1.0, 100.0), ("difference", 1.0, 100.0)])
def test_forecasts_move_with_the_unit_of_the_data(transform, scale, level, strategy):
    model = Autoregression(5, Ridge(10.0), strategy, transform)
    plain = model.fit(SIGNAL, horizon=6).predict()["Autoregression"]
    moved = model.fit(scale * SIGNAL + level, horizon=6).predict()["Autoregression"]
    np.testing.assert_allclose(moved, scale * plain + level)


def test_transforms_differ():
    forecasts = [
        Autoregression(5, Ridge(10.0), transform=transform).fit(SIGNAL).predict(1)
        ["Autoregression"][0] for transform in ("standardize", "last_value", "difference", None)]
    assert len(set(np.round(forecasts, 8))) == 4


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_cutoffs_forecast_together_as_they_do_alone(strategy):
    model = Autoregression(4, DecisionTreeRegressor(random_state=0), strategy)
    steps = np.diff(SIGNAL)
    together = model.cross_validation(steps, 5, n_windows=6, refit=False)
    first = model.cross_validation(steps[:-25], 5, n_windows=1)
    np.testing.assert_array_equal(together["Autoregression"][:5], first["Autoregression"])
    assert together["Autoregression"].nunique() > 1


def test_the_estimator_is_cloned_and_the_fitted_one_is_in_reach():
    estimator = Ridge(2.0)
    model = Autoregression(3, estimator).fit(SIGNAL)
    assert not hasattr(estimator, "coef_")
    assert model.regressor_ is model.models_["y"].regressor
    assert model.regressor_.coef_.shape == (3,)


class Counting(Ridge):
    """Counts its fits."""

    fits = 0

    def fit(self, X, y):
        Counting.fits += 1
        return super().fit(X, y)


def test_nothing_is_trained_after_the_fit():
    model = Autoregression(3, Counting(), strategy="direct").fit(
        SIGNAL, horizon=4, intervals="split")
    made = Counting.fits
    assert len(model.models_["y"].regressors) == 4
    for h in (4, 2):
        assert len(model.predict(h, level=80)) == h
    assert Counting.fits == made


def test_a_direct_model_must_be_told_how_far_it_is_to_forecast():
    model = Autoregression(3, Ridge(), strategy="direct")
    with pytest.raises(InvalidArgumentError, match=r"horizon must be given.*fit\(..., horizon=h"):
        model.fit(SIGNAL)
    model.fit(SIGNAL, horizon=2)
    with pytest.raises(InvalidArgumentError, match=r"h must be at most 2, the horizon of the fit;"
                       r" got 3\. Fit again with fit\(..., horizon=3\)"):
        model.predict(3)
    pd.testing.assert_frame_equal(model.predict(1), model.predict()[:1])


def test_regressor_is_not_guessed():
    model = Autoregression(3, Ridge())
    with pytest.raises(AttributeError, match="after fitting one series"):
        getattr(model, "regressor_")  # noqa: B009
    direct = Autoregression(3, Ridge(), strategy="direct").fit(SIGNAL, horizon=1)
    assert not hasattr(direct, "regressor_")


@pytest.mark.parametrize(("parameters", "message"), [
    ({"lags": 0}, "lags must be an integer >= 1; got 0"),
    ({"lags": -2}, "lags must be an integer >= 1"),
    ({"lags": 2.5}, "lags must be an integer >= 1; got 2.5"),
    ({"strategy": "both"}, "strategy must be one of 'recursive', 'direct'; got 'both'"),
    ({"transform": "log"}, "transform must be one of 'standardize', 'last_value', 'difference'"),
    ({"transform": []}, "transform must be one of"),
])
def test_parameters_are_checked_at_fit(parameters, message):
    model = Autoregression(3, Ridge()).set_params(**parameters)
    for call in (model.fit, lambda data: model.cross_validation(data, 2)):
        with pytest.raises(InvalidArgumentError, match=message):
            call(SIGNAL)


@pytest.mark.parametrize("estimator", [None, "ridge", object()])
def test_an_estimator_must_be_one(estimator):
    with pytest.raises(InvalidTypeError, match="estimator must be a scikit-learn regressor"):
        Autoregression(3, estimator).fit(SIGNAL)


def test_lags_must_leave_a_sample_to_predict():
    shortest = {"standardize": 6, "difference": 7}
    for transform, length in shortest.items():
        model = Autoregression(5, Ridge(), transform=transform)
        assert len(model.fit(SIGNAL[:length]).predict(2)) == 2
        with pytest.raises(InvalidArgumentError, match=f"at least {length} samples.*fewer lags"):
            model.fit(SIGNAL[: length - 1])


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_a_network_needs_two_windows(strategy):
    model = Autoregression(3, ConvexReLURegressor(beta_ratio=0.5), strategy)
    plain = Autoregression(3, LinearRegression(), strategy)
    assert model.min_length(4) == plain.min_length(4) + 1
    values = np.sin(np.arange(model.min_length(4)))
    assert len(model.fit(values, horizon=4).predict()) == 4
    with pytest.raises(InvalidArgumentError, match="samples long"):
        model.fit(values[:-1], horizon=4)
