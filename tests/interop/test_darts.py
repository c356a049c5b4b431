from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("darts")

from darts import TimeSeries
from darts.models import SKLearnModel

from relu_forecast import Autoregression, ConvexReLURegressor, load_ecg

pytestmark = pytest.mark.filterwarnings("default")

NETWORK = ConvexReLURegressor(beta_ratio=0.3, tol=0.05, random_state=0)
AUTOREGRESSION = Autoregression(5, NETWORK, transform=None)


@pytest.fixture(scope="module")
def ecg():
    return load_ecg().to_numpy()[20_000:20_140]


def test_a_model_of_darts_forecasts_as_ours(ecg):
    model = SKLearnModel(lags=5, model=NETWORK).fit(TimeSeries.from_values(ecg))
    ours = AUTOREGRESSION.fit(ecg).predict(8)
    np.testing.assert_allclose(
        model.predict(8).values()[:, 0], ours["Autoregression"], atol=1e-6)


def test_historical_forecasts_are_fits_to_the_past(ecg):
    history = SKLearnModel(lags=5, model=NETWORK).historical_forecasts(
        TimeSeries.from_values(ecg), start=130, forecast_horizon=5, stride=5, retrain=True,
        last_points_only=False, show_warnings=False)
    ours = [AUTOREGRESSION.fit(ecg[:cutoff]).predict(5)["Autoregression"]
            for cutoff in (130, 135)]
    np.testing.assert_allclose(
        [part.values()[:, 0] for part in history], ours, atol=1e-6)
