"""Samples that follow a fit without a new one: forecasts from a longer past, and what is kept."""

import numpy as np
import pandas as pd
import pytest

from relu_forecast import ReLUForecaster, explain, load_forecaster
from relu_forecast.baselines import ETS, Analogs, RidgeAR
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import SeriesArrays

N, H = 200, 3
RNG = np.random.default_rng(8)
VALUES = np.sin(np.arange(N + 60) / 3) + 0.4 * np.sign(np.sin(np.arange(N + 60) / 7)) + (
    0.1 * RNG.normal(size=N + 60))
MODELS = {
    "network": ReLUForecaster(6, beta_ratio=0.15), "committee": ReLUForecaster(),
    "linear": RidgeAR(5), "analogs": Analogs(6, 3), "smoothing": ETS(),
    "pool": ReLUForecaster(6, beta_ratio=0.15, scope="global")}


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_are_those_of_the_fit_from_a_longer_past(name, tmp_path):
    model = MODELS[name].fit(VALUES[:N], horizon=H, intervals="split")
    before = model.predict(level=80)
    width = before[f"{model.alias}-hi-80"] - before[model.alias]
    assert model.update(VALUES[N : N + 30], refit=False) is model
    model.update(VALUES[N + 30 : N + 41], refit=False)
    told = model.predict(level=80)
    arrays = SeriesArrays(
        VALUES[: N + 41], np.empty((N + 41, 0)), np.empty((N + 41 + H, 0)))
    past = arrays.past_at(np.array([N + 40]), N, model.lookback, H)
    np.testing.assert_allclose(
        told[model.alias], model.forecast(model.models_["y"], past, H)[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(told[f"{model.alias}-hi-80"] - told[model.alias], width)
    assert told["ds"].tolist() == [N + 41, N + 42, N + 43]
    model.save(tmp_path / "m.safetensors")
    pd.testing.assert_frame_equal(
        load_forecaster(tmp_path / "m.safetensors").predict(level=80), told)


@pytest.mark.parametrize("name", ["network", "committee", "linear", "analogs"])
def test_streams_go_on_from_there(name):
    model = MODELS[name].fit(VALUES[:N], horizon=H)
    first = model.stream()
    first.push(VALUES[N : N + 41])
    model.update(VALUES[N : N + 41], refit=False)
    np.testing.assert_allclose(first.reading.forecast, model.predict()[model.alias], atol=1e-12)
    second = model.stream()
    assert second.count == 0
    for sample in VALUES[N + 41 :].tolist():
        one, other = first.push(sample), second.push(sample)
        np.testing.assert_allclose(other.forecast, one.forecast, rtol=0, atol=1e-12)
        np.testing.assert_allclose(other.upper, one.upper, rtol=0, atol=1e-12)


def test_times_and_gaps_go_on():
    times = pd.date_range("2026-01-01", periods=N + 60, freq="10ms")
    values = VALUES.copy()
    values[[N + 3, N + 4, N + 39, N + 40]] = np.nan
    signal = pd.Series(values, times)
    model = RidgeAR(5).fit(signal[:N], horizon=H, missing="skip")
    stream = model.stream()
    stream.push(values[N : N + 41])
    model.update(signal[N : N + 41], refit=False)
    np.testing.assert_allclose(stream.reading.forecast, model.predict()["RidgeAR"], atol=1e-12)
    model.stream().push(0.5, at=times[N + 41])
    with pytest.raises(InvalidArgumentError, match="later than the sample before"):
        model.stream().push(0.5, at=times[N + 40])
    with pytest.raises(InvalidArgumentError, match="data"):
        model.update(signal[N + 45 :], refit=False)
    with pytest.raises(InvalidArgumentError, match="refit"):
        model.update(signal[N + 41 :], refit=5)


def test_a_fit_later_is_to_all_samples():
    model = RidgeAR(5).fit(VALUES[:N], horizon=H)
    model.update(VALUES[N : N + 30], refit=False).update(VALUES[N + 30 : N + 31])
    expected = RidgeAR(5).fit(VALUES[: N + 31], horizon=H).predict()
    np.testing.assert_allclose(model.predict()["RidgeAR"], expected["RidgeAR"], rtol=1e-12)
    assert all(one.unfitted == 0 for one in model.panel_.series)


def test_series_that_have_nothing_new_are_fitted_to_what_they_had():
    data = pd.DataFrame({"unique_id": ["a"] * 100 + ["b"] * 100, "ds": [*range(100)] * 2,
                         "y": [*VALUES[:100], *VALUES[100:200]]})
    first = data[data["ds"] < 80]
    model = RidgeAR(4).fit(first, horizon=H)
    model.update(data[(data["ds"] >= 80) & (data["unique_id"] == "a")], refit=False)
    model.update(data[(data["ds"] >= 80) & (data["unique_id"] == "b")])
    pd.testing.assert_frame_equal(model.predict(), RidgeAR(4).fit(data, horizon=H).predict())


def test_explanations_and_calibration_are_of_the_longer_past():
    model = ReLUForecaster(6, beta_ratio=0.15).fit(VALUES[:N], horizon=H)
    model.update(VALUES[N : N + 20], refit=False)
    told = explain.forecast(model).contributions.groupby("step")["contribution"].sum()
    np.testing.assert_allclose(told, model.predict()["ReLU"], atol=1e-12)
    assert model.calibrate(H).predict(level=50)["ReLU-hi-50"].notna().all()


def test_committees_follow_samples_by_their_weight():
    weights = np.where(np.arange(len(VALUES)) % 4 == 0, 0.0, 1.0 + np.arange(len(VALUES)) % 3)
    data = pd.DataFrame({"unique_id": "a", "ds": range(len(VALUES)), "y": VALUES, "w": weights})
    model = ReLUForecaster().fit(data[:N], horizon=H, weight_col="w")
    model.update(data[N : N + 30], refit=False)
    stream, plain = model.stream(), ReLUForecaster().fit(data[:N], horizon=H, weight_col="w")
    np.testing.assert_allclose(stream.reading.forecast, model.predict()["ReLU"], atol=1e-12)
    plain.update(data[N : N + 30].assign(w=1.0), refit=False)
    assert np.abs(plain.stream().weights - stream.weights).max() > 1e-6
