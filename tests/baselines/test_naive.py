"""Naive baselines: against loops by hand."""


import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.baselines import Drift, Naive, SeasonalNaive
from tests.baselines.samples import SIGNAL


@settings(max_examples=30)
@given(n=st.integers(8, 90), h=st.integers(1, 20), season=st.integers(1, 8))
def test_naive_baselines_by_hand(n, h, season, forecast):
    values = SIGNAL[:n]
    np.testing.assert_array_equal(forecast(Naive(), values, h), [values[-1]] * h)
    repeated = [values[n - season + k % season] for k in range(h)]
    np.testing.assert_array_equal(forecast(SeasonalNaive(season), values, h), repeated)
    step = (values[-1] - values[0]) / (n - 1)
    line = [values[-1] + k * step for k in range(1, h + 1)]
    np.testing.assert_allclose(forecast(Drift(), values, h), line)


def test_a_season_of_one_is_naive(forecast):
    np.testing.assert_array_equal(
        forecast(SeasonalNaive(1), SIGNAL, 5), forecast(Naive(), SIGNAL, 5))


def test_drift_keeps_its_slope_without_a_refit():
    frame = Drift().cross_validation(SIGNAL, 2, n_windows=3, refit=False)
    slope = (SIGNAL[83] - SIGNAL[0]) / 83
    last = SIGNAL[[83, 85, 87]].repeat(2)
    np.testing.assert_allclose(frame["Drift"], last + slope * np.tile([1, 2], 3))
