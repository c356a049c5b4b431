"""Lines of a file that may still grow, or of standard input, and signals while waiting for them."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

from relu_forecast.exceptions import InvalidArgumentError

_PAUSE_S = 0.05
"""Seconds after which a file is looked at again."""


class Interruption:
    """SIGINT and SIGTERM: they end the wait for a line, never the work on one."""

    def __init__(self) -> None:
        self._asked = self._waiting = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to both signals meanwhile; where this is not the main thread, to none."""
        main = threading.current_thread() is threading.main_thread()
        numbers = [signal.SIGINT, signal.SIGTERM] if main else []
        before = [(number, signal.signal(number, self._hear)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Wait for something: a signal that has come, or comes meanwhile, ends it."""
        self._waiting = True
        try:
            if self._asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def _hear(self, number: int, frame: Any) -> None:
        """Take note of a signal."""
        self._asked = True
        if self._waiting:
            raise KeyboardInterrupt


def lines_of_file(file: Path, start: int, follow: bool, interruption: Interruption
                  ) -> Iterator[bytes | None]:
    """Yield the lines of a file from a position on, with their ends; None after each pause.

    With ``follow`` it never ends, and a last line counts when its end has been written.
    """
    with open(file, "rb") as source:
        source.seek(start)
        while True:
            with interruption.wait():
                line = source.readline()
                whole = line.endswith(b"\n")
                if follow and not whole:
                    _check_grows(file, start)
                    source.seek(start)
                    sleep(_PAUSE_S)
            if whole or (line and not follow):
                start += len(line)
                yield line
            elif follow:
                yield None
            else:
                return


def lines_of_input(interruption: Interruption) -> Iterator[bytes]:
    """Yield the lines of standard input, with their ends, as they come."""
    while True:
        with interruption.wait():
            line = sys.stdin.buffer.readline()
        if not line:
            return
        yield line


def check_reaches(file: Path, position: int) -> None:
    """Refuse a file that is shorter than what has been read of it."""
    size = file.stat().st_size
    if size < position:
        raise InvalidArgumentError(
            "FILE", f"as long as what was read of it, {position} bytes", f"{size} bytes",
            "Watch a new file with a new --state; nothing may be cut off a watched one.")


def _check_grows(file: Path, position: int) -> None:
    """Refuse a followed file that has been cut, or is gone."""
    if not file.exists():
        raise InvalidArgumentError("FILE", "there while it is followed", "no file any more",
                                   "Start again with the file that takes its place.")
    check_reaches(file, position)
