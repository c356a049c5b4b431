"""Pictures of forecasts: what is drawn is what the frames hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import plots
from relu_forecast.baselines import Drift, Naive
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Backtest, backtest, rank_models


def test_one_step_draws_every_column_up_to_the_limit() -> None:
    index = pd.to_timedelta(np.arange(100) / 10, unit="s")
    frame = pd.DataFrame({"ECG": np.arange(100.0), "a": 1.0, "b": 2.0}, index=index)
    above, *below = plots.plot_one_step(frame, "title", seconds=3.0).axes
    assert above.get_title() == "title"
    assert [line.get_label() for line in above.lines] == ["ECG", "a", "b"]
    assert len(above.lines[0].get_xdata()) == 30
    for axes, forecast in zip(below, (1.0, 2.0), strict=True):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), forecast - np.arange(30.0))


def test_backtest_draws_truth_forecasts_and_errors() -> None:
    values = np.sin(np.arange(80) / 5)
    result = backtest({"n": Naive(), "d": Drift()}, values, h=4, n_windows=8)
    above, below = plots.plot_backtest(result, ["d"], n_cutoffs=3).axes
    assert len(above.lines) == 1 + 3
    steps = result.scores(["rmse"], by="step").loc["rmse"]["d"]
    np.testing.assert_allclose(below.lines[0].get_ydata(), steps)


def test_backtest_pictures_follow_the_names_and_the_unit_of_the_data() -> None:
    data = pd.DataFrame({"hour": range(40), "load": np.sin(np.arange(40.0))})
    result = backtest(
        {"n": Naive()}, data, h=2, n_windows=5, time_col="hour", target_col="load")
    above, below = plots.plot_backtest(result, unit="MW").axes
    assert above.get_ylabel() == "load [MW]"
    assert below.get_ylabel() == "RMSE [MW]"


def with_intervals() -> Backtest:
    values = np.sin(np.arange(160) / 5)
    data = pd.DataFrame({
        "unique_id": np.repeat(["one", "two"], 80), "ds": [*range(80)] * 2, "y": values})
    result = backtest({"n": Naive(), "d": Drift()}, data, h=4, n_windows=8)
    frame = result.predictions.copy()
    frame["n-lo-90"], frame["n-hi-90"] = frame["n"] - 1, frame["n"] + 2
    return replace(result, predictions=frame, levels=(90.0,))


def test_intervals_are_bands_where_there_are_some() -> None:
    result = with_intervals()
    above, _ = plots.plot_backtest(result, n_cutoffs=3).axes
    assert len(above.collections) == 3  # of "n" alone
    band = above.collections[0].get_paths()[0].vertices
    frame = result.predictions
    rows = frame[(frame["unique_id"] == "one") & (frame["cutoff"] == band[:, 0].min() - 1)]
    assert band[:, 1].min() == pytest.approx(rows["n-lo-90"].min())
    assert band[:, 1].max() == pytest.approx(rows["n-hi-90"].max())
    assert not plots.plot_backtest(result, ["d"]).axes[0].collections


def test_the_series_that_is_drawn_can_be_chosen() -> None:
    result = with_intervals()
    frame = result.predictions.drop_duplicates(["unique_id", "ds"]).set_index(["unique_id", "ds"])
    for series, name in (("two", "two"), (None, "one")):
        truth = plots.plot_backtest(result, series=series).axes[0].lines[0]
        expected = frame.loc[name]["y"][truth.get_xdata()]
        np.testing.assert_array_equal(truth.get_ydata(), expected)


def test_names_are_drawn_letter_by_letter() -> None:
    values = np.sin(np.arange(40.0))
    result = backtest({r"$\nonsense$": Naive()}, values, h=2, n_windows=5, target_col="$y$")
    figure = plots.plot_backtest(result, unit="$")
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylabel() == r"\$y\$ [\$]"


@pytest.mark.parametrize(("arguments", "message"), [
    ({"models": ["n", "x"]}, "models must be one of 'n', 'd'; got 'x'"),
    ({"n_cutoffs": 0}, "n_cutoffs must be an integer >= 1"),
    ({"series": "three"}, "series must be an identifier in the backtest; got 'three'"),
])
def test_what_is_not_there_is_not_drawn(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        plots.plot_backtest(with_intervals(), **arguments)


@pytest.mark.parametrize("n_models", [2, 4])
def test_a_ranking_is_drawn_best_first(n_models: int) -> None:
    scores = pd.DataFrame(np.random.default_rng(0).random((14, 4)) + np.arange(4)[::-1] / 4,
                          columns=["a", "b", "$c$", "d"]).iloc[:, :n_models]
    ranking = rank_models(scores)
    figure = plots.plot_ranking(ranking)
    figure.draw_without_rendering()
    [axes] = figure.axes
    names = [str(name).replace("$", r"\$") for name in ranking.mean_ranks.index]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    points = axes.collections[-1].get_offsets()
    np.testing.assert_allclose(points[:, 0], ranking.mean_ranks)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
