"""The command forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import options
from relu_forecast.cli.documents import print_document, records
from relu_forecast.cli.files import (
    MODEL_SUFFIX,
    TABLES,
    Source,
    check_writable,
    print_rows,
    write_rows,
)
from relu_forecast.cli.fitting import fit_source
from relu_forecast.cli.models import option_of
from relu_forecast.cli.session import session, unfinished
from relu_forecast.exceptions import InvalidArgumentError


def forecast_file(
    file: Annotated[Path, typer.Argument(
        help=f"CSV or Parquet file with one or many series, or a {MODEL_SUFFIX} file of "
             "relu-forecast fit.")],
    horizon: options.Horizon = 10,
    level: options.Level = None,
    intervals: options.Intervals = None,
    future: Annotated[Path | None, typer.Option(
        help="File with the columns known ahead, at the times to forecast.")] = None,
    update: Annotated[Path | None, typer.Option(
        help="File with the samples that followed; the model is fitted to them too, starting "
             "from what it was.")] = None,
    model: Annotated[str | None, typer.Option(
        help="To fit to a file of series, see relu-forecast fit; by default relu.",
        rich_help_panel="Model")] = None,
    lags: options.Lags = None,
    beta_ratio: options.BetaRatio = None,
    skip_penalty: options.SkipPenalty = None,
    strategy: options.Strategy = None,
    transform: options.Transform = None,
    season_length: options.SeasonLength = None,
    seed: options.Seed = None,
    column: options.Column = None,
    time_col: options.TimeCol = None,
    id_col: options.IdCol = None,
    freq: options.Freq = None,
    missing: Annotated[str | None, typer.Option(
        help="error, the default, refuses missing values; interpolate fills them.",
        rich_help_panel="Data")] = None,
    future_exog: options.FutureExog = None,
    past_exog: options.PastExog = None,
    output: options.Rows = None,
    json: options.Json = False,
    strict: options.Strict = False,
) -> None:
    """Forecast the samples that follow a file of series, or those of a saved model.

    Example: `relu-forecast forecast load.safetensors --horizon 24 --level 80,95`

    Example: `relu-forecast forecast sales.csv --column value --time-col date --horizon 14`

    Prints CSV, unless there is `--output` or `--json`. Columns of `--future` and `--update` are
    named as in FILE; a file without times goes on where the model's samples end.
    """
    from relu_forecast.validation import check_positive_int  # with torch: --help does not wait

    with session(strict=strict) as caught:
        check_positive_int(horizon, "h", "Pass --horizon 1 or more.")
        check_writable(output, "--output", TABLES)
        levels = options.parse_numbers(level, "--level")
        method = options.parse_intervals(intervals, level)
        given = options.given_parameters(
            lags=lags, beta_ratio=beta_ratio, skip_penalty=skip_penalty, strategy=strategy,
            transform=transform, season_length=season_length, seed=seed,
            future_exog=future_exog, past_exog=past_exog)
        source = Source(file, column, time_col, id_col)
        forecaster = _forecaster(source, model, given, freq, missing)
        if update is not None:
            _update(forecaster, replace(source, file=update))
        ahead = None if future is None else replace(source, file=future).read_ahead(
            forecaster.panel_, _names(forecaster, "future_exog"))
        rows = forecaster.predict(horizon, level=levels, intervals=method, future=ahead)
        if output is not None:
            write_rows(rows, output)
        if json:
            print_document({
                "command": "forecast", "model": forecaster.alias, "horizon": horizon,
                "levels": levels or [], "forecasts": records(rows),
                "warnings": unfinished(caught)})
        elif output is None:
            print_rows(rows)


def _forecaster(
    source: Source, model: str | None, given: Mapping[str, Any], freq: str | None,
    missing: str | None,
) -> Any:
    """Return the model in a file, or one that is fitted to it."""
    if source.file.suffix.lower() != MODEL_SUFFIX:
        return fit_source(source, model or "relu", given, freq, missing or "error", None)
    _refuse_fitting({**given, "model": model, "freq": freq, "missing": missing})
    return package.load_forecaster(source.file)


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
