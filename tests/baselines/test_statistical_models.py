"""ARIMA, ETS and Theta: against statsmodels, cutoff by cutoff."""

import pickle
import warnings
from itertools import product

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.base import clone
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.statespace.sarimax import SARIMAX

from relu_forecast.baselines import ARIMA, ETS, ArimaSettings, Theta, smoothing
from relu_forecast.baselines.arima.model import ArimaModel
from relu_forecast.baselines.arima.orders import Orders
from relu_forecast.baselines.arima.search import OrderSearch
from relu_forecast.baselines.statistical import quiet
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.forecasting.data.history import History, Past

RNG = np.random.default_rng(0)
TRAINING = 96
SEASONAL = 9 + np.tile([0.0, 4.0, 1.0, -2.0], 30) + np.cumsum(0.4 * RNG.normal(size=120))
"""Positive samples with a season of four and a level that wanders."""
WANDERING = 20 + np.cumsum(lfilter([1.0, 0.5], [1.0, -0.4], RNG.normal(size=120)))
"""Without a season; once integrated."""
CUTOFFS = np.arange(TRAINING - 1, 115, 2)
MODELS = [
    ARIMA(max_order=1), ARIMA((1, 0, 1)), ARIMA((1, 1, 0), 4, (0, 1, 1)),
    ARIMA(season_length=4, max_order=1),
    ETS(), ETS("mul", "add", True, 4, "mul"), ETS(season_length=4),
    Theta(), Theta(4), Theta(4, "add", 3.0)]


def forecast(model, values, h=6):
    """Forecasts of a fresh fit, as an array."""
    return clone(model).fit(values).predict(h)[model.alias].to_numpy()


def fit(model, values):
    """The state of a fit."""
    return model.train(History.of(values), 1, ())


def past_at(values, cutoffs, length):
    """What is known at some cutoffs after the training part."""
    windows = np.stack([values[cutoff + 1 - length : cutoff + 1] for cutoff in cutoffs])
    return Past(windows, cutoffs - (TRAINING - 1), values[TRAINING : cutoffs.max() + 1],
                np.empty((*windows.shape, 0)), np.empty((len(cutoffs), 0, 0)))


def noise(ar, ma, n, seed=0):
    """Simulate ``ar(L) w[t] = ma(L) e[t]``."""
    return lfilter(ma, ar, np.random.default_rng(seed).normal(size=n + 200))[200:]


@pytest.mark.parametrize(("orders", "params"), [
    (Orders((1, 0, 1), trend="c"), [3.0, 0.6, 0.4]),
    (Orders((2, 1, 0)), [0.5, -0.3]),
    (Orders((0, 1, 2), trend="c"), [0.2, 0.5, 0.3]),
    (Orders((1, 2, 1)), [0.4, -0.5]),
    (Orders((0, 1, 0), trend="c"), [0.3]),
    (Orders((1, 0, 1), (1, 0, 1), 4, "c"), [1.0, 0.3, 0.2, 0.6, -0.3]),
    (Orders((0, 1, 1), (0, 1, 1), 4), [-0.4, -0.6]),
    (Orders((1, 1, 1), (1, 1, 1), 4), [0.3, 0.2, 0.4, -0.5]),
    (Orders((0, 0, 0), (2, 0, 1), 4), [0.5, 0.3, 0.2]),
], ids=str)
def test_arima_forecasts_what_statsmodels_does_at_each_cutoff(orders, params):
    params, scale = np.array(params), 2.0
    model = ArimaModel.at_end(orders, params, SEASONAL[:TRAINING], scale)
    forecasts = model.forecast(past_at(SEASONAL, CUTOFFS, 12), 9)
    # statsmodels sees the series itself, with a diffuse start where we condition.
    unscaled = np.append(params, scale**2)
    unscaled[: orders.sizes[-1]] *= scale
    first = SARIMAX(
        SEASONAL[:TRAINING], order=orders.order, trend=orders.trend, use_exact_diffuse=True,
        seasonal_order=(*orders.seasonal_order, orders.season_length)).filter(unscaled)
    np.testing.assert_allclose(forecasts[0], first.forecast(9), atol=1e-8)
    for cutoff, row in zip(CUTOFFS[1:], forecasts[1:], strict=True):
        later = first.append(SEASONAL[TRAINING : cutoff + 1])
        np.testing.assert_allclose(row, later.forecast(9), atol=1e-8)


