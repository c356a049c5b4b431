"""The command backtest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document, print_table
from relu_forecast.cli.models import MODELS, build_models, check_names
from relu_forecast.cli.session import Warned, progress, session, unfinished
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it


def backtest_file(
    file: options.File,
    horizon: options.Horizon = 10,
    *,
    models: Annotated[str, typer.Option(
        help=f"Comma-separated, from {', '.join(MODELS)}.", rich_help_panel="Model",
    )] = "relu,ar,ridge,naive",
    n_windows: Annotated[int | None, typer.Option(help="Cutoffs per series; by default the "
                                                       "second half's.")] = None,
    step_size: Annotated[int | None, typer.Option(help="Samples between cutoffs; by default the "
                                                       "horizon.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Train on a sliding window of this many "
                                                        "samples; by default on all.")] = None,
    gap: Annotated[int, typer.Option(help="Samples left out between a cutoff and the first one "
                                          "that is forecast.")] = 0,
    refit: Annotated[str, typer.Option(help="true, false, or k: refit at every k-th "
                                            "cutoff.")] = "false",
    bands: options.IntervalOptions,
    compare: Annotated[str | None, typer.Option(help="Two models, such as relu,ar: test whether "
                                                     "they are equally accurate "
                                                     "(Diebold-Mariano).")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="File that keeps what is done: after an "
                                                         "interruption the same command goes "
                                                         "on.")] = None,
    n_jobs: options.NJobs = None,
    parameters: options.ModelOptions,
    data: options.DataOptions,
    output: options.Rows = None,
    html: Annotated[Path | None, typer.Option(help="Write scores and pictures to this .html "
                                                   "file.", rich_help_panel="Output")] = None,
    report: options.ReportOptions,
) -> None:
    """Walk models forward through FILE and compare their errors.

    Example: `relu-forecast backtest ecg.csv --horizon 10 --models relu,ar,adam --n-windows 200`

    Example: `relu-forecast backtest load.csv --models relu,ets,theta --season-length 24 --refit
    10 --level 80,95 --compare relu,ets --checkpoint run.ckpt --n-jobs 2 --html report.html`

    Options of models go to those that have them. MASE and RMSSE are scaled by the seasonal naive
    forecast of `--season-length`.
    """
    kept = ("Nothing is kept; with --checkpoint FILE, what is done would be." if checkpoint is None
            else f"{checkpoint} keeps what is done: the same command goes on from there.")
    with session(strict=report.strict, kept=kept) as caught:
        files.check_table_writable(output)
        files.check_writable(html, "--html", (".html", ".htm"))
        names = options.parse_names(models)
        pair = _parse_pair(compare, names)
        given = {**parameters.parameters(), **data.covariates()}
        check_names(names, given)
        rows = files.Source(file, data).read(data.columns(), data.weight_col)  # before torch
        with progress() as announce:
            announce("Backtesting")
            result = package.backtest(
                build_models(names, given, shared=["season_length"]), rows, horizon,
                n_windows=n_windows, step_size=step_size, input_size=input_size, gap=gap,
                refit=options.parse_refit(refit),
                season_length=given.get("season_length", 1), n_jobs=n_jobs, verbose=True,
                checkpoint=checkpoint, **bands.parse(), **data.reading())
        comparison = None if pair is None else result.compare(*pair)
        _write(result, output, html)
        if report.json:
            print_document(_document(result, pair, comparison, caught))
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


def _document(result: Any, pair: tuple[str, str] | None, comparison: pd.DataFrame | None,
              caught: Warned) -> dict[str, Any]:
    """Return scores by model and metric, and the comparison, for JSON."""
    scores = result.scores()
    return {"command": "backtest", "models": list(result.models), "levels": list(result.levels),
            "step_size": result.step_size, "gap": result.gap,
            "n_cutoffs": len(result.predictions[["unique_id", "cutoff"]].drop_duplicates()),
            "scores": {model: scores[model].to_dict() for model in result.models},
            "seconds": result.seconds.to_dict(), "warnings": unfinished(caught),
            "comparison": None if comparison is None else {
                "models": pair, "metric": "squared",
                "tests": comparison.reset_index().to_dict("records")}}


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
