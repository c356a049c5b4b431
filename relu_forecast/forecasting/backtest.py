"""Backtests: many forecasters walk forward over the same cutoffs, and are scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import MappingProxyType
from typing import Any

import pandas as pd
from sklearn.base import clone

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import metrics as errors
from relu_forecast.forecasting.base import Forecaster
from relu_forecast.forecasting.series import Columns, Panel, read_panel
from relu_forecast.forecasting.walk_forward import Walk, locate_errors, walk_forward
from relu_forecast.validation import check_choice

METRICS: Mapping[str, Callable[..., float]] = MappingProxyType(
    {
        "mae": errors.mae,
        "rmse": errors.rmse,
        "mase": errors.mase,
        "rmsse": errors.rmsse,
        "smape": errors.smape,
    }
)
"""Metrics by name; those that are a column of `Backtest.scales` take that scale too."""


@dataclass(frozen=True)
class Backtest:
    """Forecasts of several models over the same cutoffs.

    Attributes
    ----------
    predictions : pandas.DataFrame
        Identifier, time, ``"cutoff"``, target, and a column per model, in their order.
    seconds : pandas.Series
        Wall-clock time of each model: all its fits and forecasts.
    scales : pandas.DataFrame
        Scales of MASE and RMSSE, columns ``"mase"`` and ``"rmsse"``, by series, in the unit of
        the data: errors of the (seasonal) naive forecast on all samples up to the first cutoff.
    columns : Columns
        How the first and further columns are called.
    """

    predictions: pd.DataFrame
    seconds: pd.Series
    scales: pd.DataFrame
    columns: Columns

    def scores(self, metrics: Sequence[str] | None = None, by: str | None = None) -> pd.DataFrame:
        """Score every model.

        A metric is taken over all cutoffs of a series first, then averaged over series, each
        series counting once.

        Parameters
        ----------
        metrics : sequence of {"mae", "rmse", "mase", "rmsse", "smape"}, optional
            None means all five, in this order.
        by : {None, "step", "unique_id"}, optional
            One row per metric; or one per metric and horizon step, the first sample that is
            forecast from a cutoff being step 1; or one per metric and series.

        Returns
        -------
        pandas.DataFrame
            Rows metrics, or metrics and steps or series; columns models. MAE and RMSE are in
            the unit of the data, MASE and RMSSE relative to ``scales``, sMAPE in percent, 0 to
            200. MASE and RMSSE are NaN for a series whose scale is 0, and leave it out of the
            average.

        Raises
        ------
        InvalidArgumentError
            If a metric or ``by`` is not one of these.
        """
        names = tuple(METRICS) if metrics is None else tuple(metrics)
        for name in names:
            check_choice(name, "metrics", tuple(METRICS))
        check_choice(by, "by", (None, "step", "unique_id"))
        table = pd.concat({name: self._score(name, by == "step") for name in names})
        table.index = table.index.set_names("metric", level=0)
        within = {None: [], "step": ["step"], "unique_id": [self.columns.id]}[by]
        return table.groupby(level=["metric", *within], sort=False).mean()

    def _score(self, metric: str, each_step: bool) -> pd.DataFrame:
        """Return one metric by series, or by series and step; columns are models."""
        frame, models = self.predictions, list(self.seconds.index)
        keys = [frame[self.columns.id]]
        if each_step:
            steps = frame.groupby([self.columns.id, "cutoff"], observed=True).cumcount() + 1
            keys.append(steps.rename("step"))
        scores = {
            key: [self._score_one(metric, key[0], group, model) for model in models]
            for key, group in frame.groupby(keys, observed=True)
        }
        index = pd.MultiIndex.from_tuples(list(scores), names=[key.name for key in keys])
        return pd.DataFrame(list(scores.values()), index=index, columns=models)

    def _score_one(self, metric: str, unique_id: Hashable, rows: pd.DataFrame, model: str) -> float:
        """Return one metric of one model on rows of one series."""
        pair = rows[self.columns.target], rows[model]
        if metric not in self.scales:
            return METRICS[metric](*pair)
        scale = self.scales[metric].to_dict()[unique_id]
        return METRICS[metric](*pair, scale) if scale > 0 else math.nan


def backtest(
    models: Mapping[str, Forecaster],
    data: Any,
    h: int,
    *,
    n_windows: int | None = None,
    step_size: int | None = None,
    input_size: int | None = None,
    gap: int = 0,
    refit: bool | int = True,
    season_length: int = 1,
    n_jobs: int | None = None,
    verbose: bool = False,
    freq: Any = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Backtest:
    """Walk every model forward over the same cutoffs.

    Parameters
    ----------
    models : mapping of str to Forecaster
        Names, which become columns in place of each ``alias``, and models, which are left
        unchanged, fitted or not.
    data : array_like (n,), pandas.Series or pandas.DataFrame
        As for `Forecaster.fit`.
    h : int
        Samples to forecast from each cutoff.
    n_windows, step_size, input_size, gap, refit, n_jobs, verbose
        As for `Forecaster.cross_validation`. With ``n_windows=None``, the model that needs
        most samples decides where the first cutoff can be.
    season_length : int, default 1
        Samples in a season, for the scales of MASE and RMSSE alone.
    freq, id_col, time_col, target_col
        As for `Forecaster.fit`.

    Returns
    -------
    Backtest

    Raises
    ------
    InvalidArgumentError
        If there is no model, a name is a column of the data, a parameter is out of range, or
        the data is unusable or too short.
    ForecastError
        If a fit or a forecast fails; the message names series and cutoff.

    Examples
    --------
    >>> from relu_forecast.baselines import Drift, Naive
    >>> result = backtest({"Naive": Naive(), "Drift": Drift()}, [1, 2, 3, 4, 5, 6, 7, 8], h=2)
    >>> result.scores(["mae"])
            Naive  Drift
    metric
    mae       1.5    0.0
    """
    columns = Columns(id_col, time_col, target_col)
    _check_models(models, columns)
    panel = read_panel(data, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col)
    walk = Walk(h, n_windows, step_size, input_size, gap, refit)
    shortest_fit = max(model._min_length(walk.reach) for model in models.values())
    scales = _scales(panel, walk, shortest_fit, season_length)
    frames: list[pd.DataFrame] = []
    seconds: dict[str, float] = {}
    for name, model in models.items():
        started = perf_counter()
        frames.append(walk_forward(
            clone(model), panel, walk, shortest_fit=shortest_fit, alias=name, n_jobs=n_jobs,
            verbose=verbose))
        seconds[name] = perf_counter() - started
    others = [frame[[name]] for name, frame in zip(models, frames, strict=True)]
    predictions = pd.concat([frames[0].iloc[:, :-1], *others], axis=1)
    return Backtest(predictions, pd.Series(seconds, name="seconds"), scales, columns)


def _check_models(models: Mapping[str, Forecaster], columns: Columns) -> None:
    """Refuse an empty mapping, names that are taken, and anything but forecasters."""
    if not models:
        raise InvalidArgumentError(
            "models", "at least one forecaster", repr(models), "Pass {'Naive': Naive()}, say.")
    for name, model in models.items():
        columns.check_free(name, "models")
        if not isinstance(model, Forecaster):
            raise InvalidTypeError(
                f"models[{name!r}]", "a Forecaster", repr(model),
                "Wrap a scikit-learn regressor in Autoregression(lags, estimator).")
        model._check_parameters()


def _scales(panel: Panel, walk: Walk, shortest_fit: int, season_length: int) -> pd.DataFrame:
    """Return the naive errors of each series on all samples up to its first cutoff."""
    rows = []
    for series in panel.series:
        with locate_errors(f"series {series.unique_id}"):
            known = series.values[: walk.cutoffs(len(series.values), shortest_fit)[0] + 1]
            rows.append((
                errors.naive_mae(known, season_length), errors.naive_rmse(known, season_length)))
    return pd.DataFrame(rows, index=panel.ids, columns=["mase", "rmsse"])
