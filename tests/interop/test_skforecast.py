from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

pytest.importorskip("skforecast")

from skforecast.model_selection import (
    TimeSeriesFold,
    backtesting_forecaster,
    grid_search_forecaster,
)
from skforecast.recursive import ForecasterRecursive

from relu_forecast import ConvexReLURegressor, hankel, load_ecg

pytestmark = pytest.mark.filterwarnings("default")

LAGS = 5
NETWORK = ConvexReLURegressor(beta_ratio=0.2, tol=1e-2, random_state=0)


@pytest.fixture(scope="module")
def ecg():
    """An electrocardiogram on whole numbers, an index that skforecast takes."""
    return pd.Series(load_ecg().to_numpy()[20_000:20_160], name="ecg")


def newest_first(values):
    """Return windows as skforecast lays them out, and the samples after them."""
    windows, samples = hankel(values, LAGS)
    return windows[:, ::-1], samples


def recursion(network, values, h):
    """Return ``h`` samples after ``values``, one step at a time."""
    path = list(values)
    for _ in range(h):
        path += network.predict([path[: -LAGS - 1 : -1]]).tolist()
    return path[len(values):]


def test_a_backtest_is_the_network_stepping_on(ecg):
    cv = TimeSeriesFold(steps=10, initial_train_size=120, refit=False)
    metric, predictions = backtesting_forecaster(
        ForecasterRecursive(estimator=NETWORK, lags=LAGS), ecg, cv, "mean_squared_error",
        show_progress=False)
    network = clone(NETWORK).fit(*newest_first(ecg.to_numpy()[:120]))
    expected = np.concatenate([
        recursion(network, ecg.to_numpy()[:cutoff], 10) for cutoff in range(120, 160, 10)])
    np.testing.assert_allclose(predictions["pred"], expected, atol=1e-9)
    assert metric.iloc[0, 0] == pytest.approx(np.mean((expected - ecg[120:]) ** 2))


def test_intervals_surround_the_forecasts(ecg):
    forecaster = ForecasterRecursive(estimator=NETWORK, lags=LAGS)
    forecaster.fit(ecg, store_in_sample_residuals=True)
    frame = forecaster.predict_interval(steps=5, interval=[0.1, 0.9], random_state=1)
    assert (frame["lower_bound"] <= frame["upper_bound"]).all()
    assert np.isfinite(frame).all(axis=None)


def test_a_grid_search_reports_every_penalty(ecg):
    results = grid_search_forecaster(
        forecaster=ForecasterRecursive(estimator=clone(NETWORK), lags=LAGS), y=ecg,
        cv=TimeSeriesFold(steps=10, initial_train_size=120, refit=False),
        param_grid={"beta_ratio": [0.2, 0.9]}, metric="mean_absolute_error",
        show_progress=False, verbose=False)
    assert sorted(results["beta_ratio"]) == [0.2, 0.9]
    assert results["mean_absolute_error"].is_monotonic_increasing
