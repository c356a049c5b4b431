"""Series and panels of series, and how they are read."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.data.clock import Clock
from relu_forecast.forecasting.data.history import Covariates, SeriesArrays
from relu_forecast.storage import (
    COUNT,
    Added,
    Array,
    Declaration,
    Fields,
    Label,
    Many,
    Maybe,
    Named,
    Of,
    declare,
    stored,
)
from relu_forecast.validation import check_choice

_RESERVED = ("cutoff", "metric", "step")
MISSING = ("error", "interpolate", "skip")
"""What may become of missing values, see `read_panel`."""


@stored(id=Label(), time=Label(), target=Label())
@dataclass(frozen=True)
class Columns:
    """Names of the columns of a long DataFrame, in and out.

    They must differ from each other and from the columns that evaluations and scores add.
    """

    id: str
    time: str
    target: str
    """Columns that hold which series, when, and what was measured."""

    def __post_init__(self) -> None:
        names = (self.id, self.time, self.target)
        if len({*names, *_RESERVED}) < 3 + len(_RESERVED):
            raise InvalidArgumentError(
                "id_col, time_col and target_col",
                f"three different names other than {', '.join(map(repr, _RESERVED))}",
                ", ".join(map(repr, names)), "Rename the columns of the data.")

    def check_free(self, name: str, argument: str) -> None:
        """Refuse a forecast column that would hide another column."""
        if name in (self.id, self.time, self.target, "cutoff"):
            raise InvalidArgumentError(
                argument, "a name that no other column has", repr(name), "Pick another name.")


@stored(weight=Added(Maybe(Label()), None))
@dataclass(frozen=True)
class Reading:
    """How data is read; a target that is to be a covariate or weight of itself is refused."""

    columns: Columns
    """Column names, of the data and of everything that is returned."""
    freq: Any = None
    """Time between samples. None infers it; a given one must agree with the time stamps."""
    missing: str = "error"
    """``"error"`` refuses missing values. ``"interpolate"`` lets a series begin with its first
    observed value, and fills later gaps from both sides, but at a cutoff within a gap with the last
    observed value before it; targets that are missing stay so. ``"skip"`` does so, and
    tells models which samples are filled: training leaves out what touches them."""
    covariates: tuple[str, ...] = ()
    """Further columns to read."""
    weight: str | None = None
    """Column with the weight of each sample, if there is one: how much it counts as what is to be
    forecast."""

    def __post_init__(self) -> None:
        check_choice(self.missing, "missing", MISSING)
        taken = {self.columns.id, self.columns.target, "cutoff"} & set(self.covariates)
        if taken:
            raise InvalidArgumentError(
                "future_exog and past_exog", "columns beside the target and the identifier",
                ", ".join(map(repr, sorted(taken))),
                "Leave it out: the model sees the past of the target anyway.")
        self._check_weight()

    def _check_weight(self) -> None:
        """Refuse weights in a column that serves another purpose, or that is none."""
        if self.weight is None:
            return
        if not isinstance(self.weight, str):
            raise InvalidTypeError("weight_col", "the name of a column, or None",
                                   repr(self.weight), "Pass for example weight_col='weight'.")
        columns = self.columns
        if self.weight in {columns.id, columns.time, columns.target, "cutoff", *self.covariates}:
            raise InvalidArgumentError(
                "weight_col", "a column beside identifier, time, target and those of the models",
                repr(self.weight), "Copy the column under another name.")


@dataclass(frozen=True)
class TimeSeries:
    """One series: regular, float64, read-only."""

    unique_id: Hashable
    """Which series it is."""
    times: pd.Index
    """Shape (n,). Regular and increasing."""
    values: npt.NDArray[np.float64]
    """Shape (n,). Samples, in the unit of the data; NaN where one is missing, which the first is
    not."""
    clock: Clock
    """Continues ``times``."""
    covariates: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Shape (n,). Further columns; NaN where a value is missing."""
    skips: bool = False
    """Whether what touches a missing value is left out of training, see `Reading`."""
    weights: npt.NDArray[np.float64] | None = None
    """Shape (n,). Weights of the samples, finite and >= 0; None: all the same."""
    unfitted: int = 0
    """Samples at its end that came after the fit, and were not fitted to."""

    @property
    def n_fitted(self) -> int:
        """Samples that a model was fitted to."""
        return len(self) - self.unfitted

    def __len__(self) -> int:
        """Return the number of samples, n."""
        return len(self.values)

    def arrays(self, covariates: Covariates,
               ahead: npt.NDArray[np.float64] | None = None) -> SeriesArrays:
        """Return the series and some of its columns as arrays.

        ``ahead``, shape (h, q), holds the columns that are known ahead, at the times after the
        series. A column that has no first value, or is known ahead and has gaps, is refused.
        """
        past = [self._column(name, complete=False) for name in covariates.past]
        future = _stacked(
            [self._column(name, complete=True) for name in covariates.future], len(self))
        known = future if ahead is None else np.concatenate([future, ahead])
        return SeriesArrays(
            self.values, _stacked(past, len(self)), known, self.skips, self.weights)

    def _column(self, name: str, complete: bool) -> npt.NDArray[np.float64]:
        """Return one of the further columns; refuse gaps that cannot be filled."""
        column = self.covariates[name]
        if np.isnan(column if complete else column[:1]).any():
            raise InvalidArgumentError(
                f"{name} of series {self.unique_id}",
                "given for every time" if complete else "given for the first sample",
                f"a missing value at position {int(np.argmax(np.isnan(column)))}",
                "Fill it first, for example with Series.interpolate().")
        return column


