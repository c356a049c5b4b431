"""The command forecast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import options
from relu_forecast.cli.documents import print_document, records
from relu_forecast.cli.files import (
    MODEL_SUFFIX,
    Source,
    check_table_writable,
    print_rows,
    write_table,
)
from relu_forecast.cli.fit import fit_source
from relu_forecast.cli.models import option_of
from relu_forecast.cli.session import session, unfinished
from relu_forecast.exceptions import InvalidArgumentError


def forecast_file(
    file: Annotated[Path, typer.Argument(
        help=f"CSV or Parquet file with one or many series, or a {MODEL_SUFFIX} file of "
             "relu-forecast fit.")],
    horizon: Annotated[int | None, typer.Option(
        "--horizon", "-h", help="Samples to forecast; by default 10, or those that a saved model "
                                "was fitted for.")] = None,
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
    report: options.ReportOptions,
) -> None:
    """Forecast the samples that follow a file of series, or those of a saved model.

    Example: `relu-forecast forecast load.safetensors --horizon 24 --level 80,95`

    Example: `relu-forecast forecast sales.csv --column value --time-col date --horizon 14`

    Prints CSV, unless there is `--output` or `--json`. Columns of `--future` and `--update` are
    named as in FILE; a file without times goes on where the model's samples end.
    """
    with session(strict=report.strict) as caught:
        _check_horizon(horizon)
        check_table_writable(output)
        levels = bands.parse()["level"]
        forecaster = _forecaster(file, model, parameters, data, horizon, bands)
        if update is not None:
            _update(forecaster, Source(update, data))
        ahead = None if future is None else Source(future, data).read_ahead(
            forecaster.panel_, _names(forecaster, "future_exog"))
        rows = forecaster.predict(horizon, future=ahead, level=levels)
        if output is not None:
            write_table(rows, output)
        if report.json:
            print_document({
                "command": "forecast", "model": forecaster.alias,
                "horizon": horizon or forecaster.horizon_,
                "levels": levels or [], "forecasts": records(rows),
                "warnings": unfinished(caught)})
        elif output is None:
            print_rows(rows)


def _check_horizon(horizon: int | None) -> None:
    """Refuse a horizon below 1."""
    if horizon is not None and horizon < 1:
        raise InvalidArgumentError(
            "h", "an integer >= 1", str(horizon), "Pass --horizon 1 or more.")


def _forecaster(
    file: Path, model: str | None, parameters: options.ModelOptions, data: options.DataOptions,
    horizon: int | None, bands: options.IntervalOptions,
) -> Any:
    """Return the model in a file, or one that is fitted to it."""
    if file.suffix.lower() != MODEL_SUFFIX:
        wanted = bands.parse()
        return fit_source(
            file, model or "relu", parameters, data, horizon=horizon or 10,
            intervals=None if wanted["level"] is None else wanted["intervals"])
    _refuse_fitting({**parameters.parameters(), **data.covariates(), "model": model,
                     "freq": data.freq, "missing": data.missing, "intervals": bands.intervals})
    return package.load_forecaster(file)


def _update(forecaster: Any, source: Source) -> None:
    """Fit a model to the samples that followed, too."""
    names = (*_names(forecaster, "future_exog"), *_names(forecaster, "past_exog"))
    forecaster.update(source.read_after(forecaster.panel_, names))


def _names(forecaster: Any, parameter: str) -> tuple[str, ...]:
    """Return the columns that a model uses; some models have no such parameter."""
    return tuple(getattr(forecaster, parameter, ()))


def _refuse_fitting(given: Mapping[str, Any]) -> None:
    """Refuse options of a fit for a model that is fitted."""
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                option_of(name), "left out for a saved model, which is fitted already",
                str(value), "Leave it out, or run relu-forecast fit with it.")
