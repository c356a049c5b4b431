"""Any value that can be kept: plain data, and objects of classes that have been declared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

import numpy as np
import torch

from relu_forecast.storage.arrays import ANY_ARRAY, ANY_TENSOR
from relu_forecast.storage.encoding import (
    TEXT,
    WHOLE,
    Json,
    Kind,
    Many,
    Maybe,
    Number,
    Place,
    Plain,
    Tuple,
)
from relu_forecast.storage.registry import NotKept, class_of, declaration_of, key_of


@dataclass(frozen=True)
class Pairs:
    """A dict, as a list of its keys and values.

    Attributes
    ----------
    kind : Kind
        Of keys and values alike.
    """

    kind: Kind

    def encode(self, value: Mapping[Any, Any], place: Place) -> Json:
        """Return keys and values, in order."""
        return Many(Many(self.kind)).encode(value.items(), place)

    def decode(self, node: Json, place: Place) -> dict[Any, Any]:
        """Return the dict; its keys must be hashable and different."""
        pairs = Many(Tuple((self.kind, self.kind))).decode(node, place)
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

    Attributes
    ----------
    forms : dict of str to tuple of type and Kind
        By name: the type of values that have the form, and their kind.
    """

    forms: dict[str, tuple[type, Kind]] = field(default_factory=dict)

    def encode(self, value: Any, place: Place) -> Json:
        """Return the value as JSON."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, np.generic):
            return self.encode(value.item(), place)
        if type(value) is list:
            return Many(self).encode(value, place)
        if declaration_of(type(value)) is not None:
            return encode_object(value, place)
        for name, (kept, kind) in self.forms.items():
            exact = kept in (tuple, dict)
            if type(value) is kept if exact else isinstance(value, kept):
                return {name: kind.encode(value, place.at(name))}
        raise place.refusal(value)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value."""
        if isinstance(node, list):
            return Many(self).decode(node, place)
        if not isinstance(node, dict):
            return _PLAIN.get(type(node), Plain(type(node))).decode(node, place)
        if "class" in node:
            return decode_object(node, place)
        place.require(len(node) == 1 and node.keys() <= self.forms.keys(), "a value", node)
        name = next(iter(node))
        return self.forms[name][1].decode(node[name], place.at(name))


_PLAIN: Mapping[type, Kind] = {type(None): Maybe(TEXT), int: WHOLE, float: Number()}
VALUE = Value()
VALUE.forms.update({
    "number": (float, Number(finite=False)), "tuple": (tuple, Tuple((VALUE,), repeated=True)),
    "dict": (dict, Pairs(VALUE)), "array": (np.ndarray, ANY_ARRAY),
    "tensor": (torch.Tensor, ANY_TENSOR)})


@dataclass(frozen=True)
class Of:
    """A value that is an instance of a class, of a protocol, or of one among several classes.

    Attributes
    ----------
    classes : type or union of types
    """

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


def encode_object(value: Any, place: Place) -> Json:
    """Return an object of a declared class: the key of its class under ``"class"``, its fields."""
    declaration = declaration_of(type(value))
    if declaration is None:
        raise place.refusal(value)
    try:
        fields = declaration.take(value)
    except NotKept as error:
        raise place.refusal(value, str(error)) from error
    return {"class": key_of(type(value)), **declaration.fields.encode(fields, place)}


def decode_object(node: Mapping[str, Any], place: Place) -> Any:
    """Return an object of a declared class, if its parts belong together.

    They do if the constructor takes them, and then ``check_stored()``, where the class has such a
    method, raises nothing.
    """
    key = node["class"]
    place.at("class").require(isinstance(key, str), "the key of a class", key)
    kept = class_of(key)
    declaration = declaration_of(kept)
    assert declaration is not None
    rest = {name: value for name, value in node.items() if name != "class"}
    values = declaration.fields.decode(rest, place)
    with place.blamed():
        made = declaration.make(kept, values)
        check = getattr(made, "check_stored", None)
        if check is not None:
            check()
    return made
