"""Options that commands share: each set is declared once, and read here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial, wraps
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from relu_forecast.cli.models import MODELS
from relu_forecast.datasets.layout import TableLayout
from relu_forecast.exceptions import InvalidArgumentError

_data, _model, _output = (partial(typer.Option, rich_help_panel=panel)
                          for panel in ("Data", "Model", "Output"))
_Layout = TypeVar("_Layout", bound="LayoutOptions")
_file = partial(typer.Option, rich_help_panel="How the file is written")

File = Annotated[Path, typer.Argument(help="CSV or Parquet file with one or many series.")]
Model = Annotated[str, _model(help=f"One of {', '.join(MODELS)}.")]
Horizon = Annotated[int, typer.Option("--horizon", "-h", help="Samples to forecast.")]
NJobs = Annotated[int | None, typer.Option(
    help="Workers, by default 1; -1 for all cores. The results do not depend on it.")]
Rows = Annotated[Path | None, _output(
    "--output", "-o", help="Write the rows to this .csv or .parquet file.")]


@dataclass(frozen=True)
class ModelOptions:
    """Parameters of models; what is not given keeps the model's default."""

    lags: Annotated[str | None, _model(
        help="Samples that a model sees: how many, or which, such as 1,2,24; or auto, windows of "
             "many lengths. By default auto for relu, 60 for analogs, 15 for ar, ridge, lasso, "
             "nlinear, autoreg, boosting, adam, sgd and lbfgs.")] = None
    beta_ratio: Annotated[str | None, _model(
        help="Penalty of networks as a share of beta_max, from which on they have no neuron. For "
             "relu by default cv: one or two for each window of a committee; with --lags, the one "
             "of the least errors on the last 30 percent of the samples. By default 0.03 for adam, "
             "sgd and lbfgs.")] = None
    skip_penalty: Annotated[float | None, _model(
        help="Ridge on the linear part of relu's networks; by default the one of the least "
             "leave-one-out errors of the linear part alone.")] = None
    strategy: Annotated[str | None, _model(
        help="joint has one model with an output per step, recursive feeds forecasts back, direct "
             "trains a model per step. By default joint for relu, recursive for ar, ridge, lasso, "
             "boosting, adam, sgd and lbfgs.")] = None
    transform: Annotated[str | None, _model(
        help="last_value, standardize, difference or none; analogs takes last_value or none. By "
             "default last_value for relu, ar, ridge, lasso, analogs, boosting, adam, sgd and "
             "lbfgs.")] = None
    committee: Annotated[bool | None, _model(
        "--committee/--no-committee", help="Whether relu mixes many models, the default with "
                                           "--lags auto, or keeps the best.")] = None
    scope: Annotated[str | None, _model(
        help="local trains on each series alone, by default local for relu; global has relu train "
             "one network on all of them, with --lags.")] = None
    neighbours: Annotated[int | None, _model(
        help="Past windows that are averaged; by default 5 for analogs.")] = None
    season_length: Annotated[int | None, _model(
        help="Samples in a season; seasonal needs it. By default none for autoreg, arima, ets and "
             "theta.")] = None
    seed: Annotated[int | None, _model(
        help="Of searches and samples; by default 0 for relu, boosting, adam, sgd and "
             "lbfgs.")] = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that are given, under the names that models have."""
        ratio = None if self.beta_ratio is None else parse_ratio(self.beta_ratio)
        lags = None if self.lags is None else parse_lags(self.lags)
        given = _given(lags=lags, committee=self.committee, skip_penalty=self.skip_penalty,
                       strategy=self.strategy, scope=self.scope, k=self.neighbours,
                       season_length=self.season_length, random_state=self.seed,
                       beta_ratio=ratio)
        if self.transform is not None:
            given["transform"] = parse_transform(self.transform)
        return given


@dataclass(frozen=True)
class LayoutOptions:
    """Where the values and times of a file's series are, and how they are written."""

    column: Annotated[str | None, _data(
        help="Column of values; by default y, or the only numeric one.")] = None
    time_col: Annotated[str | None, _data(
        help="Column of times; by default ds, or else timestamp, datetime, date or time, or else "
             "the row number, as with ''.")] = None
    id_col: Annotated[str | None, _data(
        help="Column that names the series; by default unique_id, or one series.")] = None
    sep: Annotated[str | None, _file(
        help="Character between columns, or tab; by default a comma, with --decimal , a "
             "semicolon.")] = None
    decimal: Annotated[str | None, _file(
        help="What decimals follow, . or ,; by default a point.")] = None
    comment: Annotated[str | None, _file(
        help="What begins lines to leave out; by default #, above the names only; '' leaves out "
             "none.")] = None
    date_format: Annotated[str | None, _file(
        help="How times are written, such as '%d.%m.%Y %H:%M'; by default as "
             "2026-01-31 12:00.")] = None
    tz: Annotated[str | None, _file(
        help="Zone of the times, such as Europe/Berlin: clocks there may change.")] = None

    def noted(self) -> dict[str, str]:
        """Return what says where things are in a file, and how it is written, where given."""
        return {name: text for name in self._noted if (text := getattr(self, name)) is not None}

    def or_noted(self: _Layout, notes: Mapping[str, str]) -> _Layout:
        """Return the options with what was `noted` before in place of what is not given."""
        known = {name: text for name, text in notes.items() if name in self._noted}
        return replace(self, **{**known, **self.noted()})

    @property
    def _noted(self) -> list[str]:
        """The options that a model remembers for further files."""
        return [field.name for field in fields(self) if field.name in _NOTED]

    def refuse_layout(self, others: str) -> None:
        """Refuse what says where things are in a file, where a saved model alone is read."""
        for name, text in self.noted().items():
            raise InvalidArgumentError(
                f"--{name.replace('_', '-')}",
                "left out where no file of series is read, but a saved model alone", repr(text),
                f"Leave it out, or add {others} and a file.")

    def layout(self) -> TableLayout:
        """Return how the file is laid out."""
        return TableLayout(self.time_col, self.id_col, self.sep, self.decimal or ".", self.comment,
                           self.date_format, self.tz)


