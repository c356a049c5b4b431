"""Networks on windows: what rounding of the data does to them, and what it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relu_forecast import load_ecg
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.network import NetworkAutoregression

ECG = load_ecg().to_numpy()[20_000:20_700]


SIZE = float(ECG.std())


@pytest.mark.parametrize(("strategy", "transform"), [
    ("joint", "last_value"), ("joint", None), ("recursive", "standardize"),
    ("direct", "difference")])
def test_unit_and_level_of_a_long_noisy_series_send_training_nowhere_else(strategy, transform):
    def forecast(unit, level):
        model = NetworkAutoregression(
            15, strategy, transform, beta_ratio=0.1, tol=0.1, quick=True)
        model.fit(unit * ECG + level, horizon=2)
        return (model.predict()["Network"].to_numpy() - level) / unit

    plain, levels = forecast(1.0, 0.0), [] if transform is None else [100.0, 1e6 * SIZE]
    for unit, level in [(1e6, 0.0), (0.3e-6, 0.0), *((1.0, level) for level in levels)]:
        np.testing.assert_allclose(forecast(unit, level), plain, rtol=0, atol=1e-7 * SIZE)


def test_the_unit_of_columns_and_the_level_beside_analogs_do_not_either():
    def forecast(unit, level):
        columns = pd.DataFrame({"ds": range(len(ECG)), "y": ECG + level, 
                                "other": unit * (np.roll(ECG, 7) ** 2 + 1)})
        model = NetworkAutoregression(15, beta_ratio=0.1, tol=0.1, quick=True, analogs=20,
                                      past_exog=["other"])
        return model.fit(columns, horizon=2).predict()["Network"].to_numpy() - level

    np.testing.assert_allclose(
        forecast(0.3e6, 1e6 * SIZE), forecast(1.0, 0.0), rtol=0, atol=1e-7 * SIZE)


def test_what_networks_are_trained_on_is_as_good_as_the_samples():
    history = History.of(ECG)
    model = NetworkAutoregression(15)
    inputs = model.inputs_of(history, 3)
    for rounded, own in zip(model.rows(inputs, history, 1, 3), inputs.training(history, 1, 3),
                            strict=True):
        assert 0 < np.abs(rounded - own).max() < 1e-3
