"""Series in CSV and Parquet files, and rows written to them."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.datasets.files import check_parquet, check_table_file
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError


def read_series(path: str | os.PathLike[str], *, column: str | None = None,
                time_col: str | None = None, id_col: str | None = None) -> pd.DataFrame:
    r"""Read one or many series from a CSV or Parquet file into a long frame.

    Rows keep the order of the file, and missing values stay missing: whether they, or the
    order and spacing of the times, are acceptable is for the forecaster to say.

    Parameters
    ----------
    path : str or path
        A ``.csv`` file (comma-separated, UTF-8, names in the first row) or a ``.parquet`` or
        ``.pq`` file (a named pandas index counts as columns), which needs the package pyarrow:
        ``pip install 'relu_forecast[parquet]'``.
    column : str, optional
        The column of values. By default ``"y"``, or else the only numeric column.
    time_col : str, optional
        The column of times: numbers, ISO 8601 dates and times, or durations such as
        ``"0 days 00:00:01.5"``. Times with several UTC offsets become UTC. By default ``"ds"``,
        or else the position of a row within its series, 0, 1, 2, ...
    id_col : str, optional
        The column that tells series apart. By default ``"unique_id"``, or else the whole file
        is one series, named as the file is.

    Returns
    -------
    DataFrame
        Columns ``unique_id``, ``ds`` (numbers, datetimes or timedeltas) and ``y`` (float64, in
        the units of the file). ``attrs["numbered"]`` says whether times are row numbers, for
        want of others in the file.

    Raises
    ------
    InvalidArgumentError
        If the file is missing, empty, unreadable, of another kind, or a CSV file without names;
        if a column is missing or unclear; if a time is not readable or a series id is missing
        (the first such row is named).
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
    return read_columns(Path(path), {"y": column}, time_col, id_col)


def read_columns(path: Path, columns: Mapping[str, str | None], time_col: str | None,
                 id_col: str | None) -> pd.DataFrame:
    """Read several columns of values, each as `read_series` reads one, under the names given."""
    frame = _read_frame(path)
    id_name = _named_or_default(frame, id_col, "id_col", "unique_id")
    time_name = _named_or_default(frame, time_col, "time_col", "ds")
    found = {name: _value_column(frame, column, {time_name, id_name})
             for name, column in columns.items()}
    for column in found.values():
        _check_distinct({"column": column, "time_col": time_name, "id_col": id_name})
    ids = _series_ids(frame, id_name, path.stem)
    positions = ids.groupby(ids, sort=False, observed=True).cumcount()
    times = positions if time_name is None else _parse_times(frame[time_name])
    values = {name: _parse_values(frame[column]) for name, column in found.items()}
    series = pd.DataFrame({"unique_id": ids, "ds": times, **values})
    series.attrs["numbered"] = time_name is None
    return series


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows, without their index, to a CSV or Parquet file, as its ending says."""
    check_parquet(path)
    if path.suffix.lower() == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path, engine="pyarrow", index=False)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file whose first row names the columns."""
    _check_names(pd.read_csv(path, header=None, nrows=1, dtype="string", encoding="utf-8-sig",
                             skipinitialspace=True).iloc[0].dropna())
    with warnings.catch_warnings():
        # Fields beyond the named columns: pandas would drop them, or take the first for an index.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True, low_memory=False,
                           index_col=False)


