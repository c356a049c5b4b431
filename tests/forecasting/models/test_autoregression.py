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
from relu_forecast.forecasting.data.history import Past
from relu_forecast.windows.contexts import Context

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
    model = Autoregression(lags, LinearRegression(), transform=None).fit(values)
    np.testing.assert_allclose(model.predict(h)["Autoregression"], known[n:], atol=1e-8)


@settings(max_examples=20)
@given(lags=st.integers(1, 6), h=st.integers(1, 8), n=st.integers(20, 80))
def test_direct_forecasts_have_a_fit_per_step(lags, h, n):
    values = SIGNAL[:n]
    expected = []
    for step in range(1, h + 1):
        weights = least_squares(*windows(values, lags, step))
        expected.append(weights[:-1] @ values[-lags:] + weights[-1])
    model = Autoregression(lags, LinearRegression(), strategy="direct", transform=None)
    forecasts = model.fit(values, horizon=h).predict()["Autoregression"]
    np.testing.assert_allclose(forecasts, expected, atol=1e-8)


@settings(max_examples=20)
@given(lags=st.integers(1, 6), h=st.integers(1, 8), n=st.integers(20, 80))
def test_joint_forecasts_have_least_squares_of_every_step_on_the_same_windows(lags, h, n):
    values = SIGNAL[:n]
    whole = len(windows(values, lags, h)[0])
    X, _ = windows(values, lags, 1)
    targets = np.stack([windows(values, lags, step)[1][:whole] for step in range(1, h + 1)], axis=1)
    weights = least_squares(X[:whole], targets)
    expected = weights[:-1].T @ values[-lags:] + weights[-1]
    model = Autoregression(lags, LinearRegression(), strategy="joint", transform=None)
    forecasts = model.fit(values, horizon=h).predict()["Autoregression"]
    # With fewer windows than weights, NumPy's and scikit-learn's least norms differ.
    if whole > lags:
        np.testing.assert_allclose(forecasts, expected, atol=1e-7)


@pytest.mark.parametrize("transform", ["last_value", "standardize", "difference", None])
@pytest.mark.parametrize("horizon", [1, 3])
def test_a_joint_model_goes_on_from_its_forecasts_in_blocks(transform, horizon):
    model = Autoregression(4, Ridge(0.1), "joint", transform).fit(SIGNAL, horizon=horizon)
    state, known = model.models_["y"], SIGNAL
    while len(known) < len(SIGNAL) + 8:
        last = Past.of(known[np.newaxis, -model.lookback :], horizon)
        known = np.r_[known, state.forecast(last, horizon)[0]]
    np.testing.assert_allclose(
        state.forecast(Past.of(SIGNAL[np.newaxis, -model.lookback :], 8), 8)[0],
        known[len(SIGNAL) : len(SIGNAL) + 8])


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
def test_lags_may_be_any_and_stretches_are_means(strategy):
    h, lags = 3, Context((3, 2, 1), (4, 1, 1))
    steps = [1] if strategy == "recursive" else [1, 2, 3]
    windows_, _ = windows(SIGNAL, 6, 3 if strategy == "joint" else 1)
    known, expected = SIGNAL.tolist(), []

    def seen(window):
        return [np.mean(window[-6:-2]), window[-2], window[-1]]

    weights = {}
    for step in steps:
        whole, ahead = windows(SIGNAL, 6, step)
        count = len(windows_) if strategy == "joint" else len(whole)
        weights[step] = least_squares(
            np.array([seen(window) for window in whole[:count]]), ahead[:count])
    for step in range(1, h + 1):
        own = weights[1 if strategy == "recursive" else step]
        window = known if strategy == "recursive" else SIGNAL
        expected.append(own[:-1] @ seen(window) + own[-1])
        known.append(expected[-1])
    model = Autoregression(lags, LinearRegression(), strategy, None).fit(SIGNAL, horizon=h)
    np.testing.assert_allclose(model.predict(h)["Autoregression"], expected)
    assert model.lookback == 6


def test_lags_of_a_season_forecast_a_season():
    season = np.tile(RNG.normal(size=12), 6)
    model = Autoregression([12], LinearRegression(), transform=None).fit(season)
    np.testing.assert_allclose(model.predict(30)["Autoregression"], np.resize(season, 30))


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


def literal_scale(lags, name):
    """What features and targets are divided by: the size of changes over up to a window."""
    apart = range(1, lags) if name == "last_value" else [1]
    return np.sqrt(np.mean([
        np.mean([(SIGNAL[t + lag] - SIGNAL[t]) ** 2 for t in range(len(SIGNAL) - lag)])
        for lag in apart]))


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("transform", ["last_value", "difference"])
def test_transforms_by_hand(transform, strategy):
    h, known, expected, scale = 4, SIGNAL.copy(), [], literal_scale(5, transform)
    for step in range(1, h + 1):
        ahead = 1 if strategy == "recursive" else step
        X, y, _ = literal_transform(SIGNAL, 5, ahead, transform)
        *_, x = literal_transform(known, 5, 1, transform)
        ridge = Ridge(3.0).fit(X / scale, y / scale)
        expected.append(known[-1] + scale * ridge.predict(x[np.newaxis] / scale)[0])
        if strategy == "recursive":
            known = np.r_[known, expected[-1]]
    model = Autoregression(5, Ridge(3.0), strategy, transform).fit(SIGNAL, horizon=h)
    np.testing.assert_allclose(model.predict(h)["Autoregression"], expected)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
@pytest.mark.parametrize(
    ("transform", "scale", "level"),
    [("standardize", 7.0, -20.0), ("last_value", 0.01, 100.0), ("difference", 500.0, -9.0),
     (None, 0.003, 0.0)])
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


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
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
    ({"strategy": "both"}, "strategy must be one of 'recursive', 'direct', 'joint'; got 'both'"),
    ({"transform": "log"}, "transform must be one of 'last_value', 'standardize', 'difference'"),
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


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
def test_a_network_needs_two_windows(strategy):
    model = Autoregression(3, ConvexReLURegressor(beta_ratio=0.5), strategy)
    plain = Autoregression(3, LinearRegression(), strategy)
    assert model.min_length(4) == plain.min_length(4) + 1
    values = np.sin(np.arange(model.min_length(4)))
    assert len(model.fit(values, horizon=4).predict()) == 4
    with pytest.raises(InvalidArgumentError, match="samples long"):
        model.fit(values[:-1], horizon=4)
