"""What a watch does with each line, and when it keeps how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from relu_forecast.cli.session import say
from relu_forecast.cli.watch.output import FileOutput, StandardOutput, json_line
from relu_forecast.cli.watch.progress import Files, Progress
from relu_forecast.cli.watch.samples import BadLineError, SampleReader
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from relu_forecast.streaming import Reading, Stream

SAVE_S = 10.0
"""Seconds after which a state is written, where there are new lines."""
_CALLED = {"sample": "sample", "at": "time"}
"""Arguments of `Stream.push` that a line is to blame for."""
_REMEDY = "Mend it, or leave out such lines with --skip-bad."


@dataclass(frozen=True)
class Choice:
    """Which samples are written, how often the state is, and what bad lines do."""

    every: int
    alarms_only: bool
    save_every: int
    skip_bad: bool


@dataclass
class Watch:
    """Takes in one line after another, and knows how far it is."""

    stream: Stream
    reader: SampleReader
    output: FileOutput | StandardOutput
    files: Files
    choice: Choice
    timed: bool
    """Whether the stream checks times."""
    lines: int = 0
    read: int = 0
    _since: int = 0
    """Lines since the state was written, at `_saved`."""
    _saved: float = field(default_factory=monotonic)

    def take(self, line: bytes) -> None:
        """Take in a line: push its sample, if it has one, and write what is said of it."""
        said = None
        try:
            said = self._said(line, self.lines + 1)
        except BadLineError as error:
            if not self.choice.skip_bad:
                raise
            say(f"Left out: {error}")
        # Before it is written: where nobody reads any more, the sample has been taken in all the
        # same.
        self.lines += 1
        self.read += len(line)
        self._since += 1
        if said is not None:
            self.output.write(said)

    def _said(self, line: bytes, number: int) -> str | None:
        """Push the sample of a line; return what is to be written, None where that is nothing."""
        before = self.stream.count
        try:
            sample = self.reader.read(line)
            if sample is None:
                return None
            reading = self.stream.push(sample.value, sample.time if self.timed else None)
        except InvalidArgumentError as error:
            if error.argument not in _CALLED:
                raise
            raise BadLineError(
                f"line {number}", f"a sample whose {_CALLED[error.argument]} is {error.required}",
                error.got, _REMEDY) from error
        except ValueError as error:
            text = line[:80].decode(errors="replace").rstrip()
            raise BadLineError(f"line {number}", str(error), repr(text), _REMEDY) from error
        return json_line(self.stream, number, sample, reading) if self._is_wanted(
            reading, before) else None

    def _is_wanted(self, reading: Reading, before: int) -> bool:
        """Tell whether a sample is one of those that were asked for."""
        if self.choice.alarms_only:
            return bool(reading.alarm)
        every = self.choice.every
        return bool(reading.onset) or self.stream.count // every > before // every

    def keep_if_due(self) -> None:
        """Write the state if it is time to."""
        if self._since >= self.choice.save_every or (
                self._since and monotonic() - self._saved >= SAVE_S):
            self.keep()

    def keep(self) -> None:
        """Write the state, if there is a file for it."""
        self._since, self._saved = 0, monotonic()
        if self.files.state is not None:
            self.output.settle()
            source, output = self.files.names
            Progress(self.lines, self.read, self.output.written, source, output,
                     self.reader.state(), self.stream.state()).save(self.files.state)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write the state now, and after work that ends in an orderly way."""
        self.keep()
        try:
            yield
        except (BadLineError, BrokenPipeError, KeyboardInterrupt):
            self.keep()
            raise
        self.keep()
