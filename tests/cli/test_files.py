"""Files that commands read and write."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from relu_forecast.cli.files import Source, check_writable, write_table
from relu_forecast.cli.options import SeriesOptions
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
