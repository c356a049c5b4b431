from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.datasets import load_ecg, read_series
from relu_forecast.datasets.tables import plain_times, write_rows
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError


@pytest.fixture
def parquet(tmp_path):
    """A function that writes a frame to a Parquet file and returns its path."""

    def write(frame: pd.DataFrame) -> Path:
        path = tmp_path / "pulse.parquet"
        frame.to_parquet(path)
        return path

    return write


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".parquet", ".pq"])
@settings(max_examples=40)
@given(
    values=st.lists(st.floats(allow_infinity=False, width=64), min_size=1, max_size=20),
    start=st.datetimes(pd.Timestamp(1900, 1, 1), pd.Timestamp(2200, 1, 1)),
)
def test_what_pandas_writes_is_read_back(tmp_path_factory, suffix, values, start):
    path = tmp_path_factory.mktemp("round") / f"trip{suffix}"
    times = pd.date_range(start, periods=len(values), freq="7min")
    frame = pd.DataFrame({"unique_id": "a", "ds": times, "y": values})
    if suffix.lower() == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    back = read_series(path)
    assert list(back.columns) == ["unique_id", "ds", "y"]
    assert back["unique_id"].tolist() == ["a"] * len(values)
    assert back["ds"].tolist() == times.tolist()
    np.testing.assert_array_equal(back["y"], np.array(values))


def test_ecg_survives_a_round_trip_through_either_format(tmp_path):
    ecg = load_ecg().iloc[:500]
    ecg.to_csv(tmp_path / "ecg.csv")
    ecg.to_frame().to_parquet(tmp_path / "ecg.parquet")
    for name in ("ecg.csv", "ecg.parquet"):
        back = read_series(tmp_path / name)
        assert back["ds"].tolist() == ecg.index.tolist()
        assert back["y"].tolist() == ecg.tolist()
        assert set(back["unique_id"]) == {"ecg"}


def test_without_time_and_id_rows_count_from_zero_and_the_file_names_the_series(csv):
    back = read_series(csv("bpm\n71\n70\n72\n"))
    assert back.to_dict("list") == {
        "unique_id": ["pulse"] * 3, "ds": [0, 1, 2], "y": [71.0, 70.0, 72.0]}
    assert back["y"].dtype == np.float64


def test_without_time_each_series_counts_its_own_rows(csv):
    back = read_series(csv("unique_id,bpm\nb,1\na,2\nb,3\nb,4\na,5\n"), column="bpm")
    assert back["unique_id"].tolist() == ["b", "a", "b", "b", "a"]
    assert back["ds"].tolist() == [0, 0, 1, 2, 1]


def test_column_time_and_id_can_be_named(csv):
    path = csv("who,when,low,high\n8,0.5,60,90\n8,1.0,61,91\n")
    back = read_series(path, column="high", time_col="when", id_col="who")
    assert back.to_dict("list") == {"unique_id": [8, 8], "ds": [0.5, 1.0], "y": [90.0, 91.0]}


def test_y_comes_before_the_only_numeric_column(csv):
    assert read_series(csv("y,bpm\n1,71\n"))["y"].tolist() == [1.0]


def test_the_time_and_id_columns_do_not_count_as_values(csv):
    back = read_series(csv("unique_id,when,bpm\n3,5,71\n"), time_col="when")
    assert back["y"].tolist() == [71.0]


@pytest.mark.parametrize(("texts", "times"), [
    (["3", "4"], [3, 4]),
    (["2026-01-31", "2026-02-01"], pd.to_datetime(["2026-01-31", "2026-02-01"])),
    (["2026-01-31", "2026-01-31 12:30:00.25"],
     pd.to_datetime(["2026-01-31 00:00:00.00", "2026-01-31 12:30:00.25"])),
    (["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"],
     pd.to_datetime(["2026-03-29 00:00", "2026-03-29 01:00"]).tz_localize("UTC")),
    (["1.5s", "2 min"], pd.to_timedelta([1.5, 120], unit="s")),
    (["00:00:01", "00:00:02"], pd.to_timedelta([1, 2], unit="s")),
    (["2026-01-31", ""], [pd.Timestamp(2026, 1, 31), pd.NaT])])
def test_times_are_read_as_numbers_datetimes_or_durations(csv, texts, times):
    back = read_series(csv("ds,y\n" + "".join(f"{text},0\n" for text in texts)))
    expected = pd.Series(times, name="ds")
    pd.testing.assert_series_equal(back["ds"], expected, check_dtype=False)


