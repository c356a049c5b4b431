"""The application, and its commands by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from relu_forecast.cli.backtest import backtest_file
from relu_forecast.cli.demo.command import demo
from relu_forecast.cli.explain import explain_file
from relu_forecast.cli.export import export_file
from relu_forecast.cli.fit import fit_file
from relu_forecast.cli.forecast import forecast_file
from relu_forecast.cli.options import with_options
from relu_forecast.cli.path import path_of_file
from relu_forecast.cli.report import report_file
from relu_forecast.cli.session import OUT
from relu_forecast.cli.watch.command import watch_file

_CODES = """Exit codes: 0, done; 1, an unexpected error, with a traceback; 2, unusable options or
data, with one message that says what to change; 3, done, but with `--strict` some training
stopped before its tolerance; 130, interrupted by Ctrl-C."""

# Tracebacks without local variables: these hold whole signals.
app = typer.Typer(name="relu-forecast", no_args_is_help=True, rich_markup_mode="markdown",
                  pretty_exceptions_show_locals=False, epilog=_CODES,
                  help="Forecast signals with ReLU networks trained by convex optimization, with a "
                       "lower bound.")
_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo, "fit": fit_file, "forecast": forecast_file, "backtest": backtest_file,
    "report": report_file, "path": path_of_file, "explain": explain_file,
    "export": export_file, "watch": watch_file}
for _name, _command in _COMMANDS.items():
    app.command(_name, epilog=_CODES)(with_options(_command))


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Forecast signals with ReLU networks trained by convex optimization, with a lower bound.

    Start with: `relu-forecast backtest signal.csv --models relu,ar,naive --horizon 10`
    """
    if version:
        from importlib.metadata import version as installed

        OUT.print(installed("relu_forecast"))
        raise typer.Exit