@dataclass(frozen=True)
class SeriesOptions(LayoutOptions):
    """The options of `LayoutOptions`, and what is made of the samples of a whole file."""

    freq: Annotated[str | None, _data(
        help="Time between samples: a number, or as pandas writes it, such as 1h or MS; by "
             "default what the times show.")] = None
    missing: Annotated[str | None, _data(
        help="error, the default, refuses missing values; interpolate fills them; "
             "skip leaves windows that have some out of training.")] = None
    regular: Annotated[str | None, _file(
        help="Time between samples, such as 1h: rows that are absent become missing values, for "
             "--missing interpolate or skip.")] = None
    thousands: Annotated[str | None, _file(
        help="What is between groups of three digits: . , ' _ or a space; by default "
             "nothing.")] = None
    encoding: Annotated[str | None, _file(
        help="How characters are written, such as cp1252 or utf-16; by default UTF-8.")] = None

    def layout(self) -> TableLayout:
        """Return how the file is laid out, its grid, and what is particular to files."""
        return replace(super().layout(), regular=parse_freq(self.regular),
                       thousands=self.thousands, encoding=self.encoding)

    def reading(self) -> dict[str, Any]:
        """Return the parameters of `Forecaster.fit` and `backtest` that say how data is read."""
        return {"freq": parse_freq(self.freq), "missing": self.missing or "error"}


_NOTED = ("column", "time_col", "id_col", "sep", "decimal", "comment", "date_format", "tz",
          "regular", "thousands", "encoding")
"""Options that a model remembers for further files."""


@dataclass(frozen=True)
class WeightedOptions(SeriesOptions):
    """The options of `SeriesOptions`, and how much samples weigh."""

    weight_col: Annotated[str | None, _data(
        help="Column with a weight for each sample, from 0 on, in training; by default all weigh "
             "the same.")] = None

    def reading(self) -> dict[str, Any]:
        """Return what `SeriesOptions.reading` does, and the column of weights, if there is one."""
        return super().reading() | _given(weight_col=self.weight_col)

    def columns(self) -> tuple[str, ...]:
        """Return the columns to read beside values and times."""
        return () if self.weight_col is None else (self.weight_col,)