@pytest.mark.parametrize(("texts", "bad"), [
    (["2026-01-31", "2026-02-31"], "'2026-02-31' in column 'ds' at row 2 of the data"),
    (["1", "2", "three"], "'three' in column 'ds' at row 3 of the data"),
    (["1s", "2s", "x"], "'x' in column 'ds' at row 3 of the data"),
    (["01/02/2026", "13/02/2026"], "'01/02/2026' in column 'ds' at row 1 of the data"),
    (["now", "today"], "'now' in column 'ds' at row 1 of the data"),
    (["True", "False"], "True in column 'ds' at row 1 of the data")])
def test_the_first_unreadable_time_is_named(csv, texts, bad):
    with pytest.raises(InvalidArgumentError) as caught:
        read_series(csv("ds,y\n" + "".join(f"{text},0\n" for text in texts)))
    assert caught.value.argument == "time_col"
    assert bad in caught.value.got
    assert "ISO 8601" in caught.value.remedy


def test_missing_and_infinite_values_are_left_to_the_forecaster(csv):
    back = read_series(csv("y,z\n1,a\n,b\ninf,c\nNaN,d\n"))
    np.testing.assert_array_equal(back["y"], [1.0, np.nan, np.inf, np.nan])


@pytest.mark.parametrize("values", [
    pd.array([1, None], dtype="Int64"), pd.array([1.0, None], dtype="Float64"),
    [Decimal(1), None], ["1", None]])
def test_numbers_of_every_stored_kind_become_float64(parquet, values):
    back = read_series(parquet(pd.DataFrame({"y": values})))
    assert back["y"].dtype == np.float64
    np.testing.assert_array_equal(back["y"], [1.0, np.nan])


def test_dates_without_a_clock_are_times(parquet):
    dates = pd.to_datetime(["2026-01-01", "2026-01-02"])
    back = read_series(parquet(pd.DataFrame({"ds": dates.date, "y": [1.0, 2.0]})))
    assert back["ds"].tolist() == dates.tolist()


