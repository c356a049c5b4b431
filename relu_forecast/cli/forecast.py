"""The command forecast."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document
from relu_forecast.cli.fit import fit_source
from relu_forecast.cli.models import option_of
from relu_forecast.cli.session import progress, session, unfinished
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it

_USUAL_HORIZON = 10
"""Samples to forecast where nothing says how many."""
_MOST_DRAWN = 10
"""Series in a picture."""


def forecast_file(
    file: Annotated[Path, typer.Argument(
        help=f"CSV or Parquet file with one or many series, or a {files.MODEL_SUFFIX} file of "
             "relu-forecast fit.")],
    horizon: Annotated[int | None, typer.Option(
        "--horizon", "-h", help="Samples to forecast; by default those that a saved model was "
                                "fitted for, else 10.")] = None,
    *,
    bands: options.IntervalOptions,
    future: Annotated[Path | None, typer.Option(
        help="File with the columns known ahead, at the times to forecast.")] = None,
    update: Annotated[Path | None, typer.Option(
        help="File with the samples that followed; the model is fitted to them too, starting "
             "from what it was.")] = None,
    model: Annotated[str | None, typer.Option(
        help="To fit to a file of series, see relu-forecast fit; by default relu.",
        rich_help_panel="Model")] = None,
    parameters: options.ModelOptions,
    data: options.DataOptions,
    output: options.Rows = None,
    plot: Annotated[Path | None, typer.Option(
        help="Draw the recent past, forecasts and intervals, of ten series at most, to this .png, "
             ".pdf or .svg file.",
        rich_help_panel="Output")] = None,
    report: options.ReportOptions,
) -> None:
    """Forecast the samples that follow a file of series, or those of a saved model.

    Example: `relu-forecast forecast load.safetensors --horizon 24 --level 80,95`

    Example: `relu-forecast forecast sales.csv --column value --time-col date --horizon 14`

    Example: `relu-forecast forecast load.safetensors --update new.csv --plot load.png`

    Prints CSV, unless there is `--output` or `--json`. Files of `--future` and `--update` are read
    as FILE was, a saved model's as `relu-forecast fit` was told, unless options say otherwise; a
    file without times goes on where the model's samples end.
    """
    with session(strict=report.strict) as caught:
        if horizon is not None and horizon < 1:
            raise InvalidArgumentError(
                "h", "an integer >= 1", str(horizon), "Pass --horizon 1 or more.")
        files.check_table_writable(output)
        files.check_writable(plot, "--plot", files.PICTURE_SUFFIXES)
        for other in (update, future):
            if other is not None:
                files.Source(other, data).check()
        wanted = bands.parse()
        levels = wanted["level"]
        if file.suffix.lower() == files.MODEL_SUFFIX:
            forecaster = _load(file, model, parameters, data, bands.intervals)
            if update is None and future is None:
                data.refuse_layout("--update or --future")
            data = data.or_noted(forecaster.notes_)
        else:
            forecaster = fit_source(file, model or "relu", parameters, data,
                                    horizon=horizon or _USUAL_HORIZON,
                                    intervals=None if levels is None else wanted["intervals"])
        from relu_forecast.datasets.tables import plain_times  # with pandas

        if update is not None:
            weight = forecaster.panel_.reading.weight
            names = (*_names(forecaster, "future_exog"), *_names(forecaster, "past_exog"),
                     *(() if weight is None else (weight,)))
            after = files.Source(update, data).read_after(forecaster.panel_, names)
            with progress() as announce:
                announce("Fitting to the new samples")
                forecaster.update(after)
        ahead = None if future is None else files.Source(future, data).read_ahead(
            forecaster.panel_, _names(forecaster, "future_exog"))
        steps = horizon or forecaster.horizon_ or _USUAL_HORIZON
        rows = plain_times(forecaster.predict(steps, future=ahead, level=levels))
        if output is not None:
            files.write_table(rows, output)
        if plot is not None:
            _draw(forecaster, rows, levels or [], plot)
        if report.json:
            print_document({"command": "forecast", "model": forecaster.alias,
                            "horizon": steps, "levels": levels or [],
                            "forecasts": rows.to_dict("records"), "warnings": unfinished(caught)})
        elif output is None:
            sys.stdout.write(rows.to_csv(index=False))


def _load(file: Path, model: str | None, parameters: options.ModelOptions,
          data: options.DataOptions, intervals: str | None) -> Any:
    """Return the model in a file; refuse options that only a fit has a use for."""
    given = {**parameters.parameters(), **data.covariates(), "model": model, "freq": data.freq,
             "missing": data.missing, "weight_col": data.weight_col, "intervals": intervals}
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                option_of(name), "left out for a saved model, which is fitted already",
                str(value), "Leave it out, or run relu-forecast fit with it.")
    return package.load_forecaster(file)


def _draw(forecaster: Any, rows: pd.DataFrame, levels: Sequence[float], plot: Path) -> None:
    """Draw the forecasts of the first series below each other."""
    from matplotlib.figure import Figure
    from pandas import Series

    from relu_forecast.plots import plot_forecast

    series = forecaster.panel_.series[:_MOST_DRAWN]
    figure = Figure(figsize=(9, 1 + 3 * len(series)), layout="constrained")
    for ax, one in zip(figure.subplots(len(series), 1, squeeze=False)[:, 0], series, strict=True):
        plot_forecast(
            Series(one.values, index=one.times, name=str(one.unique_id)),
            rows[(rows["unique_id"] == one.unique_id).to_numpy()].set_index("ds"),
            alias=forecaster.alias, levels=levels, ax=ax)
    figure.savefig(plot, dpi=130)
    files.say_written("Picture", plot)


def _names(forecaster: Any, parameter: str) -> tuple[str, ...]:
    """Return the columns that a model uses; some models have no such parameter."""
    return tuple(getattr(forecaster, parameter, ()))