@dataclass(frozen=True)
class DataOptions(WeightedOptions):
    """The options of `WeightedOptions`, and the further columns that models use."""

    future_exog: Annotated[str | None, _data(
        help="Columns known ahead, such as holiday,price; separated by commas.")] = None
    past_exog: Annotated[str | None, _data(
        help="Columns known up to now; they need --strategy direct or joint.")] = None

    def columns(self) -> tuple[str, ...]:
        """Return the columns to read beside values and times."""
        return (*chain(*self.covariates().values()), *super().columns())

    def covariates(self) -> dict[str, tuple[str, ...]]:
        """Return the further columns that are given, by the parameter of models."""
        return _given(future_exog=parse_names(self.future_exog) or None,
                      past_exog=parse_names(self.past_exog) or None)


@dataclass(frozen=True)
class IntervalOptions:
    """Prediction intervals."""

    level: Annotated[str | None, typer.Option(
        help="Percentages that prediction intervals should cover, such as 80,95.")] = None
    intervals: Annotated[str | None, typer.Option(
        help="How intervals are made, with --level: split, the default, or adaptive, for signals "
             "that drift.")] = None

    def parse(self) -> dict[str, Any]:
        """Return the parameters ``level`` and ``intervals`` of `Forecaster` and `backtest`."""
        if self.intervals is not None and self.level is None:
            raise InvalidArgumentError("--intervals", "left out without --level",
                                       repr(self.intervals), "Add --level 95, say.")
        return {"level": parse_numbers(self.level, "--level"),
                "intervals": self.intervals or "split"}


@dataclass(frozen=True)
class ReportOptions:
    """What a command prints, and the code that it ends with."""

    json: Annotated[bool, _output("--json", help="Print one JSON document, for scripts.")] = False
    strict: Annotated[bool, _output(
        "--strict", help="Exit with code 3 if a training stopped before its tolerance.")] = False


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes a field of its dataclasses for each option, as typer can read it.

    The function that is returned has the fields of all parameters that are annotated with a
    dataclass in their place; it makes the dataclasses and calls the command. A parameter called
    ``context`` is no option: it gets the options as they were typed, a `typer.Context`.
    """
    hints = get_type_hints(command, include_extras=True)
    if "context" in hints:
        # Not annotated with it there: what typer passes is of a base class of it.
        hints["context"] = typer.Context
    bundles: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        parameters += (_parameters_of(bundles[name]) if name in bundles else
                       [parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY)])

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: bundle(**{field.name: given.pop(field.name) for field in fields(bundle)})
                for name, bundle in bundles.items()}
        command(**given, **made)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameters_of(bundle: Any) -> list[inspect.Parameter]:
    """Return the fields of a dataclass as keyword parameters."""
    hints = get_type_hints(bundle, include_extras=True)
    return [inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default,
                              annotation=hints[field.name]) for field in fields(bundle)]


def _given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def parse_names(text: str | None) -> tuple[str, ...]:
    """Read names that commas separate."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def parse_numbers(text: str | None, option: str) -> list[float] | None:
    """Read numbers that commas separate; None if the option is not given."""
    return None if text is None else [_number(part, option) for part in text.split(",")]


def parse_lags(text: str) -> int | list[int] | str:
    """Read how many samples a model sees, or which ones, or that their number is chosen."""
    if text == "auto":
        return text
    try:
        lags = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidArgumentError(
            "--lags", "a whole number, several with commas between, or auto", repr(text),
            "Pass for example --lags 24 or --lags 1,2,24.") from error
    return lags if "," in text else lags[0]


def parse_ratio(text: str) -> float | str:
    """Read a share of beta_max, or that it is to be chosen."""
    return text if text == "cv" else _number(text, "--beta-ratio", "a number or cv")


def parse_transform(text: str) -> str | None:
    """Read the name of a transform, or that there is none."""
    return None if text == "none" else text


def parse_freq(text: str | None) -> float | str | None:
    """Read a number where it is one; the rest is for pandas."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def parse_refit(text: str) -> bool | int:
    """Read true, false or a whole number."""
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if text.isdigit() and int(text) >= 1:
        return int(text)
    raise InvalidArgumentError("--refit", "true, false or a whole number >= 1", repr(text),
                               "Pass for example --refit 10.")


def _number(text: str, option: str, required: str = "numbers, separated by commas") -> float:
    """Read one number."""
    try:
        return float(text)
    except ValueError as error:
        raise InvalidArgumentError(
            option, required, repr(text), "Write numbers such as 0.5 or 80.") from error