@pytest.mark.parametrize(("order", "season", "seasonal_order", "trend"), [
    ((1, 0, 1), None, None, "c"), ((0, 1, 2), None, None, "n"), ((1, 0, 0), 4, (1, 0, 0), "c"),
    ((1, 0, 0), 4, (0, 1, 1), "n")])
def test_arima_reaches_the_likelihood_that_statsmodels_does(order, season, seasonal_order, trend):
    model = fit(ARIMA(order, season, seasonal_order, trend), SEASONAL)
    series = model.orders.difference(SEASONAL) / model.scale
    space = model.orders.state_space(series, concentrate_scale=True)
    with quiet():
        theirs = space.fit(disp=False, maxiter=500).llf
    assert space.loglike(model.params) >= theirs - 1e-4


@pytest.mark.parametrize(("values", "season", "expected"), [
    (noise([1, -1.2, 0.6], [1], 400), None, Orders((2, 0, 0))),
    (noise([1], [1, 0.7], 400), None, Orders((0, 0, 1))),
    (5 + noise([1], [1], 400), None, Orders((0, 0, 0), trend="c")),
    (np.cumsum(noise([1], [1], 400)), None, Orders((0, 1, 0))),
    (np.cumsum(0.5 + noise([1], [1], 400)), None, Orders((0, 1, 0), trend="c")),
    (np.cumsum(np.cumsum(noise([1], [1], 400))), None, Orders((0, 2, 0))),
    (noise([1, 0, 0, 0, -0.6], [1], 400, 2), 4, Orders((0, 0, 0), (1, 0, 0), 4, "c")),
    (5 * np.tile(np.sin(np.arange(12)), 20) + noise([1], [1, 0.5], 240, 2), 12,
     Orders((0, 0, 1), (0, 1, 1), 12)),
], ids=["AR(2)", "MA(1)", "mean", "walk", "drift", "twice integrated", "seasonal AR", "season"])
def test_arima_finds_the_orders_that_made_the_data(values, season, expected):
    assert fit(ARIMA(season_length=season), values).orders == expected


def test_given_orders_and_trends_are_kept_in_a_search():
    found = fit(ARIMA((1, 0, 1), season_length=4), SEASONAL).orders
    assert found.order == (1, 0, 1)
    assert found.seasonal_order != (0, 0, 0)
    found = fit(ARIMA(season_length=4, seasonal_order=(1, 0, 0), trend="c"), SEASONAL).orders
    assert (found.seasonal_order, found.trend) == ((1, 0, 0), "c")
    assert max(fit(ARIMA(max_order=1), noise([1, -1.2, 0.6], [1], 400)).orders.sizes[:2]) <= 1


def test_a_search_finds_a_local_optimum_and_keeps_to_its_budget():
    series = noise([1, -0.5, 0.3], [1, 0.4], 150)
    moves = ((1, 0, 0, 0, 0), (0, 1, 0, 0, 0))
    search = OrderSearch(series, moves, (4, 4, 0, 0, 0))
    best = search.ranked([Orders((0, 0, 0))])[0]
    assert all(search.score(each) >= search.score(best) for each in search.neighbours(best))
    assert len(search.scores) < search.settings.search_fits
    short = OrderSearch(series, moves, (4, 4, 0, 0, 0), ArimaSettings(search_fits=3))
    short.ranked([Orders((0, 0, 0))])
    assert len(short.scores) == 3


def test_a_search_leaves_out_lags_in_and_beside_the_season():
    search = OrderSearch(noise([1], [1], 100), (), (5, 5, 1, 1, 1))
    assert search.score(Orders((4, 0, 0), (1, 0, 0), 4)) == np.inf
    assert np.isfinite(search.score(Orders((3, 0, 0), (1, 0, 0), 4)))


