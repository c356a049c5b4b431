"""Sets of options, and how their texts are read."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from relu_forecast.cli.options import (
    DataOptions,
    IntervalOptions,
    ModelOptions,
    parse_freq,
    parse_refit,
    with_options,
)
from relu_forecast.datasets.layout import TableLayout
from relu_forecast.exceptions import InvalidArgumentError


@dataclass(frozen=True)
class Pair:
    left: Annotated[int, typer.Option(help="The left one.")] = 1
    right: Annotated[str, typer.Option("--right", "-r", help="The right one.")] = "b"


def test_fields_become_options_and_come_back_as_one() -> None:
    taken = []

    def command(name: str, *, pair: Pair, last: bool = False) -> None:
        taken.append((name, pair, last))

    expanded = with_options(command)
    assert list(inspect.signature(expanded).parameters) == ["name", "left", "right", "last"]
    app = typer.Typer()
    app.command()(expanded)
    result = CliRunner().invoke(app, ["x", "--left", "3", "-r", "c"])
    assert result.exit_code == 0, result.output
    assert taken == [("x", Pair(3, "c"), False)]
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "The left one." in shown
    assert "The right one." in shown


def test_only_what_is_given_reaches_models() -> None:
    assert ModelOptions().parameters() == {}
    given = ModelOptions(lags="3", committee=False, beta_ratio="0.1", transform="none",
                         neighbours=2, seed=0, scope="global")
    assert given.parameters() == {
        "lags": 3, "committee": False, "beta_ratio": 0.1, "transform": None, "k": 2,
        "random_state": 0, "scope": "global"}
    assert ModelOptions(beta_ratio="cv").parameters() == {"beta_ratio": "cv"}
    data = DataOptions(future_exog="a, b", freq="2")
    assert data.covariates() == {"future_exog": ("a", "b")}
    assert data.reading() == {"freq": 2.0, "missing": "error"}
    weighed = DataOptions(future_exog="a", past_exog="b", weight_col="w")
    assert weighed.reading() == {"freq": None, "missing": "error", "weight_col": "w"}
    assert (weighed.columns(), data.columns()) == (("a", "b", "w"), ("a", "b"))


def test_options_say_how_a_file_is_laid_out() -> None:
    assert DataOptions().layout() == TableLayout()
    given = {"time_col": "t", "id_col": "i", "sep": "|", "decimal": ",", "comment": "%",
             "date_format": "%d", "tz": "UTC", "thousands": ".", "encoding": "cp1252"}
    assert DataOptions(**given, regular="1h").layout() == TableLayout(**given, regular="1h")
    assert DataOptions(regular="2").layout().regular == 2.0
    with pytest.raises(InvalidArgumentError, match="tz must be the name of a time zone"):
        DataOptions(tz="Berlin").layout()


def test_what_was_noted_stands_in_for_what_is_not_given() -> None:
    fitted = DataOptions(column="kW", sep=";", regular="1h", missing="skip", weight_col="w")
    assert fitted.noted() == {"column": "kW", "sep": ";", "regular": "1h"}
    now = DataOptions(sep=",", freq="1h").or_noted({**fitted.noted(), "unknown": "x"})
    assert now == DataOptions(column="kW", sep=",", regular="1h", freq="1h")


def test_lags_are_a_number_or_several_or_chosen() -> None:
    given = {text: ModelOptions(lags=text).parameters()["lags"]
             for text in ("24", "1,2,24", "auto")}
    assert given == {"24": 24, "1,2,24": [1, 2, 24], "auto": "auto"}
    for text in ("", "many", "1.5", "1,,2"):
        with pytest.raises(InvalidArgumentError, match="--lags must be a whole number, several"):
            ModelOptions(lags=text).parameters()


def test_intervals_need_levels() -> None:
    assert IntervalOptions().parse() == {"level": None, "intervals": "split"}
    assert IntervalOptions("80,95", "adaptive").parse() == {
        "level": [80.0, 95.0], "intervals": "adaptive"}
    with pytest.raises(InvalidArgumentError, match="--intervals must be left out without --level"):
        IntervalOptions(None, "split").parse()


def test_refits_and_frequencies_are_read() -> None:
    assert [parse_refit(text) for text in ("true", "FALSE", "1", "10")] == [True, False, 1, 10]
    for text in ("often", "0", "-1", "1.5"):
        with pytest.raises(InvalidArgumentError, match="--refit must be"):
            parse_refit(text)
    assert [parse_freq(text) for text in (None, "0.5", "1h")] == [None, 0.5, "1h"]
