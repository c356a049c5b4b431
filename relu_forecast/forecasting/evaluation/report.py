"""A backtest as one page: which model is best and how surely, by step and by series."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from relu_forecast import plots
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation.comparison import Ranking, adjust_holm
from relu_forecast.plots.cards import ModelCard, card_elements
from relu_forecast.plots.markup import Section, element, page_of, picture_of, render, table_of
from relu_forecast.plots.style import MOST_NAMED
from relu_forecast.validation import check_positive_int

if TYPE_CHECKING:
    from relu_forecast.forecasting.evaluation.backtest import Backtest

_MOST_ROWS = 200
"""Series in a table; the others are counted."""
_NAMES = {"mae": "MAE", "rmse": "RMSE", "mase": "MASE", "rmsse": "RMSSE", "smape": "sMAPE",
          "crps": "CRPS"}
"""Metrics as people write them, where that is not how they are asked for."""
_DRAWN = 4
"""Models in a picture of one series, the best ones."""
_SIGNIFICANT = 0.05
"""Share of true null hypotheses that tests may reject."""


def summary_of(backtest: Backtest) -> str:
    """Say in a sentence or two what was backtested."""
    frame, columns = backtest.predictions, backtest.columns
    cutoffs = len(frame[[columns.id, "cutoff"]].drop_duplicates())
    missing = int(frame[columns.target].isna().sum())
    unscored = f" {missing:,} samples were not observed and count in no score." if missing else ""
    n_models, n_series = len(backtest.models), frame[columns.id].nunique()
    return (f"{n_models} model{'s' * (n_models > 1)} forecast {n_series:,} series from"
            f" {cutoffs:,} cutoffs, {backtest.step_size} samples apart. Scores are averages over"
            f" series.{unscored}")


def scores_by_model(backtest: Backtest) -> pd.DataFrame:
    """Return a row per model, the lowest RMSE first: all scores, and the seconds."""
    table = backtest.scores().T.loc[list(backtest.best_first())]
    return table.rename(columns=_NAMES).assign(seconds=backtest.seconds).rename_axis("model")


def fragment_of(backtest: Backtest) -> str:
    """Return the scores as a piece of HTML for a notebook."""
    return render(element("div", element("p", summary_of(backtest)),
                          table_of(scores_by_model(backtest), "Scores, lowest RMSE first")))


def report_page(backtest: Backtest, *, cards: Sequence[ModelCard] = (), command: str | None = None,
                n_pictured: int = 6, title: str = "Backtest") -> str:
    """Return a backtest as a page of HTML that needs no other.

    Parameters
    ----------
    backtest : Backtest
    cards : sequence of ModelCard, default ()
        Of fitted models, for a section of their own.
    command : str, optional
        What makes the page again.
    n_pictured : int, default 6
        Series that are drawn, the first ones; all are in the tables.
    title : str, default "Backtest"
        What the page is called.

    Returns
    -------
    str

    Raises
    ------
    InvalidArgumentError
        If ``n_pictured`` is below 1.
    """
    check_positive_int(n_pictured, "n_pictured")
    report = _Report(backtest)
    sections = [report.models(), report.significance(), report.steps(), report.coverage(),
                report.series(), report.pictures(n_pictured), report.errors(),
                _networks(cards), _command(command)]
    return page_of(title, summary_of(backtest), [one for one in sections if one is not None])


def _networks(cards: Sequence[ModelCard]) -> Section | None:
    """Return the section of fitted models, if there are any."""
    if not cards:
        return None
    intro = element("p", "Fitted once more, to all samples, as for forecasts of what follows.")
    return Section("fitted-models", "Fitted models",
                   [intro, *(part for card in cards for part in card_elements(card))])


def _command(command: str | None) -> Section | None:
    """Return the section that says how to make the page again."""
    if command is None:
        return None
    return Section("again", "Make this page again", [
        element("pre", element("code", command), tabindex="0")])


@dataclass(frozen=True)
class _Report:
    """Sections of the page of one backtest; None where there is nothing to say."""

    backtest: Backtest

    @cached_property
    def names(self) -> list[str]:
        """The models, the best first."""
        return list(self.backtest.best_first())

    @cached_property
    def by_series(self) -> pd.DataFrame:
        """RMSE, rows series and columns models, the best first."""
        table = self.backtest.scores(["rmse"], by="unique_id").droplevel("metric")
        return table[self.names]

    def models(self) -> Section:
        """Return the scores, a row per model."""
        text = element("p", "Lower is better. MAE, RMSE, Winkler score and CRPS are in the unit of"
                            " the data, seconds those to fit and forecast.")
        table = scores_by_model(self.backtest)
        table = table.drop(columns=[f"coverage-{level:g}" for level in self.backtest.levels])
        return Section("models", "Models", [text, table_of(table, "Scores, lowest RMSE first")])

    def significance(self) -> Section | None:
        """Return tests of every model against the best one, and ranks where series suffice."""
        best, *others = self.names
        if not others:
            return None
        table = pd.DataFrame([self._against(best, name) for name in others],
                             index=pd.Index(others, name="model"))
        text = (f"{best} has the lowest RMSE. Diebold-Mariano tests of squared errors, for every"
                f" series and step ahead, against each other model, at"
                f" {_SIGNIFICANT:.0%} after Holm's correction within its row. The best was found on"
                " these samples, which makes it look a little better than it is.")
        content = [element("p", text), table_of(table, f"Tests against {best}")]
        ranking = self._ranking()
        if ranking is not None:
            content += self._ranks(ranking)
        return Section("significance", "Against the best", content)

    def _against(self, best: str, other: str) -> dict[str, Any]:
        """Return the row of one model in the table of tests."""
        rmse = self.backtest.scores(["rmse"]).loc["rmse"]
        try:
            tests = self.backtest.compare(best, other).dropna(subset=["p_value"])
        except InvalidArgumentError:  # too few cutoffs for any test
            tests = pd.DataFrame({"statistic": [], "p_value": []}, dtype=float)
        adjusted = adjust_holm(tests["p_value"])
        told, sign = adjusted < _SIGNIFICANT, np.sign(tests["statistic"])
        return {"RMSE / best": rmse[other] / rmse[best] if rmse[best] > 0 else np.nan,
                "tests": len(tests), "best is better": int((told & (sign < 0)).sum()),
                "best is worse": int((told & (sign > 0)).sum()),
                "smallest p": adjusted.min() if len(tests) else np.nan}

    def _ranking(self) -> Ranking | None:
        """Return the ranks of the models over the series; None if there are too few."""
        try:
            return self.backtest.rank("rmsse" if len(self.names) == 2 else "rmse")
        except InvalidArgumentError:
            return None

    def _ranks(self, ranking: Ranking) -> list[Element]:
        """Return the ranks as a table and a picture."""
        table = ranking.frame().rename_axis("model").rename(columns={
            "mean_rank": "mean rank", "with_best": "not told from the first"})
        told = ", ".join(f"{name} {rank:.2f}" for name, rank in ranking.mean_ranks.items())
        title = f"{ranking.test.capitalize()} test, p = {ranking.p_value:.2g}"
        return [picture_of(
            lambda figure: plots.plot_ranking(
                ranking.frame(), n_series=ranking.n_series, ax=figure.subplots()),
            f"Mean ranks over {ranking.n_series} series: {told}.",
            f"{title}. Full circles do not differ significantly from the first.",
            height=1.2 + 0.3 * len(table)),
            table_of(table, f"Mean ranks over {ranking.n_series} series")]

    def steps(self) -> Section:
        """Return the errors by step ahead."""
        errors = self.backtest.scores(["rmse", "mae"], by="step")
        rmse = _rows_of_models(errors, "rmse", self.names)
        ends = "; ".join(f"{name} from {row.iloc[0]:.3g} to {row.iloc[-1]:.3g}"
                         for name, row in rmse.iloc[:MOST_NAMED].iterrows())
        picture = picture_of(
            lambda figure: plots.plot_step_errors(rmse.T, ax=figure.subplots()),
            f"RMSE from step {rmse.columns[0]} to step {rmse.columns[-1]} ahead: {ends}.",
            f"RMSE of the best {min(MOST_NAMED, len(rmse))} models by step ahead.")
        return Section("steps", "Errors by step ahead", [
            picture, table_of(rmse, "RMSE by step ahead"),
            table_of(_rows_of_models(errors, "mae", self.names), "MAE by step ahead")])

    def coverage(self) -> Section | None:
        """Return the coverage of intervals in percent, as levels are."""
        levels = self.backtest.levels
        if not levels:
            return None
        scores = self.backtest.scores([f"coverage-{level:g}" for level in levels])
        table = 100 * scores.T.loc[self.names].rename_axis("model")
        table.columns = pd.Index([f"{level:g} %" for level in levels])
        return Section("coverage", "Coverage of the intervals", [
            table_of(table, "Observed samples within the interval, in percent, by its level")])

    def series(self) -> Section | None:
        """Return the errors by series, where there are several."""
        table = self.by_series
        if len(table) < 2:
            return None
        shown = table.iloc[:_MOST_ROWS]
        content = [table_of(shown, "RMSE by series", stub="series")]
        if len(shown) < len(table):
            content.append(element(
                "p", f"The first {len(shown)} of {len(table):,} series; all are in"
                     " scores(by='unique_id')."))
        return Section("series", "Errors by series", content)

    def pictures(self, n_pictured: int) -> Section:
        """Return forecasts of the first series in pictures."""
        ids = list(self.by_series.index)
        content = [element("p", f"The first {len(ids[:n_pictured])} of {len(ids):,} series.")] if (
            len(ids) > n_pictured) else []
        for series in ids[:n_pictured]:
            content += [element("h3", f"Series {series}"), self._picture(series)]
        return Section("forecasts", "Forecasts", content)

    def _picture(self, series: Hashable) -> Element:
        """Return what was forecast and observed of one series."""
        backtest, columns = self.backtest, self.backtest.columns
        rows = backtest.predictions[backtest.predictions[columns.id] == series]
        drawn, target = self.names[:_DRAWN], rows[columns.target]
        own = self.by_series.T[series]
        errors = ", ".join(f"{name} {own[name]:.3g}" for name in drawn)
        h = len(rows) // rows["cutoff"].nunique()
        return picture_of(
            lambda figure: plots.plot_backtest(
                rows, drawn, levels=backtest.levels, id_col=columns.id, time_col=columns.time,
                target_col=columns.target, ax=figure.subplots()),
            f"Series {series}: observed between {target.min():.3g} and {target.max():.3g}, and"
            f" forecasts of {h} steps. RMSE over all its cutoffs: {errors}.",
            f"{h}-step forecasts from some cutoffs by the best {len(drawn)} models, and what was"
            " observed.")

    def errors(self) -> Section | None:
        """Return what pattern the errors of the best model have left, on the first series."""
        best, series = self.names[0], self.by_series.index[0]
        errors = self._first_step_errors(best, series)
        if errors.notna().sum() < 3:
            return None
        size, largest = errors.std(ddof=0), errors.abs().max()
        repeated = errors.autocorr(1) if size > 0 else 0.0
        picture = picture_of(
            lambda figure: _draw_errors(figure, errors),
            f"Errors one step ahead of {best} on series {series}: mean {errors.mean():.3g},"
            f" standard deviation {size:.3g}, largest {largest:.3g}, correlation from one to the"
            f" next {repeated:.2f}.",
            f"Forecast less observed, first step ahead, {best} on series {series}: over time, by"
            " size, against normal quantiles, and from one to the next.",
            height=5, narrow_height=9.5)
        return Section("errors", "Errors of the best model", [picture])

    def _first_step_errors(self, model: str, series: Hashable) -> pd.Series:
        """Return forecast less observed of the first step from each cutoff, with times."""
        columns, frame = self.backtest.columns, self.backtest.predictions
        first = frame[frame[columns.id] == series].drop_duplicates("cutoff")
        errors: pd.Series = (first[model] - first[columns.target]).set_axis(first[columns.time])
        return errors


def _draw_errors(figure: Figure, errors: pd.Series) -> None:
    """Draw four pictures of errors: two by two, or one above the other where it is narrow."""
    shape = (2, 2) if figure.get_figwidth() > 5 else (4, 1)
    time, size, normal, next_one = figure.subplots(*shape).ravel()
    plots.plot_residuals(errors, name="error", ax=time)
    plots.plot_residual_histogram(errors, name="error", ax=size)
    plots.plot_residual_quantiles(errors, name="error", ax=normal)
    plots.plot_autocorrelation(errors, apart="cutoffs", ax=next_one)


def _rows_of_models(scores: pd.DataFrame, metric: str, names: Sequence[str]) -> pd.DataFrame:
    """Return one metric by step ahead, a row per model."""
    table: Any = scores.xs(metric, level="metric")
    rows: pd.DataFrame = table[list(names)].T.rename_axis("model")
    return rows
