"""How a command runs: its errors, warnings and progress, and the code that it ends with."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from relu_forecast.exceptions import ForecastError, InvalidArgumentError, MissingPackageError

OUT = Console()
ERR = Console(stderr=True)

UNUSABLE, UNFINISHED, INTERRUPTED = 2, 3, 130
"""Exit codes: of options or data; of training, if ``--strict``; of Ctrl-C."""
_EXPECTED = (InvalidArgumentError, ForecastError, MissingPackageError, OSError)
"""Errors that a person can mend."""
_SHOWN = 3
"""Warnings that a person gets to see."""

Warned = list[warnings.WarningMessage]


@contextmanager
def session(*, strict: bool = False, kept: str = "Nothing was written.") -> Iterator[Warned]:
    """Run a command, and yield its warnings; errors that a person can mend become one message.

    With ``strict`` it ends with `UNFINISHED` if a training stopped before its tolerance. If it is
    interrupted, it says what is ``kept``.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            # ConvergenceWarning is one of these; scikit-learn, which has it, is not imported yet.
            warnings.simplefilter("always", UserWarning)
            try:
                yield caught
            finally:
                _print_warnings(caught)
    except KeyboardInterrupt as interruption:
        _say("Interrupted.", kept)
        raise typer.Exit(INTERRUPTED) from interruption
    except _EXPECTED as error:
        _say("Error:", str(error))
        raise typer.Exit(UNUSABLE) from error
    if strict and unfinished(caught):
        raise typer.Exit(UNFINISHED)


def unfinished(caught: Warned) -> list[str]:
    """Return what was said of trainings that stopped before their tolerance, once each."""
    from sklearn.exceptions import ConvergenceWarning  # half a second: only what trained waits

    return list(dict.fromkeys(
        str(one.message) for one in caught if issubclass(one.category, ConvergenceWarning)))


def _print_warnings(caught: Warned) -> None:
    """Print the first few of the different warnings."""
    messages = list(dict.fromkeys(str(one.message) for one in caught))
    for message in messages[:_SHOWN]:
        _say("Warning:", message)
    if len(messages) > _SHOWN:
        _say("Warning:", f"and {len(messages) - _SHOWN} more like these.")


def say(message: str) -> None:
    """Print a remark to standard error."""
    ERR.print(escape(message), highlight=False, soft_wrap=True)


def _say(heading: str, message: str) -> None:
    """Print a message to standard error, on one line."""
    ERR.print(f"[bold red]{heading}[/] {escape(message)}", highlight=False, soft_wrap=True)


@contextmanager
def progress(total: int = 1) -> Iterator[Callable[[str], None]]:
    """Show stages and the time on a terminal, and bars of what they do; say nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    from relu_forecast.forecasting.parallel import display  # slow: not before work begins

    begun = 0
    with display() as shown:
        task = shown.add_task("Starting", total=None if total == 1 else total)

        def announce(stage: str) -> None:
            nonlocal begun
            begun = min(begun + 1, total)
            place = f"[{begun}/{total}] " if total > 1 else ""
            shown.update(task, description=place + stage, completed=begun - 1)

        yield announce
