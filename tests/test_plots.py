from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from relu_forecast import plots
from relu_forecast.baselines import Drift, Naive
from relu_forecast.certificates import Certificate
from relu_forecast.forecasting import backtest
from relu_forecast.training.descent import TracePoint


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


@dataclass(frozen=True)
class Run:
    seconds: float
    objective: float
    trace: tuple[TracePoint, ...] = ()


@pytest.mark.parametrize("scope", ["program", "network-estimated"])
def test_trainings_are_drawn_above_the_bound(scope: str) -> None:
    trace = (TracePoint(0, 0.0, 20.0), TracePoint(1, 0.5, 11.0))
    runs = {"convex": Run(1.0, 10.1), "Adam": Run(0.5, 11.0, trace)}
    certificate = Certificate(scope, 10.1, 10.0, 1.0)  # type: ignore[arg-type]
    figure = plots.plot_trainings(runs, certificate)
    left, right = figure.axes
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["convex, done at 1.0 s", "Adam", f"lower bound ({scope})"]
    curve = next(line for line in right.lines if line.get_label() == "Adam")
    np.testing.assert_allclose(curve.get_ydata(), [1.0, 0.1])
    assert left.get_ylim()[1] > 11.0
    assert right.get_ylim()[1] > 0.1
