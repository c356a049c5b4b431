"""The classes that say how their objects are kept, each under a key that files use.

Nothing in a file is ever looked up by name in a module: a key is found among the classes that
have been declared, or it is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

from relu_forecast.storage.encoding import DamageError, Fields, Kind

_PACKAGE = __name__.partition(".")[0]
_OWN_KEY = re.compile(rf"{_PACKAGE}\.([a-z][a-z_]*)\.\w+", re.ASCII)


class UnknownClassError(DamageError):
    """A file holds an object of a class that nobody has declared."""

    def __init__(self, key: str) -> None:
        module = key.rpartition(".")[0]
        self.remedy = (
            "It was saved with a class of a newer relu_forecast: upgrade." if
            module.startswith(_PACKAGE) else
            f"Import {module} first, the module that declares the class, if you trust it."
            if module else "Fetch the file again.")
        super().__init__(f"the class {key[:200]!r} is not among those that are declared")


class NotKept(ValueError):  # noqa: N818
    """An object cannot be kept, although its class can."""


@dataclass(frozen=True)
class Declaration:
    """How objects of one class are kept: field by field.

    Attributes
    ----------
    kinds : callable
        Returns the kind of each field by name; called when the class is first met.
    take : callable
        Returns the fields of an object. It raises `NotKept` for an object that cannot be kept.
    make : callable
        Returns an object, of the class and of the fields that were read, which are of their
        kinds but may not belong together. Any exception says that they do not.
    """

    kinds: Callable[[], Mapping[str, Kind]]
    take: Callable[[Any], Mapping[str, Any]]
    make: Callable[[type, dict[str, Any]], Any]

    @cached_property
    def fields(self) -> Fields:
        """The kind of all fields together."""
        return Fields(self.kinds())


_CLASSES: dict[str, type] = {}
_KEYS: dict[type, str] = {}
_DECLARATIONS: dict[type, Declaration] = {}


def declare(kept: type, declaration: Declaration, key: str | None = None) -> None:
    """Say how objects of a class are kept.

    Parameters
    ----------
    kept : type
        Its subclasses are not meant.
    declaration : Declaration
    key : str, optional
        What files call the class; by default `key_of`. A class that is defined anew under the
        same key, as in a notebook, takes the place of the one before.
    """
    _KEYS[kept] = key or key_of(kept)
    _CLASSES[_KEYS[kept]] = kept
    _DECLARATIONS[kept] = declaration


def key_of(kept: type) -> str:
    """Return what files call a class.

    By default, of this package: the room and the name, such as
    ``"relu_forecast.baselines.RidgeAR"``, so that a class may move from file to file within its
    room. Of others: the module and the name.
    """
    if kept in _KEYS:
        return _KEYS[kept]
    module = kept.__module__
    if module.partition(".")[0] == _PACKAGE:
        module = ".".join(module.split(".")[:2])
    return f"{module}.{kept.__qualname__}"


def declaration_of(kept: type) -> Declaration | None:
    """Return how objects of a class are kept, None if it has not been declared."""
    return _DECLARATIONS.get(kept)


def class_of(key: str) -> type:
    """Return the class that a key stands for; a room of this package is imported if need be.

    Raises
    ------
    UnknownClassError
        If no class has been declared under the key.
    """
    own = _OWN_KEY.fullmatch(key)
    if key not in _CLASSES and own:
        try:
            import_module(f"{_PACKAGE}.{own[1]}")
        except ImportError as error:
            raise UnknownClassError(key) from error
    if key not in _CLASSES:
        raise UnknownClassError(key)
    return _CLASSES[key]
