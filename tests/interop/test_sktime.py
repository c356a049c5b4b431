from __future__ import annotations

import importlib
import inspect
import sys

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")

from sklearn.linear_model import LinearRegression
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.detrend import Detrender
from sktime.utils.estimator_checks import check_estimator, parametrize_with_checks

import relu_forecast
from relu_forecast import InvalidArgumentError
from relu_forecast.adapters.sktime import ReLUForecaster

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def unchecked_init(monkeypatch):
    """Take the annotation checks of these tests off __init__: sktime reads its signature."""
    monkeypatch.setattr(ReLUForecaster, "__init__", inspect.unwrap(ReLUForecaster.__init__))


@pytest.fixture
def wave():
    """Eighty hours of a bent wave."""
    values = np.abs(np.sin(np.arange(80) / 5)) + np.random.default_rng(0).normal(0, 0.02, 80)
    return pd.Series(values, pd.date_range("2026-01-01", periods=80, freq="h"), name="wave")


def network(**options):
    return ReLUForecaster(
        **{"lags": 3, "strategy": "recursive", "beta_ratio": 0.5} | options)


def linear(**options):
    return ReLUForecaster(
        **{"lags": 3, "strategy": "recursive", "estimator": LinearRegression()} | options)


@parametrize_with_checks(ReLUForecaster, obj_varname="forecaster", check_varname="check")
def test_sktime_conventions(forecaster, check, record_property):
    results = check_estimator(forecaster, tests_to_run=check, raise_exceptions=True, verbose=False)
    assert set(results.values()) == {"PASSED"}
    record_property("checks", len(results))


@pytest.mark.parametrize("fh", [[1, 2, 3], [5, 2]])
def test_forecasts_and_intervals_are_ours(wave, fh):
    ours = relu_forecast.ReLUForecaster(lags=3, strategy="recursive", beta_ratio=0.5).fit(
        wave, horizon=max(fh), intervals="split").predict(
            level=[80, 90]).set_index("ds").iloc[np.sort(fh) - 1]
    theirs = network().fit(wave)
    pd.testing.assert_series_equal(
        theirs.predict(fh), ours["ReLU"], check_names=False, check_freq=False)
    bounds = theirs.predict_interval(fh, coverage=[0.9, 0.8])
    np.testing.assert_array_equal(
        bounds, ours[["ReLU-lo-90", "ReLU-hi-90", "ReLU-lo-80", "ReLU-hi-80"]])
    assert bounds.index.equals(ours.index)


@pytest.mark.parametrize("parameters", [
    {"lags": 2, "strategy": "direct", "transform": "difference", "skip_penalty": 0.1},
    {"strategy": "joint", "horizon": 2, "beta_ratio": "cv", "random_state": 1},
    {"lags": "auto", "horizon": 2, "strategy": "joint", "committee": False, "beta_ratio": None},
])
def test_every_parameter_reaches_the_forecaster(wave, parameters):
    ours = relu_forecast.ReLUForecaster(
        **{"lags": 3, "strategy": "recursive", "beta_ratio": 0.5} | parameters)
    theirs = network(**parameters).fit(wave, fh=[1])
    assert theirs.forecaster_.get_params() == ours.get_params()
    np.testing.assert_array_equal(
        theirs.predict([1]), ours.fit(wave, horizon=1).predict()["ReLU"])


def test_the_median_is_the_forecast(wave):
    forecaster = linear().fit(wave)
    median = forecaster.predict_quantiles([1, 2], alpha=[0.5])
    np.testing.assert_array_equal(median.to_numpy()[:, 0], forecaster.predict([1, 2]))


def test_in_sample_forecasts_are_single_steps_of_the_final_model(wave):
    forecaster = linear(transform=None).fit(wave)
    regressor = forecaster.forecaster_.regressor_
    forecasts = forecaster.predict(-np.arange(80))
    windows, _ = relu_forecast.hankel(wave.to_numpy(), 3)
    assert forecasts.isna().tolist() == [True] * 3 + [False] * 77
    size = np.sqrt(np.mean(wave.to_numpy() ** 2))
    expected = size * regressor.predict(windows / size)
    np.testing.assert_allclose(forecasts[3:], expected, rtol=1e-10)


def test_an_update_fits_again_unless_parameters_stay(wave):
    grown = linear().fit(wave[:60]).update(wave[50:])
    pd.testing.assert_series_equal(grown.predict([1]), linear().fit(wave).predict([1]))
    moved = linear().fit(wave[:60])
    models = moved.forecaster_.models_
    moved.update(wave[60:], update_params=False)
    assert moved.forecaster_.models_ is models
    assert moved.predict([1]).index.tolist() == [wave.index[-1] + pd.Timedelta("1h")]
    assert moved.predict([1]).item() != grown.predict([1]).item()
    moved.update(wave[:40])
    with pytest.raises(InvalidArgumentError, match=r"cutoff must be the last sample .* 07:00"):
        moved.predict([1])


def test_columns_that_are_known_ahead_are_used(wave):
    bump = pd.DataFrame({"y": np.arange(90) % 7 == 0}, pd.date_range(
        wave.index[0], periods=90, freq="h"))
    forecaster = linear(transform="standardize").fit(
        wave + 2 * bump.loc[wave.index, "y"], X=bump.loc[wave.index])
    with_bump = forecaster.predict([1, 2, 3, 4, 5], X=bump)
    without = forecaster.predict([1, 2, 3, 4, 5], X=bump & False)
    assert (with_bump - without).iloc[4] == pytest.approx(2, abs=0.3)
    with pytest.raises(InvalidArgumentError, match=r"X must be a frame with the columns \['y'\]"):
        forecaster.predict([1])


def test_missing_samples_are_filled_if_asked_for(wave):
    gappy = wave.copy()
    gappy.iloc[[10, 40]] = np.nan
    filled = linear(missing="interpolate").fit(gappy).predict([1])
    pd.testing.assert_series_equal(filled, linear().fit(gappy.interpolate()).predict([1]))
    with pytest.raises(ValueError, match="missing"):
        linear().fit(gappy)


def test_a_grid_search_and_a_pipeline_take_it(wave):
    cv = ExpandingWindowSplitter(fh=[1, 2], initial_window=60, step_length=8)
    search = ForecastingGridSearchCV(
        Detrender() * linear(), cv, {"ReLUForecaster__lags": [1, 6]}).fit(wave)
    assert search.best_params_ == {"ReLUForecaster__lags": 6}
    assert len(evaluate(linear(), cv, wave, strategy="update")) == cv.get_n_splits(wave)


def test_without_sktime_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sktime.forecasting.base", None)
    monkeypatch.delitem(sys.modules, "relu_forecast.adapters.sktime")
    with pytest.raises(ImportError, match=r"pip install 'relu_forecast\[sktime\]'"):
        importlib.import_module("relu_forecast.adapters.sktime")
