"""Pictures of forecasts: what is drawn is what the frames hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import plots
from relu_forecast.baselines import Drift
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation.intervals import interval_columns
from tests.forecasting.evaluation.backtests import made


def names_in(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax: Any, label: str) -> Any:
    return next(one for one in ax.lines if one.get_label() == label)


FORECASTS = pd.DataFrame({
    "ds": [100, 101], "m": [1.0, 2.0], "m-lo-80": [0.5, 1.0], "m-hi-80": [1.5, 3.0],
    "m-lo-97.5": [0.0, 0.0], "m-hi-97.5": [2.0, 4.0]})


@pytest.mark.parametrize("history", [
    np.arange(100.0), pd.Series(np.arange(100.0)),
    pd.DataFrame({"ds": range(100), "y": np.arange(100.0)})], ids=["array", "series", "frame"])
def test_a_forecast_follows_the_end_of_its_history(history: Any) -> None:
    ax = plots.plot_forecast(history, FORECASTS, alias="m", levels=[80, 97.5], unit="mV")
    past, ahead = line(ax, "history"), line(ax, "m")
    np.testing.assert_array_equal(past.get_xdata(), range(50, 100))
    np.testing.assert_array_equal(past.get_ydata(), range(50, 100))
    np.testing.assert_array_equal(ahead.get_xdata(), [100, 101])
    np.testing.assert_array_equal(ahead.get_ydata(), [1, 2])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("y [mV]", "time")


def test_times_may_be_the_index_and_series_have_names() -> None:
    history = pd.Series([1.0, np.nan, 3.0], name="load")
    ax = plots.plot_forecast(history, FORECASTS.set_index("ds"), alias="m", levels=[80])
    np.testing.assert_array_equal(line(ax, "m").get_xdata(), [100, 101])
    np.testing.assert_array_equal(line(ax, "history").get_ydata(), history)
    assert ax.get_ylabel() == "load"


def test_lower_levels_are_darker_and_on_top() -> None:
    ax = plots.plot_forecast([1.0, 2.0], FORECASTS, alias="m", levels=[80, 97.5])
    wide, narrow = ax.collections
    assert (wide.get_label(), narrow.get_label()) == ("97.5 % of m", "80 % of m")
    assert wide.get_paths()[0].vertices[:, 1].max() == 4.0
    assert narrow.get_facecolor()[0, :3].sum() < wide.get_facecolor()[0, :3].sum()
    assert narrow.get_zorder() > wide.get_zorder()
    assert "97.5 % of m" in names_in(ax)


def test_more_of_the_history_can_be_drawn() -> None:
    history = np.arange(300.0)
    ax = plots.plot_forecast(history, FORECASTS, alias="m", n_history=200)
    assert len(line(ax, "history").get_xdata()) == 200
    long = pd.DataFrame({"ds": range(300, 330), "m": 0.0})
    ax = plots.plot_forecast(history, long, alias="m")
    assert len(line(ax, "history").get_xdata()) == 4 * 30


def test_forecasts_of_forecasters_are_drawn_as_they_come() -> None:
    times = pd.date_range("2026-01-30", periods=60, freq="h")
    values = pd.Series(np.sin(np.arange(60.0)), index=times)
    model = Drift().fit(values, horizon=3, intervals="split")
    rows = model.predict(level=[80])
    ax = plots.plot_forecast(values, rows, alias="Drift", levels=[80])
    np.testing.assert_array_equal(line(ax, "Drift").get_ydata(), rows["Drift"])
    assert pd.DatetimeIndex(line(ax, "Drift").get_xdata()).tolist() == rows["ds"].tolist()
    assert {*interval_columns("Drift", 80)} < {*rows}


@pytest.mark.parametrize(("arguments", "message"), [
    ({"alias": "x"}, "columns of forecasts must be one of"),
    ({"alias": "m", "levels": [50]}, "got 'm-lo-50'"),
    ({"alias": "m", "n_history": 0}, "n_history must be an integer >= 1"),
    ({"alias": "m", "target_col": "z"}, "columns of history must be one of 'ds', 'y'"),
])
def test_forecasts_that_are_not_there(arguments: dict[str, Any], message: str) -> None:
    history = pd.DataFrame({"ds": range(3), "y": 1.0})
    with pytest.raises(InvalidArgumentError, match=message):
        plots.plot_forecast(history, FORECASTS, **arguments)
    with pytest.raises(InvalidArgumentError, match="forecasts must be of one series"):
        plots.plot_forecast(history, pd.concat([FORECASTS] * 2), alias="m")


def test_a_backtest_draws_what_was_observed_and_forecast() -> None:
    result = made(n_cutoffs=20, gap=0)
    ax = plots.plot_backtest(result.predictions, ["q", "p"], n_cutoffs=3, unit="MW")
    assert names_in(ax) == ["observed", "q", "p"]
    assert len(ax.lines) == 1 + 2 * 3
    first = line(ax, "q")
    rows = result.predictions
    rows = rows[(rows["unique_id"] == "s0") & (rows["cutoff"] == first.get_xdata()[0] - 1)]
    np.testing.assert_array_equal(first.get_ydata(), rows["q"])
    assert first.get_zorder() > line(ax, "p").get_zorder()
    assert ax.get_ylabel() == "y [MW]"


def test_a_backtest_draws_the_intervals_of_one_model() -> None:
    result = made(gap=0)
    frame = result.predictions.drop(columns=[name for name in result.predictions if "q-" in name])
    ax = plots.plot_backtest(frame, ["q", "p"], levels=result.levels, n_cutoffs=2)
    assert {band.get_label() for band in ax.collections} >= {"80 % of p", "97.5 % of p"}
    assert len(ax.collections) == 2 * 2
    assert not plots.plot_backtest(frame, ["q"], levels=result.levels).collections


def test_the_series_that_is_drawn_can_be_chosen() -> None:
    frame = made().predictions
    for series, name in (("s2", "s2"), (None, "s0")):
        truth = plots.plot_backtest(frame, ["p"], series=series).lines[0]
        expected = frame[frame["unique_id"] == name].drop_duplicates("ds").set_index("ds")["y"]
        np.testing.assert_array_equal(truth.get_ydata(), expected[truth.get_xdata()])


@pytest.mark.parametrize(("arguments", "message"), [
    ({"models": ["x"]}, "columns of predictions must be one of .* got 'x'"),
    ({"n_cutoffs": 0}, "n_cutoffs must be an integer >= 1"),
    ({"series": "three"}, "series must be an identifier in the backtest; got 'three'"),
])
def test_what_is_not_there_is_not_drawn(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        plots.plot_backtest(made().predictions, **{"models": ["p"], **arguments})


def test_of_many_models_six_have_names() -> None:
    models = [f"m{place}" for place in range(9)]
    result = made(models=models, levels=())
    errors = result.scores(["rmse"], by="step").loc["rmse"]
    for ax in (plots.plot_step_errors(errors),
               plots.plot_backtest(result.predictions, models, n_cutoffs=2)):
        assert names_in(ax)[-7:] == [*models[:6], "3 other models"]


def test_errors_by_step_start_at_zero_and_at_whole_steps() -> None:
    errors = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 3.0]}, index=[1, 2])
    ax = plots.plot_step_errors(errors, metric="MAE", unit="mV")
    np.testing.assert_array_equal(line(ax, "b").get_ydata(), [2, 3])
    assert ax.get_ylabel() == "MAE [mV]"
    assert ax.get_ylim() == (0, pytest.approx(1.05 * 3))
    assert all(tick == round(tick) for tick in ax.get_xticks())


def test_one_step_forecasts_lie_on_the_signal() -> None:
    index = pd.to_timedelta(np.arange(30) / 10, unit="s")
    forecasts = pd.DataFrame({"a": np.ones(30), "b": 2.0}, index=index)
    ax = plots.plot_one_step(pd.Series(np.arange(30.0), index), forecasts, name="ECG", unit="mV")
    assert names_in(ax) == ["ECG", "a", "b"]
    np.testing.assert_array_equal(line(ax, "a").get_ydata(), forecasts["a"])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("ECG [mV]", "time [s]")


def test_axes_of_the_caller_are_drawn_on() -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plots.plot_forecast([1.0], FORECASTS, alias="m", ax=ax) is ax
    assert plots.plot_step_errors(pd.DataFrame({"a": [1.0]}), ax=ax) is ax
    assert plots.plot_backtest(made().predictions, ["p"], ax=ax) is ax
