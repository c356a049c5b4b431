"""Pictures of what follows a series: what is drawn is what the frames hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import num2date
from matplotlib.figure import Figure

from relu_forecast.plots.forecast import plot_forecast, plot_forecasts

TIMES = {
    "numbers": pd.RangeIndex(70), "durations": pd.timedelta_range("0s", periods=70, freq="2s"),
    "zone": pd.date_range("2026-03-27", periods=70, freq="h", tz="Europe/Berlin"),
    "months": pd.period_range("2020-01", periods=70, freq="M")}


def drawn(times: pd.Index) -> tuple[pd.Series, pd.DataFrame]:
    history = pd.Series(np.arange(60.0), index=times[:60], name="load")
    values = np.arange(60.0, 70.0)
    return history, pd.DataFrame(
        {"m": values, "m-lo-80": values - 1, "m-hi-80": values + 2, "m-lo-97.5": values - 3,
         "m-hi-97.5": values + 3}, index=times[60:])


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_past_forecast_and_intervals_are_drawn(times: pd.Index) -> None:
    history, ahead = drawn(times)
    axes = plot_forecast(history, ahead, alias="m", levels=[80, 97.5])
    past, line = axes.lines
    np.testing.assert_array_equal(past.get_ydata(), np.arange(10.0, 60.0))
    np.testing.assert_array_equal(line.get_ydata(), ahead["m"])
    narrow, wide = (band.get_paths()[0].get_extents() for band in axes.collections)
    assert (narrow.y0, narrow.y1, wide.y0, wide.y1) == (59, 71, 57, 72)
    assert axes.get_ylabel() == "load"
    assert ("[s]" in axes.get_xlabel()) is (times.dtype.kind == "m")
    axes.figure.draw_without_rendering()


def test_times_are_those_of_their_zone() -> None:
    axes = plot_forecast(*drawn(TIMES["zone"]), alias="m")
    axes.figure.draw_without_rendering()
    shown = axes.xaxis.get_major_formatter()._tz  # type: ignore[attr-defined]
    assert str(shown) == "Europe/Berlin"
    assert num2date(axes.lines[1].get_xdata(orig=False)[0]) == TIMES["zone"][60]


def test_it_draws_where_it_is_told_and_one_below_the_other() -> None:
    history, ahead = drawn(TIMES["numbers"])
    own = Figure().subplots()
    assert plot_forecast(history, ahead, alias="m", ax=own) is own
    figure = plot_forecasts([history, history.rename("b$x")], [ahead] * 2, alias="m", levels=[80])
    assert [axes.get_ylabel() for axes in figure.axes] == ["load", r"b\$x"]
    assert [len(axes.collections) for axes in figure.axes] == [1, 1]
