"""The command backtest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document, print_table
from relu_forecast.cli.evaluation import WalkOptions, scores_document, walk_file
from relu_forecast.cli.session import session
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it


def backtest_file(
    file: options.File,
    horizon: options.Horizon = 10,
    *,
    walk: WalkOptions,
    bands: options.IntervalOptions,
    compare: Annotated[str | None, typer.Option(help="Two models, such as relu,ar: test whether "
                                                     "they are equally accurate "
                                                     "(Diebold-Mariano).")] = None,
    parameters: options.ModelOptions,
    data: options.DataOptions,
    output: options.Rows = None,
    html: Annotated[Path | None, typer.Option(help="Write scores, tests and pictures to this "
                                                   ".html file; relu-forecast report says more.",
                                              rich_help_panel="Output")] = None,
    report: options.ReportOptions,
) -> None:
    """Walk models forward through FILE and compare their errors.

    Example: `relu-forecast backtest ecg.csv --horizon 10 --models relu,ar,adam --n-windows 200`

    Example: `relu-forecast backtest load.csv --models relu,ets,theta --season-length 24 --refit
    10 --level 80,95 --compare relu,ets --checkpoint run.ckpt --n-jobs 2 --html report.html`

    Options of models go to those that have them. MASE and RMSSE are scaled by the seasonal naive
    forecast of `--season-length`.
    """
    with session(strict=report.strict, kept=walk.kept) as caught:
        files.check_table_writable(output)
        files.check_writable(html, "--html", files.PAGE_SUFFIXES)
        pair = _parse_pair(compare, walk.names)
        result = walk_file(file, horizon, walk, bands, parameters, data).result
        comparison = None if pair is None else result.compare(*pair)
        _write(result, output, html)
        if report.json:
            print_document({
                "command": "backtest", **scores_document(result, caught),
                "comparison": None if comparison is None else {
                    "models": pair, "metric": "squared",
                    "tests": comparison.reset_index().to_dict("records")}})
        else:
            _print(result, pair, comparison)


def _parse_pair(compare: str | None, names: tuple[str, ...]) -> tuple[str, str] | None:
    """Read the two models to compare, before any work is done."""
    if compare is None:
        return None
    pair = options.parse_names(compare)
    if len(set(pair)) != 2 or not set(pair) <= set(names):
        raise InvalidArgumentError("--compare", f"two of the models {','.join(names)}",
                                   repr(compare), "Pass for example relu,ar.")
    return pair[0], pair[1]


def _write(result: Any, output: Path | None, html: Path | None) -> None:
    """Write the files that are wanted."""
    if output is not None:
        files.write_table(result.predictions, output)
    if html is not None:
        result.to_html(html)
        files.say_written("Page", html)


def _print(result: Any, pair: tuple[str, str] | None, comparison: pd.DataFrame | None) -> None:
    """Print models by their errors, the lowest RMSE first, and then what else was asked for."""
    from relu_forecast.forecasting.evaluation.metrics import METRICS

    scores = result.scores().T.rename_axis("model").sort_values("rmse")
    of_points = [name for name, metric in METRICS.items() if metric.takes == "forecast"]
    print_table(scores[of_points].assign(seconds=result.seconds),
                "Errors over all cutoffs and steps, best RMSE first")
    if result.levels:
        print_table(scores.drop(columns=of_points), "Intervals: coverage is best at its level, the"
                                                    " others at their lowest")
    if pair is not None and comparison is not None:
        shown = comparison.reset_index().set_index("step").drop(columns=["h", "kernel"])
        print_table(shown, f"Diebold-Mariano by step: statistics below 0 favour {pair[0]} over"
                           f" {pair[1]}")
