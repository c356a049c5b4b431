"""How far a watch has come: what it goes on from after a restart."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relu_forecast.exceptions import InvalidArgumentError

_VERSION = 1


@dataclass(frozen=True)
class Progress:
    """What has been read, what was made of it, and how much of the output belongs to it.

    Attributes
    ----------
    lines, read : int
        Of the input: lines, and bytes where it is a file.
    written : int
        Bytes of the output, where it is a file.
    input, output : str
        Their paths; empty for standard input and output.
    reader, stream : dict
        States of `SampleReader` and `Stream`.
    """

    lines: int
    read: int
    written: int
    input: str
    output: str
    reader: dict[str, Any]
    stream: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write it to a file, which is replaced as a whole or stays as it was."""
        from relu_forecast import storage

        storage.save({"version": _VERSION, **asdict(self)}, path)

    @classmethod
    def load(cls, path: Path, source: str, output: str) -> Progress:
        """Return what `save` wrote, of a watch of this input and output."""
        from relu_forecast import storage

        found = storage.load(path)
        if not isinstance(found, dict) or {*found} != {"version", *cls.__annotations__} or (
                found.pop("version") != _VERSION):
            raise InvalidArgumentError("--state", "a file that relu-forecast watch wrote",
                                       repr(str(path)), "Name another file, or a new one.")
        progress = cls(**found)
        for option, own, other in (("FILE", source, progress.input),
                                   ("--output", output, progress.output)):
            if own != other:
                raise InvalidArgumentError(
                    option, f"{_named(other)}, as when the state was written", _named(own),
                    "Name it as before, or begin with a new --state.")
        return progress


@dataclass(frozen=True)
class Files:
    """What a watch reads and writes; None: standard input and output, no state."""

    source: Path | None
    output: Path | None
    state: Path | None

    def check(self, *, follow: bool) -> None:
        """Refuse files that are not there, or cannot be, before anything slow is imported."""
        if self.source is not None and not self.source.is_file():
            raise InvalidArgumentError("FILE", "an existing file", repr(str(self.source)),
                                       "Check the spelling and the folder.")
        if follow and self.source is None:
            raise InvalidArgumentError("--follow", "left out without FILE", "--follow",
                                       "Standard input is followed until it ends.")
        for option, path in (("--output", self.output), ("--state", self.state)):
            if path is not None and (path.is_dir() or not path.parent.is_dir()):
                raise InvalidArgumentError(option, "a file in an existing folder", repr(str(path)),
                                           "Create the folder first, or name another.")

    @property
    def names(self) -> tuple[str, str]:
        """The input and the output as a state knows them."""
        source, output = ("" if one is None else os.path.realpath(one)
                          for one in (self.source, self.output))
        return source, output

    def progress(self) -> Progress | None:
        """Return how far the watch before came; None if this one is the first."""
        if self.state is None or not self.state.exists():
            return None
        return Progress.load(self.state, *self.names)


def _named(path: str) -> str:
    """Return what a person calls an input or output."""
    return repr(path) if path else "left out"