def _check_names(names: pd.Series) -> None:
    """Refuse a first row of numbers and times: it is a sample, which must not get lost."""
    numbered = [str(position) for position in range(len(names))]  # as pandas names columns
    data = [parse(names).notna() for parse in _TIME_PARSERS]
    if np.logical_or.reduce(data).all() and names.tolist() != numbered:
        raise InvalidArgumentError(
            "path", "a CSV file that names its columns in the first row",
            f"data there ({_listed(names.tolist())})", "Add a first row, such as: y")


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file; the named levels of a pandas index become columns."""
    frame = pd.read_parquet(path, engine="pyarrow")
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(level=named) if named else frame


def _read_frame(path: Path) -> pd.DataFrame:
    """Read a file by its suffix, into string column names and rows numbered from 0."""
    check_table_file(path)
    frame = _read_or_explain(path)
    if frame.empty:
        raise InvalidArgumentError("path", "a file with at least one row of data",
                                   f"no rows in {path.name!r}", "Supply samples.")
    return frame.rename(columns=str).reset_index(drop=True)


def _read_or_explain(path: Path) -> pd.DataFrame:
    """Read a file, and say what is wrong with one that cannot be read."""
    try:
        return _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except InvalidArgumentError:
        raise
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except pd.errors.ParserWarning as error:
        raise InvalidArgumentError(
            "path", "a CSV file with a name for every column", f"longer rows in {path.name!r}",
            "Name all columns in the first row.") from error
    except (ValueError, OSError) as error:  # text, CSV and Parquet errors are all ValueErrors
        raise InvalidArgumentError(
            "path", f"a readable {path.suffix} file", f"{path.name!r}: {str(error).strip()}",
            "Open it in another program, and write it again as CSV or Parquet.") from error


def _require_column(frame: pd.DataFrame, name: str, argument: str) -> str:
    """Return ``name`` if the frame has such a column; otherwise list those it has."""
    columns = list(frame.columns)
    if name in columns:
        return name
    close = difflib.get_close_matches(name, columns, n=3)
    remedy = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Pass one of these."
    raise InvalidArgumentError(argument, f"a column of the file ({_listed(columns)})", repr(name),
                               remedy)


def _listed(columns: list[str]) -> str:
    """Return the names of columns for a message, the first twenty in full."""
    shown = ", ".join(map(repr, columns[:20]))
    return shown if len(columns) <= 20 else f"{shown} and {len(columns) - 20} more"


def _named_or_default(frame: pd.DataFrame, name: str | None, argument: str,
                      default: str) -> str | None:
    """Return the column the caller named, else the default one if it is there, else None."""
    if name is not None:
        return _require_column(frame, name, argument)
    return default if default in frame.columns else None


def _value_column(frame: pd.DataFrame, name: str | None, taken: set[str | None]) -> str:
    """Return the column of values: the one named, else ``y``, else the only numeric one."""
    if name is not None:
        return _require_column(frame, name, "column")
    free = frame.drop(columns=[other for other in taken if other is not None])
    if "y" in free.columns:
        return "y"
    filled = free.dropna(axis="columns", how="all")
    numeric = list(filled.select_dtypes("number", exclude="timedelta").columns)
    if len(numeric) == 1:
        return str(numeric[0])
    raise InvalidArgumentError(
        "column", "given when the file has no column 'y' and not exactly one numeric column",
        f"columns {_listed(list(frame.columns))}, of which {len(numeric)} numeric",
        f"Pass column={numeric[0]!r} or another." if numeric else "Name the column of values.")


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
        raise InvalidArgumentError("id_col", "complete", _entry(frame[name], missing[0]),
                                   "Fill it in or drop the row.")
    return frame[name]


def _parse_values(column: pd.Series) -> npt.NDArray[np.float64]:
    """Return a column of numbers, or of text that reads as numbers, as float64."""
    numbers = column if _is_numeric(column) else _to_numbers(column.astype("string"))
    unread = _unread(column, numbers)
    if unread:
        raise InvalidTypeError("column", "a column of numbers", _entry(column, unread[0]),
                               "Mend the file, or name another column.")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _parse_times(column: pd.Series) -> pd.Series:
    """Return a column of times as numbers, datetimes or timedeltas, by the first that reads all."""
    is_time = pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind == "m"
    if is_time or _is_numeric(column):
        return column
    text = column.astype("string")
    unread = []
    for parse in _TIME_PARSERS:
        times = parse(text)
        unread.append(_unread(column, times))
        if not unread[-1]:
            return times
    raise InvalidArgumentError(
        "time_col", "a column of times", _entry(column, min(unread, key=len)[0]),
        "Write numbers, ISO 8601 times such as 2026-01-31 12:00, or durations such as 1.5s.")


def _is_numeric(column: pd.Series) -> bool:
    """Tell whether a column holds numbers; booleans are none."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _to_numbers(text: pd.Series) -> pd.Series:
    """Read numbers, NaN where there is none."""
    return pd.to_numeric(text, errors="coerce").astype(np.float64)


def _to_datetimes(text: pd.Series) -> pd.Series:
    """Read ISO 8601 dates and times, NaT where there is none."""
    dates = text.where(text.str.match(r"\d", na=False))  # pandas would read "now" and "today" too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return pd.to_datetime(dates, errors="coerce", format="ISO8601")
    except (ValueError, FutureWarning):  # several UTC offsets in one column; pandas 3, 2
        return pd.to_datetime(dates, errors="coerce", format="ISO8601", utc=True)


def _to_durations(text: pd.Series) -> pd.Series:
    """Read durations, NaT where there is none."""
    return pd.to_timedelta(text, errors="coerce")


_TIME_PARSERS = (_to_numbers, _to_datetimes, _to_durations)


def _unread(column: pd.Series, parsed: pd.Series) -> list[int]:
    """Return the positions of entries that are there but could not be parsed."""
    return np.flatnonzero(parsed.isna() & column.notna()).tolist()


def _entry(column: pd.Series, row: int) -> str:
    """Describe one entry of a column for a message."""
    [entry] = column.iloc[[row]].tolist()
    return f"{entry!r} in column {column.name!r} at row {row + 1} of the data"
