"""Panels: names of columns that collide, arrays of series, and long tables."""

import numpy as np
import pandas as pd
import pytest

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import Covariates
from relu_forecast.forecasting.data.panel import Columns, Reading
from relu_forecast.forecasting.data.reading import read_panel

COLUMNS = Columns("unique_id", "ds", "y")
DATA = pd.DataFrame({
    "unique_id": list("bbbaa"), "ds": [0, 1, 2, 5, 6], "y": [1.0, 2, 3, 4, 5],
    "seen": [0.0, 1, 2, 3, 4], "known": [9.0, 8, 7, 6, 5]})


@pytest.mark.parametrize("names", [("a", "a", "b"), ("a", "b", "cutoff"), ("step", "b", "c")])
def test_names_of_columns_are_different_and_free(names):
    with pytest.raises(InvalidArgumentError, match="three different names other than"):
        Columns(*names)


@pytest.mark.parametrize("name", ["unique_id", "ds", "y", "cutoff"])
def test_forecasts_hide_no_column(name):
    with pytest.raises(InvalidArgumentError, match="alias must be a name that no other column"):
        COLUMNS.check_free(name, "alias")
    COLUMNS.check_free("ReLU", "alias")


def test_the_target_is_no_covariate_of_itself():
    with pytest.raises(InvalidArgumentError, match="columns beside the target"):
        Reading(COLUMNS, covariates=("y",))
    with pytest.raises(InvalidArgumentError, match="missing must be one of"):
        Reading(COLUMNS, missing="drop")


def test_arrays_of_a_series_have_the_columns_that_are_asked_for():
    panel = read_panel(DATA, Reading(COLUMNS, covariates=("seen", "known")))
    series = panel.series[1]
    assert (series.unique_id, len(series)) == ("b", 3)
    plain = series.arrays(Covariates())
    assert (plain.past.shape, plain.future.shape) == ((3, 0), (3, 0))
    ahead = np.array([[3.0], [2.0]])
    full = series.arrays(Covariates(("seen",), ("known",)), ahead)
    np.testing.assert_array_equal(full.past[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(full.future[:, 0], [9, 8, 7, 3, 2])


def test_gaps_that_cannot_be_filled_are_refused():
    data = DATA.assign(seen=np.r_[np.nan, DATA["seen"][1:]])
    panel = read_panel(data, Reading(COLUMNS, None, "interpolate", ("seen",)))
    with pytest.raises(InvalidArgumentError, match="seen of series b must be given for the first"):
        panel.series[1].arrays(Covariates(past=("seen",)))
    with pytest.raises(InvalidArgumentError, match="seen of series b must be given for every"):
        panel.series[1].arrays(Covariates(future=("seen",)))


def test_long_tables_stack_one_block_per_series():
    panel = read_panel(DATA, Reading(COLUMNS))
    table = panel.long_frame(
        [series.clock.after(2) for series in panel.series], {"x": [np.ones(2), np.zeros(2)]})
    assert table["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert table["ds"].tolist() == [7, 8, 3, 4]
    assert table["x"].tolist() == [1, 1, 0, 0]
