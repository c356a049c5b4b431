"""Data in: what is accepted becomes the same panel, what is not is refused by name."""

import numpy as np
import pandas as pd
import pytest

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.data.panel import Columns, Reading
from relu_forecast.forecasting.data.reading import extend_panel
from relu_forecast.forecasting.data.reading import read_panel as read_panel_as

VALUES = np.array([3.0, 1.0, 4.0, 1.0, 5.0])


def read_panel(data, freq=None, id_col="unique_id", time_col="ds", target_col="y", **options):
    return read_panel_as(data, Reading(Columns(id_col, time_col, target_col), freq, **options))


def long_frame(**columns):
    """Two series, interleaved row by row, b before a."""
    frame = pd.DataFrame({
        "unique_id": ["b", "a"] * 5,
        "ds": np.repeat(pd.date_range("2020-01-01", periods=5), 2),
        "y": np.ravel(np.column_stack([VALUES, VALUES * 10])),
    })
    return frame.assign(**columns)


@pytest.mark.parametrize("data", [
    VALUES, VALUES.tolist(), VALUES.astype(int), VALUES.astype(np.float32), pd.Series(VALUES),
    pd.Series(VALUES, dtype="Float64"), pd.Series(VALUES.astype(int), dtype="Int64"),
    pd.DataFrame({"ds": range(5), "y": VALUES}),
    pd.DataFrame({"unique_id": "y", "ds": range(5), "y": VALUES, "unused": "text"}),
], ids=["array", "list", "int", "float32", "Series", "Float64", "Int64", "frame", "frame_with_id"])
def test_every_kind_of_data_reads_the_same(data):
    panel = read_panel(data)
    (series,) = panel.series
    assert panel.ids.tolist() == [series.unique_id] == ["y"]
    assert series.values.dtype == np.float64
    np.testing.assert_array_equal(series.values, VALUES)
    assert series.times.tolist() == [0, 1, 2, 3, 4]
    assert series.clock.after(2).tolist() == [5, 6]


def test_a_series_brings_its_name_and_its_times():
    times = pd.timedelta_range("0s", periods=5, freq="20ms")
    (series,) = read_panel(pd.Series(VALUES, index=times, name="ECG")).series
    assert series.unique_id == "ECG"
    assert series.times.equals(times)


def test_columns_can_be_named():
    frame = long_frame().rename(columns={"unique_id": "sensor", "ds": "time", "y": "volt"})
    panel = read_panel(frame, id_col="sensor", time_col="time", target_col="volt")
    assert [series.unique_id for series in panel.series] == ["a", "b"]
    assert list(panel.long_frame([s.times for s in panel.series], {})) == ["sensor", "time"]


def test_order_of_series_and_rows_between_them_is_free():
    frame = long_frame()
    expected = read_panel(frame)
    stacked = read_panel(frame.sort_values(["unique_id", "ds"], ascending=[False, True]))
    for one, other in zip(expected.series, stacked.series, strict=True):
        assert one.unique_id == other.unique_id
        np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(expected.series[0].values, VALUES * 10)


@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_dtype_of_identifiers_is_kept(dtype):
    frame = long_frame().astype({"unique_id": dtype})
    panel = read_panel(frame)
    out = panel.long_frame([s.times for s in panel.series], {"z": [s.values for s in panel.series]})
    assert out["unique_id"].dtype == frame["unique_id"].dtype
    assert out["ds"].dtype == frame["ds"].dtype
    np.testing.assert_array_equal(out["z"], np.concatenate([VALUES * 10, VALUES]))


def test_integer_identifiers_sort_as_numbers():
    frame = long_frame(unique_id=[10, 9] * 5)
    panel = read_panel(frame)
    assert panel.ids.tolist() == [9, 10]
    assert panel.ids.dtype == np.int64


def test_data_is_neither_changed_nor_shared():
    values, frame = VALUES.copy(), long_frame()
    kept = frame.copy()
    (series,) = read_panel(values).series
    read_panel(frame)
    pd.testing.assert_frame_equal(frame, kept)
    values[0] = 99.0
    assert series.values[0] == VALUES[0]
    with pytest.raises(ValueError, match="read-only"):
        series.values[0] = 0.0


@pytest.mark.parametrize(("data", "got"), [
    ([1.0, np.nan, 2.0], "1 NaN or infinite values, the first at position 1"),
    (pd.Series([1.0, np.inf]), "the first at position 1"),
    (pd.Series([1, None], dtype="Int64"), "the first at position 1"),
    ([], "length 0"),
    (pd.Series(dtype=float), "length 0"),
    (pd.DataFrame({"ds": [], "y": []}, dtype=float), "no rows"),
    (np.ones((3, 2)), "shape"),
    (np.float64(3.0), "shape"),
])
def test_unusable_values_are_refused(data, got):
    with pytest.raises(InvalidArgumentError, match=got) as caught:
        read_panel(data)
    assert caught.value.argument == "data"
    assert caught.value.remedy


@pytest.mark.parametrize("data", [
    ["1", "2"], "12", None, [1.0, None], [True, False], [1j, 2j], {"y": [1.0]},
    np.array([1.0, 2.0], dtype=object), pd.Series([1.0, 2.0], dtype=object), pd.Series(["1", "2"]),
    pd.Series([True, False]), pd.Series(pd.date_range("2020-01-01", periods=2)),
    pd.DataFrame({"ds": [0, 1], "y": ["1", "2"]}),
])
def test_values_that_are_not_numbers_are_refused(data):
    with pytest.raises(InvalidTypeError, match="real numbers; got dtype"):
        read_panel(data)


