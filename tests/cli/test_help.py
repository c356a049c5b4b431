"""Help against the code: what it calls a default is the default of each model that it names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

import relu_forecast as package
from relu_forecast.cli.backtest import backtest_file
from relu_forecast.cli.fit import fit_file
from relu_forecast.cli.forecast import forecast_file
from relu_forecast.cli.models import MODELS, OPTIONS
from relu_forecast.cli.options import (
    DataOptions,
    IntervalOptions,
    ModelOptions,
    with_options,
)
from relu_forecast.cli.path import path_of_file
from relu_forecast.cli.watch.command import watch_file
from relu_forecast.cli.watch.watcher import SAVE_S
from relu_forecast.datasets.layout import THOUSANDS, TIME_NAMES, TableLayout
from relu_forecast.estimators.path import SMALLEST_RATIO
from relu_forecast.forecasting.data.panel import Reading
from relu_forecast.forecasting.models.judging import first_part
from relu_forecast.windows.transforms import TRANSFORMS

MODEL_OPTIONS = [field.name for field in fields(ModelOptions)]
_NAMES = rf"\b(?:{'|'.join(MODELS)})\b"


def help_of(bundle: type, name: str) -> str:
    hint: Any = get_type_hints(bundle, include_extras=True)[name]
    return str(hint.__metadata__[0].help)


def stated(text: str) -> Iterator[tuple[str, str]]:
    """Yield each model and the default that a help text gives for it."""
    for model, value in re.findall(rf"[Ff]or ({_NAMES}) by default (\w+)", text):
        yield model, value
    for clause in re.findall(r"[Bb]y default ((?:[^.;:]|\.\d)*)", text):
        for value, models in re.findall(rf"(\S+) for ((?:{_NAMES}(?:, | and )?)+)", clause):
            yield from ((model, value) for model in re.findall(_NAMES, models))


def default_of(model: str, parameter: str) -> Any:
    return MODELS[model]().get_params(deep=False)[parameter]


def models_with(parameter: str) -> set[str]:
    return {name for name in MODELS if parameter in MODELS[name]().get_params(deep=False)}


@pytest.mark.parametrize("name", sorted({*MODEL_OPTIONS} - {"skip_penalty", "committee"}))
def test_defaults_of_models_are_those_of_their_constructors(name: str) -> None:
    parameter = {option: own for own, option in OPTIONS.items()}.get(f"--{name}", name)
    told = dict(stated(help_of(ModelOptions, name)))
    meant = {"cv": None, "none": None}
    for model, value in told.items():
        assert str(meant.get(value, value)) == str(default_of(model, parameter)), model
    without = {"seasonal"} if parameter == "season_length" else set()
    assert {*told} == models_with(parameter) - without


def test_what_else_help_says_of_models_is_so() -> None:
    ratio = help_of(ModelOptions, "beta_ratio")
    [percent] = re.findall(r"last (\d+) percent", ratio)
    assert first_part(1000) == 1000 - 10 * int(percent)
    relu = MODELS["relu"]()
    assert relu.skip_penalty is None
    assert relu.committee
    assert models_with("skip_penalty") == models_with("committee") == {"relu"}
    listed = help_of(ModelOptions, "transform").partition(";")[0].replace(" or ", ", ").split(", ")
    assert [None if name == "none" else name for name in listed] == list(TRANSFORMS)


def test_defaults_of_reading_are_those_of_the_code() -> None:
    usual = DataOptions()
    assert usual.layout() == TableLayout()
    assert "a point" in help_of(DataOptions, "decimal")
    assert usual.layout().decimal == "."
    listed = help_of(DataOptions, "thousands").partition(";")[0]
    assert all((one in listed) or one in "\u2019 " for one in THOUSANDS)
    assert "by default UTF-8" in help_of(DataOptions, "encoding")
    assert usual.layout().text_encoding == "utf-8-sig"
    assert "error, the default" in help_of(DataOptions, "missing")
    assert usual.reading()["missing"] == Reading.missing == "error"
    names = help_of(DataOptions, "time_col")
    assert "timestamp, datetime, date or time" in names
    assert TIME_NAMES == ("timestamp", "datetime", "date", "time")
    assert "split, the default" in help_of(IntervalOptions, "intervals")
    assert IntervalOptions("80").parse()["intervals"] == "split"


def defaults_of(function: Any) -> dict[str, Any]:
    return {name: parameter.default for name, parameter
            in inspect.signature(function).parameters.items()
            if parameter.default is not inspect.Parameter.empty}


def test_commands_and_functions_have_the_same_defaults_but_where_help_shows_them() -> None:
    command, function = defaults_of(with_options(backtest_file)), defaults_of(package.backtest)
    shared = command.keys() & function.keys()
    assert {"n_windows", "step_size", "input_size", "gap", "n_jobs", "checkpoint"} <= shared
    shown = {"refit", "missing", "intervals", "season_length", "id_col", "time_col"}
    assert {name: command[name] for name in shared - shown} == {
        name: function[name] for name in shared - shown}
    along = defaults_of(with_options(path_of_file))
    assert along["skip_penalty"] == defaults_of(package.regularization_path)["skip_penalty"]
    hint = get_type_hints(path_of_file, include_extras=True)["n_ratios"]
    assert f"down to {SMALLEST_RATIO:g} of" in hint.__metadata__[0].help


def test_what_help_says_of_watch_is_so() -> None:
    command, stream = defaults_of(with_options(watch_file)), defaults_of(package.Forecaster.stream)
    assert float(command["level"]) == stream["level"]
    hints = get_type_hints(watch_file, include_extras=True)
    assert f"after {SAVE_S:g} seconds" in hints["save_every"].__metadata__[0].help


@pytest.mark.parametrize("command", [fit_file, forecast_file, backtest_file, path_of_file,
                                     watch_file])
def test_every_option_is_explained(command: Any) -> None:
    hints = get_type_hints(with_options(command), include_extras=True)
    texts = {name: getattr(hint, "__metadata__", [None])[0].help for name, hint in hints.items()}
    assert {name for name, text in texts.items() if not (text or "").strip().endswith(".")} == set()


def test_who_needs_the_horizon_is_said() -> None:
    hint = get_type_hints(fit_file, include_extras=True)["horizon"]
    needing = {name for name in MODELS if MODELS[name]().needs_horizon}
    said = hint.__metadata__[0].help
    assert needing == {"relu", "nlinear", "analogs"} == {*re.findall(_NAMES, said)} & needing
    for strategy, needs in (("direct", True), ("joint", True), ("recursive", False)):
        assert MODELS["ridge"]().set_params(strategy=strategy).needs_horizon is needs
        assert (f"--strategy direct or {strategy}" in said or f"--strategy {strategy}" in said) \
            is needs
