"""Changes to and from daylight saving time: how they show in times without a zone, and in one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError

REMEDY = ("Clocks seem to change there (daylight saving time): give the times their zone, with"
          " tz='Europe/Berlin', say (--tz Europe/Berlin), where a file is read, else with"
          " Series.dt.tz_localize.")
"""What to do about times without a zone that lack an hour, or have one twice."""
_MONTHS = (3, 4, 9, 10, 11)
_LAST_HOUR, _SUNDAY = 3, 6
_HOUR = pd.Timedelta(hours=1)


def is_at_change(time: object) -> bool:
    """Tell whether clocks may change around a time without a zone: a Sunday night, in season."""
    return (isinstance(time, pd.Timestamp) and time.tzinfo is None and time.month in _MONTHS
            and time.day_of_week == _SUNDAY and time.hour <= _LAST_HOUR)


def skips_an_hour(before: object, after: object, step: object) -> bool:
    """Tell whether a step between times without a zone is an hour too long as clocks go forward."""
    return (isinstance(before, pd.Timestamp) and isinstance(after, pd.Timestamp)
            and isinstance(step, pd.Timedelta) and step < 24 * _HOUR and is_at_change(after)
            and after - before == step + _HOUR)


def in_zone(times: pd.Series, ids: pd.Series, tz: str) -> pd.Series:
    """Return times in a zone; those without one are local times, series by series.

    An hour that comes twice as clocks go back is told apart by the order of the rows.
    """
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise InvalidArgumentError("tz", "left out where times are no dates", repr(tz),
                                   "Leave it out, or name another column of times.")
    if times.dt.tz is not None:
        converted: pd.Series = times.dt.tz_convert(tz)
        return converted
    groups = times.groupby(ids, sort=False, observed=True)
    local: pd.Series = pd.concat([_local(own, tz) for _, own in groups]).reindex(times.index)
    return local


def _local(times: pd.Series, tz: str) -> pd.Series:
    """Return the local times of one series in their zone; refuse what the zone does not settle."""
    index = pd.DatetimeIndex(times)
    try:
        return pd.Series(index.tz_localize(tz, ambiguous="infer"), index=times.index,
                         name=times.name)
    except ValueError as error:
        raise _unsettled(index, tz) from error


def _unsettled(times: pd.DatetimeIndex, tz: str) -> InvalidArgumentError:
    """Return the error for local times that are not there, or come twice and are there once."""
    there = times.dropna()
    either = np.ones(len(there), dtype=bool)
    skipped = there[there.tz_localize(tz, ambiguous=either, nonexistent="NaT").isna()]
    if len(skipped):
        return InvalidArgumentError(
            "tz", "the zone of the times",
            f"{skipped[0]}, which clocks in {tz} skip (daylight saving time)",
            "Pass tz='UTC' (--tz UTC) or another zone without changes if clocks stay as they are"
            " in the file.")
    twice = there[there.tz_localize(tz, ambiguous="NaT", nonexistent="NaT").isna()]
    return InvalidArgumentError(
        "tz", "a zone in which each time is clear",
        f"{twice[0]}, which comes twice in {tz} (end of daylight saving time), and not both times,"
        " in order, in the file",
        "Write the times with their UTC offsets; or pass tz='UTC' (--tz UTC) if clocks stay as"
        " they are in the file; or drop these rows, and pass regular (--regular).")
