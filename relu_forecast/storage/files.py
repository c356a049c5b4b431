"""Files of values: data alone, so that reading one never runs what is in it.

A file is one of safetensors. Its metadata hold the format, its version, a JSON document and a
digest; the tensors are called as their places in the document.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.storage.encoding import TEXT, DamageError, Fields, Json, Place
from relu_forecast.storage.values import VALUE, UnknownClassError

FORMAT = "relu_forecast.forecaster"
VERSION = 1
"""Of the format; raised when files of before would be read wrongly, or not at all."""

_Tensors = dict[str, npt.NDArray[Any]]


def encode(value: Any) -> tuple[Json, _Tensors]:
    """Return a value as a JSON document, and the tensors that it names.

    Parameters
    ----------
    value : object
        Plain data, a regressor of scikit-learn, or an object of a class that has been declared.

    Raises
    ------
    InvalidTypeError
        If a part cannot be kept; the message says which and where.
    """
    tensors: _Tensors = {}
    return VALUE.encode(value, Place("", tensors)), tensors


def decode(document: Json, tensors: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Return the value that a document and its tensors stand for; no code of theirs is run.

    Raises
    ------
    DamageError
        If they are not as `encode` makes them.
    """
    place = Place("", dict(tensors))
    value = VALUE.decode(document, place)
    place.require(not place.tensors, "all that the tensors are for", sorted(place.tensors))
    return value


def check_storable(value: Any) -> None:
    """Refuse what `save` would refuse, before any work is put into it.

    Parameters
    ----------
    value : object
        An estimator or a forecaster, which need not have been fitted, or any other value.

    Raises
    ------
    InvalidTypeError
        If a part cannot be kept; the message says which and where.
    """
    encode(value)


def save(value: Any, path: str | os.PathLike[str]) -> None:
    """Write a value to a file, which is replaced as a whole or stays as it was.

    Parameters
    ----------
    value : object
        See `encode`.
    path : str or path
        A file in an existing folder.

    Raises
    ------
    InvalidTypeError
        If a part cannot be kept; nothing is written then.
    InvalidArgumentError
        If the folder does not exist, or the parts of the value do not belong together.
    """
    target = _target(path)
    node, tensors = encode(value)
    document = json.dumps(node, allow_nan=False)
    content = safetensors.numpy.save(tensors, {
        "format": FORMAT, "version": str(VERSION), "document": document,
        "digest": _digest(document, tensors)})
    try:
        _unpacked(content)
    except DamageError as damage:
        raise InvalidArgumentError(
            "forecaster", "as it was fitted", str(damage),
            "Fit it again after its parameters have been changed.") from damage
    _replace(target, content)


def load(path: str | os.PathLike[str]) -> Any:
    """Read the value that `save` wrote, as data: no code of the file is run.

    No class of it is looked up that has not been declared by a module that was imported.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InvalidArgumentError
        If the file does not exist, is no such file, is damaged, or is of a newer version; or holds
        an object of a class whose module has not been imported.
    """
    if not os.path.isfile(path):
        raise InvalidArgumentError(
            "path", "a file that save wrote", f"{str(path)!r}, which is not a file",
            "Name the file that save was given.")
    try:
        return _unpacked(Path(path).read_bytes())
    except UnknownClassError as error:
        raise InvalidArgumentError(
            "path", "a file whose classes have been imported", f"{str(path)!r}, where {error}",
            error.remedy) from error
    except (DamageError, RecursionError) as error:
        raise InvalidArgumentError(
            "path", "an undamaged file that save wrote", f"{str(path)!r}, where {error}",
            "Save the forecaster again, or fetch the file again.") from error


def _unpacked(content: bytes) -> Any:
    """Return the value that the content of a file stands for, or raise `DamageError`."""
    try:
        tensors = safetensors.numpy.load(content)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamageError(f"no safetensors are ({type(error).__name__}: {error})") from error
    # The header of safetensors follows its length in 8 bytes.
    header = _parsed(content[8 : 8 + int.from_bytes(content[:8], "little")].decode())
    metadata = header.get("__metadata__") or {}
    _check_version(metadata)
    texts = Fields(dict.fromkeys(("format", "version", "document", "digest"), TEXT))
    metadata = texts.decode(metadata, Place("", {}))
    if metadata["digest"] != _digest(metadata["document"], tensors):
        raise DamageError("the digest is not that of the content")
    return decode(_parsed(metadata["document"]), tensors)


def _check_version(metadata: dict[str, Any]) -> None:
    """Refuse another format, and a version that this package does not know."""
    if metadata.get("format") != FORMAT:
        raise DamageError(f"the format is not {FORMAT!r} but {metadata.get('format')!r}")
    version = metadata.get("version", "")
    if version.isdecimal() and len(version) < 10 and int(version) > VERSION:
        raise DamageError(
            f"the version is {version}, newer than {VERSION}, the newest that this"
            " relu_forecast reads: upgrade relu_forecast")
    if version != str(VERSION):
        raise DamageError(f"the version is not {VERSION} but {version!r}")


def _parsed(text: str) -> Json:
    """Return what a JSON text stands for."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise DamageError(f"the document is not JSON ({error})") from error


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def _digest(document: str, tensors: _Tensors) -> str:
    """Return a digest of all that a file holds."""
    digest = hashlib.sha256(document.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), tensor.shape]).encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def write_file(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write bytes, or text in UTF-8, to a file that is replaced as a whole or stays as it was.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist.
    """
    _replace(_target(path), content.encode() if isinstance(content, str) else content)


def _target(path: str | os.PathLike[str]) -> Path:
    """Return the file to write; refuse one in no folder."""
    target = Path(os.path.realpath(path))
    if target.is_dir() or not target.parent.is_dir():
        raise InvalidArgumentError(
            "path", "a file in an existing folder", repr(str(path)), "Create the folder first.")
    return target


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside ``path`` and rename it, so that a broken off write changes nothing."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
