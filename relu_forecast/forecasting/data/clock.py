"""Time stamps of a series: checked for regularity, and continued beyond the last one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, Tick

from relu_forecast.datasets.daylight_saving import REMEDY, is_at_change, skips_an_hour
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.storage import stored
from relu_forecast.validation import check_positive

RELATIVE_TOLERANCE = 1e-6
"""Allowed deviation from a regular grid, in steps."""
COARSEST_RESOLUTION = 1e-3
"""Time stamps rounded to a unit are accepted when the unit is at most this many steps."""

_Ticks = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@runtime_checkable
class Clock(Protocol):
    """The rule that a series' time stamps follow."""

    def after(self, h: int) -> pd.Index:
        """Return the ``h`` time stamps that follow the last one."""

    def check_fits(self, times: pd.Index) -> None:
        """Raise ValueError unless it is the rule that time stamps follow."""


@stored()
@dataclass(frozen=True)
class UniformClock:
    """Time stamps at equal steps, ``origin + k * step``, rounded to the index's own unit.

    Both numbers are exact fractions fitted to all time stamps, so that a 360 Hz signal whose
    time stamps were rounded to nanoseconds is continued without drift.
    """

    origin: Fraction
    step: Fraction
    """In units of the index: its numbers, or its datetime unit (``"ns"``, ``"us"``, ...)."""
    length: int
    """Time stamps seen."""
    first: pd.Index
    """The first time stamp, an index of length 1; what follows has its dtype and name."""

    def after(self, h: int) -> pd.Index:
        """Return the ``h`` time stamps that follow the last one."""
        steps = range(self.length, self.length + h)
        return _index_at([self.origin + k * self.step for k in steps], self.first)

    def check_fits(self, times: pd.Index) -> None:
        """Raise ValueError unless it passes within half a step of all time stamps."""
        _check_dtype(times, "times")
        ticks = _ticks(times)
        ends = ((0, len(ticks)), (-1, 1))
        ahead = [float(ticks[place].item() - (self.origin + (self.length - back) * self.step))
                 for place, back in ends]
        steps = np.diff(ticks).astype(np.float64) - float(self.step)
        near = np.abs([*ahead, *steps]) <= float(self.step) / 2
        alike = self.first.dtype == times.dtype and self.first.name == times.name
        if self.step <= 0 or self.length < len(ticks) or times.isna().any() or not (
                near.all() and alike and len(self.first) == 1):
            raise ValueError("the clock does not pass through the times")


@stored()
@dataclass(frozen=True)
class CalendarClock:
    """Time stamps on a calendar rule: month starts, business days, days of a time zone."""

    last: pd.DatetimeIndex
    """The last time stamp, an index of length 1."""
    offset: BaseOffset
    """The rule."""

    def after(self, h: int) -> pd.Index:
        """Return the ``h`` time stamps that follow the last one."""
        grid = pd.date_range(self.last[0], periods=h + 1, freq=self.offset)
        return grid[1:].as_unit(self.last.unit)

    def check_fits(self, times: pd.Index) -> None:
        """Raise ValueError unless time stamps are on the calendar, and end with the last one."""
        read = read_clock(times, self.offset, "times")
        if not (isinstance(read, CalendarClock) and self.last.identical(times[-1:])):
            raise ValueError("the times are not on the calendar")


def read_clock(times: pd.Index, freq: Any, name: str) -> Clock:
    """Check that time stamps are present, increasing and regular, and return their rule.

    Steps of numbers, timedeltas, datetimes and periods must be equal, up to `RELATIVE_TOLERANCE`
    steps or the rounding to the unit of the index (1 ns, say) where that unit is below
    `COARSEST_RESOLUTION` steps. Datetimes may follow a calendar rule instead. ``freq`` is the step
    as pandas states it, or in units of the index for numbers; None infers it, from two time stamps
    at least. ``name`` is what error messages call the times.
    """
    _check_dtype(times, name)
    _check_increasing(times, name)
    calendar = _calendar_offset(times, freq, name)
    if calendar is not None:
        return CalendarClock(pd.DatetimeIndex(times[-1:]), calendar)
    return _uniform_clock(times, freq, name)


def _check_dtype(times: pd.Index, name: str) -> None:
    """Refuse anything but numbers, datetimes, timedeltas and periods."""
    numeric = pd.api.types.is_integer_dtype(times.dtype) or pd.api.types.is_float_dtype(times.dtype)
    if not (numeric or isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex)):
        raise InvalidTypeError(
            name, "numbers, datetimes, timedeltas or periods", f"dtype {times.dtype}",
            "Convert it first, for example with pandas.to_datetime.")


