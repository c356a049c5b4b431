"""The command export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document
from relu_forecast.cli.session import ERR, session
from relu_forecast.exceptions import InvalidArgumentError

SUFFIXES = {"c": ".h", "onnx": ".onnx", "numpy": ".py"}
"""Endings of the files of each kind."""


def export_file(
    file: Annotated[Path, typer.Argument(
        help=f"A {files.MODEL_SUFFIX} file of relu-forecast fit.")],
    to: Annotated[str, typer.Option(help="c, onnx or numpy; by default c.")] = "c",
    horizon: Annotated[int | None, typer.Option(
        "--horizon", "-h", help="Steps ahead; by default those that the model was fitted "
                                "for.")] = None,
    *,
    series: Annotated[str | None, typer.Option(
        help="Which series, where the model has several.")] = None,
    level: Annotated[str | None, typer.Option(
        help="Levels of intervals in percent, such as 80,95: of C.")] = None,
    dtype: Annotated[str | None, typer.Option(
        help="double or float, the type of numbers of C; by default double.")] = None,
    prefix: Annotated[str | None, typer.Option(
        help="What names of C begin with; by default forecast.")] = None,
    fixed_weights: Annotated[bool, typer.Option(
        "--fixed-weights", help="Let weights of a committee stay as they are, in C; elsewhere they "
                                "always do.")] = False,
    output: Annotated[Path | None, typer.Option(
        "--output", "-o", help="The .h, .onnx or .py file to write; by default named as FILE is.",
        rich_help_panel="Output")] = None,
    json: Annotated[bool, typer.Option(
        "--json", help="Print one JSON document, for scripts.", rich_help_panel="Output")] = False,
) -> None:
    """Write a fitted model as code that runs without this package.

    Example: `relu-forecast export heart.safetensors --to c --dtype float --prefix heart`

    `c` is one header of C99 that allocates nothing and needs no library but math.h, with its ring
    buffer and intervals; compiled with -DPREFIX_MAIN, it is a program that reads samples from its
    input. `onnx` is a graph from windows to all steps, which needs the package onnx to be written,
    `numpy` a Python file with a function forecast. Models of other packages' estimators
    and of further columns have no such form. Prints what the model takes.
    """
    with session():
        if to not in SUFFIXES:
            raise InvalidArgumentError("--to", "c, onnx or numpy", repr(to), "Pick one of these.")
        target = file.with_suffix(SUFFIXES[to]) if output is None else output
        files.check_writable(target, "--output", (SUFFIXES[to],))
        given: dict[str, Any] = {"level": options.parse_numbers(level, "--level"), "dtype": dtype,
                                 "prefix": prefix, "fixed_weights": fixed_weights or None}
        given = {name: value for name, value in given.items() if value is not None}
        if to != "c" and given:
            name, value = next(iter(given.items()))
            raise InvalidArgumentError(f"--{name.replace('_', '-')}", f"left out with --to {to}",
                                       str(value), "Leave it out, or export to C.")
        forecaster: Any = package.load_forecaster(file)
        ids = [one.unique_id for one in forecaster.panel_.series]
        chosen = next((one for one in ids if str(one) == series), series)
        if to == "c":
            learn = not given.pop("fixed_weights", False)
            sizes = forecaster.export_c(target, chosen, n_steps=horizon, learn=learn, **given)
        else:
            export = forecaster.export_onnx if to == "onnx" else forecaster.export_numpy
            sizes = export(target, chosen, n_steps=horizon)
        if json:
            from dataclasses import asdict

            print_document({"command": "export", "to": to, "path": str(target), **asdict(sizes)})
        else:
            ERR.print(f"{sizes}.", soft_wrap=True, highlight=False)
            files.say_written("Model", target)
