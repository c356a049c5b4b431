"""The command path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document, print_table
from relu_forecast.cli.session import INTERRUPTED, UNFINISHED, progress, say, session
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it


def path_of_file(
    file: options.File,
    *,
    lags: Annotated[str, typer.Option(help="Samples that the network sees: how many, or which, "
                                           "such as 1,2,24.")] = "15",
    n_ratios: Annotated[int, typer.Option(help="Penalties, from beta_max down to 0.01 of "
                                               "it.")] = 20,
    ratios: Annotated[str | None, typer.Option(help="These shares of beta_max instead, such as "
                                                    "1,0.1.")] = None,
    tol: Annotated[float, typer.Option(help="Relative gap at which a training ends.")] = 0.01,
    skip_penalty: Annotated[float, typer.Option(help="Ridge on the linear part of the networks; "
                                                         "relu chooses one.")] = 0.0,
    transform: Annotated[str, typer.Option(help="last_value, standardize, difference or "
                                                "none.")] = "last_value",
    seed: Annotated[int, typer.Option(help="Of the search for activation patterns.")] = 0,
    stop: Annotated[bool, typer.Option(
        "--stop/--no-stop", help="End after the first network with as many weights as windows: "
                                 "those after it can fit noise, and take longest.")] = True,
    series: Annotated[str | None, typer.Option(help="Which series, where FILE has "
                                                    "several.")] = None,
    data: options.WeightedOptions,
    plot: Annotated[Path | None, typer.Option(help="Draw the path to this .png, .pdf or .svg "
                                                   "file.", rich_help_panel="Output")] = None,
    output: options.Rows = None,
    report: options.ReportOptions,
) -> None:
    """Train along decreasing penalties on FILE's windows: what the data deserve.

    Example: `relu-forecast path ecg.csv --lags 15 --n-ratios 20 --plot path.png`

    A row per penalty: its share of beta_max, the neurons of the best network, the objective, and
    the relative gap to a lower bound. Forecasters train at one of these (`--beta-ratio`); these
    networks forecast one step, as `--strategy recursive` does. Ctrl-C ends the path, and what there
    is of it is shown and written.
    """
    with session():
        files.check_writable(plot, "--plot", files.PICTURE_SUFFIXES)
        files.check_table_writable(output)
        rows = _chosen(files.Source(file, data).read(data.columns(), data.weight_col), series)
        name, X, y, weights = _windows(rows, options.parse_lags(lags),
                                       options.parse_transform(transform), **data.reading())
        shares = options.parse_numbers(ratios, "--ratios")
        with progress(n_ratios if shares is None else len(shares)) as announce:
            announce("Training along the path")
            path = package.regularization_path(
                X, y, ratios=shares, n_ratios=n_ratios, tol=tol, skip_penalty=skip_penalty,
                random_state=seed, sample_weight=weights, stop=stop,
                on_network=lambda share, network, certificate: announce(
                    f"after {share:.3g} of beta_max: {network.n_neurons} neurons, gap "
                    f"{certificate.gap:.1g}"))
        table = _table(path)
        _write(path, table, plot, output)
        if report.json:
            print_document({"command": "path", "unique_id": name, "n_windows": len(y), "tol": tol,
                            "beta_max": path.beta_max, "ended": path.ended,
                            "path": table.to_dict("records")})
        else:
            table.index = table["beta_ratio"].map("{:.4g}".format)
            print_table(table.drop(columns=["beta_ratio", "beta"]),
                        f"Best networks for {len(y):,} windows of {name}")
        if path.ended == "stopped":
            say("The path ends here: the last network has as many weights as there are windows, and"
                " further ones can fit noise. --no-stop goes on.")
    if path.ended == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if report.strict and (path.gaps > tol).any():
        raise typer.Exit(UNFINISHED)


def _chosen(data: pd.DataFrame, series: str | None) -> pd.DataFrame:
    """Return the rows of one series."""
    ids = data["unique_id"].astype(str)
    if series is None and ids.nunique() == 1:
        return data
    if series not in set(ids):
        listed = ", ".join(ids.unique()[:20])
        raise InvalidArgumentError("--series", f"one of those in the file, such as {listed}",
                                   str(series), "Pick one: a path is of one series.")
    return data[ids == series]


def _windows(rows: pd.DataFrame, lags: Any, transform: str | None, weight_col: str | None = None,
             **reading: Any) -> tuple[Any, Any, Any, Any]:
    """Return the name of a series, and what a forecaster trains on: windows, targets, weights."""
    from numpy import array

    from relu_forecast.forecasting.data.history import Covariates
    from relu_forecast.forecasting.data.panel import Columns, Reading
    from relu_forecast.forecasting.data.reading import read_panel
    from relu_forecast.forecasting.models.network import NetworkAutoregression
    from relu_forecast.validation import check_choice
    from relu_forecast.windows.transforms import TRANSFORMS

    check_choice(transform, "transform", tuple(TRANSFORMS))
    columns = Reading(Columns("unique_id", "ds", "y"), weight=weight_col, **reading)
    [series] = read_panel(rows, columns).series
    history = series.arrays(Covariates()).history(0, len(series))
    network = NetworkAutoregression(lags, "recursive", transform)
    inputs = network.inputs_of(history, 1)
    X, y = network.rows(inputs, history, 1, None)
    return series.unique_id, X, y, history.window_weights(inputs.length, array([1]))


def _table(path: Any) -> pd.DataFrame:
    """Return a row per penalty, the largest first."""
    from pandas import DataFrame

    return DataFrame({"beta_ratio": path.ratios, "beta": path.betas, "n_neurons": path.n_neurons,
                      "objective": path.objectives, "gap": path.gaps,
                      "scope": [certificate.scope for certificate in path.certificates]})


def _write(path: Any, table: pd.DataFrame, plot: Path | None, output: Path | None) -> None:
    """Write the files that are wanted."""
    if output is not None:
        files.write_table(table, output)
    if plot is not None:
        path.plot().savefig(plot, dpi=130)
        files.say_written("Picture", plot)
