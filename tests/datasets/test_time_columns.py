from __future__ import annotations

import pandas as pd
import pytest

from relu_forecast.datasets import read_series
from relu_forecast.exceptions import InvalidArgumentError


@pytest.mark.parametrize("name", ["timestamp", "Date", "DATETIME", "time"])
def test_columns_that_are_called_times_are_times(csv, name):
    back = read_series(csv(f"{name},v\n2026-01-01,1\n2026-01-02,2\n"))
    assert back["ds"].tolist() == [*pd.to_datetime(["2026-01-01", "2026-01-02"])]
    assert not back.attrs["numbered"]
    numbered = read_series(csv(f"{name},v\n2026-01-01,1\n2026-01-02,2\n"), time_col="")
    assert numbered["ds"].tolist() == [0, 1]


def test_ds_comes_first_and_values_are_no_times(csv):
    assert read_series(csv("time,ds,y\n5,0,1\n"))["ds"].tolist() == [0]
    assert read_series(csv("time,n\n5,7\n"), column="time")["ds"].tolist() == [0]
    assert read_series(csv("time\n5\n"))["y"].tolist() == [5.0]


@pytest.mark.parametrize(("text", "named"), [
    ("date,v\n01/02/2026,1\n", "'date'"),
    ("date,time,v\n2026-01-01,12:00:00,1\n", "'date', 'time'"),
    ("Zeit,v\n10.03.2026 00:00,1\n", "'Zeit'")])
def test_times_that_are_not_used_are_named(csv, text, named):
    with pytest.warns(UserWarning, match=f"{named}: not used .*--date-format"):
        back = read_series(csv(text), column="v")
    assert back["ds"].tolist() == [0]


def test_other_texts_are_not_named(csv):
    assert read_series(csv("note,v\n1.2.3 is the version,1\n"))["ds"].tolist() == [0]


@pytest.mark.parametrize(("texts", "form"), [
    (["31.01.2026 00:30", "01.02.2026 00:30"], "%d.%m.%Y %H:%M"),
    (["310126", "010226"], "%d%m%y"), (["01/31/2026", "02/01/2026"], "%m/%d/%Y")])
def test_dates_in_a_format_of_their_own(csv, texts, form):
    back = read_series(csv("ds,y\n" + "".join(f"{text},0\n" for text in texts)), date_format=form)
    assert back["ds"].dt.strftime(form).tolist() == texts
    assert back["ds"].diff().iloc[1] == pd.Timedelta("1D")


def test_a_date_in_another_format_is_named(csv):
    path = csv("date,y\n31.01.2026,0\n2026-02-01,0\n")
    with pytest.raises(InvalidArgumentError, match=r"date_format must be .*'2026-02-01' in column"):
        read_series(path, date_format="%d.%m.%Y")
    with pytest.raises(InvalidArgumentError, match=r"'31.01.2026' in column.*\(--date-format\)"):
        read_series(path, time_col="date")


def test_dates_are_no_durations(csv):
    with pytest.raises(InvalidArgumentError, match="'10.03.2026 00:00' in column 'ds' at row 1"):
        read_series(csv("ds,y\n10.03.2026 00:00,0\n10.03.2026 01:00,0\n"))


@pytest.mark.parametrize("form", [{"tz": "UTC"}, {"regular": 1.0}, {"date_format": "%d"}])
def test_what_is_of_times_needs_times(csv, form):
    with pytest.raises(InvalidArgumentError, match="must be left out for a file without times"):
        read_series(csv("y\n1\n"), **form)
