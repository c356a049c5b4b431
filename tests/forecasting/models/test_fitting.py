"""Fits of panels: states and errors by series, sizes of calibration parts, lengths."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

from relu_forecast.baselines import LinearAR, Naive
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.forecasting import Autoregression, ConformalIntervals
from relu_forecast.forecasting.models.fitting import check_lengths, fit_panel

DATA = pd.DataFrame({
    "unique_id": np.repeat(["b", "a"], 40), "ds": [*range(40)] * 2,
    "y": np.random.default_rng(0).normal(size=80).cumsum()})
PANEL = Naive().fit(DATA).panel_
INTERVALS = ConformalIntervals(calibration_size=9)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_each_series_has_its_state_and_the_errors_of_its_calibration_part(n_jobs):
    with parallel_config("threading"):
        fits = fit_panel(Naive(), PANEL, 3, INTERVALS, n_jobs, {})
        states = {name: f"state of {name}" for name in fits}
        calibrated = fit_panel(Naive(), PANEL, 3, INTERVALS, n_jobs, {}, states)
    assert list(fits) == ["a", "b"]
    for series in PANEL.series:
        expected = np.full((9, 3), np.nan)
        for row, origin in enumerate(range(30, 39)):
            for step in range(1, min(3, 39 - origin) + 1):
                expected[row, step - 1] = abs(series.values[origin + step] - series.values[origin])
        np.testing.assert_array_equal(fits[series.unique_id].errors, expected)
        np.testing.assert_array_equal(calibrated[series.unique_id].errors, expected)
        assert calibrated[series.unique_id].state == states[series.unique_id]


def test_without_intervals_there_are_no_errors():
    fits = fit_panel(LinearAR(3), PANEL, None, None, None, {})
    assert {fit.errors for fit in fits.values()} == {None}
    assert {fit.unconverged for fit in fits.values()} == {""}


def test_fits_that_do_not_converge_are_named():
    model = Autoregression(3, ConvexReLURegressor(beta_ratio=0.001, tol=1e-14, max_iter=1))
    with pytest.warns(ConvergenceWarning, match="2 of 2 fits of Autoregression .* series a: "):
        fits = fit_panel(model, PANEL, 1, None, None, {})
    assert fits["b"].unconverged.startswith("series b: ")


def test_series_that_are_too_short_are_named():
    check_lengths(LinearAR(39), PANEL, 1)
    with pytest.raises(InvalidArgumentError, match="series a must be at least 41 samples long for"):
        check_lengths(LinearAR(40), PANEL, 1)
    with pytest.raises(InvalidArgumentError, match=r"at least 43 .* with 9 samples held out for"):
        fit_panel(LinearAR(33), PANEL, 3, INTERVALS, None, {})
