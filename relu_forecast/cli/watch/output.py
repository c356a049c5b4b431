"""What is said of each sample: a line of JSON, and where it goes."""

from __future__ import annotations

import json
import os
import sys
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu_forecast.cli.watch.samples import Sample
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from relu_forecast.streaming import Reading, Stream


def json_line(stream: Stream, number: int, sample: Sample, reading: Reading) -> str:
    """Return a line of JSON about a sample, that of a line of the input; NaN is null in it."""
    levels = [f"{level:g}" for level in stream.levels]
    time = {} if sample.time is None else {"time": _plain_time(sample.time)}
    return json.dumps({
        "line": number, "count": stream.count, **time, "sample": _plain(sample.value),
        "forecast": _all_plain(reading.forecast),
        "lower": dict(zip(levels, map(_all_plain, reading.lower), strict=True)),
        "upper": dict(zip(levels, map(_all_plain, reading.upper), strict=True)),
        "p_value": _plain(reading.p_value), "score": _plain(reading.score),
        "alarm": bool(reading.alarm), "onset": bool(reading.onset), "kind": str(reading.kind)},
        allow_nan=False) + "\n"


def _plain(value: Any) -> float | None:
    """Return a number as JSON has it."""
    return None if value != value else float(value)


def _all_plain(values: Any) -> list[float | None]:
    """Return the numbers of an array as JSON has them."""
    return [None if value != value else value for value in values.tolist()]


def _plain_time(time: Any) -> Any:
    """Return a time as JSON has it: a number, or as ISO 8601."""
    return time.isoformat() if hasattr(time, "isoformat") else time


class StandardOutput:
    """Lines to standard output, each as soon as it is there."""

    written = 0
    """Of a pipe nothing can be taken back."""

    def write(self, line: str) -> None:
        """Write a line."""
        sys.stdout.write(line)
        sys.stdout.flush()

    def settle(self) -> None:
        """Nothing can be made sure of a pipe."""

    def close(self) -> None:
        """Leave standard output as it is."""


class FileOutput:
    """Lines that are added to a file.

    Parameters
    ----------
    path : Path
    written : int or None
        Bytes of it that are to stay; what follows is cut off. None: all of them.
    """

    def __init__(self, path: Path, written: int | None) -> None:
        size = path.stat().st_size if path.exists() else 0
        if written is not None and size < written:
            raise InvalidArgumentError(
                "--output", f"the file that the state belongs to, of {written} bytes at least",
                f"{size} bytes in {str(path)!r}", "Bring it back, or begin with a new --state.")
        self._file = FileIO(path, "a")
        self.written = size if written is None else written
        self._file.truncate(self.written)

    def write(self, line: str) -> None:
        """Write a line, at once."""
        rest = memoryview(line.encode())
        while rest:
            done = self._file.write(rest)
            rest = rest[done:]
            self.written += done

    def settle(self) -> None:
        """Return when what was written is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def leave_closed_pipe() -> None:
    """Send what is left for standard output, whose reader is gone, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
