"""Baselines: against literal loops, closed forms and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from statsmodels.tsa.ar_model import AutoReg as StatsmodelsAutoReg
from threadpoolctl import threadpool_limits

from relu_forecast.baselines import (
    AutoReg,
    Drift,
    GradientBoosting,
    LassoAR,
    LinearAR,
    Naive,
    NLinear,
    NonconvexNetwork,
    Regressor,
    RidgeAR,
    SeasonalNaive,
)
from relu_forecast.baselines.linear import RIDGE_PENALTIES
from relu_forecast.estimators import NonconvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression
from relu_forecast.forecasting.data.history import History
from relu_forecast.windows.sliding import hankel

RNG = np.random.default_rng(0)
SIGNAL = np.sin(np.arange(90) / 4) + 0.3 * RNG.normal(size=90)
EVERY = [
    Naive(), SeasonalNaive(4), Drift(), LinearAR(5), RidgeAR(5), RidgeAR(5, penalty=2.0),
    LassoAR(5), LassoAR(5, penalty=0.1), LassoAR(5, strategy="direct"),
    RidgeAR(5, transform="difference"), AutoReg(3), AutoReg(0, "ct", 3),
    NLinear(5), NLinear(5, penalty=2.0), Regressor(Ridge(), 5), GradientBoosting(5),
    GradientBoosting(5, on_residuals=True), NonconvexNetwork(4, n_neurons=3, n_steps=5)]


def forecast(model, values, h):
    """Forecasts of a fresh fit, as an array."""
    return clone(model).fit(values, horizon=h).predict()[model.alias].to_numpy()


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


@pytest.mark.parametrize("penalty", [0.0, 3.0])
@pytest.mark.parametrize("h", [1, 7])
def test_nlinear_is_its_normal_equations(penalty, h):
    model, lags = NLinear(6, penalty), 6
    X, y = hankel(SIGNAL, lags, h)
    # The last lag relative to itself is 0, so it has no weight.
    shifts, targets = X[:, :-1] - X[:, -1:], y.reshape(len(X), -1) - X[:, -1:]
    a = ridge_weights(shifts - shifts.mean(axis=0), targets - targets.mean(axis=0), penalty)
    last = SIGNAL[-lags:-1] - SIGNAL[-1] - shifts.mean(axis=0)
    expected = SIGNAL[-1] + targets.mean(axis=0) + last @ a
    np.testing.assert_allclose(forecast(model, SIGNAL, h), expected, atol=1e-10)


def test_nlinear_is_direct_autoregression_on_common_windows():
    direct = LinearAR(6, strategy="direct", transform="last_value")
    np.testing.assert_allclose(
        forecast(NLinear(6), SIGNAL, 4)[-1], forecast(direct, SIGNAL, 4)[-1])
    np.testing.assert_array_equal(forecast(NLinear(6), np.full(30, 0.1), 4), 0.1)


def test_nlinear_forecasts_as_far_as_it_was_fitted_to():
    model = NLinear(6).fit(SIGNAL, horizon=5)
    np.testing.assert_array_equal(model.predict(3)["NLinear"], model.predict()["NLinear"][:3])
    with pytest.raises(InvalidArgumentError, match="h must be at most 5, the horizon of the fit"):
        model.predict(6)
    state = model.train(History.of(SIGNAL), 5, ())
    with pytest.raises(InvalidArgumentError, match="h must be at most 5, the horizon of the fit"):
        state.forecast(SIGNAL[np.newaxis, -6:], 6)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_a_regressor_is_an_autoregression(strategy, transform):
    estimator = KNeighborsRegressor(3)
    model = Regressor(estimator, 4, strategy=strategy, transform=transform)
    expected = Autoregression(4, estimator, strategy, transform)
    np.testing.assert_array_equal(forecast(model, SIGNAL, 5), forecast(expected, SIGNAL, 5))


def test_on_residuals_is_least_squares_plus_what_it_leaves():
    X, y = hankel(SIGNAL, 4)
    linear = LinearRegression().fit(X, y)
    rest = KNeighborsRegressor(3).fit(X, y - linear.predict(X))
    last = SIGNAL[np.newaxis, -4:]
    model = Regressor(KNeighborsRegressor(3), 4, on_residuals=True, transform=None)
    np.testing.assert_allclose(
        forecast(model, SIGNAL, 1), linear.predict(last) + rest.predict(last))


def test_residuals_of_least_squares_have_no_linear_part():
    plain = forecast(LinearAR(4), SIGNAL, 5)
    model = Regressor(LinearRegression(), 4, on_residuals=True)
    np.testing.assert_allclose(forecast(model, SIGNAL, 5), plain)
    assert not np.allclose(forecast(GradientBoosting(4, on_residuals=True), SIGNAL, 5), plain)


@pytest.mark.parametrize("parameters", [
    {}, {"on_residuals": True}, {"strategy": "direct"}, {"transform": "last_value"}], ids=str)
def test_parameters_reach_gradient_boosting(parameters):
    forecasts = forecast(GradientBoosting(3, **parameters), SIGNAL, 4)
    expected = Regressor(HistGradientBoostingRegressor(random_state=0), 3, **parameters)
    np.testing.assert_array_equal(forecasts, forecast(expected, SIGNAL, 4))
    if parameters:
        assert not np.array_equal(forecasts, forecast(GradientBoosting(3), SIGNAL, 4))


def test_the_seed_of_gradient_boosting_matters_where_it_stops_early():
    values = np.random.default_rng(0).normal(size=10_100)
    seeds = [forecast(GradientBoosting(1, random_state=seed), values, 1) for seed in (0, 1, 0)]
    assert seeds[0] != seeds[1]
    assert seeds[0] == seeds[2]


def test_gradient_boosting_does_not_depend_on_the_number_of_threads():
    alone = forecast(GradientBoosting(2), SIGNAL, 3)
    with threadpool_limits(3):
        np.testing.assert_array_equal(forecast(GradientBoosting(2), SIGNAL, 3), alone)


def test_regressors_take_covariates():
    times = np.arange(90)
    frame = pd.DataFrame({"unique_id": "a", "ds": times, "y": SIGNAL, "wave": np.sin(times)})
    ahead = pd.DataFrame({"unique_id": "a", "ds": [90, 91], "wave": np.sin([90, 91])})
    for model in (Regressor(Ridge(), 4, future_exog=("wave",)),
                  GradientBoosting(4, future_exog=("wave",))):
        forecasts = model.fit(frame).predict(2, future=ahead)[model.alias]
        plain = clone(model).set_params(future_exog=()).fit(frame[["unique_id", "ds", "y"]])
        assert not np.allclose(forecasts, plain.predict(2)[model.alias])


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
    frame = clone(model).fit(SIGNAL[: model.min_length(3)], freq=1, horizon=3).predict()
    assert np.isfinite(frame[model.alias]).all()
    with pytest.raises(InvalidArgumentError, match="at least|non-empty"):
        clone(model).fit(SIGNAL[: model.min_length(1) - 1], freq=1, horizon=1)


@pytest.mark.parametrize("model", EVERY, ids=repr)
def test_aliases_name_the_column(model):
    renamed = clone(model).set_params(alias="mine").fit(SIGNAL, horizon=1)
    assert list(renamed.predict(1)) == ["unique_id", "ds", "mine"]


@pytest.mark.parametrize(("model", "message"), [
    (SeasonalNaive(0), "season_length must be an integer >= 1"),
    (SeasonalNaive(2.5), "season_length must be an integer >= 1"),
    (LinearAR(0), "lags must be an integer >= 1"),
    (RidgeAR(3, penalty=0.0), "penalty must be a finite number > 0"),
    (LassoAR(3, penalty=-1.0), "penalty must be a finite number > 0"),
    (NLinear(0), "lags must be an integer >= 1"),
    (NLinear(3, penalty=-1.0), "penalty must be a finite number >= 0"),
    (Regressor("ridge"), "estimator must be a scikit-learn regressor"),
    (Regressor(Ridge(), on_residuals="yes"), "on_residuals must be one of False, True"),
    (Regressor(Ridge(), strategy="both"), "strategy must be one of"),
    (GradientBoosting(0), "lags must be an integer >= 1"),
    (GradientBoosting(on_residuals=1), "on_residuals must be one of False, True"),
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
