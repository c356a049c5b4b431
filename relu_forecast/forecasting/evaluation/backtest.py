"""Backtests: many forecasters walk forward over the same cutoffs, and are scored."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import ForecastingModel, check_missing, check_weights
from relu_forecast.forecasting.data.history import Covariates
from relu_forecast.forecasting.data.panel import Columns, Reading
from relu_forecast.forecasting.data.reading import read_panel
from relu_forecast.forecasting.evaluation import comparison, scoring
from relu_forecast.forecasting.evaluation.intervals import Calibration, interval_columns
from relu_forecast.forecasting.evaluation.metrics import METRICS
from relu_forecast.forecasting.evaluation.plan import Evaluation
from relu_forecast.forecasting.evaluation.splits import Splits
from relu_forecast.forecasting.evaluation.walk_forward import walk_forward
from relu_forecast.forecasting.failures import locate_errors
from relu_forecast.validation import check_choice, check_int

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from relu_forecast.plots.cards import ModelCard


@dataclass(frozen=True)
class Backtest:
    """Forecasts of several models over the same cutoffs.

    Attributes
    ----------
    predictions : pandas.DataFrame
        Identifier, time, ``"cutoff"``, target, and a column per model, in their order; where it
        forecasts intervals, also ``<model>-lo-<level>`` and ``<model>-hi-<level>``. The target is
        NaN where it was not observed; such rows count in no score and no test.
    seconds : pandas.Series
        Wall-clock time of each model: all its fits and forecasts.
    scales : pandas.DataFrame
        Scales of MASE and RMSSE, columns ``"mase"`` and ``"rmsse"``, by series, in the unit of
        the data: errors of the (seasonal) naive forecast on all samples up to the first cutoff.
    columns : Columns
        How the first and further columns are called.
    levels : tuple of float, default ()
        Levels of the intervals, in percent.
    step_size : int, default 1
        Samples between cutoffs.
    gap : int, default 0
        Samples between a cutoff and the first one that is forecast from it.
    """

    predictions: pd.DataFrame
    seconds: pd.Series
    scales: pd.DataFrame
    columns: Columns
    levels: tuple[float, ...] = ()
    step_size: int = 1
    gap: int = 0

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in their order."""
        return tuple(self.seconds.index)

    def interval_columns(self, model: str) -> list[tuple[str, str]]:
        """Return the columns with the ends of a model's intervals, lower and upper by level."""
        return [interval_columns(model, level) for level in self.levels]

    def scores(self, metrics: Sequence[str] | None = None, by: str | None = None) -> pd.DataFrame:
        """Score every model.

        A metric is taken over all cutoffs of a series first, then averaged over series, each
        series counting once. Rows without an observed target are left out.

        Parameters
        ----------
        metrics : sequence of str, optional
            Of point forecasts: ``"mae"``, ``"rmse"``, ``"mase"``, ``"rmsse"``, ``"smape"``. Of
            intervals, where there are some: ``"coverage"`` and ``"winkler"``, a row for each
            level, such as ``"coverage-95"``; ``"pinball"``, a row for each quantile, such as
            ``"pinball-0.025"``; ``"crps"``. A single row can be asked for by its name. None means
            all but ``"pinball"``, in this order.
        by : {None, "step", "unique_id"}, optional
            One row per metric; or one per metric and horizon step, the first sample that is
            forecast from a cutoff being step 1; or one per metric and series.

        Returns
        -------
        pandas.DataFrame
            Rows metrics, or metrics and steps or series; columns models. MAE, RMSE, Winkler
            score, CRPS and pinball loss are in the unit of the data, MASE and RMSSE relative to
            ``scales``, sMAPE in percent, 0 to 200, and coverage is a share, 0 to 1. The CRPS is
            that of the quantiles at which the intervals end, and of the point forecast as the
            median; see `metrics.crps`. NaN stands for MASE and RMSSE of a series whose scale
            is 0, for a series (at this step) without an observed target, and for intervals that
            a model has not; averages leave it out.

        Raises
        ------
        InvalidArgumentError
            If there are no intervals for a metric.
        """
        rows = scoring.select_rows(metrics, self.levels)
        check_choice(by, "by", (None, "step", "unique_id"))
        keys = [self.predictions[self.columns.id], *([self._steps()] if by == "step" else [])]
        observed = self.predictions[self.columns.target].notna().to_numpy()
        table = scoring.score_groups(
            scoring.Forecasts(self.predictions[observed], self.columns.target, self.levels),
            self.models, rows, scoring.Groups.of(keys, observed), self.scales)
        within = {None: [], "step": ["step"], "unique_id": [self.columns.id]}[by]
        return table.groupby(level=["metric", *within], sort=False, observed=True).mean()

    def compare(self, a: str, b: str, *, metric: comparison.Loss = "squared",
                step: int | None = None) -> pd.DataFrame:
        """Test whether two models are equally accurate, on every series and at every step.

        Each row is a test of its own, see `diebold_mariano`, of the errors that two models make
        k steps ahead. Forecasts from cutoffs less than ``gap + k`` samples apart share unknown
        samples, so that their errors are correlated; with ``step_size`` samples between cutoffs,
        these are errors up to ``h - 1`` places apart, ``h = ceil((gap + k) / step_size)``.

        Parameters
        ----------
        a, b : str
            Two models.
        metric : {"squared", "absolute"}, default "squared"
            Loss of an error.
        step : int, optional
            Test this step alone, 1 being the first sample that is forecast.

        Returns
        -------
        pandas.DataFrame
            Rows series and steps. Columns: ``statistic``, negative where ``a`` has the smaller
            losses; ``p_value``, two-sided; ``mean_difference`` of the losses, ``a`` less ``b``;
            ``n``, cutoffs with an observed target; ``h``; and ``kernel`` of the variance. All but
            ``n`` and ``h`` are missing where n is not above h. With many rows some p-values are
            small by chance: correct them, say by the number of rows.

        Raises
        ------
        InvalidArgumentError
            If ``a`` or ``b`` is not a model, both are the same, or no row has enough cutoffs.
        """
        check_choice(a, "a", self.models)
        check_choice(b, "b", self.models)
        if a == b:
            raise InvalidArgumentError("b", "another model than a", repr(b), "Pass two models.")
        check_choice(metric, "metric", get_args(comparison.Loss))
        groups, errors_of = self._paired_errors(a, b, step)
        tests = [self._compare_one(pair, int(label[1]), metric)
                 for label, pair in zip(groups.index, groups.split(errors_of), strict=True)]
        table = pd.DataFrame(tests, index=groups.index)
        if (table["n"] <= table["h"]).all():
            raise InvalidArgumentError(
                "n_windows", "above h, the number of steps that overlap, for some step",
                f"at most {table['n'].max()} cutoffs with h of at least {table['h'].min()}",
                "Backtest with more cutoffs, or a larger step_size.")
        return table

    def rank(self, metric: str = "rmse", *, level: float = 95) -> comparison.Ranking:
        """Rank the models over the series; see `rank_models`.

        Parameters
        ----------
        metric : str, default "rmse"
            A row of `scores`, for example ``"mae"`` or ``"winkler-95"``, but no coverage, which
            is best at its level. Series where a model has no score are left out. Ranks of three
            models or more do not depend on the units of the series; of two models, whose
            differences count by their size, take a scaled metric such as ``"rmsse"``.
        level : float, default 95
            Confidence in percent.

        Returns
        -------
        Ranking

        Raises
        ------
        InvalidArgumentError
            If ``metric`` is none of these, or models or series are too few.
        """
        rows = scoring.all_rows(self.levels).items()
        check_choice(metric, "metric", [name for name, row in rows if row.metric.lower_is_better])
        table = self.scores([metric], by="unique_id").droplevel("metric")
        return comparison.rank_models(table.dropna(), level)

    def plot(self, models: Sequence[str] | None = None, n_cutoffs: int = 6,
             unit: str | None = None, series: Hashable = None) -> Figure:
        """Draw forecasts of one series, and below them the errors of all by step ahead.

        Parameters
        ----------
        models : sequence of str, optional
            Which models, the first one on top. None draws the six of the least RMSE, best first,
            and the errors of the others in grey.
        n_cutoffs, unit, series
            See `relu_forecast.plots.plot_backtest`.

        Raises
        ------
        InvalidArgumentError
            If there is no such model or series, or ``n_cutoffs`` is below 1.
        """
        from matplotlib.figure import Figure

        from relu_forecast.plots import plot_backtest, plot_step_errors
        from relu_forecast.plots.style import MOST_NAMED

        for name in models or ():
            check_choice(name, "models", self.models)
        names = list(self.best_first()) if models is None else list(models)
        drawn = names[:MOST_NAMED] if models is None else names
        figure = Figure(figsize=(9, 7), layout="constrained")
        above, below = figure.subplots(2, 1)
        plot_backtest(self.predictions, drawn, levels=self.levels, series=series,
                      n_cutoffs=n_cutoffs, unit=unit, id_col=self.columns.id,
                      time_col=self.columns.time, target_col=self.columns.target, ax=above)
        errors = self.scores(["rmse"], by="step").droplevel("metric")
        plot_step_errors(errors[names], unit=unit, ax=below)
        return figure

    def best_first(self) -> tuple[str, ...]:
        """Return the models in order of their RMSE, the lowest first."""
        errors: pd.Series = self.scores(["rmse"]).T["rmse"]
        return tuple(errors.sort_values(kind="stable").index)

    def to_html(self, path: str | os.PathLike[str] | None = None, *,
                cards: Sequence[ModelCard] = (), command: str | None = None,
                n_pictured: int = 6, title: str = "Backtest") -> str | None:
        """Make one HTML page of scores, tests and pictures that needs no other.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Where to write it; a file that is there is replaced. None returns the page.
        cards, command, n_pictured, title
            Fitted models, what makes the page again, how many series are drawn, and what the
            page is called; see `relu_forecast.forecasting.evaluation.report.report_page`.

        Returns
        -------
        str or None
            The page, where there is no ``path``.
        """
        from relu_forecast.forecasting.evaluation.report import report_page

        page = report_page(self, cards=cards, command=command, n_pictured=n_pictured, title=title)
        if path is None:
            return page
        Path(path).write_text(page, encoding="utf-8", errors="replace")
        return None

    def _repr_html_(self) -> str:
        """Return the scores as notebooks show them."""
        from relu_forecast.forecasting.evaluation.report import fragment_of

        return fragment_of(self)

    def _steps(self) -> pd.Series:
        """Return how many steps ahead each row is, from 1."""
        cutoffs = self.predictions.groupby([self.columns.id, "cutoff"], observed=True)
        return (cutoffs.cumcount() + 1).rename("step")

    def _paired_errors(self, a: str, b: str,
                       step: int | None) -> tuple[scoring.Groups, npt.NDArray[np.float64]]:
        """Return the observed errors of two models, (2, n), grouped by series and step."""
        steps = self._steps()
        if step is not None:
            last, remedy = int(steps.max()), "Pass a step that was forecast, or None for all."
            if check_int(step, "step", minimum=1, remedy=remedy) > last:
                raise InvalidArgumentError("step", f"at most {last}", repr(step), remedy)
        wanted = (steps > 0 if step is None else steps == step).to_numpy()
        frame = self.predictions[wanted]
        observed = frame[self.columns.target].notna().to_numpy()
        rows = scoring.Forecasts(frame[observed], self.columns.target, self.levels)
        errors_of = np.stack([rows.actual - rows.column(model) for model in (a, b)])
        return scoring.Groups.of([frame[self.columns.id], steps[wanted]], observed), errors_of

    def _compare_one(self, pair: npt.NDArray[np.float64], step: int,
                     loss: comparison.Loss) -> dict[str, Any]:
        """Test the errors of two models, (2, n), on one series and step."""
        # What is correlated is at most h - 1 apart among the observed errors too.
        n, h = pair.shape[1], -(-(self.gap + step) // self.step_size)
        names = ("statistic", "p_value", "mean_difference", "n", "h", "kernel")
        if n <= h:
            return dict(zip(names, (np.nan, np.nan, np.nan, n, h, None), strict=True))
        test = comparison.diebold_mariano(pair[0], pair[1], h, loss)
        return {name: getattr(test, name) for name in names}


def backtest(models: Mapping[str, Any], data: Any, h: int, *, n_windows: int | None = None,
             step_size: int | None = None, input_size: int | None = None, gap: int = 0,
             refit: bool | int = True, level: Any = None, intervals: Any = "split",
             season_length: int = 1, n_jobs: int | None = None, verbose: bool = False,
             checkpoint: Any = None, freq: Any = None, missing: str = "error",
             id_col: str = "unique_id", time_col: str = "ds", target_col: str = "y",
             weight_col: str | None = None) -> Backtest:
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
    n_windows, step_size, input_size, gap, refit, level, intervals, n_jobs, verbose, checkpoint
        As for `Forecaster.cross_validation`. With ``n_windows=None``, the model that needs
        most samples decides where the first cutoff can be.
    season_length : int, default 1
        Samples in a season, for the scales of MASE and RMSSE alone.
    freq, missing, id_col, time_col, target_col, weight_col
        As for `Forecaster.fit`. Every model must take weights; scores are not weighted.

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
    _check_models(models, columns, missing, weight_col)
    covariates = dict.fromkeys(
        name for model in models.values() for name in model.covariates.names)
    panel = read_panel(data, Reading(columns, freq, missing, tuple(covariates), weight_col))
    evaluation = Evaluation(
        {name: clone(model) for name, model in models.items()}, panel,
        Splits(h, n_windows, step_size, input_size, gap, refit), Calibration.of(level, intervals))
    scales = _scales(evaluation, season_length)
    predictions, seconds = walk_forward(
        evaluation, n_jobs=n_jobs, verbose=verbose, checkpoint=checkpoint)
    levels = () if evaluation.calibration is None else evaluation.calibration.levels
    splits = evaluation.splits
    return Backtest(
        predictions, seconds, scales, columns, levels, splits.step_size or splits.h, splits.gap)


def _check_models(models: Any, columns: Columns, missing: Any,
                  weight_col: Any) -> None:
    """Refuse an empty mapping, names that are taken, and anything but forecasters.

    And models that need every sample where some are to be left out, or cannot weigh them.
    """
    if not isinstance(models, Mapping):
        raise InvalidTypeError("models", "a dict of forecasters by name", repr(models),
                               "Pass {'Naive': Naive()}, say.")
    if not models:
        raise InvalidArgumentError(
            "models", "at least one forecaster", repr(models), "Pass {'Naive': Naive()}, say.")
    for name, model in models.items():
        columns.check_free(name, "models")
        if not isinstance(model, ForecastingModel):
            raise InvalidTypeError(
                f"models[{name!r}]", "a Forecaster", repr(model),
                "Wrap a scikit-learn regressor in Autoregression(lags, estimator).")
        model.check_parameters()
        check_missing(model, missing)
        check_weights(model, weight_col)


def _scales(evaluation: Evaluation, season_length: int) -> pd.DataFrame:
    """Return the naive errors of each series on all samples up to its first cutoff."""
    scales = {name: metric.scale for name, metric in METRICS.items() if metric.scale is not None}
    rows = []
    for series in evaluation.panel.series:
        first = evaluation.folds(series)[0].fit_stop
        known = series.arrays(Covariates()).history(0, first).values
        with locate_errors(f"series {series.unique_id}"):
            rows.append([scale(known, season_length) for scale in scales.values()])
    return pd.DataFrame(rows, index=evaluation.panel.ids, columns=list(scales))
