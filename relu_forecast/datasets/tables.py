"""Series in CSV and Parquet files, and rows written to them."""

from __future__ import annotations

import codecs
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.datasets.csv_files import read_csv
from relu_forecast.datasets.entries import (
    entry,
    hint_of_decimals,
    hint_of_numbers,
    is_numeric,
    listed,
    to_numbers,
    unread,
)
from relu_forecast.datasets.files import check_parquet, check_table_file
from relu_forecast.datasets.layout import TableLayout
from relu_forecast.datasets.regular import regular_rows
from relu_forecast.datasets.time_columns import read_times, require_column
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError

_OF_DECIMALS = ("If commas are decimals, pass decimal=',' (--decimal ','), and sep (--sep) where"
                " columns are not separated by ';'.")

_LAST_BITS = 8
"""Units in the last place of the largest time that count as rounding."""


def read_series(path: str | os.PathLike[str], *, column: str | None = None,
                time_col: str | None = None, id_col: str | None = None, sep: str | None = None,
                decimal: str = ".", comment: str | None = None, date_format: str | None = None,
                tz: str | None = None, regular: Any = None, thousands: str | None = None,
                encoding: str | None = None) -> pd.DataFrame:
    r"""Read one or many series from a CSV or Parquet file into a long frame.

    Rows keep the order of the file, and missing values stay missing: whether they, or the
    order and spacing of the times, are acceptable is for the forecaster to say.

    Parameters
    ----------
    path : str or path
        A ``.csv`` file (names in the first row) or a ``.parquet`` or
        ``.pq`` file (a named pandas index counts as columns), which needs the package pyarrow:
        ``pip install 'relu_forecast[parquet]'``.
    column : str, optional
        The column of values. By default ``"y"``, or else the only numeric column.
    time_col : str, optional
        The column of times: numbers, ISO 8601 dates and times, or durations such as
        ``"0 days 00:00:01.5"``. Times with several UTC offsets become UTC. By default ``"ds"``,
        or else the only column called timestamp, datetime, date or time, in letters of any case,
        or else the position of a row within its series, 0, 1, 2, ..., as with ``""``. A warning
        says where such a column is not used.
    id_col : str, optional
        The column that tells series apart. By default ``"unique_id"``, or else the whole file
        is one series, named as the file is.
    sep : str, optional
        The character between the columns of a CSV file. By default a comma, or a semicolon with
        ``decimal=","``. A file that another one seems to separate is refused.
    decimal : {".", ","}, default "."
        What decimals follow in a CSV file.
    comment : str, optional
        What begins lines of a CSV file that are left out, wherever they are; none with ``""``. By
        default comment lines that begin with ``#`` are left out above the names, and nowhere else.
    date_format : str, optional
        How dates and times are written, as `datetime.strptime` has it, such as
        ``"%d.%m.%Y %H:%M"``. By default ISO 8601.
    tz : str, optional
        A time zone, such as ``"Europe/Berlin"``. Dates and times without a UTC offset are local
        times there, others are converted. An hour that clocks repeat is told apart by the order of
        its samples, which must all be there.
    regular : str or number, optional
        The time between samples, as pandas writes it, such as ``"1h"`` or ``"MS"``, or a number.
        Where rows are absent from this grid, which begins with the first time of each series, they
        are added, with missing values.
    thousands : {".", ",", "'", "\u2019", "_", " "}, optional
        What is between groups of three digits in a CSV file: 1.234,5 has a point. By default
        nothing, and numbers that have something there are refused.
    encoding : str, optional
        How the characters of a CSV file are written, such as ``"cp1252"`` or ``"utf-16"``. By
        default UTF-8.

    Returns
    -------
    DataFrame
        Columns ``unique_id``, ``ds`` (numbers, datetimes or timedeltas) and ``y`` (float64, in
        the units of the file). ``attrs["numbered"]`` says whether times are row numbers, for
        want of others in the file; with ``regular``, ``attrs["absent"]`` how many rows were added.

    Raises
    ------
    InvalidArgumentError
        If the file is missing, empty, unreadable, of another kind, or a CSV file without names or
        with one twice; if a column is missing or unclear; if a time is not readable or a series id
        is missing (the first such row is named); if times are not those of the zone, as clocks
        change, or not on the grid.
    InvalidTypeError
        If the values are not numbers (the first that is not is named).
    MissingPackageError
        If the file is Parquet and there is no pyarrow; it is an ImportError.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "pulse.csv"
    ...     _ = file.write_text("time,bpm\n2026-01-01,71\n2026-01-02,69.5\n")
    ...     read_series(file, time_col="time")
      unique_id         ds     y
    0     pulse 2026-01-01  71.0
    1     pulse 2026-01-02  69.5
    """
    layout = TableLayout(time_col, id_col, sep, decimal, comment, date_format, tz, regular,
                         thousands, encoding)
    return read_columns(Path(path), {"y": column}, layout)