def test_arima_that_has_not_converged_says_so():
    with pytest.warns(ConvergenceWarning, match=r"ARIMA \(2, 0, 2\).*not reached.*lower orders"):
        fit(ARIMA((2, 0, 2), settings=ArimaSettings(fit_steps=1)), SEASONAL)


@pytest.mark.parametrize(("error", "trend", "damped", "seasonal"), [
    (error, trend, damped, seasonal) for error, trend, damped, seasonal in product(
        ("add", "mul"), (None, "add"), (False, True), (None, "add", "mul"))
    if trend or not damped])
def test_ets_forecasts_what_statsmodels_does_at_each_cutoff(error, trend, damped, seasonal):
    season = 4 if seasonal else None
    parts = {"error": error, "trend": trend, "damped_trend": damped, "seasonal": seasonal,
             "seasonal_periods": season}
    model = fit(ETS(error, trend, damped, season, seasonal), SEASONAL[:TRAINING])
    params = ETSModel(SEASONAL[:TRAINING] / model.scale, **parts).fit(disp=False).params
    forecasts = model.forecast(past_at(SEASONAL, CUTOFFS, 1), 9)
    for cutoff, row in zip(CUTOFFS, forecasts, strict=True):
        later = ETSModel(SEASONAL[: cutoff + 1] / model.scale, **parts).smooth(params)
        np.testing.assert_allclose(row, model.scale * later.forecast(9), atol=1e-8)


@pytest.mark.parametrize("season", [None, 4])
def test_ets_chooses_by_aicc(season):
    candidates = [
        {"error": error, "trend": trend, "damped_trend": damped, "seasonal": seasonal,
         "seasonal_periods": season}
        for error, trend, damped, seasonal in product(
            ("add", "mul"), (None, "add"), (False, True),
            (None, "add", "mul") if season else (None,))
        if trend or not damped]
    values = SEASONAL / SEASONAL.std()
    fits = [ETSModel(values, **parts).fit(disp=False) for parts in candidates]
    best = min(fits, key=lambda each: each.aicc)
    np.testing.assert_allclose(
        forecast(ETS("auto", season_length=season), SEASONAL),
        SEASONAL.std() * best.forecast(6), atol=1e-8)


def test_multiplicative_components_are_for_positive_samples_alone():
    values = SEASONAL - SEASONAL.mean()
    np.testing.assert_array_equal(
        forecast(ETS("auto", season_length=4), values), forecast(ETS(season_length=4), values))
    for model in (ETS("mul"), ETS(season_length=4, seasonal="mul"), Theta(4, "mul")):
        with pytest.raises(InvalidArgumentError, match="> 0 for multiplicative"):
            clone(model).fit(values)


