"""The command line: what a person types; it computes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

from relu_forecast import baselines
from relu_forecast.datasets import read_series
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Forecaster, ForecastError, ReLUForecaster, backtest
from relu_forecast.validation import check_positive_int

app = typer.Typer(
    name="relu-forecast", no_args_is_help=True, rich_markup_mode="markdown",
    help="Forecast signals with ReLU networks trained to a certified global optimum.")
_out = Console()
_err = Console(stderr=True)

_MODELS: dict[str, Callable[[int, int, float], Forecaster]] = {
    "relu": lambda lags, season, ratio: ReLUForecaster(lags, beta_ratio=ratio),
    "ar": lambda lags, season, ratio: baselines.LinearAR(lags),
    "ridge": lambda lags, season, ratio: baselines.RidgeAR(lags),
    "lasso": lambda lags, season, ratio: baselines.LassoAR(lags),
    "autoreg": lambda lags, season, ratio: baselines.AutoReg(lags),
    "naive": lambda lags, season, ratio: baselines.Naive(),
    "seasonal": lambda lags, season, ratio: baselines.SeasonalNaive(season),
    "drift": lambda lags, season, ratio: baselines.Drift(),
    "adam": lambda lags, season, ratio: baselines.NonconvexNetwork(
        lags, "adam", beta_ratio=ratio),
    "sgd": lambda lags, season, ratio: baselines.NonconvexNetwork(
        lags, "sgd", beta_ratio=ratio),
    "lbfgs": lambda lags, season, ratio: baselines.NonconvexNetwork(
        lags, "lbfgs", beta_ratio=ratio),
}

File = Annotated[Path, typer.Argument(help="CSV or Parquet file with one or many series.")]
Column = Annotated[str | None, typer.Option(help="Column of values; by default y, or the only "
                                                 "numeric one.")]
TimeCol = Annotated[str | None, typer.Option(help="Column of times; by default ds, or the row "
                                                  "number.")]
IdCol = Annotated[str | None, typer.Option(help="Column that names the series; by default "
                                                "unique_id, or one series.")]
Horizon = Annotated[int, typer.Option("--horizon", "-h", help="Samples to forecast.")]
Lags = Annotated[int, typer.Option(help="Samples that a model sees.")]
Ratio = Annotated[float, typer.Option(help="Penalty of the networks as a share of beta_max.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write the rows to this CSV "
                                                                    "file.")]


@contextmanager
def _clean_errors() -> Iterator[None]:
    """Turn the errors that a person can mend into one message and exit code 2."""
    try:
        yield
    except (InvalidArgumentError, ForecastError, OSError) as error:
        _err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Forecast signals with ReLU networks trained to a certified global optimum."""
    if version:
        from importlib.metadata import version as installed

        _out.print(installed("relu_forecast"))
        raise typer.Exit


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures and "
                                                                "tables.")] = Path("demo_output"),
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the work, to see that it "
                                                        "runs.")] = False,
) -> None:
    """Train on the shipped ECG, walk forward against every baseline, and draw the results.

    Example: `relu-forecast demo --output demo_output`
    """
    from relu_forecast import report

    with _clean_errors():
        output.mkdir(parents=True, exist_ok=True)
        with _progress(len(report.STAGES)) as announce:
            experiment = report.run_experiment(report.QUICK if quick else report.Setup(), announce)
        report.save_results(experiment, output)
        _save_pictures(experiment, output)
    for table in report.experiment_tables(experiment):
        _out.print(table)
    _out.print(report.certificate_in_words(experiment.certificate))
    _out.print(f"Pictures and tables are in {escape(str(output.resolve()))}", soft_wrap=True)


def _save_pictures(experiment: Any, output: Path) -> None:
    """Draw the demo's four pictures."""
    from relu_forecast import plots, report

    shown = [report.CONVEX, report.LINEAR, "Adam", "SGD"]
    fit = experiment.training_fit[["ECG", *shown]]
    figures = {
        "training_fit.png": plots.plot_one_step(fit, "Training fit, one step ahead"),
        "one_step_forecasts.png": plots.plot_one_step(
            experiment.one_step(shown), "One-step forecasts of unseen samples"),
        "multi_step_forecasts.png": plots.plot_backtest(
            experiment.backtest, shown, unit="mV"),
        "training_objective.png": plots.plot_trainings(
            experiment.networks, experiment.certificate),
    }
    for name, figure in figures.items():
        figure.savefig(output / name, dpi=130)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show stages with a spinner on a terminal; say nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    done = 0

    def announce(stage: str) -> None:
        nonlocal done
        done += 1
        status.update(f"[{done}/{total}] {stage} ...")

    with _err.status("Starting ...") as status:
        yield announce