def test_categories_can_be_ids(parquet):
    ids = pd.Categorical(["b", "a", "b"], categories=["a", "b", "unused"])
    back = read_series(parquet(pd.DataFrame({"unique_id": ids, "y": [1.0, 2.0, 3.0]})))
    assert back["unique_id"].tolist() == ["b", "a", "b"]
    assert back["ds"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(("values", "bad"), [
    (["1", "2", "n/a?"], "'n/a?' in column 'y' at row 3"),
    (["1", "1,234"], "'1,234' in column 'y' at row 2"),
    ([True, False], "True in column 'y' at row 1"),
    (pd.to_datetime(["2026-01-01"]), "Timestamp('2026-01-01 00:00:00') in column 'y' at row 1"),
    (pd.to_timedelta(["1s"]), "Timedelta('0 days 00:00:01') in column 'y' at row 1"),
    ([None, [1.0]], "array([1.]) in column 'y' at row 2")])
def test_the_first_value_that_is_no_number_is_named(parquet, values, bad):
    with pytest.raises(InvalidTypeError) as caught:
        read_series(parquet(pd.DataFrame({"y": values})))
    assert caught.value.argument == "column"
    assert bad in caught.value.got


def test_spaces_after_commas_and_a_byte_order_mark_are_no_part_of_names(csv):
    back = read_series(csv("ds, y\n0, 1.5\n", encoding="utf-8-sig"))
    assert back[["ds", "y"]].to_dict("list") == {"ds": [0], "y": [1.5]}


@pytest.mark.parametrize("index", [False, True])
def test_unnamed_columns_that_pandas_numbers_are_read(tmp_path, index):
    pd.Series([5.0, 6.0]).to_csv(tmp_path / "plain.csv", index=index)
    assert read_series(tmp_path / "plain.csv", column="0")["y"].tolist() == [5.0, 6.0]


@pytest.mark.parametrize("name", ["h", "min", "D", "now", "today", "2026 sales", "1st"])
def test_names_that_are_almost_times_are_names(csv, name):
    assert read_series(csv(f"{name}\n5\n"))["y"].tolist() == [5.0]


def test_columns_numbered_in_parquet_go_by_their_text(parquet):
    assert read_series(parquet(pd.DataFrame({0: [5.0], 1: [6.0]})), column="1")["y"][0] == 6.0


@pytest.mark.parametrize("text", [
    "0.25\n0.5\n", "7,8\n9,10\n", "2026-01-01,71\n2026-01-02,70\n", "00:00:01, 71\n00:00:02, 70\n"])
def test_a_csv_file_without_names_is_refused_before_it_loses_a_sample(csv, text):
    with pytest.raises(InvalidArgumentError, match="names its columns in the first row; got data"):
        read_series(csv(text))


def test_rows_longer_than_the_names_are_refused(csv):
    with pytest.raises(InvalidArgumentError, match="a name for every column; got longer rows"):
        read_series(csv("y\n1,2\n3,4\n"))


@pytest.mark.parametrize("text", ["ds,y\n0,5,\n1,6,\n", "ds,y,\n0,5,\n1,6,\n"])
def test_a_comma_at_the_end_of_each_line_changes_nothing(csv, text):
    back = read_series(csv(text))
    assert back[["ds", "y"]].to_dict("list") == {"ds": [0, 1], "y": [5.0, 6.0]}


def test_a_column_without_a_single_entry_is_no_candidate(csv):
    assert read_series(csv("bpm,note\n71,\n72,\n"))["y"].tolist() == [71.0, 72.0]


@pytest.mark.parametrize("argument", ["column", "time_col", "id_col"])
def test_a_missing_column_is_answered_with_those_there_are(csv, argument):
    path = csv("unique_id,ds,heart_rate\na,0,1\n")
    with pytest.raises(InvalidArgumentError) as caught:
        read_series(path, **{argument: "hart_rate"})
    assert caught.value.argument == argument
    assert "'unique_id', 'ds', 'heart_rate'" in caught.value.required
    assert caught.value.remedy == "Did you mean 'heart_rate'?"


def test_a_missing_column_like_none_other_gets_no_guess(csv):
    with pytest.raises(InvalidArgumentError, match="'bpm'.*got 'zzz'. Pass one of these."):
        read_series(csv("bpm\n1\n"), column="zzz")


def test_a_long_list_of_columns_is_cut_short(csv):
    names = [f"lead{number}" for number in range(50)]
    with pytest.raises(InvalidArgumentError, match="'lead19' and 30 more"):
        read_series(csv(",".join(names) + "\n" + ",".join("1" * 50) + "\n"))


@pytest.mark.parametrize(("text", "remedy"), [
    ("when,low,high\na,1,2\n", "Pass column='low' or another."),
    ("when,what\na,b\n", "Name the column of values.")])
def test_an_unclear_column_of_values_is_asked_for(csv, text, remedy):
    with pytest.raises(InvalidArgumentError) as caught:
        read_series(csv(text))
    assert caught.value.argument == "column"
    assert "'when', " in caught.value.got
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("parts", [
    {"column": "ds"}, {"column": "y", "time_col": "y"}, {"time_col": "a", "id_col": "a"}])
def test_one_column_cannot_play_two_parts(csv, parts):
    with pytest.raises(InvalidArgumentError, match="must be another column than"):
        read_series(csv("ds,y,a\n0,1,2\n"), **parts)


def test_a_row_without_an_id_is_named(csv):
    with pytest.raises(InvalidArgumentError, match="nan in column 'unique_id' at row 2"):
        read_series(csv("unique_id,y\na,1\n,2\n"))


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(InvalidArgumentError, match="path must be an existing file; got .*spelling"):
        read_series(tmp_path / name)


def test_another_suffix_is_refused_with_those_that_work(tmp_path):
    (tmp_path / "pulse.xlsx").write_text("y\n1\n")
    with pytest.raises(InvalidArgumentError, match=r"\.csv, \.parquet, \.pq; got 'pulse.xlsx'"):
        read_series(tmp_path / "pulse.xlsx")


@pytest.mark.parametrize("text", ["", "\n\n", "ds,y\n"])
def test_an_empty_file_is_refused(csv, text):
    with pytest.raises(InvalidArgumentError, match="at least one row of data; got no rows"):
        read_series(csv(text))


@pytest.mark.parametrize(("name", "content"), [
    ("bad.csv", b"a,b\n1,2\n1,2,3,4\n"), ("bad.csv", b'y\n"1\n2\n'),
    ("bad.parquet", b"PAR1 and no more"), ("bad.parquet", b"")])
def test_an_unreadable_file_is_refused_with_the_reason(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidArgumentError, match="must be a readable .*; got 'bad") as caught:
        read_series(tmp_path / name)
    assert caught.value.__cause__ is not None


def test_fractions_of_time_are_written_as_people_write_them(tmp_path):
    times = np.array([0.1 + 0.2, 1 / 3, 1e9 + 0.123456, 7.0])
    for part in ([0, 1, 3], [2, 3]):
        rows = pd.DataFrame({"ds": times[part], "cutoff": times[part], "y": times[part]})
        plain = plain_times(rows)
        expected = np.where(times[part] == 0.1 + 0.2, 0.3, times[part])
        assert plain["ds"].tolist() == plain["cutoff"].tolist() == expected.tolist()
        assert plain["y"].tolist() == times[part].tolist()
    write_rows(pd.DataFrame({"ds": times[:1], "y": 1.0}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "ds,y\n0.3,1.0\n"
    dates = pd.DataFrame({"ds": pd.to_datetime(["2026-01-01"]), "cutoff": [3]})
    pd.testing.assert_frame_equal(plain_times(dates), dates)