def _check_increasing(times: pd.Index, name: str) -> None:
    """Refuse missing, infinite, repeated and unsorted time stamps; the first one is named."""
    missing = np.flatnonzero(times.isna() | np.isin(times.to_numpy(), (np.inf, -np.inf)))
    if missing.size:
        raise InvalidArgumentError(
            name, "a time stamp for every sample", f"{times[missing[0]]} at position {missing[0]}",
            "Drop these samples, or give them a time.")
    if times.has_duplicates:
        repeated = int(np.argmax(times.duplicated()))
        raise InvalidArgumentError(
            name, "free of duplicates", f"{times[repeated]} again at position {repeated}",
            REMEDY if is_at_change(times[repeated]) else
            "Drop the repeated samples; if there are several series, name their column in id_col.")
    if not times.is_monotonic_increasing:
        position = int(np.argmax(_ticks(times)[1:] < _ticks(times)[:-1]))
        raise InvalidArgumentError(
            name, "sorted, oldest first",
            f"{times[position + 1]} after {times[position]} at position {position + 1}",
            "Sort the samples by time first.")


def _calendar_offset(times: pd.Index, freq: Any, name: str) -> BaseOffset | None:
    """Return the calendar rule of datetimes, None for a fixed step or for other times."""
    if not isinstance(times, pd.DatetimeIndex):
        return None
    if freq is None:
        offset = times.freq if times.freq is not None else _inferred_offset(times)
        return None if _is_fixed(offset) else offset
    offset = _to_offset(freq)
    if _is_fixed(offset):
        return None
    if not pd.date_range(times[0], periods=len(times), freq=offset).equals(times):
        raise _contradiction(freq, times, name)
    return offset


def _is_fixed(offset: BaseOffset | None) -> bool:
    """Tell whether a rule is a fixed time; a day is not, where clocks change."""
    # pandas counts a day as a fixed time up to version 2, and as a calendar rule from 3 on.
    return isinstance(offset, Tick) and not isinstance(offset, pd.offsets.Day)


def _inferred_offset(times: pd.DatetimeIndex) -> BaseOffset | None:
    """Return what pandas makes of three or more datetimes, None if it finds no rule."""
    if len(times) < 3:
        return None
    with warnings.catch_warnings():
        # pandas 3 announces that a later version returns an offset; to_offset takes both.
        warnings.simplefilter("ignore", DeprecationWarning)
        inferred = pd.infer_freq(times)
    return to_offset(inferred)


def _to_offset(freq: Any) -> BaseOffset:
    """Return ``freq`` as a pandas offset."""
    try:
        offset: BaseOffset = to_offset(freq)
    except (ValueError, TypeError) as error:
        raise _unknown(freq) from error
    return offset


def _uniform_clock(times: pd.Index, freq: Any, name: str) -> UniformClock:
    """Fit ``origin + k * step`` to the time stamps and check that it passes through them."""
    ticks = _ticks(times)
    given = None if freq is None else _step_in_ticks(times, freq)
    if len(ticks) == 1:
        if given is None:
            raise InvalidArgumentError(
                "freq", "given for a series of one sample", "None",
                "Pass the time between samples, for example freq='h', or freq=1 for integers.")
        return UniformClock(Fraction(ticks[0].item()), given, 1, times[:1])
    chord = Fraction(ticks[-1].item() - ticks[0].item()) / (len(ticks) - 1)
    allowed = _tolerance(ticks, float(chord))
    deviations = _deviations(ticks)
    if np.abs(deviations).max() > allowed:
        raise _irregular(times, name)
    if given is not None and abs(given - chord) > allowed:
        raise _contradiction(freq, times, name)
    intercept, slope = _line(deviations)
    origin = Fraction(ticks[0].item()) + Fraction(intercept)
    return UniformClock(origin, chord + Fraction(slope), len(ticks), times[:1])


def _ticks(times: pd.Index) -> _Ticks:
    """Return time stamps as integers in the unit of the index, floats for a float index."""
    if pd.api.types.is_float_dtype(times.dtype):
        return times.to_numpy(dtype=np.float64)
    return times.astype(np.int64).to_numpy()


def _deviations(ticks: _Ticks) -> npt.NDArray[np.float64]:
    """Return the distances from the chord between first and last tick, exact for integers."""
    intervals = len(ticks) - 1
    span = (ticks[-1] - ticks[0]).item()
    whole, rest = divmod(span, intervals) if ticks.dtype.kind == "i" else (span / intervals, 0)
    k = np.arange(len(ticks))
    quotient, remainder = np.divmod(k * rest, intervals)
    chord = k * whole + quotient
    return np.asarray((ticks - ticks[0] - chord) - remainder / intervals, dtype=np.float64)


