"""Data as people hold it, read into one tidy panel of checked series."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.clock import Clock, read_clock
from relu_forecast.validation import check_values


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a long DataFrame, in and out.

    Attributes
    ----------
    id, time, target : str
        Columns that hold which series, when, and what was measured.

    Raises
    ------
    InvalidArgumentError
        If two names are equal, or one is ``"cutoff"``, a column of every walk forward.
    """

    id: str
    time: str
    target: str

    def __post_init__(self) -> None:
        names = (self.id, self.time, self.target)
        if len({*names, "cutoff"}) < 4:
            raise InvalidArgumentError(
                "id_col, time_col and target_col", "three different names other than 'cutoff'",
                ", ".join(map(repr, names)), "Rename the columns of the data.")

    def check_free(self, name: str, argument: str) -> None:
        """Refuse a forecast column that would hide another column."""
        if name in (self.id, self.time, self.target, "cutoff"):
            raise InvalidArgumentError(
                argument, "a name that no other column has", repr(name), "Pick another name.")


@dataclass(frozen=True)
class TimeSeries:
    """One series: regular, finite, float64, read-only.

    Attributes
    ----------
    unique_id : hashable
        Which series it is.
    times : pandas.Index, shape (n,)
        Regular and increasing.
    values : ndarray, shape (n,)
        Samples, in the unit of the data.
    clock : Clock
        Continues ``times``.
    """

    unique_id: Hashable
    times: pd.Index
    values: npt.NDArray[np.float64]
    clock: Clock


@dataclass(frozen=True)
class Panel:
    """One or many series, sorted by their identifier.

    Attributes
    ----------
    series : tuple of TimeSeries
    ids : pandas.Index
        Identifiers in the same order, of the dtype that they came with.
    columns : Columns
        How the columns are called.
    """

    series: tuple[TimeSeries, ...]
    ids: pd.Index
    columns: Columns

    def long_frame(
        self,
        times: Sequence[pd.Index],
        columns: dict[str, Sequence[pd.Index | npt.NDArray[np.float64]]],
    ) -> pd.DataFrame:
        """Stack one block of rows per series into a long DataFrame.

        Parameters
        ----------
        times : sequence of pandas.Index
            Time stamps of the rows, one index per series.
        columns : dict of str to sequence
            Further columns, one array or index per series, as long as its time stamps.

        Returns
        -------
        pandas.DataFrame
            Columns ``columns.id``, ``columns.time``, then the further ones.
        """
        blocks = {self.columns.time: times, **columns}
        rows = [len(block) for block in times]
        frame = pd.DataFrame({self.columns.id: self.ids.repeat(rows)})
        for name, parts in blocks.items():
            frame[name] = pd.concat([pd.Series(part) for part in parts], ignore_index=True)
        return frame


def read_panel(
    data: Any,
    *,
    freq: Any = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Panel:
    """Read and check data; nothing of it is changed or kept by reference.

    Parameters
    ----------
    data : array_like (n,), pandas.Series or pandas.DataFrame
        An array has times 0, 1, 2, ...; a Series has its index. A DataFrame is long, one row
        per sample: ``time_col``, ``target_col`` and, when there are several series, ``id_col``;
        other columns are not used. Each series must be sorted by time; the order in which
        series come, or alternate, is free.
    freq : None, number, str, pandas.Timedelta or pandas offset, optional
        Time between samples. None infers it; a given one must agree with the time stamps.
    id_col, time_col, target_col : str
        Column names, of the input and of everything that is returned.

    Returns
    -------
    Panel
        Sorted by identifier. A single series without one is called by the name of the Series,
        else ``target_col``.

    Raises
    ------
    InvalidTypeError
        If values or times are not numeric or not temporal: strings, objects, booleans.
    InvalidArgumentError
        If the data is empty, lacks a column, or has values that are NaN or infinite, or time
        stamps that are missing, unsorted, repeated or irregular.
    """
    columns = Columns(id_col, time_col, target_col)
    ids, samples = _split(data, columns)
    series = tuple(
        TimeSeries(unique_id, one.times, one.values, read_clock(one.times, freq, one.time_name))
        for unique_id, one in zip(ids, samples, strict=True)
    )
    return Panel(series, ids, columns)


@dataclass(frozen=True)
class _Samples:
    """Samples of one series, their values checked, their times not yet."""

    times: pd.Index
    values: npt.NDArray[np.float64]
    time_name: str


@singledispatch
def _split(data: Any, columns: Columns) -> tuple[pd.Index, list[_Samples]]:
    """Return identifiers and samples of the series in ``data``; here, of an array."""
    values = _own(check_values(data, "data"))
    samples = _Samples(pd.RangeIndex(len(values)), values, "the index of data")
    return pd.Index([columns.target]), [samples]


@_split.register
def _(data: pd.Series, columns: Columns) -> tuple[pd.Index, list[_Samples]]:
    name = columns.target if data.name is None else str(data.name)
    return pd.Index([name]), [_Samples(data.index, _numbers(data, "data"), "the index of data")]


@_split.register
def _(data: pd.DataFrame, columns: Columns) -> tuple[pd.Index, list[_Samples]]:
    _check_columns(data, columns)
    if columns.id not in data.columns:
        return pd.Index([columns.target]), [_samples_of(data, columns, "")]
    missing = int(data[columns.id].isna().sum())
    if missing:
        raise InvalidArgumentError(
            columns.id, "given in every row", f"{missing} missing identifiers",
            "Fill them or drop these rows.")
    groups = data.groupby(columns.id, sort=True, observed=True)
    ids = groups.size().index.astype(data[columns.id].dtype)
    return ids, [
        _samples_of(rows, columns, f" of series {unique_id}") for unique_id, rows in groups]


def _samples_of(rows: pd.DataFrame, columns: Columns, whose: str) -> _Samples:
    """Return the samples of one series from its rows of a long DataFrame."""
    values = _numbers(rows[columns.target], columns.target + whose)
    return _Samples(pd.Index(rows[columns.time]), values, columns.time + whose)


def _check_columns(data: pd.DataFrame, columns: Columns) -> None:
    """Refuse a DataFrame that is empty, or has a needed column never or twice."""
    needed = [columns.time, columns.target]
    if columns.id != "unique_id":
        needed.append(columns.id)
    missing = [name for name in needed if name not in data.columns]
    if missing:
        raise InvalidArgumentError(
            "data", f"a DataFrame with the column {missing[0]!r}",
            f"the columns {list(data.columns)}",
            "Say which columns to use with id_col, time_col and target_col; an index becomes a"
            " column with reset_index().")
    if not data.columns.is_unique:
        raise InvalidArgumentError(
            "data", "a DataFrame with distinct column names", f"the columns {list(data.columns)}",
            "Rename or drop the repeated columns.")
    if data.empty:
        raise InvalidArgumentError("data", "non-empty", "a DataFrame of no rows", "Supply samples.")


def _numbers(column: pd.Series, name: str) -> npt.NDArray[np.float64]:
    """Return a checked, own copy of the values of a column."""
    dtype = column.dtype
    if pd.api.types.is_float_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        return _own(check_values(column.to_numpy(dtype=np.float64, na_value=np.nan), name))
    raise InvalidTypeError(
        name, "real numbers", f"dtype {dtype}",
        "Convert it first, for example with pandas.to_numeric.")


def _own(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a read-only copy, so that neither side can change the other's samples."""
    copy = values.copy()
    copy.flags.writeable = False
    return copy
