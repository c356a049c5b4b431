"""Which files hold tables; asked before anything slow is imported."""

from __future__ import annotations

from pathlib import Path

from relu_forecast.exceptions import InvalidArgumentError, MissingPackageError

TABLE_SUFFIXES = (".csv", ".parquet", ".pq")
"""Endings of files that hold tables, in lower case."""


def check_table_file(path: Path) -> None:
    """Refuse a file that is not there, or is no table by its ending."""
    if not path.is_file():
        raise InvalidArgumentError(
            "path", "an existing file", repr(str(path)), "Check the spelling and the folder.")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InvalidArgumentError("path", f"a file that ends in {', '.join(TABLE_SUFFIXES)}",
                                   repr(path.name), "Convert it to CSV or Parquet.")
    check_parquet(path)


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file where there is no pyarrow; CSV needs none."""
    if path.suffix.lower() == ".csv":
        return
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        what = f"The Parquet file {path.name!r}"
        raise MissingPackageError(what, "pyarrow", "parquet") from error
