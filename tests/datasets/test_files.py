"""Tables without pyarrow, in a process where it cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from relu_forecast.datasets.files import check_table_file
from relu_forecast.exceptions import InvalidArgumentError

PROGRAM = """
import sys
sys.modules["pyarrow"] = None  # as if it were not installed
from relu_forecast.datasets import read_series
frame = read_series("pulse.csv")
print(frame["ds"].dtype.kind, frame["unique_id"].tolist(), frame["y"].tolist())
try:
    read_series("pulse.parquet")
except ImportError as error:
    print(error)
from relu_forecast.cli import app
app(["forecast", "pulse.csv", "--model", "naive", "-h", "1", "--output", "rows.parquet"])
"""


def test_csv_needs_no_pyarrow_and_parquet_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "pulse.csv").write_text("unique_id,ds,y\na,2026-01-01,1.5\na,2026-01-02,2.5\n")
    (tmp_path / "pulse.parquet").touch()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    read, refused = done.stdout.splitlines()
    assert read == "M ['a', 'a'] [1.5, 2.5]"
    extra = "needs the package pyarrow: pip install 'relu_forecast[parquet]'."
    assert refused == f"The Parquet file 'pulse.parquet' {extra}"
    assert done.returncode == 2
    assert done.stderr.strip() == f"Error: The Parquet file 'rows.parquet' {extra}"


def test_files_are_known_by_their_ending(tmp_path: Path) -> None:
    for name in ("a.csv", "b.PARQUET", "c.pq"):
        (tmp_path / name).touch()
        check_table_file(tmp_path / name)
    with pytest.raises(InvalidArgumentError, match="existing file"):
        check_table_file(tmp_path / "d.csv")
