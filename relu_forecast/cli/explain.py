"""The command explain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document
from relu_forecast.cli.session import session
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it

TABLES = ("steps", "contributions", "coefficients", "neurons", "filters", "heads", "responses",
          "regions")
_OF_A_FORECAST = TABLES[:3]
_PICTURES = ("steps", "coefficients", "neurons")


def explain_file(
    file: Annotated[Path, typer.Argument(
        help=f"A {files.MODEL_SUFFIX} file of relu-forecast fit.")],
    what: Annotated[str, typer.Option(
        help=f"One of {', '.join(TABLES)}; by default steps.")] = "steps",
    horizon: Annotated[int | None, typer.Option(
        "--horizon", "-h", help="Steps ahead to explain; by default those that the model was "
                                "fitted for.")] = None,
    *,
    series: Annotated[str | None, typer.Option(
        help="Which series, where the model has several.")] = None,
    member: Annotated[str | None, typer.Option(
        help="Which member of a committee, for neurons and regions; by default the network of "
             "most weight.")] = None,
    step: Annotated[int, typer.Option(
        help="Which network of --strategy direct, for neurons and regions.")] = 1,
    future: Annotated[Path | None, typer.Option(
        help="File with the columns known ahead, at the times to forecast.")] = None,
    data: options.SeriesOptions,
    plot: Annotated[Path | None, typer.Option(
        help="Draw steps, coefficients or neurons to this .png, .pdf or .svg file.",
        rich_help_panel="Output")] = None,
    output: options.Rows = None,
    json: Annotated[bool, typer.Option(
        "--json", help="Print one JSON document, for scripts.", rich_help_panel="Output")] = False,
) -> None:
    """Say what a fitted model is: what its forecasts are sums of, and what its neurons look for.

    Example: `relu-forecast explain load.safetensors --plot why.png`

    Example: `relu-forecast explain load.safetensors --what neurons`

    A network is linear piece by piece, so nothing is approximated. `steps` has a row for each step
    ahead: where the forecast starts, and what linear parts, neurons and analogs add; they sum up to
    it. `contributions` has one for each neuron, `coefficients` the autoregression that each
    forecast is. `neurons` says how often each fires and how much larger the errors would be
    without it, `filters`, `responses` and `heads` what it looks for and what it then says;
    `regions` at which times which fire. Prints CSV, unless there is `--output` or `--json`.
    """
    with session():
        if what not in TABLES:
            raise InvalidArgumentError(
                "--what", f"one of {', '.join(TABLES)}", repr(what), "Pick one of these.")
        files.check_writable(plot, "--plot", files.PICTURE_SUFFIXES)
        files.check_table_writable(output)
        if plot is not None and what not in _PICTURES:
            raise InvalidArgumentError(
                "--plot", f"left out, or with --what {', '.join(_PICTURES)}", f"--what {what}",
                "There is no picture of this table.")
        rows, picture = _told(file, what, horizon, series, member, step, future, data)
        if plot is not None:
            picture().savefig(plot, dpi=130)
            files.say_written("Picture", plot)
        if output is not None:
            files.write_table(rows, output)
        if json:
            print_document({"command": "explain", "what": what, "rows": rows.to_dict("records")})
        elif output is None and plot is None:
            sys.stdout.write(rows.to_csv(index=False))


def _told(file: Path, what: str, horizon: int | None, series: str | None, member: str | None,
          step: int, future: Path | None, data: options.SeriesOptions) -> tuple[pd.DataFrame, Any]:
    """Return a table, and what draws it."""
    forecaster: Any = package.load_forecaster(file)
    ids = [one.unique_id for one in forecaster.panel_.series]
    chosen = next((one for one in ids if str(one) == series), series)
    if future is None or what not in _OF_A_FORECAST:
        data.refuse_layout("--future")
    if what in _OF_A_FORECAST:
        source = None if future is None else files.Source(
            future, data.or_noted(forecaster.notes_))
        ahead = None if source is None else source.read_ahead(
            forecaster.panel_, tuple(forecaster.future_exog))
        told = package.explain.forecast(forecaster, horizon, unique_id=chosen, future=ahead)
        rows: pd.DataFrame = getattr(told, what)
        return rows, lambda: _drawn(told, what)
    if what == "regions":
        return package.explain.regions(
            forecaster, unique_id=chosen, member=member, step=step), None
    atlas = package.explain.neurons(forecaster, unique_id=chosen, member=member, step=step)
    return getattr(atlas, "summary" if what == "neurons" else what), atlas.plot


def _drawn(told: Any, what: str) -> Any:
    """Return the picture of an explained forecast."""
    if what == "steps":
        return told.plot().figure
    return package.plots.plot_autoregression(told.coefficients).figure
