"""Times of samples, one text after another, as those of the model are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from relu_forecast.cli.watch.fields import number_of
from relu_forecast.datasets.layout import TableLayout

_ISO = re.compile(r"\d{4}-?\d\d")


def time_reader(times: pd.Index, layout: TableLayout, ticks: Mapping[str, Any] | None
                ) -> Callable[[str], Any]:
    """Return what reads a time as those of a series are; it raises ValueError at any other text.

    ``ticks`` is what the state of a stream says of the time of its last sample.
    """
    if isinstance(times, pd.DatetimeIndex):
        last = None if ticks is None or times.tz is None else pd.Timestamp(
            int(ticks["last"]), tz="UTC")
        return DateReader(layout, last, zoned=times.tz is not None)
    if isinstance(times, pd.TimedeltaIndex):
        return _duration
    return lambda text: _number(text, layout.decimal)


class DateReader:
    """Reads dates and times, of a zone where the layout names one.

    Parameters
    ----------
    layout : TableLayout
        How they are written.
    last : Timestamp or None
        The time before the first one.
    zoned : bool
        Whether those of the model have a UTC offset.
    """

    def __init__(self, layout: TableLayout, last: pd.Timestamp | None, *, zoned: bool) -> None:
        self._layout, self._last, self._zoned = layout, last, zoned

    def __call__(self, text: str) -> pd.Timestamp:
        """Return the time that a text says."""
        if self._layout.date_format is not None:
            found = pd.Timestamp(datetime.strptime(text, self._layout.date_format))
        elif _ISO.match(text):
            found = pd.Timestamp(text)
        else:
            raise ValueError("an ISO 8601 date and time, or as --date-format says")
        if self._layout.tz is not None:
            found = self._in_zone(found, self._layout.tz)
        if (found.tz is not None) is not self._zoned:
            raise ValueError("a time with a UTC offset, as those of the model, or with --tz"
                             if self._zoned else "a time without a UTC offset, as the model's")
        self._last = found
        return found

    def _in_zone(self, found: pd.Timestamp, tz: str) -> pd.Timestamp:
        """Return a time in a zone; of an hour that comes twice, the first that is later."""
        if found.tz is not None:
            return found.tz_convert(tz)
        first = found.tz_localize(tz, ambiguous=True)
        if self._last is not None and first <= self._last:
            return found.tz_localize(tz, ambiguous=False)
        return first


def _duration(text: str) -> pd.Timedelta:
    """Read a duration, such as 0 days 00:00:01.5."""
    if not text:
        raise ValueError("a duration, such as 1.5s")
    return pd.Timedelta(text)


def _number(text: str, decimal: str) -> float:
    """Read a time that is a number."""
    try:
        found = number_of(text, decimal)
    except ValueError:
        found = float("nan")
    if found != found:
        raise ValueError("a number")
    return found
