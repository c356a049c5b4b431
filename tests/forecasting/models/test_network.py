"""Networks on windows: what rounding of the data does to them, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast import load_ecg
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.network import NetworkAutoregression

ECG = load_ecg().to_numpy()[20_000:21_200]


@pytest.mark.parametrize("strategy", ["joint", "recursive"])
def test_the_unit_of_a_long_noisy_series_sends_training_nowhere_else(strategy):
    forecasts = [
        (NetworkAutoregression(15, strategy, beta_ratio=0.03, tol=0.1, quick=True).fit(
            unit * ECG + level, horizon=5).predict(5)["Network"].to_numpy() - level) / unit
        for unit, level in ((1.0, 0.0), (1e6, 0.0), (1e-6, 0.0), (0.3, 0.0), (1.0, 100.0))]
    for other in forecasts[1:]:
        np.testing.assert_allclose(other, forecasts[0], rtol=0, atol=1e-9 * ECG.std())


def test_what_networks_are_trained_on_is_as_good_as_the_samples():
    history = History(ECG, np.empty((len(ECG), 0)), np.empty((len(ECG), 0)))
    model = NetworkAutoregression(15)
    inputs = Inputs.of(history, 15, "last_value", with_level=True)
    for rounded, own in zip(model.rows(inputs, history, 1, 3), inputs.training(history, 1, 3),
                            strict=True):
        assert 0 < np.abs(rounded - own).max() < 1e-7
