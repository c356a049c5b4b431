"""Baselines: against literal loops, closed forms and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from statsmodels.tsa.ar_model import AutoReg as StatsmodelsAutoReg

from relu_forecast.baselines import (
    AutoReg,
    Drift,
    LassoAR,
    LinearAR,
    Naive,
    NonconvexNetwork,
    RidgeAR,
    SeasonalNaive,
)
from relu_forecast.baselines.linear import RIDGE_PENALTIES
from relu_forecast.estimators import NonconvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression
from relu_forecast.windows import hankel

RNG = np.random.default_rng(0)
SIGNAL = np.sin(np.arange(90) / 4) + 0.3 * RNG.normal(size=90)
EVERY = [
    Naive(), SeasonalNaive(4), Drift(), LinearAR(5), RidgeAR(5), RidgeAR(5, penalty=2.0),
    LassoAR(5), LassoAR(5, penalty=0.1), LassoAR(5, strategy="direct"),
    RidgeAR(5, transform="difference"), AutoReg(3), AutoReg(0, "ct", 3),
    NonconvexNetwork(4, n_neurons=3, n_steps=5)]


def forecast(model, values, h):
    """Forecasts of a fresh fit, as an array."""
    return clone(model).fit(values).predict(h)[model.alias].to_numpy()


@settings(max_examples=30)
@given(n=st.integers(8, 90), h=st.integers(1, 20), season=st.integers(1, 8))
def test_naive_baselines_by_hand(n, h, season):
    values = SIGNAL[:n]
    np.testing.assert_array_equal(forecast(Naive(), values, h), [values[-1]] * h)
    repeated = [values[n - season + k % season] for k in range(h)]
    np.testing.assert_array_equal(forecast(SeasonalNaive(season), values, h), repeated)
    step = (values[-1] - values[0]) / (n - 1)
    line = [values[-1] + k * step for k in range(1, h + 1)]
    np.testing.assert_allclose(forecast(Drift(), values, h), line)


def test_a_season_of_one_is_naive():
    np.testing.assert_array_equal(
        forecast(SeasonalNaive(1), SIGNAL, 5), forecast(Naive(), SIGNAL, 5))


def test_drift_keeps_its_slope_without_a_refit():
    frame = Drift().cross_validation(SIGNAL, 2, n_windows=3, refit=False)
    slope = (SIGNAL[83] - SIGNAL[0]) / 83
    last = SIGNAL[[83, 85, 87]].repeat(2)
    np.testing.assert_allclose(frame["Drift"], last + slope * np.tile([1, 2], 3))


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_linear_autoregression_finds_the_recursion_that_made_the_data(strategy):
    values = [1.0, 0.5]
    for _ in range(58):
        values.append(1.6 * values[-1] - 0.9 * values[-2] + 0.2)
    model = LinearAR(2, strategy=strategy)
    np.testing.assert_allclose(forecast(model, values[:50], 10), values[50:], atol=1e-8)


def standardised(values, lags):
    """Windows and targets of standardised values, centred, and what undoes it."""
    z = (values - values.mean()) / values.std()
    X, y = hankel(z, lags)
    return z, X, y, X - X.mean(axis=0), y - y.mean()


def ridge_weights(Xc, yc, penalty):
    """The minimiser of ||y - Xa||^2 + penalty ||a||^2."""
    return np.linalg.solve(Xc.T @ Xc + penalty * np.eye(Xc.shape[1]), Xc.T @ yc)


@pytest.mark.parametrize("penalty", [0.1, 30.0])
def test_ridge_is_its_normal_equations(penalty):
    z, X, y, Xc, yc = standardised(SIGNAL, 6)
    a = ridge_weights(Xc, yc, penalty)
    expected = (z[-6:] - X.mean(axis=0)) @ a + y.mean()
    np.testing.assert_allclose(
        forecast(RidgeAR(6, penalty), SIGNAL, 1), expected * SIGNAL.std() + SIGNAL.mean())


def test_ridge_chooses_by_leaving_each_window_out():
    _, X, y, _, _ = standardised(SIGNAL[:40], 4)
    errors = []
    for penalty in RIDGE_PENALTIES:
        left_out = []
        for i in range(len(X)):
            kept = np.arange(len(X)) != i
            Xk, yk = X[kept], y[kept]
            a = ridge_weights(Xk - Xk.mean(axis=0), yk - yk.mean(), penalty)
            left_out.append(y[i] - yk.mean() - (X[i] - Xk.mean(axis=0)) @ a)
        errors.append(np.mean(np.square(left_out)))
    model = RidgeAR(4).fit(SIGNAL[:40])
    assert model.regressor_.alpha_ == pytest.approx(RIDGE_PENALTIES[int(np.argmin(errors))])


@pytest.mark.parametrize("penalty", [0.01, 0.2])
def test_lasso_meets_its_optimality_conditions(penalty):
    *_, Xc, yc = standardised(SIGNAL, 6)
    a = LassoAR(6, penalty).fit(SIGNAL).regressor_.coef_
    gradient = Xc.T @ (yc - Xc @ a) / len(yc)
    assert (np.abs(gradient) <= penalty * (1 + 1e-2)).all()
    np.testing.assert_allclose(gradient[a != 0], penalty * np.sign(a[a != 0]), rtol=1e-2)


def test_lasso_drops_lags_as_its_penalty_grows():
    kept = [
        np.count_nonzero(LassoAR(10, penalty).fit(SIGNAL).regressor_.coef_)
        for penalty in (1e-4, 0.1, 10.0)]
    assert kept[0] == 10 > kept[1] > kept[2] == 0


def test_lasso_chooses_a_penalty_for_later_windows_and_always_the_same():
    regressor = LassoAR(6).fit(SIGNAL).regressor_
    assert regressor.alphas_.min() < regressor.alpha_ < regressor.alphas_.max()
    np.testing.assert_array_equal(
        forecast(LassoAR(6), SIGNAL, 5), forecast(LassoAR(6), SIGNAL, 5))


@pytest.mark.parametrize(("lags", "trend", "season"), [
    (lags, trend, season) for lags in (0, 1, 4) for trend in ("n", "c", "t", "ct")
    for season in (None, 4) if (lags, trend, season) != (0, "n", None)])
def test_autoreg_forecasts_what_statsmodels_does(lags, trend, season):
    arguments = {"trend": trend, "seasonal": season is not None, "period": season}
    model = AutoReg(lags, trend, season)
    fitted = StatsmodelsAutoReg(SIGNAL, lags, **arguments).fit()
    np.testing.assert_allclose(forecast(model, SIGNAL, 9), fitted.forecast(9), atol=1e-10)
    frame = model.cross_validation(SIGNAL, 5, n_windows=4, step_size=3, refit=False)
    known = int(frame["cutoff"].min()) + 1
    first = StatsmodelsAutoReg(SIGNAL[:known], lags, **arguments).fit()
    for cutoff, rows in frame.groupby("cutoff"):
        later = first.append(SIGNAL[known : cutoff + 1]) if cutoff >= known else first
        np.testing.assert_allclose(rows["AutoReg"], later.forecast(5), atol=1e-10)


@pytest.mark.parametrize("parameters", [
    {}, {"optimizer": "sgd"}, {"optimizer": "lbfgs"}, {"beta": 2.0}, {"beta_ratio": 0.5},
    {"learning_rate": 1e-3}, {"linear_skip": False}, {"random_state": 3}, {"n_neurons": 2},
    {"n_steps": 4}], ids=str)
def test_parameters_reach_the_nonconvex_network(parameters):
    default = {"n_steps": 10, "n_neurons": 5, "beta_ratio": 0.01, "random_state": 0}
    chosen = default | parameters
    forecasts = forecast(NonconvexNetwork(3, **chosen), SIGNAL[:40], 4)
    expected = Autoregression(3, NonconvexReLURegressor(**chosen))
    np.testing.assert_array_equal(forecasts, forecast(expected, SIGNAL[:40], 4))
    if parameters:
        plain = forecast(NonconvexNetwork(3, **default), SIGNAL[:40], 4)
        assert not np.array_equal(forecasts, plain)


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_the_shortest_series_is_long_enough_and_no_shorter_one_is(model):
    frame = clone(model).fit(SIGNAL[: model._min_length(3)], freq=1).predict(3)
    assert np.isfinite(frame[model.alias]).all()
    with pytest.raises(InvalidArgumentError, match="at least|non-empty"):
        clone(model).fit(SIGNAL[: model._min_length(1) - 1], freq=1)


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_aliases_name_the_column(model):
    renamed = clone(model).set_params(alias="mine").fit(SIGNAL)
    assert list(renamed.predict(1)) == ["unique_id", "ds", "mine"]


@pytest.mark.parametrize(("model", "message"), [
    (SeasonalNaive(0), "season_length must be an integer >= 1"),
    (SeasonalNaive(2.5), "season_length must be an integer >= 1"),
    (LinearAR(0), "lags must be an integer >= 1"),
    (RidgeAR(3, penalty=0.0), "penalty must be a finite number > 0"),
    (LassoAR(3, penalty=-1.0), "penalty must be a finite number > 0"),
    (AutoReg(-1), "lags must be an integer >= 0"),
    (AutoReg(3, trend="l"), "trend must be one of 'n', 'c', 't', 'ct'"),
    (AutoReg(3, season_length=1), "season_length must be an integer >= 2"),
    (AutoReg(0, trend="n"), "lags must be >= 1 with trend='n' and no season"),
])
def test_parameters_are_checked_at_fit(model, message):
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(SIGNAL)
    with pytest.raises(InvalidArgumentError, match=message):
        model.cross_validation(SIGNAL, 2)
