"""Files that commands read and write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast.baselines import RidgeAR
from relu_forecast.cli.files import Source, check_writable, write_table
from relu_forecast.cli.options import SeriesOptions, WeightedOptions
from relu_forecast.exceptions import InvalidArgumentError


def test_sources_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    pd.DataFrame({"when": [1, 2], "kW": [3.0, 4.0], "heat": [5, 6]}).to_csv(path, index=False)
    source = Source(path, SeriesOptions(column="kW", time_col="when"))
    rows = source.read(("heat",))
    assert rows.to_dict("list") == {
        "unique_id": ["load"] * 2, "ds": [1, 2], "y": [3.0, 4.0], "heat": [5.0, 6.0]}
    with pytest.raises(InvalidArgumentError, match="Rename the column"):
        source.read(("kW",))


@pytest.mark.parametrize(("name", "message"), [
    ("missing.csv", "path must be an existing file"),
    ("a.txt", "path must be a file that ends in")])
def test_wrong_files_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InvalidArgumentError, match=message):
        Source(tmp_path / name, SeriesOptions()).check()


def test_tables_are_written_by_their_ending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.DataFrame({"a": [1, 2]})
    for name, read in (("t.CSV", pd.read_csv), ("t.pq", pd.read_parquet)):
        write_table(rows, tmp_path / name)
        pd.testing.assert_frame_equal(read(tmp_path / name), rows)
    assert "2 rows written to" in capsys.readouterr().err
    with pytest.raises(InvalidArgumentError, match=r"--out must be a file that ends in \.a"):
        check_writable(tmp_path / "t.b", "--out", (".a",))
    with pytest.raises(InvalidArgumentError, match="--out must be a file in an existing folder"):
        check_writable(tmp_path / "no" / "t.a", "--out", (".a",))


@pytest.fixture
def gappy(tmp_path: Path) -> Path:
    """Hours of a German spring, without three of them, as a spreadsheet writes them."""
    times = pd.date_range("2026-03-28", periods=72, freq="h", tz="Europe/Berlin")
    rows = pd.DataFrame({"Zeit": times.strftime("%d.%m.%Y %H:%M"), "kW": np.arange(72) / 2, "g": 1})
    path = tmp_path / "last.csv"
    rows.drop(index=[10, 11, 40]).to_csv(path, index=False, sep=";", decimal=",")
    return path


def options_of(**more: Any) -> WeightedOptions:
    return WeightedOptions(column="kW", time_col="Zeit", decimal=",", date_format="%d.%m.%Y %H:%M",
                           tz="Europe/Berlin", regular="1h", **more)


def test_absent_rows_are_missing_and_weigh_nothing(gappy: Path) -> None:
    rows = Source(gappy, options_of(missing="skip")).read(("g",), "g")
    assert rows["ds"].diff().iloc[1:].eq(pd.Timedelta("1h")).all()
    assert np.flatnonzero(rows["y"].isna()).tolist() == [10, 11, 40]
    assert np.flatnonzero(rows["g"] == 0).tolist() == [10, 11, 40]
    message = "--missing must be interpolate .* got 3 absent rows, the first at 2026-03-28 10:00"
    with pytest.raises(InvalidArgumentError, match=message):
        Source(gappy, options_of()).read(("g",), "g")


def test_rows_absent_between_two_files_are_missing(gappy: Path, tmp_path: Path) -> None:
    lines = gappy.read_text().splitlines()
    first, last = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("\n".join(lines[:50]))
    last.write_text("\n".join([lines[0], *lines[53:]]))
    options = options_of(missing="interpolate", weight_col="g")
    rows = Source(first, options).read(("g",), "g")
    panel = RidgeAR(2).fit(rows, missing="interpolate", weight_col="g").panel_
    after = Source(last, options).read_after(panel, ("g",))
    assert after["unique_id"].eq("first").all()
    assert after["ds"].iloc[0] == rows["ds"].iloc[-1] + pd.Timedelta("1h")
    assert after["y"].isna().tolist() == [True] * 3 + [False] * (len(lines) - 53)
    assert after["g"].tolist() == [0.0] * 3 + [1.0] * (len(lines) - 53)
