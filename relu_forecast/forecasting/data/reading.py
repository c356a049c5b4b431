"""Data as people hold it, read into panels of checked series, and extended by what follows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.data.clock import Clock, read_clock
from relu_forecast.forecasting.data.panel import Panel, Reading, TimeSeries
from relu_forecast.validation import Array, as_real_array, check_values


def read_panel(data: Any, reading: Reading) -> Panel:
    """Read and check data; nothing of it is changed or kept by reference.

    An array has times 0, 1, 2, ...; a Series has its index. A DataFrame is long, one row per
    sample: time, target and, when there are several series, identifier, and the covariates; other
    columns are not used. Each series must be sorted by time; the order in which series come, or
    alternate, is free.

    Series are sorted by identifier. A single one without an identifier is called by the name of the
    Series, else by the name of the target column.
    """
    ids, samples = _split(data, reading)
    clocks = _Clocks(reading.freq)
    series = tuple(_begun(unique_id, one, reading, clocks)
                   for unique_id, one in zip(ids, samples, strict=True))
    return Panel(series, ids, reading)


def extend_panel(panel: Panel, data: Any) -> Panel:
    """Append new samples to the series of a panel, each from where it ended.

    They are read as the panel was. A single series without an identifier is that of the panel. A
    series that is not of the panel, or goes on at another time, is refused.
    """
    ids, parts = _split(data, panel.reading)
    named = isinstance(data, pd.DataFrame) and panel.columns.id in data.columns
    if not named and len(panel.series) == 1:
        ids = panel.ids
    unknown = ids[~ids.isin(panel.ids)]
    if len(unknown):
        raise InvalidArgumentError(
            "new_data", f"of the series that were fitted, {_shown(panel.ids)}",
            _shown(unknown), "Fit again to all series, or leave the new ones out.")
    new = dict(zip(ids, parts, strict=True))
    series = tuple(
        _extended(one, new[one.unique_id], panel.reading.freq) if one.unique_id in new else one
        for one in panel.series)
    return replace(panel, series=series)


def without_fit(before: Panel, after: Panel) -> Panel:
    """Return a panel that was extended, whose new samples have not been fitted to."""
    return replace(after, series=tuple(
        replace(new, unfitted=old.unfitted + len(new) - len(old))
        for old, new in zip(before.series, after.series, strict=True)))


def _extended(series: TimeSeries, new: _UncheckedSeries, freq: Any) -> TimeSeries:
    """Return a series with samples appended, whose times must go on as before."""
    times = series.clock.after(len(new.values)) if new.times is None else new.times
    joined = series.times.append(times)
    if joined.dtype.kind != series.times.dtype.kind:
        raise InvalidTypeError(new.time_name, f"of dtype {series.times.dtype}, as before",
                               f"dtype {times.dtype}", "Convert the times of the new data first.")
    columns = {name: np.concatenate([column, new.covariates[name]])
               for name, column in series.covariates.items()}
    weights = None if series.weights is None else np.concatenate([series.weights, new.weights])
    return replace(series, times=joined, values=np.concatenate([series.values, new.values]),
                   clock=read_clock(joined, freq, new.time_name), covariates=columns,
                   weights=weights)


def read_ahead(panel: Panel, future: Any, times: Sequence[pd.Index],
               names: tuple[str, ...]) -> list[Array | None]:
    """Read the columns that are known ahead, shape (h, q), at the times to forecast, by series.

    ``future`` has time, columns and, where there are several series, identifier; other rows and
    columns are not used. Without names of columns it must be None, and so are the results.
    """
    if not names:
        if future is not None:
            raise InvalidArgumentError(
                "future", "None for a model that knows no columns ahead", type(future).__name__,
                "Name them in future_exog, and fit with them.")
        return [None] * len(panel.series)
    if not isinstance(future, pd.DataFrame):
        raise InvalidTypeError(
            "future", f"a DataFrame with {', '.join(map(repr, names))} at the times to forecast",
            type(future).__name__, "Pass what is known of these times.")
    _require_columns(future, [panel.columns.time, *names], "future")
    parts = [future] * len(panel.series)
    if panel.columns.id in future.columns:
        groups = dict(iter(future.groupby(future[panel.columns.id], sort=False, observed=True)))
        parts = [groups.get(series.unique_id, future.iloc[:0]) for series in panel.series]
    return [_rows_at(panel, series, own, rows, names)
            for series, own, rows in zip(panel.series, times, parts, strict=True)]


def _rows_at(panel: Panel, series: TimeSeries, times: pd.Index, rows: pd.DataFrame,
             names: tuple[str, ...]) -> Array:
    """Return the columns of one series at some times, shape (h, q)."""
    known = pd.Index(rows[panel.columns.time])
    if not known.is_unique:
        raise InvalidArgumentError(
            "future", "a row per time and series", f"{known[known.duplicated()][0]} twice",
            f"Drop repeated rows, or name the series in {panel.columns.id!r}.")
    places = known.get_indexer(times)
    if (places < 0).any():
        raise InvalidArgumentError(
            "future", f"given for all times to forecast, {times[0]} to {times[-1]}",
            f"no row at {times[int(np.argmin(places))]} for series {series.unique_id}",
            "Add the rows, with times just as predict returns them.")
    return np.stack(
        [_numbers(rows[name].iloc[places], f"{name} of future", "error") for name in names], axis=1)


class _Clocks:
    """Reads the clocks of series one after another; those with the same times share one."""

    def __init__(self, freq: Any) -> None:
        self._freq = freq
        self._times: pd.Index | None = None
        self._clock: Clock

    def read(self, times: pd.Index, name: str) -> Clock:
        """Return the clock of a series; see `read_clock`."""
        if self._times is None or not times.identical(self._times):
            self._clock = read_clock(times, self._freq, name)
            self._times = times
        return self._clock


def _begun(unique_id: Hashable, samples: _UncheckedSeries, reading: Reading,
           clocks: _Clocks) -> TimeSeries:
    """Return a series from its first observed value on; its times are checked from the start."""
    values = samples.values
    if np.isnan(values).all():
        raise InvalidArgumentError(f"series {unique_id}", "observed at least once",
                                   f"{len(values)} missing values", "Drop the series.")
    times = pd.RangeIndex(len(values)) if samples.times is None else samples.times
    clock = clocks.read(times, samples.time_name)
    first = int(np.argmax(~np.isnan(values)))
    kept = {name: column[first:] for name, column in samples.covariates.items()}
    weights = None if samples.weights is None else samples.weights[first:]
    if weights is not None and not weights.any():
        raise InvalidArgumentError(f"{reading.weight} of series {unique_id}", "above 0 somewhere",
                                   f"{len(weights)} weights of 0", "Drop the series, or weigh it.")
    return TimeSeries(unique_id, times[first:], values[first:], clock, kept,
                      reading.missing == "skip", weights)


@dataclass(frozen=True)
class _UncheckedSeries:
    """Samples of one series, their values checked, their times, if any, not yet."""

    times: pd.Index | None
    values: Array
    time_name: str
    covariates: Mapping[str, Array] = field(default_factory=dict)
    weights: Array | None = None


@singledispatch
def _split(data: Any, reading: Reading) -> tuple[pd.Index, list[_UncheckedSeries]]:
    """Return identifiers and samples of the series in ``data``; here, of an array."""
    _require_frame_for_columns(reading)
    values = _own(as_real_array(data, "data"), "data", reading.missing)
    samples = _UncheckedSeries(None, values, "the index of data")
    return pd.Index([reading.columns.target]), [samples]


@_split.register
def _(data: pd.Series, reading: Reading) -> tuple[pd.Index, list[_UncheckedSeries]]:
    _require_frame_for_columns(reading)
    name = reading.columns.target if data.name is None else str(data.name)
    values = _numbers(data, "data", reading.missing)
    return pd.Index([name]), [_UncheckedSeries(data.index, values, "the index of data")]


@_split.register
def _(data: pd.DataFrame, reading: Reading) -> tuple[pd.Index, list[_UncheckedSeries]]:
    columns = reading.columns
    _check_columns(data, reading)
    if columns.id not in data.columns:
        return pd.Index([columns.target]), [_series_of(data, reading, "")]
    missing = int(data[columns.id].isna().sum())
    if missing:
        raise InvalidArgumentError(
            columns.id, "given in every row", f"{missing} missing identifiers",
            "Fill them or drop these rows.")
    groups = data.groupby(columns.id, sort=True, observed=True)
    ids = groups.size().index.astype(data[columns.id].dtype)
    return ids, [
        _series_of(rows, reading, f" of series {unique_id}") for unique_id, rows in groups]


def _require_frame_for_columns(reading: Reading) -> None:
    """Say that columns beside the target need a DataFrame."""
    for name in _further(reading):
        raise InvalidArgumentError(
            "data", f"a DataFrame with the column {name!r}", "a single column of values",
            "Pass a long DataFrame with time, target and the columns that are used.")


def _further(reading: Reading) -> tuple[str, ...]:
    """Return the columns beside identifier, time and target."""
    return reading.covariates + (() if reading.weight is None else (reading.weight,))


def _series_of(rows: pd.DataFrame, reading: Reading, whose: str) -> _UncheckedSeries:
    """Return the samples of one series from its rows of a long DataFrame."""
    columns = reading.columns
    values, *further = (
        _numbers(rows[name], name + whose, reading.missing)
        for name in (columns.target, *reading.covariates))
    weights = None if reading.weight is None else _weights(
        rows[reading.weight], reading.weight + whose)
    return _UncheckedSeries(pd.Index(rows[columns.time]), values, columns.time + whose,
                            dict(zip(reading.covariates, further, strict=True)), weights)


def _check_columns(data: pd.DataFrame, reading: Reading) -> None:
    """Refuse a DataFrame that is empty, or has a needed column never or twice."""
    columns = reading.columns
    needed = [columns.time, columns.target, *_further(reading)]
    if columns.id != "unique_id":
        needed.append(columns.id)
    _require_columns(data, needed, "data")
    if not data.columns.is_unique:
        raise InvalidArgumentError(
            "data", "a DataFrame with distinct column names", f"the columns {list(data.columns)}",
            "Rename or drop the repeated columns.")
    if data.empty:
        raise InvalidArgumentError("data", "non-empty", "a DataFrame of no rows", "Supply samples.")


def _require_columns(data: pd.DataFrame, needed: Sequence[str], argument: str) -> None:
    """Refuse a DataFrame that lacks a column."""
    missing = [name for name in needed if name not in data.columns]
    if missing:
        raise InvalidArgumentError(
            argument, f"a DataFrame with the column {missing[0]!r}",
            f"the columns {list(data.columns)}",
            "Say which columns to use with id_col, time_col, target_col and weight_col; an index"
            " becomes a column with reset_index().")


def _numbers(column: pd.Series, name: str, missing: str) -> Array:
    """Return a checked, own copy of the values of a column."""
    dtype = column.dtype
    if pd.api.types.is_float_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        return _own(column.to_numpy(dtype=np.float64, na_value=np.nan), name, missing)
    raise InvalidTypeError(name, "real numbers", f"dtype {dtype}",
                           "Convert it first, for example with pandas.to_numeric.")


def _weights(column: pd.Series, name: str) -> Array:
    """Return checked weights; refuse missing and negative ones."""
    weights = _numbers(column, name, "skip")
    bad = ~(weights >= 0)
    if bad.any():
        place = int(np.argmax(bad))
        raise InvalidArgumentError(name, "weights >= 0", f"{weights[place]} at position {place}",
                                   "Clip them, or weigh with 0 what is not to count.")
    return weights


def _own(values: npt.NDArray[Any], name: str, missing: str) -> Array:
    """Return a checked, read-only copy: neither side can change the other's samples."""
    copy = values.astype(np.float64)
    check_values(values if missing == "error" else np.where(np.isnan(copy), 0.0, copy), name)
    copy.flags.writeable = False
    return copy


def _shown(ids: pd.Index) -> str:
    """Return identifiers for a message, the first five in full."""
    listed = ", ".join(map(str, ids[:5]))
    return listed if len(ids) <= 5 else f"{listed} and {len(ids) - 5} more"