@dataclass(frozen=True)
class Panel:
    """One or many series, sorted by their identifier."""

    series: tuple[TimeSeries, ...]
    ids: pd.Index
    """Identifiers in the same order, of the dtype that they came with."""
    reading: Reading
    """How they were read."""

    @property
    def columns(self) -> Columns:
        """How the columns are called."""
        return self.reading.columns

    def long_frame(
        self, times: Sequence[pd.Index],
        columns: dict[str, Sequence[pd.Index | npt.NDArray[np.float64]]]
    ) -> pd.DataFrame:
        """Stack one block of rows per series into a long DataFrame.

        Each series brings the time stamps of its rows, and an array or index for each further
        column; the frame has the identifier, the time, and these columns.
        """
        blocks = {self.columns.time: times, **columns}
        rows = [len(block) for block in times]
        frame = pd.DataFrame({self.columns.id: self.ids.repeat(rows)})
        for name, parts in blocks.items():
            frame[name] = _joined(parts)
        return frame


def _joined(parts: Sequence[Any]) -> Any:
    """Return blocks of rows, arrays or indexes, one after another."""
    first, *others = parts
    return first.append(others) if isinstance(first, pd.Index) else np.concatenate(parts)


_COLUMN = Array(finite=False)
_SERIES = Fields({"times": Of(pd.Index), "clock": Of(Clock), "values": _COLUMN,
                  "covariates": Named(_COLUMN),
                  "weights": Added(Maybe(Array((1,))), None), "unfitted": Added(COUNT, 0)})


def _parts_of(panel: Panel) -> Mapping[str, Any]:
    """Return how the series were read, their identifiers, and the fields of each."""
    fields = [{name: getattr(series, name) for name in _SERIES.kinds} for series in panel.series]
    return {"reading": panel.reading, "ids": panel.ids, "series": fields}


def _restored(kept: type, parts: dict[str, Any]) -> Panel:
    """Return a panel that has been kept, if it is one that data can be read into."""
    ids, reading = parts["ids"], parts["reading"]
    if not 0 < len(ids) == len(parts["series"]) or not ids.is_unique or ids.hasnans:
        raise ValueError("there must be an identifier per series")
    series = [TimeSeries(unique_id, **fields, skips=reading.missing == "skip")
              for unique_id, fields in zip(ids, parts["series"], strict=True)]
    for one in series:
        _check_read(one, reading)
    return Panel(tuple(series), ids, reading)


def _check_read(series: TimeSeries, reading: Reading) -> None:
    """Refuse values that no data can have been read into, and make the others read-only."""
    times, values = series.times, series.values
    if not len(times) == len(values) > 0 or np.isnan(values[0]):
        raise ValueError("there must be a value per time, and a first one")
    if series.n_fitted < 1:
        raise ValueError("some samples must have been fitted to")
    series.clock.check_fits(times)
    if tuple(series.covariates) != reading.covariates:
        raise ValueError(f"there must be columns {reading.covariates}")
    for column in (values, *series.covariates.values()):
        if column.shape != values.shape or np.isinf(column).any():
            raise ValueError(f"columns must be of {len(values)} numbers, and not infinite")
        if reading.missing == "error" and np.isnan(column).any():
            raise ValueError("values are missing, which the reading does not allow")
        column.flags.writeable = False
    weights = series.weights
    if (weights is None) is not (reading.weight is None):
        raise ValueError(f"there must be weights {reading.weight}")
    if weights is not None:
        if weights.shape != values.shape or (weights < 0).any():
            raise ValueError(f"weights must be {len(values)} numbers >= 0")
        weights.flags.writeable = False


declare(Panel, Declaration(
    lambda: {"reading": Of(Reading), "ids": Of(pd.Index), "series": Many(_SERIES)},
    _parts_of, _restored))


def _stacked(columns: list[npt.NDArray[np.float64]], length: int) -> npt.NDArray[np.float64]:
    """Return columns side by side, of which there may be none."""
    return np.stack(columns, axis=1) if columns else np.empty((length, 0))