@app.command("forecast")
def forecast_file(
    file: File,
    horizon: Horizon = 10,
    model: Annotated[str, typer.Option(help=f"One of {', '.join(_MODELS)}.")] = "relu",
    lags: Lags = 15,
    column: Column = None,
    time_col: TimeCol = None,
    id_col: IdCol = None,
    beta_ratio: Ratio = 0.03,
    season_length: Annotated[int, typer.Option(help="Season of the seasonal naive model.")] = 1,
    output: Output = None,
) -> None:
    """Fit one model on FILE and forecast the samples that follow.

    Example: `relu-forecast forecast sales.csv --column value --time-col date --horizon 14`
    """
    with _clean_errors():
        check_positive_int(horizon, "h", "Pass --horizon 1 or more.")
        _check_folder(output)
        data = read_series(file, column=column, time_col=time_col, id_col=id_col)
        forecaster = _choose([model], lags, season_length, beta_ratio)[model]
        with _progress(1) as announce:
            announce("Fitting")
            forecaster.fit(data)
        rows = forecaster.predict(horizon)
        _deliver(rows, output)


@app.command("backtest")
def backtest_file(
    file: File,
    horizon: Horizon = 10,
    models: Annotated[str, typer.Option(
        help=f"Comma-separated, from {', '.join(_MODELS)}.")] = "relu,ar,ridge,naive",
    lags: Lags = 15,
    column: Column = None,
    time_col: TimeCol = None,
    id_col: IdCol = None,
    n_windows: Annotated[int | None, typer.Option(help="Cutoffs per series; by default the "
                                                       "second half's.")] = None,
    step_size: Annotated[int | None, typer.Option(help="Samples between cutoffs; by default the "
                                                       "horizon.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Train on a sliding window of this many "
                                                        "samples; by default on all.")] = None,
    refit: Annotated[str, typer.Option(help="true, false, or k: refit at every k-th "
                                            "cutoff.")] = "false",
    beta_ratio: Ratio = 0.03,
    season_length: Annotated[int, typer.Option(help="Season of the seasonal naive model and of "
                                                    "the scaled errors.")] = 1,
    output: Output = None,
) -> None:
    """Walk models forward through FILE and compare their errors.

    Example: `relu-forecast backtest ecg.csv --horizon 10 --models relu,ar,adam --n-windows 200`
    """
    with _clean_errors():
        _check_folder(output)
        data = read_series(file, column=column, time_col=time_col, id_col=id_col)
        chosen = _choose([name.strip() for name in models.split(",")], lags, season_length,
                         beta_ratio)
        result = backtest(
            chosen, data, horizon, n_windows=n_windows, step_size=step_size,
            input_size=input_size, refit=_parse_refit(refit), season_length=season_length,
            verbose=True)
        _print_scores(result.scores().T, result.seconds)
        if output is not None:
            result.predictions.to_csv(output, index=False)


def _choose(
    names: list[str], lags: int, season_length: int, beta_ratio: float
) -> dict[str, Forecaster]:
    """Return the models by name."""
    unknown = [name for name in names if name not in _MODELS]
    if unknown:
        raise InvalidArgumentError("models", f"from {', '.join(_MODELS)}", ", ".join(unknown),
                                   "Pick some of these, separated by commas.")
    return {name: _MODELS[name](lags, season_length, beta_ratio) for name in names}


def _check_folder(output: Path | None) -> None:
    """Refuse a file in a folder that is not there, before any work is done."""
    if output is not None and not output.parent.is_dir():
        raise InvalidArgumentError("--output", "a file in an existing folder", repr(str(output)),
                                   "Create the folder first, or name another.")


def _parse_refit(text: str) -> bool | int:
    """Read true, false or a whole number."""
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if text.isdigit() and int(text) >= 1:
        return int(text)
    raise InvalidArgumentError("--refit", "true, false or a whole number >= 1", repr(text),
                               "Pass for example --refit 10.")


def _print_scores(scores: pd.DataFrame, seconds: pd.Series) -> None:
    """Print models by their errors, the lowest RMSE first."""
    from relu_forecast import report

    frame = scores.assign(seconds=seconds).sort_values("rmse")
    _out.print(report.table(frame, "Errors over all cutoffs and steps, best RMSE first",
                            ["model", *frame.columns], [".4g"] * frame.shape[1]))


def _deliver(rows: pd.DataFrame, output: Path | None) -> None:
    """Write rows as CSV to a file, or to standard output."""
    if output is None:
        sys.stdout.write(rows.to_csv(index=False))
    else:
        rows.to_csv(output, index=False)
        _err.print(f"{len(rows)} rows written to {escape(str(output))}", soft_wrap=True)
