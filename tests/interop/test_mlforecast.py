from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

pytest.importorskip("mlforecast")

from mlforecast import MLForecast
from mlforecast.target_transforms import LocalStandardScaler
from mlforecast.utils import PredictionIntervals

from relu_forecast import ConvexReLURegressor, hankel, load_ecg

pytestmark = pytest.mark.filterwarnings("default")

LAGS = 5
NETWORK = ConvexReLURegressor(beta_ratio=0.2, tol=1e-2, random_state=0)


@pytest.fixture(scope="module")
def beats():
    """Two stretches of an electrocardiogram, as a long frame."""
    ecg = load_ecg().to_numpy()
    return pd.concat([
        pd.DataFrame({"unique_id": name, "ds": np.arange(100), "y": ecg[start : start + 100]})
        for name, start in {"a": 20_000, "b": 30_000}.items()], ignore_index=True)


def forecast(**options):
    """Return mlforecast's forecaster with our network."""
    return MLForecast({"ReLU": NETWORK}, freq=1, lags=list(range(1, LAGS + 1)), **options)


def stepping_on(frame, h):
    """Return ``h`` samples after each series, by one network for all, newest lag first."""
    series = [rows["y"].to_numpy() for _, rows in frame.groupby("unique_id")]
    windows, samples = zip(*(hankel(values, LAGS) for values in series), strict=True)
    network = clone(NETWORK).fit(np.concatenate(windows)[:, ::-1], np.concatenate(samples))
    paths = [list(values) for values in series]
    for _ in range(h):
        ahead = network.predict([path[: -LAGS - 1 : -1] for path in paths])
        for path, sample in zip(paths, ahead, strict=True):
            path.append(sample)
    return np.concatenate([path[-h:] for path in paths])


def test_forecasts_are_the_network_stepping_on(beats):
    frame = forecast().fit(beats).predict(8)
    np.testing.assert_allclose(frame["ReLU"], stepping_on(beats, 8), atol=1e-9)


def test_cross_validation_is_the_network_stepping_on(beats):
    frame = forecast().cross_validation(beats, n_windows=2, h=6)
    assert frame["cutoff"].unique().tolist() == [87, 93]
    for cutoff, rows in frame.groupby("cutoff"):
        known = beats[beats["ds"] <= cutoff]
        np.testing.assert_allclose(rows["ReLU"], stepping_on(known, 6), atol=1e-9)


def test_direct_forecasts_and_target_transforms_work(beats):
    frame = forecast(target_transforms=[LocalStandardScaler()]).fit(
        beats, max_horizon=3).predict(3)
    assert len(frame) == 6
    assert frame["ReLU"].abs().max() < 3 * beats["y"].abs().max()


def test_conformal_intervals_surround_the_forecasts(beats):
    frame = forecast().fit(
        beats, prediction_intervals=PredictionIntervals(n_windows=3, h=4)).predict(4, level=[80])
    assert (frame["ReLU-lo-80"] <= frame["ReLU"]).all()
    assert (frame["ReLU"] <= frame["ReLU-hi-80"]).all()
