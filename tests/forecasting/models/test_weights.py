"""Weights of samples: against windows that are weighed, or left out, one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import HuberRegressor, LinearRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from relu_forecast import ReLUForecaster, backtest
from relu_forecast.baselines import (
    ARIMA,
    ETS,
    Analogs,
    AutoReg,
    Drift,
    GradientBoosting,
    LassoAR,
    LinearAR,
    Naive,
    NLinear,
    Regressor,
    RidgeAR,
    SeasonalNaive,
    Theta,
)
from relu_forecast.compiled.experts import Experts, Mixing
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.committee import Committee
from relu_forecast.forecasting.models.judging import Candidate, JudgedPart

LAGS, H, N = 3, 2, 80
RNG = np.random.default_rng(0)
VALUES = np.sin(np.arange(N) / 3) + 0.2 * RNG.standard_normal(N) + 5
WEIGHTS = RNG.uniform(0.1, 3.0, N)
HOLES = np.where(RNG.uniform(size=N) < 0.3, 0.0, WEIGHTS)
STEPS = {"recursive": [[1]], "direct": [[1], [2]], "joint": [[1, 2]]}


def frame(weights=WEIGHTS, values=VALUES, start=0):
    """A long frame with a column of weights."""
    return pd.DataFrame({"ds": np.arange(start, start + len(values)), "y": values, "w": weights})


def windows_of(steps, weights=WEIGHTS, values=VALUES):
    """Windows, what comes some steps after them, and the mean weight of that; by a literal loop."""
    rows = [(values[end - LAGS : end], values[[end + step - 1 for step in steps]],
             np.mean([weights[end + step - 1] for step in steps]))
            for end in range(LAGS, len(values) - max(steps) + 1)]
    return tuple(np.array(part) for part in zip(*rows, strict=True))


def expected(estimator, strategy, weights=WEIGHTS, values=VALUES, leave_out=False):
    """Forecast as each strategy does; windows of weight 0 get it, or are left out."""
    fits = []
    for steps in STEPS[strategy]:
        X, Y, w = windows_of(steps, weights, values)
        kept = w > 0 if leave_out else np.ones(len(w), dtype=bool)
        Y = Y if strategy == "joint" else Y[:, 0]
        fits.append(estimator.fit(X[kept], Y[kept], w[kept]).predict)
        if strategy != "recursive":
            fits[-1] = fits[-1]([values[-LAGS:]])[0]
    if strategy != "recursive":
        return np.ravel(fits)
    path = list(values[-LAGS:])
    for _ in range(H):
        path.append(fits[0]([path[-LAGS:]])[0])
    return np.array(path[LAGS:])


@pytest.mark.parametrize("strategy", STEPS)
@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(2.0)], ids=str)
def test_a_window_weighs_what_is_forecast_from_it(strategy, estimator):
    model = Autoregression(LAGS, estimator, strategy, None)
    found = model.fit(frame(), horizon=H, weight_col="w").predict(H)["Autoregression"]
    scale = np.sqrt(np.mean(VALUES**2))  # of the transform, which a ridge sees
    np.testing.assert_allclose(
        found, scale * expected(estimator, strategy, values=VALUES / scale), rtol=1e-9)
    plain = model.fit(frame(), horizon=H).predict(H)["Autoregression"]
    assert np.abs(found - plain).max() > 1e-4


@pytest.mark.parametrize("strategy", STEPS)
def test_windows_whose_targets_weigh_nothing_are_as_good_as_left_out(strategy):
    # Windows of the joint strategy are left out where both of their targets weigh nothing.
    weights = np.where((np.arange(N) // 4) % 2, 0.0, WEIGHTS)
    found = LinearAR(LAGS, strategy, None).fit(
        frame(weights), horizon=H, weight_col="w").predict(H)["LinearAR"]
    left_out = expected(LinearRegression(), strategy, weights, leave_out=True)
    np.testing.assert_allclose(found, left_out, rtol=1e-9)
    np.testing.assert_allclose(found, expected(LinearRegression(), strategy, weights), rtol=1e-9)


def test_what_weighs_nothing_is_no_target():
    """A target that is far off changes nothing but the windows that see it, which weigh nothing."""
    values, weights = VALUES.copy(), WEIGHTS.copy()
    weights[40 : 41 + LAGS] = 0.0
    found = []
    for value in (5.0, 1e3):
        values[40] = value
        model = LinearAR(LAGS, "recursive", None).fit(frame(weights, values), weight_col="w")
        found.append(model.predict(H)["LinearAR"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


MODELS = [
    LinearAR(LAGS), RidgeAR(LAGS), RidgeAR(LAGS, 0.1, "direct"), LassoAR(LAGS),
    GradientBoosting(LAGS), GradientBoosting(LAGS, on_residuals=True), NLinear(LAGS),
    Analogs(LAGS), Regressor(HuberRegressor(), LAGS), ReLUForecaster(LAGS, beta_ratio=0.3),
    ReLUForecaster()]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_weights_matter_and_equal_ones_do_not(model):
    assert model.accepts_weights
    plain, same, uneven = (
        model.fit(frame(weights), horizon=H, weight_col=column).predict(H)[model.alias].to_numpy()
        for weights, column in ((WEIGHTS, None), (np.ones(N), "w"), (WEIGHTS**2, "w")))
    np.testing.assert_allclose(plain, same, rtol=1e-5)
    assert np.abs(plain - uneven).max() > 1e-4


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_nlinear_weighs_by_the_mean_of_the_horizon(penalty):
    found = NLinear(LAGS, penalty).fit(frame(HOLES), horizon=H, weight_col="w").predict()["NLinear"]
    X, Y, w = windows_of([1, 2], HOLES)
    last, kept = X[:, -1:], w > 0
    linear = Ridge(penalty or 1e-12).fit((X - last)[kept], (Y - last)[kept], w[kept])
    np.testing.assert_allclose(
        found, VALUES[-1] + linear.predict([VALUES[-LAGS:] - VALUES[-1]])[0], rtol=1e-7)


@pytest.mark.parametrize("k", [1, 5, 1000])
def test_analogs_average_by_weight_and_take_no_window_of_weight_0(k):
    weights = np.where((np.arange(N) // 4) % 2, 0.0, WEIGHTS)
    found = Analogs(LAGS, k, None).fit(frame(weights), horizon=H, weight_col="w").predict()
    X, Y, w = windows_of([1, 2], weights)
    X, Y, w = X[w > 0], Y[w > 0], w[w > 0]
    near = np.argsort(np.linalg.norm(X - VALUES[-LAGS:], axis=1), kind="stable")[:k]
    np.testing.assert_allclose(
        found["Analogs"], np.average(Y[near], axis=0, weights=w[near]), rtol=1e-9)


@pytest.mark.parametrize("model", [
    Naive(), SeasonalNaive(4), Drift(), ETS(), ARIMA(), Theta(), AutoReg(2),
    Regressor(KNeighborsRegressor(), LAGS), Regressor(KNeighborsRegressor(), LAGS, True),
    Autoregression(LAGS, make_pipeline(LinearRegression())),
    Autoregression(LAGS, MultiOutputRegressor(KNeighborsRegressor()), "joint"),
    ReLUForecaster(LAGS, 2, KNeighborsRegressor())], ids=str)
def test_models_that_weigh_nothing_refuse_before_any_fit(model):
    assert not model.accepts_weights
    name = type(model).__name__
    for call in (lambda: model.fit(frame(), horizon=H, weight_col="w"),
                 lambda: model.cross_validation(frame(), 2, weight_col="w"),
                 lambda: backtest({"a": LinearAR(2), "m": model}, frame(), 2, weight_col="w")):
        expected = f"weight_col must be None for a model whose .*'w' for .*{name}.*sample_weight"
        with pytest.raises(InvalidArgumentError, match=f"(?s){expected}"):
            call()


@pytest.mark.parametrize("estimator", [
    DummyRegressor(), MultiOutputRegressor(Ridge())], ids=str)
def test_estimators_that_take_weights_are_taken(estimator):
    model = Autoregression(LAGS, estimator, "joint")
    found, plain = (model.fit(frame(), horizon=H, weight_col=column).predict(H)["Autoregression"]
                    for column in ("w", None))
    assert np.abs(found - plain).max() > 1e-6


def test_cross_validation_weighs_every_fit_by_what_its_cutoff_knows():
    given = {"n_windows": 3, "step_size": 7, "input_size": 40}
    model = LinearAR(LAGS, "joint", None)
    table = model.cross_validation(frame(HOLES), H, weight_col="w", **given)
    assert len(table) == 6
    for cutoff, rows in table.groupby("cutoff"):
        part = slice(cutoff - 39, cutoff + 1)
        np.testing.assert_allclose(rows["LinearAR"], expected(
            LinearRegression(), "joint", HOLES[part], VALUES[part], leave_out=True), rtol=1e-8)
    result = backtest({"a": model, "r": RidgeAR(LAGS)}, frame(HOLES), H, weight_col="w", **given)
    np.testing.assert_allclose(result.predictions["a"], table["LinearAR"], rtol=1e-12)
    last = table["cutoff"].max()
    later = frame(np.where(np.arange(N) > last, 9.0, HOLES))
    pd.testing.assert_frame_equal(table, model.cross_validation(later, H, weight_col="w", **given))


@pytest.mark.parametrize("model", [LinearAR(LAGS), Analogs(LAGS), NLinear(LAGS)], ids=str)
def test_an_update_weighs_new_rows_after_a_way_through_a_file(model, tmp_path):
    whole = frame(HOLES)
    model.fit(whole[:60], horizon=H, weight_col="w").save(tmp_path / "m")
    loaded = type(model).load(tmp_path / "m").update(whole[60:])
    updated, fresh = model.update(whole[60:]), type(model)(LAGS).fit(
        whole, horizon=H, weight_col="w")
    pd.testing.assert_frame_equal(loaded.predict(H), updated.predict(H))
    pd.testing.assert_frame_equal(fresh.predict(H), updated.predict(H))
    with pytest.raises(InvalidArgumentError, match="new_data|the column 'w'"):
        model.update(frame(start=N)[["ds", "y"]])
    with pytest.raises(InvalidArgumentError, match="the column 'w'"):
        model.update([1.0, 2.0])


def test_a_series_begins_with_its_first_value_and_so_do_its_weights():
    values = VALUES.copy()
    values[:5] = np.nan
    found, cut = (LinearAR(LAGS).fit(rows, missing="interpolate", weight_col="w").predict(H)
                  for rows in (frame(HOLES, values), frame(HOLES, values)[5:]))
    pd.testing.assert_frame_equal(found, cut)


def test_gaps_are_left_out_beside_weights():
    values = VALUES.copy()
    values[[20, 50]] = np.nan
    found = LinearAR(LAGS, "joint", None).fit(
        frame(HOLES, values), horizon=H, missing="skip", weight_col="w").predict(H)["LinearAR"]
    X, Y, w = windows_of([1, 2], HOLES, values)
    kept = ~np.isnan(np.c_[X, Y]).any(axis=1) & (w > 0)
    linear = LinearRegression().fit(X[kept], Y[kept], w[kept])
    np.testing.assert_allclose(found, linear.predict([values[-LAGS:]])[0], rtol=1e-9)


def test_workers_and_checkpoints_change_nothing(tmp_path):
    panel = pd.concat([frame().assign(unique_id="a"), frame(HOLES).assign(unique_id="b")])
    serial = RidgeAR(LAGS).cross_validation(panel, H, n_windows=4, weight_col="w")
    with parallel_config("threading"):
        parallel = RidgeAR(LAGS).cross_validation(
            panel, H, n_windows=4, weight_col="w", n_jobs=2, checkpoint=tmp_path / "c")
    pd.testing.assert_frame_equal(serial, parallel)
    other = RidgeAR(LAGS).cross_validation(
        panel.assign(w=1.0), H, n_windows=4, weight_col="w", checkpoint=tmp_path / "c")
    assert (other["RidgeAR"] - serial["RidgeAR"]).abs().max() > 1e-6


@pytest.mark.parametrize("model", [
    LinearAR(LAGS), LinearAR(LAGS, "joint"), NLinear(LAGS), Analogs(LAGS), ReLUForecaster(),
    ReLUForecaster(LAGS, beta_ratio=0.3)], ids=str)
def test_a_training_part_that_weighs_nothing_is_an_error(model):
    weights = np.where(np.arange(N) < 60, 0.0, 1.0)
    with pytest.raises(InvalidArgumentError, match=r"(?s)above 0 .*weight_col.* 0 that count"):
        model.cross_validation(frame(weights), H, n_windows=2, step_size=20, weight_col="w")
    with pytest.raises(InvalidArgumentError, match="(?s)w must be above 0|w of series y must"):
        model.fit(frame(np.zeros(N)), horizon=H, weight_col="w")


def judged_part(weights, horizon=1):
    return JudgedPart.of(History(VALUES, np.empty((N, 0)), np.empty((N, 0)), None, weights),
                         horizon, 1.0)


def test_members_are_judged_by_weighted_errors():
    part, first = judged_part(HOLES, H), int(0.7 * N)
    [judged] = Committee([Candidate("naive", Naive())], H)._judge(part)
    for step in range(1, H + 1):
        errors, weights = zip(*[
            ((VALUES[at + step] - VALUES[at]) ** 2, HOLES[at + step])
            for at in range(first - 1, N - step)], strict=True)
        assert judged.mean_squares[step - 1] == pytest.approx(
            np.average(errors, weights=weights), rel=1e-12)
        assert part.mean_weights[step - 1] == pytest.approx(np.mean(weights), rel=1e-12)


def test_a_part_that_weighs_nothing_judges_nobody():
    assert judged_part(np.where(np.arange(N) < 60, 1.0, 0.0)) is not None
    assert judged_part(np.where(np.arange(N) < 55, 1.0, 0.0)) is None
    model = ReLUForecaster().fit(
        frame(np.where(np.arange(N) < 70, 0.0, 1.0)), horizon=H, weight_col="w")
    assert np.isfinite(model.predict()["ReLU"]).all()
    assert model.members_["error"].isna().all()  # nothing to fit before the judged part


def committee(weights, values=VALUES):
    """A committee of two that learns, fitted to a weighted history."""
    candidates = [Candidate("naive", Naive()), Candidate("season", SeasonalNaive(19))]
    return Committee(candidates, H).train(
        History(values, np.empty((N, 0)), np.empty((N, 0)), None, weights))


def test_the_unit_of_weights_does_not_matter_to_a_mixture():
    one, other = committee(WEIGHTS), committee(64.0 * WEIGHTS)
    np.testing.assert_array_equal(one.weights, other.weights)
    assert not np.allclose(one.weights, committee(None).weights)
    np.testing.assert_allclose(committee(np.full(N, 3.0)).weights, committee(None).weights)


def test_a_mixture_learns_nothing_from_samples_of_weight_0():
    model = committee(WEIGHTS)
    new = History(np.array([5.0, 9.0]), np.empty((2, 0)), np.empty((2, 0)), None,
                  np.array([1.0, 0.0]))
    without, after = (model.followed(part)[0] for part in (new.part(slice(1)), new))
    np.testing.assert_array_equal(after.regrets, without.regrets)
    told = model.followed(History(new.values, new.past, new.future, None, np.ones(2)))[0]
    assert (told.regrets != without.regrets).any()


def test_a_loss_counts_as_often_as_its_sample_weighs():
    experts = Experts.judged(np.array([[1.0], [2.0]]))
    forecasts, samples = np.array([[[1.0]], [[3.0]]]), np.array([2.5])
    single, triple = Mixing(experts), Mixing(experts)
    single.follow(forecasts, samples)
    triple.follow(forecasts, samples, np.array([3.0]))
    assert single.experts.regrets.any()
    np.testing.assert_allclose(triple.experts.regrets, 3 * single.experts.regrets)
    np.testing.assert_allclose(triple.experts.squares, 9 * single.experts.squares)


def test_a_history_tells_which_windows_weigh_and_whether_there_are_enough():
    weights = np.array([1.0, 0, 0, 2, 4, 0, 1])
    history = History(np.arange(7.0), np.empty((7, 0)), np.empty((7, 0)), None, weights)
    steps = np.array([1, 2])
    assert history.whole_windows(1, steps).tolist() == [False, True, True, True, True]
    assert history.window_weights(1, steps).tolist() == [1, 3, 2, 0.5]
    assert history.part(slice(3, 5)).weights.tolist() == [2, 4]
    assert [history.has_run(length, 2) for length in (5, 6, 7, 8)] == [True, False, False, False]
    plain = History.of(np.arange(7.0))
    assert plain.window_weights(1, steps) is None
    assert [plain.has_run(length, 2) for length in (7, 8)] == [True, False]
    gappy = History(np.arange(7.0), np.empty((7, 0)), np.empty((7, 0)),
                    np.array([1, 1, 0, 1, 1, 1, 1], dtype=bool), weights)
    assert [gappy.has_run(length, 1) for length in (3, 4)] == [True, False]