def read_columns(path: Path, columns: Mapping[str, str | None],
                 layout: TableLayout) -> pd.DataFrame:
    """Read several columns of values, each as `read_series` reads one, under the names given."""
    frame = _read_frame(path, layout)
    id_name = _named_or_default(frame, layout.id_col, "id_col", "unique_id")
    ids = _series_ids(frame, id_name, path.stem)
    time_name, times = read_times(frame, ids, layout, {id_name, *columns.values()})
    found = {name: _value_column(frame, column, {time_name, id_name}, layout.decimal)
             for name, column in columns.items()}
    for column in found.values():
        _check_distinct({"column": column, "time_col": time_name, "id_col": id_name})
    values = {name: _parse_values(frame[column], layout.decimal) for name, column in found.items()}
    series = pd.DataFrame({"unique_id": ids, "ds": times, **values})
    series.attrs["numbered"] = time_name is None
    return series if layout.regular is None else regular_rows(series, layout.regular)


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows, without their index, to a CSV or Parquet file, as its ending says."""
    check_parquet(path)
    if path.suffix.lower() == ".csv":
        plain_times(rows).to_csv(path, index=False)
    else:
        rows.to_parquet(path, engine="pyarrow", index=False)


def plain_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose times, where they are fractions, are as people write them.

    In the columns ds and cutoff, 0.30000000000000004 becomes 0.3: what 12 significant digits tell
    but for the last bits. All else stays as it is.
    """
    named = [name for name in ("ds", "cutoff") if name in rows and rows[name].dtype.kind == "f"]
    return rows.assign(**{name: _plain(rows[name].to_numpy()) for name in named})


def _plain(times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return numbers with 12 significant digits where these are the same but for rounding."""
    written = np.array([float(f"{time:.12g}") for time in times.tolist()])
    rounding = _LAST_BITS * np.spacing(np.abs(times).max(initial=0.0))
    return np.where(np.abs(written - times) <= rounding, written, times)


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file; the named levels of a pandas index become columns."""
    frame = pd.read_parquet(path, engine="pyarrow")
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(level=named) if named else frame


def _read_frame(path: Path, layout: TableLayout) -> pd.DataFrame:
    """Read a file by its suffix, into string column names and rows numbered from 0."""
    check_table_file(path)
    frame = _read_or_explain(path, layout)
    if frame.empty:
        raise InvalidArgumentError("path", "a file with at least one row of data",
                                   f"no rows in {path.name!r}", "Supply samples.")
    return frame.rename(columns=str).reset_index(drop=True)


def _read_or_explain(path: Path, layout: TableLayout) -> pd.DataFrame:
    """Read a file, and say what is wrong with one that cannot be read."""
    try:
        if path.suffix.lower() != ".csv":
            return _read_parquet(path)
        with warnings.catch_warnings():
            # Fields beyond the names: pandas would drop them, or take the first for an index.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return read_csv(path, layout)
    except InvalidArgumentError:
        raise
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except pd.errors.ParserWarning as error:
        raise InvalidArgumentError(
            "path", "a CSV file with a name for every column", f"longer rows in {path.name!r}",
            f"Name all columns in the first row. {_OF_DECIMALS}") from error
    except UnicodeError as error:
        raise InvalidArgumentError(
            "encoding", f"that of the file, which is not {layout.encoding or 'UTF-8'}",
            f"{path.name!r}: {str(error).strip()}", _hint_of_encoding(path)) from error
    except (ValueError, OSError) as error:  # text, CSV and Parquet errors are all ValueErrors
        raise InvalidArgumentError(
            "path", f"a readable {path.suffix} file", f"{path.name!r}: {str(error).strip()}",
            f"Mend it, or write it again as CSV or Parquet. {_OF_DECIMALS}") from error


def _hint_of_encoding(path: Path) -> str:
    """Return what to do about a file in another encoding, by how it begins."""
    with open(path, "rb") as file:
        start = file.read(2)
    likely = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
    return f"Pass for example encoding={likely!r} (--encoding {likely})."


def _named_or_default(frame: pd.DataFrame, name: str | None, argument: str,
                      default: str) -> str | None:
    """Return the column the caller named, else the default one if it is there, else None."""
    if name is not None:
        return require_column(frame, name, argument)
    return default if default in frame.columns else None


def _value_column(frame: pd.DataFrame, name: str | None, taken: set[str | None],
                  decimal: str) -> str:
    """Return the column of values: the one named, else ``y``, else the only numeric one."""
    if name is not None:
        return require_column(frame, name, "column")
    free = frame.drop(columns=[other for other in taken if other is not None])
    if "y" in free.columns:
        return "y"
    filled = free.dropna(axis="columns", how="all")
    numeric = list(filled.select_dtypes("number", exclude="timedelta").columns)
    if len(numeric) == 1 and not hint_of_decimals(filled, decimal):
        return str(numeric[0])
    hint = hint_of_numbers(filled, decimal)
    raise InvalidArgumentError(
        "column", "given when the file has no column 'y' and not exactly one numeric column",
        f"columns {listed(list(frame.columns))}, of which {len(numeric)} numeric",
        f"Pass column={numeric[0]!r} or another.{hint}" if numeric else
        f"Name the column of values.{hint}")


def _check_distinct(columns: dict[str, str | None]) -> None:
    """Refuse a column that is asked to play two parts."""
    parts: dict[str, str] = {}
    for argument, name in columns.items():
        if name is not None and parts.setdefault(name, argument) != argument:
            raise InvalidArgumentError(argument, f"another column than {parts[name]}", repr(name),
                                       "Name a different column for each.")


def _series_ids(frame: pd.DataFrame, name: str | None, default: str) -> pd.Series:
    """Return the id of each row; a missing one is refused, since its series is unknown."""
    if name is None:
        return pd.Series(default, index=frame.index)
    missing = np.flatnonzero(frame[name].isna()).tolist()
    if missing:
        raise InvalidArgumentError("id_col", "complete", entry(frame[name], missing[0]),
                                   "Fill it in or drop the row.")
    return frame[name]


def _parse_values(column: pd.Series, decimal: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers, or of text that reads as numbers, as float64."""
    numbers = column if is_numeric(column) else to_numbers(column.astype("string"), decimal)
    left = unread(column, numbers)
    if left:
        hint = hint_of_numbers(column.iloc[left[:1]].to_frame(), decimal)
        raise InvalidTypeError("column", "a column of numbers", entry(column, left[0]),
                               f"Mend the file, or name another column.{hint}")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
