from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("darts")

from darts import TimeSeries
from darts.models import SKLearnModel
from sklearn.base import clone

from relu_forecast import ConvexReLURegressor, hankel, load_ecg

pytestmark = pytest.mark.filterwarnings("default")

NETWORK = ConvexReLURegressor(beta_ratio=0.3, tol=0.05, random_state=0)


@pytest.fixture(scope="module")
def ecg():
    return load_ecg().to_numpy()[20_000:20_140]


def recursive_forecasts(samples, steps):
    """Fit the network to windows of five samples, and feed it with its own forecasts."""
    network = clone(NETWORK).fit(*hankel(samples, 5))
    for _ in range(steps):
        samples = np.append(samples, network.predict(samples[None, -5:]))
    return samples[-steps:]


def test_a_model_of_darts_forecasts_with_the_network(ecg):
    model = SKLearnModel(lags=5, model=NETWORK).fit(TimeSeries.from_values(ecg))
    np.testing.assert_allclose(
        model.predict(8).values()[:, 0], recursive_forecasts(ecg, 8), atol=1e-6)


def test_historical_forecasts_are_fits_to_the_past(ecg):
    history = SKLearnModel(lags=5, model=NETWORK).historical_forecasts(
        TimeSeries.from_values(ecg), start=130, forecast_horizon=5, stride=5, retrain=True,
        last_points_only=False, show_warnings=False)
    np.testing.assert_allclose(
        [part.values()[:, 0] for part in history],
        [recursive_forecasts(ecg[:cutoff], 5) for cutoff in (130, 135)], atol=1e-6)
