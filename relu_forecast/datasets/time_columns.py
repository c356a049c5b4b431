"""The column of times: which one it is, and what its entries say."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Collection

import pandas as pd

from relu_forecast.datasets.daylight_saving import in_zone
from relu_forecast.datasets.entries import (
    TIME_PARSERS,
    are_dates,
    entry,
    is_numeric,
    listed,
    to_dates_of,
    unread,
)
from relu_forecast.datasets.layout import TIME_NAMES, TableLayout
from relu_forecast.exceptions import InvalidArgumentError


def read_times(frame: pd.DataFrame, ids: pd.Series, layout: TableLayout,
               taken: Collection[str | None]) -> tuple[str | None, pd.Series]:
    """Return the name of the column of times, and the times; None, and row numbers without one.

    Columns that are ``taken`` for something else are not looked at, unless the layout names them.
    """
    name, times = _found(frame, layout, taken)
    if times is not None:
        return name, times if layout.tz is None else in_zone(times, ids, layout.tz)
    for argument in ("tz", "regular", "date_format"):
        if getattr(layout, argument) is not None:
            raise InvalidArgumentError(
                argument, "left out for a file without times", repr(getattr(layout, argument)),
                "Name the column of times with time_col (--time-col).")
    return None, ids.groupby(ids, sort=False, observed=True).cumcount()


def _found(frame: pd.DataFrame, layout: TableLayout,
           taken: Collection[str | None]) -> tuple[str | None, pd.Series | None]:
    """Return the column of times that is named, or is called as one, and its times."""
    if layout.time_col == "":
        return None, None
    name = layout.time_col or ("ds" if "ds" in frame else None)
    if name is not None:
        require_column(frame, name, "time_col")
        return name, _parse_times(frame[name], layout.date_format)
    free = frame.drop(columns=[one for one in taken if one in frame])
    called = [one for one in free.columns if one.strip().lower() in TIME_NAMES]
    if len(called) == 1 and frame.shape[1] > 1:
        try:
            return called[0], _parse_times(frame[called[0]], layout.date_format)
        except InvalidArgumentError:
            if layout.date_format is not None:
                raise
    dates = [one for one in free.columns if one in called or _has_dates(free[one])]
    if dates and frame.shape[1] > 1:
        warnings.warn(
            f"{listed(dates)}: not used as times, rows are numbered instead. Pass time_col"
            " (--time-col), and date_format (--date-format) where times are not ISO 8601.",
            stacklevel=2)
    return None, None


def _has_dates(column: pd.Series) -> bool:
    """Tell whether a column of text has nothing but dates, in whatever format."""
    if is_numeric(column) or column.dtype.kind in "Mm":
        return column.dtype.kind == "M"
    text = column.dropna().astype("string")
    return len(text) > 0 and bool(are_dates(text).all())


def require_column(frame: pd.DataFrame, name: str, argument: str) -> str:
    """Return ``name`` if the frame has such a column; otherwise list those it has."""
    columns = list(frame.columns)
    if name in columns:
        return name
    close = difflib.get_close_matches(name, columns, n=3)
    remedy = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Pass one of these."
    raise InvalidArgumentError(argument, f"a column of the file ({listed(columns)})", repr(name),
                               remedy)


def _parse_times(column: pd.Series, date_format: str | None) -> pd.Series:
    """Return a column of times as numbers, datetimes or timedeltas, by the first that reads all."""
    is_time = pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind == "m"
    if is_time or (is_numeric(column) and date_format is None):
        return column
    text = column.astype("string")
    parsers = TIME_PARSERS if date_format is None else (to_dates_of(date_format),)
    left = []
    for parse in parsers:
        times = parse(text)
        left.append(unread(column, times))
        if not left[-1]:
            return times
    first = entry(column, min(left, key=len)[0])
    if date_format is not None:
        raise InvalidArgumentError(
            "date_format", "the format of all times", f"{date_format!r} and {first}",
            "Pass for example '%d.%m.%Y %H:%M', as datetime.strptime has it.")
    raise InvalidArgumentError(
        "time_col", "a column of times", first,
        "Write numbers, ISO 8601 times such as 2026-01-31 12:00, or durations such as 1.5s; or pass"
        " date_format (--date-format), such as '%d.%m.%Y %H:%M'.")
