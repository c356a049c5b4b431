"""Tables of scores: their rows, their groups, and their figures by hand."""

import numpy as np
import pandas as pd
import pytest

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation.metrics import METRICS, crps, pinball, winkler
from relu_forecast.forecasting.evaluation.scoring import (
    Forecasts,
    Groups,
    Row,
    all_rows,
    score_groups,
    select_rows,
)

POINTS = ["mae", "rmse", "mase", "rmsse", "smape"]
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"y": RNG.normal(size=8), "m": RNG.normal(size=8)})
FRAME["m-lo-80"], FRAME["m-hi-80"] = FRAME["m"] - 1, FRAME["m"] + 2
FORECASTS = Forecasts(FRAME, "y", (80.0,))


def test_rows_are_metrics_by_level_and_quantile():
    assert list(all_rows(())) == POINTS
    assert list(all_rows((80.0, 97.5))) == [
        *POINTS, "coverage-80", "coverage-97.5", "winkler-80", "winkler-97.5", "crps",
        "pinball-0.0125", "pinball-0.1", "pinball-0.9", "pinball-0.9875"]
    assert {row.name for row in all_rows((80.0,)).values()} == set(METRICS)


def test_metrics_are_asked_for_by_name_or_by_row():
    assert not [name for name in select_rows(None, (80.0,)) if name.startswith("pinball")]
    assert list(select_rows(["pinball", "mae"], (80.0,))) == ["pinball-0.1", "pinball-0.9", "mae"]
    assert list(select_rows(["coverage-80"], (80.0, 90.0))) == ["coverage-80"]
    with pytest.raises(InvalidArgumentError, match="of point forecasts where there are no inter"):
        select_rows(["crps"], ())
    with pytest.raises(InvalidArgumentError, match="metrics must be one of"):
        select_rows(["mape"], ())


def test_losses_average_to_the_functions_on_arrays():
    y, m, low, high = (FRAME[name] for name in ("y", "m", "m-lo-80", "m-hi-80"))
    expected = {
        Row("winkler", 80.0): winkler(y, low, high, 80), Row("pinball", 0.1): pinball(y, low, 0.1),
        Row("crps"): crps(y, np.stack([m, low, high], axis=1), [0.5, 0.1, 0.9])}
    for row, score in expected.items():
        assert row.losses(FORECASTS, "m").mean() == pytest.approx(score)
    assert np.isnan(FORECASTS.column("other")).all()


def test_groups_keep_their_order_and_scales_divide():
    keys = [pd.Series(list("bbaabbaa"), name="unique_id")]
    counted = np.array([True] * 6 + [False] * 2)
    groups = Groups.of(keys, counted)
    assert groups.index.tolist() == ["a", "b"]
    values = np.arange(6.0)
    np.testing.assert_allclose(groups.mean(values), [2.5, 2.5])
    np.testing.assert_array_equal(groups.split(values[np.newaxis])[1], [[0.0, 1.0, 4.0, 5.0]])
    scales = pd.DataFrame({"mase": [2.0, 0.0], "rmsse": 1.0}, index=["a", "b"])
    table = score_groups(Forecasts(FRAME[counted], "y", ()), ["m"], select_rows(
        ["mae", "mase"], ()), groups, scales)["m"]
    assert table["mase", "a"] == pytest.approx(table["mae", "a"] / 2)
    assert np.isnan(table["mase", "b"])
