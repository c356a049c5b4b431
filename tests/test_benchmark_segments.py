"""The table of convolutions that keep their place, on a short stretch."""

import numpy as np
import pytest

from benchmarks import segments


def test_rows_say_how_large_networks_are_and_how_well_they_forecast(monkeypatch, tmp_path):
    signal = np.round(100 * np.sin(np.arange(400) / 5) + 50 * np.abs(np.sin(np.arange(400) / 9)))
    np.savez(tmp_path / "wave.npz", adc=signal.astype(np.int16))
    for name, value in (("_FIRST", 10), ("_SAMPLES", 150), ("_LAGS", 16), ("_STEPS", (1, 3)),
                        ("_SITES", ("global", 2))):
        monkeypatch.setattr(segments, name, value)
    rows = list(segments.compared(tmp_path / "wave.npz", [0.1]))
    assert [row[1] for row in rows] == [
        "linear", "dense", "convolution, sites global", "convolution, sites 2"]
    linear, *networks = rows
    (_, _), (X, Y) = segments._parts(tmp_path / "wave.npz")
    assert X.shape == (150, 15)
    assert Y.shape == (150, 3)
    assert X[0, -1] == pytest.approx((signal[174] - signal[175]) / signal[10:160].std())
    assert Y[0, 0] == pytest.approx((signal[176] - signal[175]) / signal[10:160].std())
    for row in networks:
        neurons, weights = int(row[5]), int(row[6])
        inputs, sites = (16, 1) if row[1] == "dense" else (13, 2 if "2" in row[1] else 1)
        assert weights == neurons * (inputs + 3 * sites)
        assert float(row[3]) <= 1.2 * float(linear[3])
