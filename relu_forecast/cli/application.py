"""The application, and its commands by name."""

from __future__ import annotations

from typing import Annotated

import typer

from relu_forecast.cli.backtesting import backtest_file
from relu_forecast.cli.demo.command import demo
from relu_forecast.cli.fitting import fit_file
from relu_forecast.cli.forecasts import forecast_file
from relu_forecast.cli.paths import path_of_file
from relu_forecast.cli.session import OUT

_CODES = """Exit codes: 0, done; 1, an unexpected error, with a traceback; 2, unusable options or
data, with one message that says what to change; 3, done, but with `--strict` some training
stopped before its tolerance; 130, interrupted by Ctrl-C."""

# Tracebacks without local variables: these hold whole signals.
app = typer.Typer(
    name="relu-forecast", no_args_is_help=True, rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False, epilog=_CODES,
    help="Forecast signals with ReLU networks trained to a certified global optimum.")
app.command("demo", epilog=_CODES)(demo)
app.command("fit", epilog=_CODES)(fit_file)
app.command("forecast", epilog=_CODES)(forecast_file)
app.command("backtest", epilog=_CODES)(backtest_file)
app.command("path", epilog=_CODES)(path_of_file)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Forecast signals with ReLU networks trained to a certified global optimum.

    Start with: `relu-forecast backtest signal.csv --models relu,ar,naive --horizon 10`
    """
    if version:
        from importlib.metadata import version as installed

        OUT.print(installed("relu_forecast"))
        raise typer.Exit
