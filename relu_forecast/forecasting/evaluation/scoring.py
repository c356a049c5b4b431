"""Tables of scores: many models in many groups of rows at once, by the metrics of `METRICS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation.intervals import interval_columns
from relu_forecast.forecasting.evaluation.metrics import METRICS, Metric
from relu_forecast.validation import Array, check_choice


@dataclass(frozen=True)
class Forecasts:
    """Rows of predictions, all with an observed target."""

    frame: pd.DataFrame
    """A column per model, and where it has intervals those of `interval_columns`."""
    target: str
    """The column with what happened."""
    levels: tuple[float, ...]
    """Levels of the intervals, in percent."""

    @cached_property
    def actual(self) -> Array:
        """What happened, shape (n,)."""
        return self.column(self.target)

    def column(self, name: str) -> Array:
        """Return a column, shape (n,); NaN where there is no such column."""
        if name not in self.frame:
            return np.full(len(self.frame), np.nan)
        return self.frame[name].to_numpy(dtype=np.float64)

    def interval(self, model: str, level: float) -> tuple[Array, Array, float]:
        """Return the ends of a model's prediction intervals, shape (n,) each, and their level."""
        lower, upper = interval_columns(model, level)
        return self.column(lower), self.column(upper), level

    def quantile(self, model: str, share: float) -> tuple[Array, float]:
        """Return one of the quantiles that intervals end at, shape (n,), and which one it is."""
        return self.column(_quantile_columns(model, self.levels)[share]), share

    def distribution(self, model: str) -> tuple[Array, Array]:
        """Return all quantiles, shape (n, q), the point forecast as the median, and which ones."""
        named = {0.5: model} | _quantile_columns(model, self.levels)
        return np.stack([self.column(name) for name in named.values()], axis=1), np.array([*named])


@dataclass(frozen=True)
class Row:
    """A row of a table of scores: a metric, of one level or quantile where it has several."""

    name: str
    """Of the metric, a key of `METRICS`."""
    at: float | None = None
    """The level in percent, or the quantile; None where there is one row for all."""

    def __str__(self) -> str:
        """Return for example ``mae`` or ``coverage-95``."""
        return self.name if self.at is None else f"{self.name}-{self.at:g}"

    @property
    def metric(self) -> Metric:
        """The metric."""
        return METRICS[self.name]

    def losses(self, forecasts: Forecasts, model: str) -> Array:
        """Return the losses of a model, shape (n,)."""
        take: Any = {
            "forecast": lambda model: (forecasts.column(model),),
            "interval": lambda model: forecasts.interval(model, self.at or 0.0),
            "distribution": forecasts.distribution,
            "quantile": lambda model: forecasts.quantile(model, self.at or 0.0),
        }[self.metric.takes]
        return self.metric.losses(forecasts.actual, *take(model))


@dataclass(frozen=True)
class Groups:
    """Which group each row belongs to."""

    index: pd.Index
    """Labels of the groups."""
    codes: npt.NDArray[np.intp]
    """Shape (n,). Position in ``index`` of the group of each row."""

    @classmethod
    def of(cls, keys: Sequence[pd.Series], rows: npt.NDArray[np.bool_]) -> Groups:
        """Group some rows by all keys; a group of which no row counts stays, without rows."""
        groups = keys[0].groupby(list(keys), observed=True)
        return cls(groups.size().index, groups.ngroup().to_numpy().astype(np.intp)[rows])

    def mean(self, values: Array) -> Array:
        """Return the mean of each group, shape (G,); NaN where it has no row."""
        totals = np.bincount(self.codes, weights=values, minlength=len(self.index))
        counts = np.bincount(self.codes, minlength=len(self.index))
        means = np.full(len(counts), np.nan)
        np.divide(totals, counts, out=means, where=counts > 0)
        return means

    def split(self, values: Array) -> list[Array]:
        """Return the columns of (m, n) of each group, in their order, (m, n_g) each."""
        stops = np.cumsum(np.bincount(self.codes, minlength=len(self.index)))
        return np.split(values[:, np.argsort(self.codes, kind="stable")], stops[:-1], axis=1)


def all_rows(levels: tuple[float, ...]) -> dict[str, Row]:
    """Return the rows that a table of scores can have, by name and in the order of `METRICS`.

    Metrics of intervals have a row for each level, in percent, and those of quantiles one for each
    quantile that intervals end at.
    """
    places: Mapping[str, Sequence[float | None]] = {
        "forecast": [None], "interval": levels, "distribution": [None] if levels else [],
        "quantile": sorted(_quantile_columns("", levels))}
    rows = [Row(name, at) for name, metric in METRICS.items() for at in places[metric.takes]]
    return {str(row): row for row in rows}


def select_rows(metrics: Sequence[str] | None, levels: tuple[float, ...]) -> dict[str, Row]:
    """Return the rows that a caller asks for, by name and in the order of ``metrics``.

    These are names of metrics, which mean all their rows, or of single rows; None means all metrics
    that are in tables by default. A name that is neither is refused, and so is a metric that needs
    intervals where there are none.
    """
    rows = all_rows(levels)
    if metrics is None:
        return {name: row for name, row in rows.items() if row.metric.by_default}
    known = tuple(dict.fromkeys([*rows, *(row.name for row in rows.values())]))
    of_intervals = [name for name, metric in METRICS.items() if metric.takes != "forecast"]
    chosen: dict[str, Row] = {}
    for asked in metrics:
        if not levels and asked in of_intervals:
            raise InvalidArgumentError("metrics", "of point forecasts where there are no intervals",
                                       repr(asked), "Make some with backtest(..., level=[80, 95]).")
        family = {name: row for name, row in rows.items() if row.name == asked}
        chosen |= family or {asked: rows[check_choice(asked, "metrics", known)]}
    return chosen


def score_groups(forecasts: Forecasts, models: Sequence[str], rows: Mapping[str, Row],
                 groups: Groups, scales: pd.DataFrame) -> pd.DataFrame:
    """Return a row per metric and group, and a column per model; linear in the rows of forecasts.

    The first level of the groups' index is the series. Metrics with a scale are divided by the one
    of their series, from the columns of ``scales``; a scale of 0 gives NaN.
    """
    tables = {}
    for name, row in rows.items():
        means = [groups.mean(row.losses(forecasts, model)) for model in models]
        values = row.metric.of_means(np.stack(means, axis=1))
        if row.metric.scale is not None:
            series = groups.index.get_level_values(0)
            scale = scales[name].where(scales[name] > 0).reindex(series).to_numpy()
            values = values / scale[:, np.newaxis]
        tables[name] = pd.DataFrame(values, index=groups.index, columns=list(models))
    return pd.concat(tables, names=["metric"])


def _quantile_columns(model: str, levels: tuple[float, ...]) -> dict[float, str]:
    """Return the columns of the quantiles that intervals end at, by quantile."""
    columns: dict[float, str] = {}
    for level in levels:
        # Rounded: 1 - 0.95 is not 0.05, and the quantile names a row.
        share = round((1 - level / 100) / 2, 12)
        lower, upper = interval_columns(model, level)
        columns |= {share: lower, round(1 - share, 12): upper}
    return columns
