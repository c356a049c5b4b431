"""The entries of columns: texts that are read as numbers, dates or durations."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

_DATE = r"\s*(?:\d{4}[./-]\d\d?[./-]\d\d?|\d\d?[./-]\d\d?[./-](?:\d{4}|\d\d))(?:\D|$)"
"""Year, month and day, or the other way round, whatever is between them."""

_THOUSANDS = r"[+-]?\d{1,3}(?:[., '_\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?$"

_OF_THOUSANDS = (": pass thousands (--thousands) if that separates thousands, and decimal"
                 " (--decimal) if decimals are commas.")


def is_numeric(column: pd.Series) -> bool:
    """Tell whether a column holds numbers; booleans are none."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def to_numbers(text: pd.Series, decimal: str = ".") -> pd.Series:
    """Read numbers, NaN where there is none."""
    if decimal != ".":
        text = text.where(~text.str.contains(".", regex=False, na=False))
        text = text.str.replace(decimal, ".", regex=False)
    return pd.to_numeric(text, errors="coerce").astype(np.float64)


def without_thousands(text: pd.Series, thousands: str, decimal: str) -> pd.Series:
    """Take separators out of numbers whose digits are in groups of three; leave all other text."""
    mark = "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands)
    grouped = rf"\s*[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{re.escape(decimal)}\d*)?\s*"
    plain = text.str.replace(mark, "", regex=True)
    return text.mask(text.str.fullmatch(grouped).fillna(False), plain)


def to_datetimes(text: pd.Series) -> pd.Series:
    """Read ISO 8601 dates and times, NaT where there is none."""
    dates = text.where(text.str.match(r"\d", na=False))  # pandas would read "now" and "today" too
    return _dates_as(dates, "ISO8601")


def to_dates_of(date_format: str) -> Callable[[pd.Series], pd.Series]:
    """Return what reads dates and times of a format, as `datetime.strptime` has it."""
    return lambda text: _dates_as(text, date_format)


def _dates_as(dates: pd.Series, date_format: str) -> pd.Series:
    """Read dates and times of a format, NaT where there is none; several UTC offsets become UTC."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return pd.to_datetime(dates, errors="coerce", format=date_format)
    except (ValueError, FutureWarning):  # several UTC offsets in one column; pandas 3, 2
        return pd.to_datetime(dates, errors="coerce", format=date_format, utc=True)


def to_durations(text: pd.Series) -> pd.Series:
    """Read durations, NaT where there is none."""
    # pandas would read the date 10.03.2026 12:00, too.
    return pd.to_timedelta(text.where(~are_dates(text)), errors="coerce")


def are_dates(text: pd.Series) -> pd.Series:
    """Tell which texts begin as dates do, in whatever format."""
    return text.str.match(_DATE, na=False)


TIME_PARSERS = (to_numbers, to_datetimes, to_durations)
"""What reads times, in the order in which they are tried."""


def unread(column: pd.Series, parsed: pd.Series) -> list[int]:
    """Return the positions of entries that are there but could not be parsed."""
    return np.flatnonzero(parsed.isna() & column.notna()).tolist()


def entry(column: pd.Series, row: int) -> str:
    """Describe one entry of a column for a message."""
    [found] = column.iloc[[row]].tolist()
    return f"{found!r} in column {column.name!r} at row {row + 1} of the data"


def listed(columns: list[str]) -> str:
    """Return the names of columns for a message, the first twenty in full."""
    shown = ", ".join(map(repr, columns[:20]))
    return shown if len(columns) <= 20 else f"{shown} and {len(columns) - 20} more"


def hint_of_numbers(frame: pd.DataFrame, decimal: str) -> str:
    """Return what is wrong with a column of text that seems to be of numbers, or nothing."""
    found = hint_of_decimals(frame, decimal)
    for name, text in _texts(frame):
        left = unread(text, to_numbers(text, decimal))
        first = f" {text.iloc[left[0]]!r} in column {name!r}" if left else ""
        if left and not found and re.match(_THOUSANDS, text.iloc[left[0]]):
            found = first + _OF_THOUSANDS
        if left and not found and 2 * len(left) < len(text):
            found = f"{first} is no number, as others are: mend it, or leave it empty."
    return found


def hint_of_decimals(frame: pd.DataFrame, decimal: str) -> str:
    """Return what to do about a column of numbers that are written otherwise, or nothing."""
    other = "." if decimal == "," else ","
    for name, text in _texts(frame):
        if to_numbers(text, other).notna().all():
            return (f" Entries of {name!r}, such as {text.iloc[0]!r}, are numbers with"
                    f" decimal={other!r} (--decimal {other!r}).")
        left = text.iloc[unread(text, to_numbers(text, decimal))]
        if len(left) and left.str.match(_THOUSANDS).all():
            return f" {left.iloc[0]!r} in column {name!r}{_OF_THOUSANDS}"
    return ""


def _texts(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yield the names and the entries of columns of text that are no dates."""
    for name in frame:
        text = frame[name].dropna().astype("string")
        if not (is_numeric(frame[name]) or text.empty or are_dates(text).any()):
            yield str(name), text
