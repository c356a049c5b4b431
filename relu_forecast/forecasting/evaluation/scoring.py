"""Scores of many models in many groups of rows at once: losses by row, then means by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation import metrics as errors
from relu_forecast.validation import check_choice

_Array = npt.NDArray[np.float64]

_INTERVAL_METRICS = ("coverage", "winkler", "crps", "pinball")
_ROOTS = ("rmse", "rmsse")


def interval_columns(model: str, level: float) -> tuple[str, str]:
    """Return the names of the columns with the ends of a model's prediction intervals."""
    return f"{model}-lo-{level:g}", f"{model}-hi-{level:g}"


@dataclass(frozen=True)
class Forecasts:
    """Rows of predictions, all with an observed target.

    Attributes
    ----------
    frame : pandas.DataFrame
        A column per model, and where it has intervals those of `interval_columns`.
    target : str
        The column with what happened.
    levels : tuple of float
        Levels of the intervals, in percent.
    """

    frame: pd.DataFrame
    target: str
    levels: tuple[float, ...]

    @cached_property
    def actual(self) -> _Array:
        """What happened, shape (n,)."""
        return self.column(self.target)

    def column(self, name: str) -> _Array:
        """Return a column, shape (n,); NaN where there is no such column."""
        if name not in self.frame:
            return np.full(len(self.frame), np.nan)
        return self.frame[name].to_numpy(dtype=np.float64)

    def interval(self, model: str, level: float) -> tuple[_Array, _Array]:
        """Return the ends of a model's prediction intervals, both of shape (n,)."""
        lower, upper = interval_columns(model, level)
        return self.column(lower), self.column(upper)

    def quantiles(self, model: str) -> tuple[_Array, _Array]:
        """Return a model's quantiles, shape (n, q), and which ones they are, shape (q,)."""
        named = {0.5: model} | _quantile_columns(model, self.levels)
        return np.stack([self.column(name) for name in named.values()], axis=1), np.array([*named])


Loss = Callable[[Forecasts, str], _Array]
"""Losses of a model by row, shape (n,); their mean is the score, or the square of it."""


@dataclass(frozen=True)
class Groups:
    """Which group each row belongs to.

    Attributes
    ----------
    index : pandas.Index, length G
        Labels of the groups.
    codes : ndarray of int, shape (n,)
        Position in ``index`` of the group of each row.
    """

    index: pd.Index
    codes: npt.NDArray[np.intp]

    @classmethod
    def of(cls, keys: Sequence[pd.Series], rows: npt.NDArray[np.bool_]) -> Groups:
        """Group rows by all keys; only some rows count, and leave groups without any."""
        groups = keys[0].groupby(list(keys), observed=True)
        return cls(groups.size().index, groups.ngroup().to_numpy().astype(np.intp)[rows])

    def mean(self, values: _Array) -> _Array:
        """Return the mean of each group, shape (G,); NaN where it has no row."""
        totals = np.bincount(self.codes, weights=values, minlength=len(self.index))
        counts = np.bincount(self.codes, minlength=len(self.index))
        means = np.full(len(counts), np.nan)
        np.divide(totals, counts, out=means, where=counts > 0)
        return means

    def split(self, values: _Array) -> list[_Array]:
        """Return the columns of (m, n) of each group, in their order, (m, n_g) each."""
        stops = np.cumsum(np.bincount(self.codes, minlength=len(self.index)))
        return np.split(values[:, np.argsort(self.codes, kind="stable")], stops[:-1], axis=1)


def losses_by_metric(levels: tuple[float, ...]) -> dict[str, Loss]:
    """Return the losses of every row of a table of scores, by its name.

    Parameters
    ----------
    levels : tuple of float
        Levels of the intervals that there are, in percent.

    Returns
    -------
    dict of str to callable
        Point metrics; then coverage and Winkler score of each level, the CRPS, and the pinball
        loss of each quantile.
    """
    table: dict[str, Loss] = {
        "mae": _absolute, "rmse": _squared, "mase": _absolute, "rmsse": _squared,
        "smape": _symmetric}
    table |= {f"coverage-{level:g}": partial(_covered, level=level) for level in levels}
    table |= {f"winkler-{level:g}": partial(_winkler, level=level) for level in levels}
    if levels:
        table["crps"] = _crps
    quantiles = sorted(_quantile_columns("", levels))
    return table | {f"pinball-{share:g}": partial(_pinball, share=share) for share in quantiles}


