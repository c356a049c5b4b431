"""Pictures of errors, against the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import plots
from relu_forecast.exceptions import InvalidArgumentError

ERRORS = np.random.default_rng(0).standard_normal(400)


def test_errors_are_drawn_over_time() -> None:
    index = pd.to_timedelta(np.arange(400) / 10, unit="s")
    ax = plots.plot_residuals(pd.Series(ERRORS, index), name="error", unit="mV")
    np.testing.assert_allclose(ax.lines[0].get_xdata()[-1], 39.9)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), ERRORS)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("error [mV]", "time [s]")


def test_the_histogram_is_a_density() -> None:
    ax = plots.plot_residual_histogram([*ERRORS, np.nan], unit="mV")
    assert sum(bar.get_width() * bar.get_height() for bar in ax.patches) == pytest.approx(1)
    curve = ax.lines[0]
    top = curve.get_ydata().max()
    assert top == pytest.approx(1 / np.sqrt(2 * np.pi) / ERRORS.std(), rel=1e-3)


def test_normal_errors_lie_on_the_line_of_quantiles() -> None:
    ax = plots.plot_residual_quantiles(ERRORS)
    points, normal = ax.lines
    np.testing.assert_array_equal(points.get_ydata(), np.sort(ERRORS))
    assert np.abs(points.get_ydata() - normal.get_ydata())[20:-20].max() < 0.2


def test_autocorrelations_are_those_of_a_loop() -> None:
    ax = plots.plot_autocorrelation(ERRORS, n_lags=5, apart="cutoffs")
    assert ax.get_xlabel() == "lag [cutoffs]"
    points = next(line for line in ax.lines if line.get_marker() == "o")
    centred = ERRORS - ERRORS.mean()
    literal = [sum(centred[t] * centred[t - k] for t in range(k, 400)) / sum(centred**2)
               for k in range(1, 6)]
    np.testing.assert_allclose(points.get_ydata(), literal)
    np.testing.assert_array_equal(points.get_xdata(), range(1, 6))
    assert ax.patches[0].get_height() == pytest.approx(2 * 1.96 / 20)


def test_errors_that_are_all_alike_have_no_pattern() -> None:
    ax = plots.plot_autocorrelation(np.ones(9))
    assert all((line.get_ydata() == 0).all() for line in ax.lines[:1])
    assert not plots.plot_residual_histogram(np.ones(9)).lines


@pytest.mark.parametrize("draw", [
    plots.plot_residual_histogram, plots.plot_residual_quantiles, plots.plot_autocorrelation])
def test_one_error_is_too_few(draw: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="residuals must be two finite errors or more"):
        draw([1.0, np.nan])
    with pytest.raises(InvalidArgumentError, match="n_lags must be an integer >= 1"):
        plots.plot_autocorrelation(ERRORS, n_lags=0)