def _tolerance(ticks: _Ticks, step: float) -> float:
    """Return the allowed deviation from a regular grid, in ticks."""
    rounding = 1.0 if ticks.dtype.kind == "i" else 2 * float(np.spacing(np.abs(ticks).max()))
    allowed = RELATIVE_TOLERANCE * step
    return max(allowed, rounding) if rounding <= COARSEST_RESOLUTION * step else allowed


def _line(deviations: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return intercept and slope of the least-squares line through the deviations."""
    k = np.arange(len(deviations)) - (len(deviations) - 1) / 2
    slope = float(k @ deviations / (k @ k))
    return float(deviations.mean() + slope * k[0]), slope


def _index_at(moments: Sequence[Fraction], first: pd.Index) -> pd.Index:
    """Return moments, in ticks, as an index of the kind of ``first``."""
    if pd.api.types.is_float_dtype(first.dtype):
        return pd.Index([float(moment) for moment in moments], dtype=first.dtype, name=first.name)
    ticks = np.array([round(moment) for moment in moments], dtype=np.int64)
    if isinstance(first, pd.PeriodIndex):
        return pd.PeriodIndex.from_ordinals(  # type: ignore[attr-defined, no-any-return]
            ticks, freq=first.freq, name=first.name)
    return pd.Index(ticks, name=first.name).astype(first.dtype)


@singledispatch
def _step_in_ticks(times: pd.Index, freq: Any) -> Fraction:
    """Return a given step in the unit of the index; numbers are in that unit already."""
    remedy = "Pass the step of the index, or None to infer it."
    return Fraction(check_positive(freq, "freq", remedy))


@_step_in_ticks.register(pd.DatetimeIndex)
@_step_in_ticks.register(pd.TimedeltaIndex)
def _(times: pd.DatetimeIndex | pd.TimedeltaIndex, freq: Any) -> Fraction:
    offset = _to_offset(freq)
    if not (_is_fixed(offset) or isinstance(offset, pd.offsets.Day)):
        raise InvalidArgumentError("freq", "a fixed step for a TimedeltaIndex", repr(freq),
                                   "Pass for example 'h' or a Timedelta, or None to infer it.")
    step = pd.timedelta_range("0s", periods=2, freq=offset)[1]
    return Fraction(step.as_unit("ns").value, pd.Timedelta(1, unit=times.unit).as_unit("ns").value)


@_step_in_ticks.register(pd.PeriodIndex)
def _(times: pd.PeriodIndex, freq: Any) -> Fraction:
    try:
        period = pd.PeriodDtype(freq)
    except ValueError as error:
        raise _unknown(freq) from error
    if period != times.dtype:
        raise _contradiction(freq, times, "the PeriodIndex")
    return Fraction(period.freq.n)


def _unknown(freq: Any) -> InvalidArgumentError:
    """Return the error for a frequency that pandas does not know."""
    return InvalidArgumentError(
        "freq", "a pandas frequency", repr(freq),
        "Pass an alias such as 'h', 'D' or 'MS', a Timedelta, or None to infer it.")


def _contradiction(freq: Any, times: pd.Index, name: str) -> InvalidArgumentError:
    """Return the error for a frequency that the time stamps do not follow."""
    shown = ", ".join(map(str, times[:3]))
    return InvalidArgumentError(
        "freq", f"the step of {name}", f"{freq!r} with time stamps from {shown}",
        "Pass the step that the data has, or None to infer it.")


def _irregular(times: pd.Index, name: str) -> InvalidArgumentError:
    """Return the error for unequal steps; the most unusual one is shown."""
    steps = np.diff(_ticks(times))
    distance = np.abs(steps - np.sort(steps)[(len(steps) - 1) // 2])
    odd, usual = int(distance.argmax()), int(distance.argmin())
    clocks = skips_an_hour(times[odd], times[odd + 1], times[usual + 1] - times[usual])
    return InvalidArgumentError(
        name, "at regular times",
        f"a step of {times[odd + 1] - times[odd]} from {times[odd]} to {times[odd + 1]} where"
        f" the usual one is {times[usual + 1] - times[usual]}",
        REMEDY if clocks else
        "Resample first, for example with Series.resample() or asfreq(), and fill the gaps; where a"
        " file is read, regular (--regular) and missing='interpolate' do both.")