def select_losses(
    metrics: Sequence[str] | None, levels: tuple[float, ...]
) -> dict[str, Loss]:
    """Return the losses of the metrics that a caller asks for.

    Parameters
    ----------
    metrics : sequence of str, optional
        Names of `losses_by_metric`; "coverage", "winkler" and "pinball" mean all of them. None
        means everything but the pinball losses.
    levels : tuple of float
        As for `losses_by_metric`.

    Returns
    -------
    dict of str to callable
        In the order of ``metrics``.

    Raises
    ------
    InvalidArgumentError
        If a metric is none of these, or needs intervals where there are none.
    """
    table = losses_by_metric(levels)
    if metrics is None:
        return {name: loss for name, loss in table.items() if not name.startswith("pinball")}
    chosen: dict[str, Loss] = {}
    for metric in metrics:
        if not levels and metric in _INTERVAL_METRICS:
            raise InvalidArgumentError(
                "metrics", "of point forecasts where there are no intervals", repr(metric),
                "Make some with backtest(..., level=[80, 95]).")
        family = [name for name in table if metric in _INTERVAL_METRICS
                  and name.startswith(f"{metric}-")]
        names = family or [check_choice(metric, "metrics", _names(table))]
        chosen |= {name: table[name] for name in names}
    return chosen


def score_groups(
    forecasts: Forecasts,
    models: Sequence[str],
    losses: Mapping[str, Loss],
    groups: Groups,
    scales: pd.DataFrame,
) -> pd.DataFrame:
    """Score every model in every group.

    Parameters
    ----------
    forecasts : Forecasts
        Of n rows.
    models : sequence of str
    losses : mapping of str to callable
        Of the metrics that are wanted.
    groups : Groups
        The first level of its index is the series.
    scales : pandas.DataFrame
        Of the metrics that have one, columns, by series. What is 0 gives NaN.

    Returns
    -------
    pandas.DataFrame
        Rows metrics and groups, columns models. The cost is linear in n.
    """
    tables = {}
    for metric, loss in losses.items():
        means = np.stack([groups.mean(loss(forecasts, model)) for model in models], axis=1)
        values = np.sqrt(means) if metric in _ROOTS else means
        if metric in scales:
            series = groups.index.get_level_values(0)
            scale = scales[metric].where(scales[metric] > 0).reindex(series).to_numpy()
            values = values / scale[:, np.newaxis]
        tables[metric] = pd.DataFrame(values, index=groups.index, columns=list(models))
    return pd.concat(tables, names=["metric"])


def _names(table: Mapping[str, Loss]) -> tuple[str, ...]:
    """Return all that a caller may ask for, families of metrics first."""
    families = [name for name in _INTERVAL_METRICS if any(row.startswith(name) for row in table)]
    return tuple(dict.fromkeys([*table, *families]))


def _quantile_columns(model: str, levels: tuple[float, ...]) -> dict[float, str]:
    """Return the columns of the quantiles that intervals end at, by quantile."""
    columns: dict[float, str] = {}
    for level in levels:
        # Rounded: 1 - 0.95 is not 0.05, and the quantile names a row.
        share = round((1 - level / 100) / 2, 12)
        lower, upper = interval_columns(model, level)
        columns |= {share: lower, round(1 - share, 12): upper}
    return columns


def _absolute(forecasts: Forecasts, model: str) -> _Array:
    """Return absolute errors."""
    return np.abs(forecasts.actual - forecasts.column(model))


def _squared(forecasts: Forecasts, model: str) -> _Array:
    """Return squared errors."""
    return np.square(forecasts.actual - forecasts.column(model))


def _symmetric(forecasts: Forecasts, model: str) -> _Array:
    """Return symmetric percentage errors."""
    return errors.symmetric_percentages(forecasts.actual, forecasts.column(model))


def _covered(forecasts: Forecasts, model: str, level: float) -> _Array:
    """Return 1 where an interval covers and 0 where it does not."""
    return errors.covered(forecasts.actual, *forecasts.interval(model, level))


def _winkler(forecasts: Forecasts, model: str, level: float) -> _Array:
    """Return Winkler scores."""
    return errors.winkler_losses(forecasts.actual, *forecasts.interval(model, level), level)


def _crps(forecasts: Forecasts, model: str) -> _Array:
    """Return the CRPS from all quantiles, the point forecast being the median."""
    return errors.crps_losses(forecasts.actual, *forecasts.quantiles(model))


def _pinball(forecasts: Forecasts, model: str, share: float) -> _Array:
    """Return pinball losses of one quantile."""
    column = _quantile_columns(model, forecasts.levels)[share]
    return errors.pinball_losses(forecasts.actual, forecasts.column(column), share)
