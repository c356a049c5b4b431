"""Rows on a regular grid of times: absent ones are added, without values."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from relu_forecast.datasets.daylight_saving import REMEDY, is_at_change, skips_an_hour
from relu_forecast.exceptions import InvalidArgumentError

_TOLERANCE = 1e-6
"""Allowed deviation of numbers from the grid, in steps."""


def regular_rows(rows: pd.DataFrame, step: Any,
                 ends: Mapping[Hashable, Any] | None = None) -> pd.DataFrame:
    """Return the rows of each series on a grid of times, with missing values where rows are absent.

    The grid begins with the first time of a series; or after its time in ``ends``, that of the last
    sample that was known before. ``attrs["absent"]`` is how many rows were added.
    """
    after = ends or {}
    groups = rows.groupby("unique_id", sort=False, observed=True)
    parts = [_regular(own, step, name, after.get(name)) for name, own in groups]
    found = pd.concat(parts, ignore_index=True)
    found.attrs = {**rows.attrs, "absent": len(found) - len(rows)}
    return found


def _regular(rows: pd.DataFrame, step: Any, name: Any, end: Any) -> pd.DataFrame:
    """Return the rows of one series on its grid."""
    times = pd.Index(rows["ds"])
    _check_times(times, name)
    _warn_of_clocks(times)
    if end is not None and times[0] <= end:
        end = None
    grid = _grid(times[0] if end is None else end, times, step)
    places = _places(grid, times, step)
    if end is not None:
        grid, places = grid[1:], places - 1
    if (places < 0).any():
        off = int(np.argmax(places < 0))
        raise InvalidArgumentError(
            "regular", f"the step of the times of series {name}",
            f"{step!r}, and a time off that grid: {times[off]}",
            f"Pass another step, or move or drop such rows. The grid begins at {grid[0]}.")
    filled = rows.set_axis(places).reindex(range(len(grid)))
    return filled.assign(unique_id=name, ds=np.asarray(grid) if times.dtype.kind in "iuf" else grid)


def _check_times(times: pd.Index, name: Any) -> None:
    """Refuse times that are missing, repeated or not in order."""
    problem, remedy = "", "Sort the rows by time, and drop those without one."
    if times.hasnans:
        problem = f"no time at position {int(np.argmax(times.isna()))}"
    elif times.has_duplicates:
        twice = times[times.duplicated()][0]
        problem = f"{twice} twice"
        remedy = REMEDY if is_at_change(twice) else "Drop the repeated rows."
    elif not times.is_monotonic_increasing:
        problem = "times that go back"
    if problem:
        raise InvalidArgumentError(
            f"times of series {name}", "increasing for a regular grid", problem, remedy)


def _grid(first: Any, times: pd.Index, step: Any) -> pd.Index:
    """Return the regular times from the first to the last."""
    last: Any = times[-1]
    if not isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex):
        _check_step(isinstance(step, int | float) and step > 0, step, "a number above 0")
        grid = first + step * np.arange(max(round((last - first) / step) + 1, 1))
        whole = times.dtype.kind in "iu" and float(step).is_integer()
        numbers: pd.Index = pd.Index(grid.astype(times.dtype) if whole else grid)
        return numbers
    try:
        offset = to_offset(step)
        durations = isinstance(times, pd.TimedeltaIndex)
        made: Any = (pd.timedelta_range if durations else pd.date_range)(first, last, freq=offset)
    except (ValueError, TypeError) as error:
        _check_step(False, step, "a step of times as pandas writes it", error)
        raise
    regular: pd.Index = made.as_unit(times.unit)
    return regular


def _check_step(valid: bool, step: Any, required: str, cause: Exception | None = None) -> None:
    """Refuse a step that is none of such times."""
    if not valid:
        raise InvalidArgumentError("regular", required, repr(step),
                                   "Pass for example 1h, 15min, D or MS.") from cause


def _places(grid: pd.Index, times: pd.Index, step: Any) -> Any:
    """Return the position of each time in the grid, below 0 where it is not on it."""
    if times.dtype.kind not in "iuf":
        return grid.get_indexer(times)
    steps = (times.to_numpy() - grid[0]) / step
    return np.where(np.abs(steps - np.rint(steps)) <= _TOLERANCE, np.rint(steps), -1).astype(int)


def _warn_of_clocks(times: pd.Index) -> None:
    """Warn of an absent hour that may be absent only as clocks went forward."""
    if not isinstance(times, pd.DatetimeIndex) or times.tz is not None or len(times) < 3:
        return
    steps = times[1:] - times[:-1]
    usual = steps.sort_values()[(len(steps) - 1) // 2]
    for place in np.flatnonzero(steps == usual + pd.Timedelta(hours=1)).tolist():
        if skips_an_hour(times[place], times[place + 1], usual):
            warnings.warn(f"The samples after {times[place]} are taken to be missing. {REMEDY}",
                          stacklevel=2)
            return
