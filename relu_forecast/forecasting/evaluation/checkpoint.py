"""A file that keeps what has been computed, so that a run that was killed goes on where it was.

Entries are found by a digest of everything that their content depends on: a file can serve
many runs, and what a changed setting would make different is never found.
"""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import joblib
import numpy as np
import sklearn
from safetensors.numpy import load, save

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.storage import decode, encode

_VERSION = 2
"""Of the format; raised when entries of before no longer mean the same."""
_SUM = sha256().digest_size
"""Bytes at the head of an entry that tell whether the rest is as it was written."""

_DOCUMENT = "/document"
"""Name of the tensor that holds the JSON document of a value; no part of a value is called so."""


class Checkpoint:
    """An SQLite file of values by digest; each entry is on disk once `put` returns.

    A file is made if there is none. A path in no folder, or to a file that is something else or
    cannot be read or written, is refused.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        if not self._path.parent.is_dir():
            raise InvalidArgumentError("checkpoint", "a file in an existing folder",
                                       repr(str(path)), "Create the folder first.")
        with self._named_errors():
            self._file = sqlite3.connect(self._path)
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS entries (digest TEXT PRIMARY KEY, arrays BLOB)")

    def __enter__(self) -> Checkpoint:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the file."""
        self._file.close()

    def get(self, digest: str) -> Any:
        """Return the value of an entry, None if there is none."""
        with self._named_errors():
            row = self._file.execute(
                "SELECT arrays FROM entries WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            return None
        [entry] = row
        if not isinstance(entry, bytes) or sha256(entry[_SUM:]).digest() != entry[:_SUM]:
            raise self._unusable("an entry is damaged")
        tensors = load(entry[_SUM:])
        return decode(json.loads(tensors.pop(_DOCUMENT).tobytes()), tensors)

    def put(self, digest: str, value: Any) -> None:
        """Write an entry, of a value of which `relu_forecast.storage` knows how it is kept."""
        document, tensors = encode(value)
        text = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
        content = save({**tensors, _DOCUMENT: text})
        entry = sha256(content).digest() + content
        with self._named_errors(), self._file:  # a transaction: all of it or nothing
            self._file.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (digest, entry))

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Say which file SQLite complains about."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error

    def _unusable(self, why: str) -> InvalidArgumentError:
        """Return the error for a file that cannot serve."""
        return InvalidArgumentError("checkpoint", "a new file, or one that an earlier run left",
                                    f"{str(self._path)!r}: {why}", "Name another file.")


def digest_of(*parts: object) -> str:
    """Return a digest that equal parts share, whatever the process, for the same packages.

    Functions and classes go into it by their names: their code does not. A part that cannot be
    pickled, such as a lambda, is refused.
    """
    versions = [module.__version__ for module in (joblib, np, sklearn)]
    try:
        return f"{_VERSION}-{joblib.hash((*versions, *parts), hash_name='sha1')}"
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidArgumentError(
            "checkpoint", "left out for a model that cannot be pickled", str(error)[:200],
            "Use functions and classes with names, in a module.") from error
