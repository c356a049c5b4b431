from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relu_forecast.datasets import read_series
from relu_forecast.datasets.regular import regular_rows
from relu_forecast.exceptions import InvalidArgumentError


def frame(times, name="a"):
    return pd.DataFrame({"unique_id": name, "ds": times, "y": np.arange(1.0, len(times) + 1)})


@pytest.mark.parametrize(("times", "step", "absent"), [
    (pd.date_range("2026-01-01", periods=6, freq="h"), "1h", [2, 3]),
    (pd.date_range("2026-03-28", periods=40, freq="h", tz="Europe/Berlin"), "1h", [5, 27]),
    (pd.date_range("2026-03-27", periods=5, freq="D", tz="Europe/Berlin"), "D", [1]),
    (pd.date_range("2026-01-01", periods=6, freq="MS"), "MS", [4]),
    (pd.timedelta_range("0s", periods=6, freq="1s"), "1s", [1]),
    (pd.RangeIndex(3, 13, 2), 2.0, [1]), (pd.Index(np.arange(9) * 0.1), 0.1, [4, 5])])
def test_absent_rows_become_missing_values(times, step, absent):
    found = regular_rows(frame(times.delete(absent)), step)
    assert found.attrs["absent"] == len(absent)
    assert np.flatnonzero(found["y"].isna()).tolist() == absent
    assert found["y"].dropna().tolist() == list(range(1, len(times) - len(absent) + 1))
    if times.dtype.kind == "f":
        np.testing.assert_allclose(found["ds"], times, rtol=1e-12)
    else:
        assert pd.Index(found["ds"]).equals(times)
    assert set(found["unique_id"]) == {"a"}


def test_each_series_has_a_grid_of_its_own(csv):
    path = csv("unique_id,ds,y\na,0,1\na,2,2\nb,5,3\nb,6,4\n")
    back = read_series(path, regular=1)
    assert back["ds"].tolist() == [0, 1, 2, 5, 6]
    assert back["unique_id"].tolist() == ["a", "a", "a", "b", "b"]
    assert back.attrs == {"numbered": False, "absent": 1}


def test_a_grid_goes_on_after_the_last_known_sample():
    times = pd.date_range("2026-01-01 06:00", periods=2, freq="h")
    found = regular_rows(frame(times), "1h", {"a": times[0] - pd.Timedelta("3h")})
    assert found["ds"].iloc[0] == times[0] - pd.Timedelta("2h")
    assert found["y"].isna().tolist() == [True, True, False, False]
    assert len(regular_rows(frame(times), "1h", {"a": times[0], "b": times[0]})) == 2
    with pytest.raises(InvalidArgumentError, match="off that grid: 2026-01-01 06:00"):
        regular_rows(frame(times), "1h", {"a": times[0] - pd.Timedelta("30min")})


@pytest.mark.parametrize(("times", "step", "message"), [
    (["2026-01-01 00:00", "2026-01-01 00:59"], "1h", "off that grid: 2026-01-01 00:59:00"),
    (["2026-01-02", "2026-02-01"], "MS", "off that grid: 2026-01-02 00:00:00"),
    (["2026-01-01", "2026-01-01"], "D", "2026-01-01 00:00:00 twice. Drop"),
    (["2026-10-25 02:00", "2026-10-25 02:00"], "1h", r"twice. Clocks .*daylight saving.*--tz"),
    (["2026-01-02", "2026-01-01"], "D", "times that go back"),
    (["2026-01-02", None], "D", "no time at position 1"),
    (["2026-01-01"], "often", "a step of times as pandas writes it; got 'often'"),
    (["2026-01-01"], 1.5, "a step of times as pandas writes it; got 1.5")])
def test_times_off_the_grid_are_refused(times, step, message):
    with pytest.raises(InvalidArgumentError, match=message):
        regular_rows(frame(pd.to_datetime(times)), step)


@pytest.mark.parametrize(("times", "step", "message"), [
    ([0.0, 1.0, 2.5], 1, "off that grid: 2.5"), ([0, 1], "1h", "a number above 0; got '1h'"),
    ([0, 1], -1.0, "a number above 0")])
def test_numbers_off_the_grid_are_refused(times, step, message):
    with pytest.raises(InvalidArgumentError, match=message):
        regular_rows(frame(times), step)


def test_an_hour_that_clocks_skipped_is_named():
    times = pd.date_range("2026-03-28", periods=48, freq="h")
    with pytest.warns(UserWarning, match="after 2026-03-29 01:00:00 are taken .*daylight saving"):
        found = regular_rows(frame(times.delete(26)), "1h")
    assert found["y"].isna().sum() == 1
    assert regular_rows(frame(times.delete([3, 30, 31])), "1h")["y"].isna().sum() == 3
