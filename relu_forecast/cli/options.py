"""Options that commands share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from relu_forecast.cli.models import MODELS
from relu_forecast.exceptions import InvalidArgumentError

_DATA, _MODEL, _OUTPUT = "Data", "Model", "Output"

File = Annotated[Path, typer.Argument(help="CSV or Parquet file with one or many series.")]
Column = Annotated[str | None, typer.Option(
    help="Column of values; by default y, or the only numeric one.", rich_help_panel=_DATA)]
TimeCol = Annotated[str | None, typer.Option(
    help="Column of times; by default ds, or the row number.", rich_help_panel=_DATA)]
IdCol = Annotated[str | None, typer.Option(
    help="Column that names the series; by default unique_id, or one series.",
    rich_help_panel=_DATA)]
Freq = Annotated[str | None, typer.Option(
    help="Time between samples: a number, or as pandas writes it, such as 1h or MS; by default "
         "what the times show.", rich_help_panel=_DATA)]
Missing = Annotated[str, typer.Option(
    help="error refuses missing values; interpolate fills them.", rich_help_panel=_DATA)]
FutureExog = Annotated[str | None, typer.Option(
    help="Columns known ahead, such as holiday,price; separated by commas.",
    rich_help_panel=_DATA)]
PastExog = Annotated[str | None, typer.Option(
    help="Columns known up to now; they need --strategy direct.", rich_help_panel=_DATA)]

Model = Annotated[str, typer.Option(
    help=f"One of {', '.join(MODELS)}.", rich_help_panel=_MODEL)]
Lags = Annotated[int | None, typer.Option(
    help="Samples that a model sees; by default 15.", rich_help_panel=_MODEL)]
BetaRatio = Annotated[str | None, typer.Option(
    help="Penalty of the networks as a share of beta_max, by default 0.03; or cv, which chooses "
         "it by validation.", rich_help_panel=_MODEL)]
SkipPenalty = Annotated[float | None, typer.Option(
    help="Ridge on the linear part of the network, by default 0.", rich_help_panel=_MODEL)]
Strategy = Annotated[str | None, typer.Option(
    help="recursive, the default, feeds forecasts back; direct trains a model per step.",
    rich_help_panel=_MODEL)]
Transform = Annotated[str | None, typer.Option(
    help="standardize, the default, last_value, difference or none.", rich_help_panel=_MODEL)]
SeasonLength = Annotated[int | None, typer.Option(
    help="Samples in a season, for models that have one.", rich_help_panel=_MODEL)]
Seed = Annotated[int | None, typer.Option(
    help="Of models with randomness, by default 0.", rich_help_panel=_MODEL)]

Horizon = Annotated[int, typer.Option("--horizon", "-h", help="Samples to forecast.")]
Level = Annotated[str | None, typer.Option(
    help="Percentages that prediction intervals should cover, such as 80,95.")]
Intervals = Annotated[str | None, typer.Option(
    help="How intervals are made, with --level: split, the default, or adaptive, for signals that "
         "drift.")]
NJobs = Annotated[int | None, typer.Option(
    help="Workers; -1 for all cores. The results do not depend on it.")]
Rows = Annotated[Path | None, typer.Option(
    "--output", "-o", help="Write the rows to this .csv or .parquet file.",
    rich_help_panel=_OUTPUT)]
Json = Annotated[bool, typer.Option(
    "--json", help="Print one JSON document, for scripts.", rich_help_panel=_OUTPUT)]
Strict = Annotated[bool, typer.Option(
    "--strict", help="Exit with code 3 if a training stopped before its tolerance.",
    rich_help_panel=_OUTPUT)]


def parse_names(text: str | None) -> tuple[str, ...]:
    """Read names that commas separate."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def parse_numbers(text: str | None, option: str) -> list[float] | None:
    """Read numbers that commas separate; None if the option is not given."""
    return None if text is None else [_number(part, option) for part in text.split(",")]


def parse_ratio(text: str) -> float | str:
    """Read a share of beta_max, or that it is to be chosen."""
    return text if text == "cv" else _number(text, "--beta-ratio", "a number or cv")


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


def parse_intervals(text: str | None, level: str | None) -> str:
    """Return how intervals are made; refuse to say so where none are."""
    if text is not None and level is None:
        raise InvalidArgumentError(
            "--intervals", "left out without --level", repr(text), "Add --level 95, say.")
    return text or "split"


def given_parameters(
    *,
    lags: int | None,
    beta_ratio: str | None,
    skip_penalty: float | None,
    strategy: str | None,
    transform: str | None,
    season_length: int | None,
    seed: int | None,
    future_exog: str | None,
    past_exog: str | None,
) -> dict[str, Any]:
    """Return the parameters of models that are given, under the names that models have."""
    texts = {
        "lags": lags, "skip_penalty": skip_penalty, "strategy": strategy,
        "season_length": season_length, "random_state": seed,
        "beta_ratio": None if beta_ratio is None else parse_ratio(beta_ratio),
        "future_exog": parse_names(future_exog) or None,
        "past_exog": parse_names(past_exog) or None,
    }
    given: dict[str, Any] = {name: value for name, value in texts.items() if value is not None}
    if transform is not None:
        given["transform"] = None if transform == "none" else transform
    return given


def _number(text: str, option: str, required: str = "numbers, separated by commas") -> float:
    """Read one number."""
    try:
        return float(text)
    except ValueError as error:
        raise InvalidArgumentError(
            option, required, repr(text), "Write numbers such as 0.5 or 80.") from error