@pytest.mark.parametrize(("frame", "message"), [
    (long_frame(y=[1.0] * 7 + [np.nan] + [1.0] * 2), "y of series a .* position 3"),
    (long_frame(ds=range(10)).assign(ds=[0, 0, 1, 1, 2, 2, 3, 4, 5, 6]), "ds of series"),
    (long_frame().iloc[[0, 1, 3, 2, 4, 5, 9, 7]], "ds of series a must be sorted"),
    (pd.concat([long_frame(), long_frame().iloc[:1]]), "ds of series b must be free of duplicates"),
    (long_frame(unique_id=["b", None] * 5), "unique_id must be given in every row; got 5"),
    (long_frame().drop(columns="y"), "a DataFrame with the column 'y'"),
    (long_frame().drop(columns="ds"), "a DataFrame with the column 'ds'"),
    (pd.concat([long_frame(), long_frame()[["y"]]], axis=1), "distinct column names"),
    (long_frame(ds=["2020-01-01"] * 10), "ds of series a must be numbers, datetimes"),
    (long_frame().drop(columns="unique_id"), "name their column in id_col"),
])
def test_unusable_frames_are_refused(frame, message):
    with pytest.raises(InvalidArgumentError, match=message):
        read_panel(frame)


def test_an_identifier_column_that_was_asked_for_must_exist():
    with pytest.raises(InvalidArgumentError, match="a DataFrame with the column 'sensor'"):
        read_panel(long_frame().drop(columns="unique_id"), id_col="sensor")


@pytest.mark.parametrize("names", [
    {"id_col": "y"}, {"time_col": "y"}, {"target_col": "cutoff"}, {"time_col": "unique_id"}])
def test_column_names_must_differ(names):
    with pytest.raises(InvalidArgumentError, match="three different names"):
        read_panel(VALUES, **names)


def test_frequency_is_checked_for_every_kind_of_data():
    for data in (VALUES, pd.Series(VALUES), pd.DataFrame({"ds": range(5), "y": VALUES})):
        assert read_panel(data, freq=1).series[0].clock.after(1)[0] == 5
        with pytest.raises(InvalidArgumentError, match="freq must be the step of"):
            read_panel(data, freq=2)


def test_one_sample_needs_a_frequency():
    assert read_panel([2.0], freq=1).series[0].clock.after(2).tolist() == [1, 2]
    with pytest.raises(InvalidArgumentError, match="freq must be given"):
        read_panel([2.0])


@pytest.mark.parametrize("name", ["y", "unique_id", "cutoff"])
def test_the_target_is_no_covariate_of_itself(name):
    with pytest.raises(InvalidArgumentError, match="columns beside the target"):
        read_panel(long_frame(), covariates=(name,))


@pytest.mark.parametrize("name", ["step", "metric", "cutoff"])
def test_names_that_tables_of_scores_use_are_refused(name):
    with pytest.raises(InvalidArgumentError, match="three different names other than"):
        read_panel(long_frame().rename(columns={"unique_id": name}), id_col=name)


def test_weights_are_read_beside_the_samples():
    panel = read_panel(long_frame(w=np.arange(10)), weight="w")
    assert panel.series[0].weights.tolist() == [1, 3, 5, 7, 9]
    with pytest.raises(ValueError, match="read-only"):
        panel.series[0].weights[0] = 1.0
    assert read_panel(long_frame()).series[0].weights is None
    more = long_frame(w=7).assign(ds=np.repeat(pd.date_range("2020-01-06", periods=5), 2))
    longer = extend_panel(panel, more)
    assert longer.series[1].weights.tolist() == [0, 2, 4, 6, 8, 7, 7, 7, 7, 7]


@pytest.mark.parametrize(("weights", "error", "message"), [
    (np.r_[0.0, -1.0, np.ones(8)], InvalidArgumentError,
     "w of series a must be weights >= 0; got -1.0 at position 0. Clip"),
    (np.r_[np.nan, np.ones(9)], InvalidArgumentError, "w of series b"),
    (np.r_[np.inf, np.ones(9)], InvalidArgumentError, "w of series b"),
    (np.tile([1.0, 0.0], 5), InvalidArgumentError,
     "w of series a must be above 0 somewhere; got 5 weights of 0. Drop"),
    (["x"] * 10, InvalidTypeError, "w of series a must be real numbers")])
@pytest.mark.parametrize("missing", ["error", "skip"])
def test_weights_out_of_range_are_refused(weights, error, message, missing):
    with pytest.raises(error, match=message):
        read_panel(long_frame(w=weights), weight="w", missing=missing)


def test_a_column_of_weights_must_be_there_and_serve_nothing_else():
    for data in (VALUES, pd.Series(VALUES), long_frame()):
        with pytest.raises(InvalidArgumentError, match="data must be a DataFrame with .*'w'"):
            read_panel(data, weight="w")
    for name in ("y", "ds", "unique_id", "cutoff", "heat"):
        with pytest.raises(InvalidArgumentError, match="weight_col must be a column beside"):
            read_panel(long_frame(heat=1.0), weight=name, covariates=("heat",))
    with pytest.raises(InvalidTypeError, match="weight_col must be the name of a column"):
        read_panel(long_frame(), weight=3)
