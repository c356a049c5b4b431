"""The command watch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import options
from relu_forecast.cli.files import MODEL_SUFFIX
from relu_forecast.cli.session import say, session
from relu_forecast.cli.watch.lines import (
    Interruption,
    check_reaches,
    lines_of_file,
    lines_of_input,
)
from relu_forecast.cli.watch.output import FileOutput, StandardOutput, leave_closed_pipe
from relu_forecast.cli.watch.progress import Files
from relu_forecast.cli.watch.samples import SampleReader
from relu_forecast.cli.watch.watcher import Choice, Watch
from relu_forecast.exceptions import InvalidArgumentError


def watch_file(
    model: Annotated[Path, typer.Argument(
        help=f"A {MODEL_SUFFIX} file of relu-forecast fit.")],
    file: Annotated[Path | None, typer.Argument(
        help="File of samples, which may still grow; by default standard input.")] = None,
    *,
    follow: Annotated[bool, typer.Option(
        "--follow", "-f", help="Wait for more at the end of FILE, until interrupted.")] = False,
    horizon: Annotated[int | None, typer.Option(
        "--horizon", "-h", min=1, help="Steps ahead to forecast; by default those that the model "
                                       "was fitted for, else 1.")] = None,
    level: Annotated[str, typer.Option(
        help="Percentages that prediction intervals should cover, such as 80,95; '' for no "
             "intervals.")] = "90",
    series: Annotated[str | None, typer.Option(
        help="Which series to go on from, where the model has several; lines of others are left "
             "out where there is a column of identifiers.")] = None,
    alarms: Annotated[float | None, typer.Option(
        help="False alarms that may come an hour, such as 1, where times are dates or durations; "
             "by default no alarms are raised.")] = None,
    data: options.LayoutOptions,
    skip_bad: Annotated[bool, typer.Option(
        "--skip-bad", help="Leave out lines that are no sample, or whose time is not later or is "
                           "off the grid, and say so; by default the first one ends it.",
        rich_help_panel="Data")] = False,
    output: Annotated[Path | None, typer.Option(
        "--output", "-o", help="Add the lines to this file; by default they are printed.",
        rich_help_panel="Output")] = None,
    every: Annotated[int, typer.Option(
        min=1, help="Write every so many samples only, and where an alarm begins.",
        rich_help_panel="Output")] = 1,
    alarms_only: Annotated[bool, typer.Option(
        "--alarms-only", help="Write samples that belong to an alarm only.",
        rich_help_panel="Output")] = False,
    state: Annotated[Path | None, typer.Option(
        help="File from which it goes on, and in which it keeps how far it is; with it nothing is "
             "read or written twice.", rich_help_panel="Restarts")] = None,
    save_every: Annotated[int, typer.Option(
        min=1, help="Lines after which the state is written; it is after 10 seconds, too, and at "
                    "the end.", rich_help_panel="Restarts")] = 1000,
) -> None:
    """Forecast while samples come in, and tell how unusual each of them is.

    Example: `sensor | relu-forecast watch load.safetensors`

    Example: `relu-forecast watch load.safetensors live.csv --follow --output said.jsonl --state
    watch.state`

    Samples are plain numbers, one a line, or rows of CSV below one that names the columns, which
    are those that `relu-forecast fit` was told of, unless options say otherwise. An empty field,
    nan or NA is a missing sample. Where there are times, samples between two lines may be missing.
    Each sample becomes a line of JSON: the number of its line, how many samples there have been,
    its time, the forecast, the intervals by level, p-value, score and alarm. Written and restarted
    with `--state`, FILE and `--output` go on where they were, even after `kill -9`: no line is
    lost, and none there twice. Standard input cannot be read again: whoever sends it goes on after
    the line that is named at the start. Ctrl-C and SIGTERM end it; the state is written first.
    """
    with session(kept=_kept(state)):
        places = Files(file, output, state)
        _check(model, places, follow, every, alarms_only)
        choice = Choice(every, alarms_only, save_every, skip_bad)
        levels = options.parse_numbers(level or None, "--level")
        asked = {"n_steps": horizon, "level": levels, "alarms": alarms}
        watch = _watch(model, series, asked, data, places, choice)
        interruption = Interruption()
        with interruption.heard():
            _run(watch, follow, interruption)


def _watch(model: Path, series: str | None, asked: dict[str, Any], data: options.LayoutOptions,
           places: Files, choice: Choice) -> Watch:
    """Return a watch that goes on from a state, or from the end of what was fitted."""
    from relu_forecast.cli.watch.times import time_reader  # with pandas

    before = places.progress()
    forecaster: Any = package.load_forecaster(model)
    known = {str(one.unique_id): one for one in forecaster.panel_.series}
    chosen = known[series].unique_id if series in known else series
    stream = forecaster.stream(chosen, **asked, state=None if before is None else before.stream)
    own = next(iter(known.values())) if series is None else known[series]
    ticks = stream.state()["ticks"]
    layout = data.or_noted(forecaster.notes_)
    read_time = time_reader(own.times, layout.layout(), ticks)
    reader = SampleReader(layout, read_time, str(own.unique_id))
    if before is not None:
        reader.restore(before.reader)
        if places.source is not None:
            check_reaches(places.source, before.read)
        say(f"Goes on after line {before.lines} of the input.")
    output = StandardOutput() if places.output is None else FileOutput(
        places.output, None if before is None else before.written)
    watch = Watch(stream, reader, output, places, choice, ticks is not None)
    if before is not None:
        watch.lines, watch.read = before.lines, before.read
    return watch


def _run(watch: Watch, follow: bool, interruption: Interruption) -> None:
    """Take in lines until there are no more."""
    source = watch.files.source
    lines: Iterator[bytes | None] = lines_of_input(interruption) if source is None else (
        lines_of_file(source, watch.read, follow, interruption))
    try:
        with watch.kept():
            for line in lines:
                if line is not None:
                    watch.take(line)
                watch.keep_if_due()
    except BrokenPipeError:
        leave_closed_pipe()
    finally:
        watch.output.close()


def _check(model: Path, places: Files, follow: bool, every: int, alarms_only: bool) -> None:
    """Refuse what cannot be, before anything slow is imported."""
    if not model.is_file():
        raise InvalidArgumentError("MODEL", "an existing file", repr(str(model)),
                                   "Make one with relu-forecast fit.")
    places.check(follow=follow)
    if alarms_only and every > 1:
        raise InvalidArgumentError("--every", "left out with --alarms-only", str(every),
                                   "Take one of the two.")


def _kept(state: Path | None) -> str:
    """Return what is said of an interrupted watch."""
    return "Nothing is kept without --state." if state is None else (
        f"The state is in {state}; the same command goes on from it.")
