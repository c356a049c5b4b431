"""How series, their time stamps and how they were read are kept as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.forecasting.data.clock import CalendarClock, Clock, UniformClock, read_clock
from relu_forecast.forecasting.data.panel import Columns, Panel, Reading, TimeSeries
from relu_forecast.storage.encoding import (
    TEXT,
    Array,
    Fields,
    Json,
    Kind,
    Many,
    Place,
    Record,
    Tagged,
    Whole,
)
from relu_forecast.storage.indexes import INDEX, Label, Offset, Ratio
from relu_forecast.storage.regressors import VALUE

_Array = npt.NDArray[np.float64]


def _uniform(kind: type, values: dict[str, Any]) -> Callable[[pd.Index], Clock]:
    """Return a clock that waits for its times."""
    return partial(_uniform_at, **values)


def _uniform_at(times: pd.Index, *, origin: Any, step: Any, length: int) -> Clock:
    """Return the clock of these times, if it passes through them."""
    ticks = _ticks(times)
    ahead = [float(ticks[place].item() - (origin + (length - back) * step)) for place, back in
             ((0, len(ticks)), (-1, 1))]
    steps = np.diff(ticks).astype(np.float64)
    near = np.abs([*ahead, *(steps - float(step))]) <= float(step) / 2
    if step <= 0 or length < len(ticks) or times.isna().any() or not near.all():
        raise ValueError("the clock does not pass through the times")
    return UniformClock(origin, step, length, times[:1])


def _ticks(times: pd.Index) -> npt.NDArray[Any]:
    """Return time stamps as numbers in the unit of the index."""
    temporal = isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex)
    if times.dtype.kind == "f":
        return times.to_numpy(dtype=np.float64)
    if not temporal and times.dtype.kind not in "iu":
        raise ValueError(f"no times: dtype {times.dtype}")
    return times.astype(np.int64).to_numpy()


def _calendar(kind: type, values: dict[str, Any]) -> Callable[[pd.Index], Clock]:
    """Return a clock that waits for its times."""
    return partial(_calendar_at, offset=values["offset"])


def _calendar_at(times: pd.Index, *, offset: Any) -> Clock:
    """Return the clock of these times, if they are on the calendar."""
    if not isinstance(times, pd.DatetimeIndex):
        raise ValueError(f"no datetimes: dtype {times.dtype}")
    clock = read_clock(times, offset, "times")
    if not isinstance(clock, CalendarClock):
        raise ValueError(f"no calendar: {offset}")
    return clock


_HOME = "relu_forecast.forecasting.data.clock"
_CLOCK = Tagged({
    "UniformClock": Record(
        _HOME, {"origin": Ratio(), "step": Ratio(), "length": Whole(1)}, None, _uniform),
    "CalendarClock": Record(_HOME, {"offset": Offset()}, None, _calendar)})
_COLUMN = Array(finite=False)
_SERIES = Fields({"times": INDEX, "values": _COLUMN, "clock": _CLOCK, "columns": Many(_COLUMN)})
_PARTS: Mapping[str, Kind] = {
    "id_col": Label(), "time_col": Label(), "target_col": Label(), "freq": VALUE,
    "missing": TEXT, "columns": Many(TEXT), "ids": INDEX, "series": Many(_SERIES)}


@dataclass(frozen=True)
class PanelKind:
    """Series and how they were read."""

    def encode(self, value: Panel, place: Place) -> Json:
        """Return the parts of a panel; the identifiers are those of its index."""
        reading, columns = value.reading, value.columns
        series = [{"times": one.times, "values": one.values, "clock": one.clock,
                   "columns": [one.covariates[name] for name in reading.covariates]}
                  for one in value.series]
        return Fields(_PARTS).encode({
            "id_col": columns.id, "time_col": columns.time, "target_col": columns.target,
            "freq": reading.freq, "missing": reading.missing, "columns": reading.covariates,
            "ids": value.ids, "series": series}, place)

    def decode(self, node: Json, place: Place) -> Panel:
        """Return the panel."""
        parts = Fields(_PARTS).decode(node, place)
        with place.blamed():
            columns = Columns(parts["id_col"], parts["time_col"], parts["target_col"])
            reading = Reading(columns, parts["freq"], parts["missing"], tuple(parts["columns"]))
        ids, series = parts["ids"], parts["series"]
        given = 0 < len(ids) == len(series)
        place.at("ids").require(
            given and ids.is_unique and not ids.hasnans, "an identifier per series", len(ids))
        read = []
        for i, (unique_id, one) in enumerate(zip(ids, series, strict=True)):
            with place.at("series").at(i).blamed():
                read.append(_series(unique_id, one, reading))
        return Panel(tuple(read), ids, reading)


PANEL = PanelKind()


def _series(unique_id: Any, parts: dict[str, Any], reading: Reading) -> TimeSeries:
    """Return a series, whose values and times are as those that are read."""
    times, values = parts["times"], parts["values"]
    columns = dict(zip(reading.covariates, parts["columns"], strict=True))
    if not len(times) == len(values) > 0 or np.isnan(values[0]):
        raise ValueError("there must be a value per time, and a first one")
    for column in (values, *columns.values()):
        _check_column(column, len(values), reading.missing)
    return TimeSeries(unique_id, times, values, parts["clock"](times), columns)


def _check_column(column: _Array, length: int, missing: str) -> None:
    """Refuse values that no data can have been read into, and make the others read-only."""
    if column.shape != (length,) or np.isinf(column).any():
        raise ValueError(f"columns must be of {length} numbers, and not infinite")
    if missing == "error" and np.isnan(column).any():
        raise ValueError("values are missing, which the reading does not allow")
    column.flags.writeable = False
