"""Forecasts, explained: sums that are the forecast, and the autoregression that it is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from relu_forecast import (
    Autoregression,
    CircularCNNRegressor,
    ConvexCNNRegressor,
    InvalidArgumentError,
    ReLUForecaster,
    explain,
)
from relu_forecast.baselines import Analogs, LinearAR, Naive, RidgeAR
from relu_forecast.windows.contexts import Context

GENERATOR = np.random.default_rng(7)
WAVE = np.abs(np.sin(np.arange(260) / 5)) + 0.05 * GENERATOR.standard_normal(260)
OPTIONS = {"beta_ratio": 0.2}
MODELS = {
    "committee": ReLUForecaster(horizon=4),
    "joint": ReLUForecaster(6, 4, **OPTIONS),
    "standardize": ReLUForecaster(6, 4, transform="standardize", **OPTIONS),
    "difference": ReLUForecaster(6, 4, transform="difference", **OPTIONS),
    "as it is": ReLUForecaster(6, 4, transform=None, **OPTIONS),
    "recursive": ReLUForecaster(6, 4, strategy="recursive", **OPTIONS),
    "direct": ReLUForecaster(6, 4, strategy="direct", **OPTIONS),
    "growing means": ReLUForecaster(Context.multiresolution(12, 4), 4, **OPTIONS),
    "global": ReLUForecaster(6, 4, scope="global", **OPTIONS),
    "convolution": ReLUForecaster(6, 4, ConvexCNNRegressor(3, sites=2, tol=0.1, beta_ratio=0.1)),
    "circular": ReLUForecaster(6, 4, CircularCNNRegressor(tol=0.1, beta_ratio=0.1)),
    "linear": LinearAR(3),
    "analogs": Analogs(8, 2),
    "analogs as they are": Analogs(8, 2, None),
}


@cache
def fitted(name, level=0.0):
    return MODELS[name].fit(WAVE[:240] + level, horizon=4)


@pytest.mark.parametrize("level", [0.0, pytest.param(1e6, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", MODELS)
def test_contributions_sum_to_the_forecast(name, level):
    model = fitted(name, level)
    h = 4 if name == "direct" or name.startswith("analogs") else 9
    told, expected = explain.forecast(model, h), model.predict(h)
    values = expected.iloc[:, -1].to_numpy()
    rows = told.contributions
    np.testing.assert_allclose(
        rows.groupby("step")["contribution"].sum(), values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(told.steps["forecast"], values, rtol=1e-12, atol=1e-14)
    assert told.steps["ds"].tolist() == expected["ds"].tolist()
    kinds = told.steps.reindex(columns=["start", "linear", "neurons", "analogs"]).fillna(0)
    np.testing.assert_allclose(kinds.sum(axis=1), values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", MODELS)
def test_around_a_window_forecasts_are_the_autoregression_exactly(name):
    model = fitted(name)
    [series] = model.panel_.series
    state, arrays = model.models_["y"], series.arrays(model.covariates)
    told = state.decompose(arrays, 239, 4)
    by_lag = explain.forecast(model, 4).coefficients.pivot(
        index="step", columns="lag", values="coefficient").to_numpy()[:, ::-1]
    for seed in range(4):
        move = 1e-3 * np.random.default_rng(seed).standard_normal(len(told.window))
        moved, values = told, arrays.values
        for _ in range(30):  # towards the window, until the same neurons fire and analogs count
            values = arrays.values.copy()
            values[240 - len(move) : 240] += move
            moved = state.decompose(replace(arrays, values=values), 239, 4)
            if (moved.fires == told.fires).all() and same_analogs(moved, told):
                break
            move = move / 2
        assert np.abs(move).max() > 1e-12
        window = values[240 - len(move) : 240]
        expected = told.constants + by_lag @ window
        np.testing.assert_allclose(moved.forecasts, expected, rtol=1e-11, atol=1e-12)


def same_analogs(one, other):
    """Whether analogs say the same, up to their own last samples."""
    places = [place for place, part in enumerate(one.parts) if part.part.kind == "analogs"]
    return np.allclose(one.contributions[:, places], other.contributions[:, places], rtol=0,
                       atol=1e-13)


def test_a_direct_model_has_a_network_for_each_step():
    rows = explain.forecast(fitted("direct")).contributions
    own = rows[rows["part"].str.endswith("of step 2")]
    assert (own.loc[own["step"] != 2, "contribution"] == 0).all()
    assert (own.loc[own["step"] == 2, "contribution"] != 0).any()


def test_members_of_a_committee_are_weighed():
    model = fitted("committee")
    rows = explain.forecast(model, 4).contributions
    weights = model.members_.set_index("member")["weight_1"]
    analogs = rows[(rows["step"] == 1) & (rows["part"] == "last value")].set_index("member")
    np.testing.assert_allclose(
        analogs["contribution"] / WAVE[239], weights[analogs.index], atol=1e-12)


def test_an_earlier_cutoff_shows_what_the_model_says_there():
    model = fitted("joint")
    told = explain.forecast(model, cutoff=199)
    shorter = model.models_["y"].decompose(
        fitted("joint").panel_.series[0].arrays(model.covariates).until(200, 0), 199, 4)
    np.testing.assert_array_equal(told.steps["forecast"], shorter.forecasts)
    assert told.steps["ds"].tolist() == [200, 201, 202, 203]
    np.testing.assert_array_equal(told.decomposition.window, WAVE[194:200])


def test_columns_known_ahead_are_in_the_constant():
    known = np.cos(np.arange(120) / 3)
    data = pd.DataFrame({"ds": range(110), "y": WAVE[:110] + known[:110], "known": known[:110]})
    model = Autoregression(3, RidgeAR(3).make_regressor(), future_exog=("known",)).fit(data)
    future = pd.DataFrame({"ds": range(110, 120), "known": known[110:]})
    told = explain.forecast(model, 5, future=future)
    np.testing.assert_allclose(
        told.steps["forecast"], model.predict(5, future=future)["Autoregression"], rtol=1e-12)
    assert told.steps["constant"].nunique() > 1


def test_one_series_of_many():
    data = pd.concat([pd.DataFrame({"unique_id": name, "ds": range(90), "y": size * WAVE[:90]})
                      for name, size in (("a", 1), ("b", 3))])
    model = RidgeAR(3).fit(data)
    told = explain.forecast(model, 2, unique_id="b")
    expected = model.predict(2)
    np.testing.assert_allclose(told.steps["forecast"],
                               expected.loc[expected["unique_id"] == "b", "RidgeAR"], rtol=1e-12)
    assert told.unique_id == "b"


@pytest.mark.parametrize(("call", "told"), [
    (lambda: explain.forecast(Naive().fit(WAVE), 2), "model must be a ReLUForecaster, Analogs"),
    (lambda: explain.forecast(fitted("linear"), 2, unique_id="z"), "unique_id must be that of a"),
    (lambda: explain.forecast(fitted("linear"), 0), "h must be an integer >= 1"),
    (lambda: explain.forecast(LinearAR(2).fit(WAVE)), "h must be an integer >= 1"),
    (lambda: explain.forecast(fitted("linear"), cutoff=1000), "cutoff must be a time of the"),
    (lambda: explain.forecast(fitted("linear"), cutoff=1), "cutoff must be after at least 3"),
    (lambda: explain.forecast(fitted("linear"), 4, cutoff=236), "and 4 before the end"),
    (lambda: explain.forecast(fitted("direct"), 5), "h must be at most 4"),
    (lambda: explain.forecast(fitted("linear"), 1, future=pd.DataFrame()), "future must be None"),
    (lambda: explain.forecast(
        Autoregression(3, RandomForestRegressor(2)).fit(WAVE), 1), "to be taken apart")])
def test_what_cannot_be_explained_is_refused(call, told):
    with pytest.raises(InvalidArgumentError, match=told):
        call()


def test_a_picture_shows_every_step():
    axes = explain.forecast(fitted("committee")).plot()
    [forecast] = [line for line in axes.get_lines() if line.get_label() == "forecast"]
    np.testing.assert_allclose(
        forecast.get_ydata(), fitted("committee").predict()["ReLU"], rtol=1e-12)