def test_ets_that_has_not_converged_says_so(monkeypatch):
    monkeypatch.setattr(smoothing, "FIT_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match=r"ETS\(error='add'.*not reached.*fewer compon"):
        fit(ETS(), SEASONAL)


@pytest.mark.parametrize(("season", "seasonal", "theta"), [
    (None, "auto", 2.0), (None, "auto", 1.0), (4, "auto", 2.0), (4, "add", 2.0), (4, "mul", 3.0)])
def test_theta_forecasts_what_statsmodels_does(season, seasonal, theta):
    fitted = ThetaModel(
        SEASONAL[:TRAINING], period=season, deseasonalize=season is not None,
        method=seasonal).fit()
    model = fit(Theta(season, seasonal, theta), SEASONAL[:TRAINING])
    forecasts = model.forecast(past_at(SEASONAL, CUTOFFS, 1), 9)
    np.testing.assert_allclose(forecasts[0], fitted.forecast(9, theta), atol=1e-9)
    assert (season == 4) == (np.ptp(model.season) > 0)


def test_theta_tests_for_a_season():
    values = 20 + noise([1], [1], 60)
    np.testing.assert_array_equal(forecast(Theta(5), values), forecast(Theta(), values))


@pytest.mark.parametrize(("season", "seasonal"), [(None, "auto"), (4, "add"), (4, "mul")])
def test_theta_moves_its_level_on_and_keeps_the_rest(season, seasonal):
    fitted = ThetaModel(SEASONAL[:TRAINING], period=season, deseasonalize=season is not None,
                        method=seasonal).fit()
    b0, alpha = fitted.params
    factors = fitted.forecast_components(12)["seasonal"].to_numpy()
    factors = np.tile(factors, 4)
    join, part = (np.multiply, np.divide) if seasonal in ("mul", "auto") else (np.add, np.subtract)
    model = fit(Theta(season, seasonal), SEASONAL[:TRAINING])
    forecasts = model.forecast(past_at(SEASONAL, CUTOFFS, 1), 9)
    for cutoff, row in zip(CUTOFFS, forecasts, strict=True):
        level, ahead = fitted.forecast_components(1)["ses"].iloc[0], cutoff + 1 - TRAINING
        for sample, factor in zip(SEASONAL[TRAINING : cutoff + 1], factors, strict=False):
            level += alpha * (part(sample, factor) - level)
        steps = np.arange(9) + 1 / alpha - (1 - alpha) ** (cutoff + 1) / alpha
        expected = join(level + b0 * steps / 2, factors[ahead : ahead + 9])
        np.testing.assert_allclose(row, expected, atol=1e-9)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_what_comes_after_a_cutoff_changes_nothing_before(model):
    options = {"h": 3, "n_windows": 12, "step_size": 2, "refit": False}
    frame = clone(model).cross_validation(SEASONAL, **options)
    middle = sorted(frame["cutoff"].unique())[5]
    changed = SEASONAL.copy()
    changed[middle + 1 :] = 5 + 3 * RNG.random(len(changed) - middle - 1)
    other = clone(model).cross_validation(changed, **options)
    known = frame["cutoff"] <= middle
    np.testing.assert_allclose(
        frame[model.alias][known], other[model.alias][known], rtol=1e-12)
    assert not np.allclose(frame[model.alias][~known], other[model.alias][~known])


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_states_are_small_and_survive_a_pickle(model):
    state = fit(model, SEASONAL[:TRAINING])
    packed = pickle.dumps(state)
    assert len(packed) < 5_000
    past = past_at(SEASONAL, CUTOFFS, model.lookback)
    np.testing.assert_array_equal(
        model.forecast(pickle.loads(packed), past, 4),
        model.forecast(state, past, 4))


@pytest.mark.parametrize("model", [ARIMA(), ETS("auto"), Theta()], ids=repr)
def test_units_do_not_matter(model):
    np.testing.assert_allclose(
        forecast(model, 1e6 * WANDERING), 1e6 * forecast(model, WANDERING), rtol=1e-3)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_constant_series_is_continued(model):
    np.testing.assert_allclose(forecast(model, np.full(40, 0.1)), 0.1)


@pytest.mark.parametrize("model", [
    ARIMA(season_length=4), ARIMA((1, 0, 0), 4, (0, 1, 0)),
    ETS(trend=None, season_length=4, seasonal="add"), Theta(4), Theta(4, "add")], ids=repr)
def test_an_exact_season_is_continued(model):
    values = np.tile([1.0, 2.0, 4.0, 3.0], 12)
    np.testing.assert_allclose(forecast(model, values, 4), values[:4], rtol=1e-3)


@pytest.mark.parametrize("model", [ARIMA(), ARIMA((0, 1, 1)), ETS(), ETS("mul", "add")], ids=repr)
def test_an_exact_line_is_continued(model):
    np.testing.assert_allclose(
        forecast(model, 0.1 * np.arange(1, 41), 3), [4.1, 4.2, 4.3], rtol=1e-3)


@pytest.mark.parametrize(("model", "changes"), [
    (ARIMA((1, 0, 1), max_order=4), {"order": (2, 0, 1)}),
    (ARIMA((1, 0, 1), max_order=1), {"order": None}),
    (ARIMA((1, 0, 1)), {"trend": "n"}),
    (ARIMA((1, 0, 1)), {"season_length": 4}),
    (ARIMA((1, 0, 1), 4), {"seasonal_order": (0, 0, 1)}),
    (ARIMA(max_order=1), {"max_order": 0}),
    (ARIMA(max_order=2), {"settings": ArimaSettings(max_differences=0)}),
    (ARIMA(max_order=2), {"settings": ArimaSettings(kpss_critical=1e3)}),
    (ARIMA(max_order=2), {"settings": ArimaSettings(search_fits=1)}),
    (ETS(), {"error": "mul"}),
    (ETS(), {"trend": "add"}),
    (ETS(trend="add", damped_trend=False), {"damped_trend": True}),
    (ETS(), {"season_length": 4}),
    (ETS(season_length=4), {"seasonal": "mul"}),
    (ETS(season_length=4), {"seasonal": None}),
    (Theta(), {"season_length": 4}),
    (Theta(4), {"seasonal": "add"}),
    (Theta(), {"theta": 3.0}),
], ids=repr)
def test_each_parameter_changes_the_forecasts(model, changes):
    changed = clone(model).set_params(**changes)
    assert not np.allclose(forecast(model, SEASONAL), forecast(changed, SEASONAL), rtol=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_the_shortest_series_is_long_enough_and_no_shorter_one_is(model):
    shortest = model.min_length(3)
    with warnings.catch_warnings():
        # So few samples need not have a likelihood with a maximum.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert np.isfinite(forecast(model, SEASONAL[:shortest], 3)).all()
    with pytest.raises(InvalidArgumentError, match="at least"):
        clone(model).fit(SEASONAL[: shortest - 1])


@pytest.mark.parametrize("model", [ARIMA((0, 1, 1)), ETS(), Theta()], ids=repr)
def test_aliases_name_the_column(model):
    renamed = clone(model).set_params(alias="mine").fit(SEASONAL)
    assert list(renamed.predict(1)) == ["unique_id", "ds", "mine"]


@pytest.mark.parametrize(("model", "message"), [
    (ARIMA((1, 0)), "order must be three integers >= 0"),
    (ARIMA("101"), "order must be three integers >= 0"),
    (ARIMA((1, 0, -1)), "order must be an integer >= 0"),
    (ARIMA((1, 0, 0.5)), "order must be an integer >= 0"),
    (ARIMA(seasonal_order=(1, 0), season_length=4), "seasonal_order must be three integers >= 0"),
    (ARIMA(seasonal_order=(1, 0, 0)), "season_length must be an integer >= 2 with a seasonal_o"),
    (ARIMA(season_length=1), "season_length must be an integer >= 2"),
    (ARIMA((4, 0, 0), 4, (1, 0, 0)), "order must be below season_length=4"),
    (ARIMA((0, 0, 5), 4, (0, 0, 1)), "order must be below season_length=4"),
    (ARIMA(trend="t"), "trend must be one of None, 'n', 'c'"),
    (ARIMA(max_order=-1), "max_order must be an integer >= 0"),
    (ETS("additive"), "error must be one of 'add', 'mul', 'auto'"),
    (ETS(trend="mul"), "trend must be one of None, 'add', 'auto'"),
    (ETS(damped_trend="yes"), "damped_trend must be one of False, True, 'auto'"),
    (ETS(trend=None, damped_trend=True), "damped_trend must be False or 'auto' with trend=None"),
    (ETS(season_length=1), "season_length must be an integer >= 2"),
    (ETS(seasonal="add"), "season_length must be an integer >= 2 with seasonal='add'"),
    (ETS(season_length=4, seasonal="multiply"), "seasonal must be one of None, 'add', 'mul'"),
    (Theta(season_length=1), "season_length must be an integer >= 2"),
    (Theta(4, "multiply"), "seasonal must be one of 'auto', 'add', 'mul'"),
    (Theta(theta=0.5), "theta must be a finite number >= 1"),
    (Theta(theta=np.nan), "theta must be finite"),
], ids=repr)
def test_parameters_are_checked_at_fit(model, message):
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(SEASONAL)
    with pytest.raises(InvalidArgumentError, match=message):
        model.cross_validation(SEASONAL, 2)
