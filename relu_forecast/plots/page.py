"""A backtest as one page of HTML: tables and pictures, and nothing to be fetched."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from relu_forecast.plots.forecasts import plot_backtest

# Names come from users. pandas escapes those in tables; the policy lets no script run anyway.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Backtest</title>
<style>
body {{ font-family: sans-serif; margin: 2em auto; max-width: 60em; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.2em 0.8em; border-bottom: 1px solid #ddd; text-align: right; }}
img {{ max-width: 100%; }}
</style>
</head>
<body>
<h1>Backtest</h1>
<p>{summary}</p>
{sections}
</body>
</html>
"""


def backtest_page(backtest: Any) -> str:
    """Return a backtest as a page of HTML.

    It has the scores, those by step ahead, the coverage where there are intervals, the seconds
    that models took, and the picture of `plot_backtest`.
    """
    scores, steps = backtest.scores(), backtest.scores(["mae", "rmse"], by="step")
    sections = [_section("Scores", _table(scores))]
    for metric in ("mae", "rmse"):
        sections.append(_section(f"{metric.upper()} by step ahead", _table(steps.loc[metric])))
    if backtest.levels:
        rows = [f"coverage-{level:g}" for level in backtest.levels]
        coverage = 100 * scores.loc[rows]  # in percent, as levels are
        coverage.index = pd.Index(backtest.levels, name="level [%]").map("{:g}".format)
        sections.append(_section("Coverage of the intervals", _table(coverage)))
    sections += [
        _section("Forecasts", _picture(plot_backtest(backtest), "Forecasts and what happened")),
        _section("Seconds to fit and forecast", _table(backtest.seconds.to_frame().T))]
    return _PAGE.format(summary=escape(_summary(backtest)), sections="\n".join(sections))


def _summary(backtest: Any) -> str:
    """Say in a sentence what was backtested."""
    frame = backtest.predictions
    ids = frame[backtest.columns.id]
    cutoffs = len(frame[[backtest.columns.id, "cutoff"]].drop_duplicates())
    missing = int(frame[backtest.columns.target].isna().sum())
    unscored = f" {missing:,} samples were not observed and count in no score." if missing else ""
    return (
        f"{len(backtest.models)} models forecast {ids.nunique():,} series from {cutoffs:,} cutoffs,"
        f" {backtest.step_size} samples apart. Scores are averages over series.{unscored}")


def _section(heading: str, content: str) -> str:
    """Return a heading and what is below it."""
    return f"<h2>{escape(heading)}</h2>\n{content}"


def _table(frame: pd.DataFrame) -> str:
    """Return a table with its names escaped."""
    return frame.to_html(float_format="{:.4g}".format, na_rep="–", border=0, escape=True)


def _picture(figure: Figure, description: str) -> str:
    """Return a picture that holds its own bytes."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=120)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="{escape(description)}" src="data:image/png;base64,{data}">'
