"""Any value that can be kept: plain data, and objects of classes that have been declared.

Files have a key for each class. Nothing in a file is ever looked up by name in a module: a key is
found among the classes that have been declared, or it is not found.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import UnionType
from typing import Any

import numpy as np
import torch

from relu_forecast.exceptions import ComposedError
from relu_forecast.storage import encoding
from relu_forecast.storage.arrays import ANY_ARRAY, ANY_TENSOR
from relu_forecast.storage.encoding import DamageError, Json, Kind, Place

_PACKAGE = __name__.partition(".")[0]
_OWN_KEY = re.compile(rf"{_PACKAGE}\.([a-z][a-z_]*)\.\w+", re.ASCII)


class UnknownClassError(ComposedError, DamageError):
    """A file holds an object of a class that nobody has declared."""

    def __init__(self, key: str) -> None:
        module = key.rpartition(".")[0]
        self.remedy = (
            "It was saved with a class of a newer relu_forecast: upgrade." if
            module.startswith(_PACKAGE) else
            f"Import {module} first, the module that declares the class, if you trust it."
            if module and module not in sys.modules else "Fetch the file again.")
        super().__init__(f"the class {key[:200]!r} is not among those that are declared", key)


class NotKept(ValueError):  # noqa: N818
    """An object cannot be kept, although its class can."""


@dataclass(frozen=True)
class Declaration:
    """How objects of one class are kept: field by field."""

    kinds: Callable[[], Mapping[str, Kind]]
    """Returns the kind of each field by name; called when the class is first met."""
    take: Callable[[Any], Mapping[str, Any]]
    """Returns the fields of an object. It raises `NotKept` for an object that cannot be kept."""
    make: Callable[[type, dict[str, Any]], Any]
    """Returns an object, of the class and of the fields that were read, which are of their kinds
    but may not belong together. Any exception says that they do not."""

    @cached_property
    def fields(self) -> encoding.Fields:
        """The kind of all fields together."""
        return encoding.Fields(self.kinds())

    def encode(self, value: Any, place: Place) -> Json:
        """Return the fields of an object as JSON."""
        try:
            fields = self.take(value)
        except NotKept as error:
            raise place.refusal(value, str(error)) from error
        return self.fields.encode(fields, place)

    def decode(self, node: Json, place: Place, kept: type = object) -> Any:
        """Return an object of a class, if its parts belong together.

        They do if `make` takes them, and then ``check_stored()``, where the class has such a
        method, raises nothing.
        """
        values = self.fields.decode(node, place)
        with place.blamed():
            made = self.make(kept, values)
            if hasattr(made, "check_stored"):
                made.check_stored()
        return made


DECLARATIONS: dict[type, Declaration] = {}
"""How objects of each declared class are kept."""
_CLASSES: dict[str, type] = {}
_KEYS: dict[type, str] = {}


def declare(kept: type, declaration: Declaration, key: str | None = None) -> None:
    """Say how objects of a class are kept; its subclasses are not meant.

    Parameters
    ----------
    kept : type
    declaration : Declaration
    key : str, optional
        What files call the class; by default `key_of`. A class that is defined anew under the
        same key, as in a notebook, takes the place of the one before.
    """
    _KEYS[kept] = key or key_of(kept)
    _CLASSES[_KEYS[kept]] = kept
    DECLARATIONS[kept] = declaration


def key_of(kept: type) -> str:
    """Return what files call a class: by default, its module and its name.

    Of this package only the room counts, as in ``"relu_forecast.baselines.RidgeAR"``, so that a
    class may move from file to file within its room.
    """
    if kept in _KEYS:
        return _KEYS[kept]
    module = kept.__module__
    if module.partition(".")[0] == _PACKAGE:
        module = ".".join(module.split(".")[:2])
    return f"{module}.{kept.__qualname__}"


def class_of(key: str) -> type:
    """Return the class that a key stands for; a room of this package is imported if need be.

    An `UnknownClassError` says that no class has been declared under the key.
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


@dataclass(frozen=True)
class Pairs:
    """A dict, as a list of its keys and values, which are of one kind."""

    kind: Kind

    def encode(self, value: Mapping[Any, Any], place: Place) -> Json:
        """Return keys and values, in order."""
        return encoding.Many(encoding.Many(self.kind)).encode(value.items(), place)

    def decode(self, node: Json, place: Place) -> dict[Any, Any]:
        """Return the dict; its keys must be hashable and different."""
        pairs = encoding.Many(encoding.Tuple((self.kind, self.kind))).decode(node, place)
        with place.blamed():
            found = dict(pairs)
        place.require(len(found) == len(pairs), "a dict of different keys", len(pairs))
        return found


@dataclass(frozen=True)
class Value:
    """A value: plain, or an object of a declared class, or of a type that has a form of its own.

    JSON has None, true and false, numbers, texts and lists as they are. An object has the key of
    its class under ``"class"``; anything else is an object of a single entry, the name of its
    form.
    """

    forms: dict[str, tuple[type, Kind]] = field(default_factory=dict)
    """By name: the type of values that have the form, and their kind."""

    def encode(self, value: Any, place: Place) -> Json:
        """Return the value as JSON."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, np.generic):
            return self.encode(value.item(), place)
        if type(value) is list:
            return encoding.Many(self).encode(value, place)
        if type(value) in DECLARATIONS:
            fields = DECLARATIONS[type(value)].encode(value, place)
            return {"class": key_of(type(value)), **fields}
        for name, (kept, kind) in self.forms.items():
            exact = kept in (tuple, dict)
            if type(value) is kept if exact else isinstance(value, kept):
                return {name: kind.encode(value, place.at(name))}
        raise place.refusal(value)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value."""
        kinds: dict[type, Kind] = {
            list: encoding.Many(self), int: encoding.WHOLE, float: encoding.NUMBER}
        if type(node) in kinds:
            return kinds[type(node)].decode(node, place)
        if not isinstance(node, dict):
            return node
        if "class" in node:
            fields = dict(node)
            key = fields.pop("class")
            place.at("class").require(isinstance(key, str), "the key of a class", key)
            kept = class_of(key)
            return DECLARATIONS[kept].decode(fields, place, kept)
        place.require(len(node) == 1 and node.keys() <= self.forms.keys(), "a value", node)
        name = next(iter(node))
        return self.forms[name][1].decode(node[name], place.at(name))


VALUE = Value()
"""Whatever can be kept: plain values, arrays, and objects whose classes declare how."""
VALUE.forms.update({
    "number": (float, encoding.Number(finite=False)),
    "tuple": (tuple, encoding.Tuple((VALUE,), repeated=True)), "dict": (dict, Pairs(VALUE)),
    "array": (np.ndarray, ANY_ARRAY), "tensor": (torch.Tensor, ANY_TENSOR)})


@dataclass(frozen=True)
class Of:
    """A value that is an instance of a class, of a protocol, or of one among several classes."""

    classes: type | UnionType

    def encode(self, value: Any, place: Place) -> Json:
        """Return the value."""
        return VALUE.encode(value, place)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value."""
        found = VALUE.decode(node, place)
        required = f"a {getattr(self.classes, '__name__', self.classes)}"
        place.require(isinstance(found, self.classes), required, type(found).__name__)
        return found
