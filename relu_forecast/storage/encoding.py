"""Kinds of values that a saved file holds: each has a form in JSON, beside which there are tensors.

A kind both writes and reads its form, so that the two cannot drift apart. Reading takes nothing
on trust: whatever is not of the kind is a `DamageError`, which tells where it is.
"""
# ruff: noqa: D102 (kinds do what `Kind` says of `encode` and `decode`)

from __future__ import annotations

import math
import reprlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from relu_forecast.exceptions import InvalidTypeError

Json = Any
"""What the json module makes of a text."""

_LARGEST = 2**4096
"""Of the whole numbers of a file: fractions of floats have up to some thousand bits."""
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class DamageError(Exception):
    """A file holds something else where a value of some kind must be."""


@dataclass(frozen=True)
class Place:
    """A place in a document, and the tensors beside the document."""

    path: str
    """The names and positions that lead there, for example ``"models/0/regressor"``."""
    tensors: dict[str, npt.NDArray[Any]]
    """Writing adds to them; reading takes them out, so that none is left or used twice."""

    def at(self, name: str | int) -> Place:
        """Return a place further down."""
        return Place(f"{self.path}/{name}" if self.path else str(name), self.tensors)

    def require(self, condition: bool, required: str, got: Any) -> None:
        """Raise a `DamageError` unless a condition holds; a long value is cut short in it."""
        if not condition:
            where = self.path or "the document"
            raise DamageError(f"{where} is not {required} but {reprlib.repr(got)}")

    def refusal(self, value: Any, said: str = "") -> InvalidTypeError:
        """Return the error for what cannot be kept as data; its class is named by default."""
        return InvalidTypeError(
            "forecaster",
            "made of what can be kept as data: numbers, texts, arrays, tensors, lists, tuples and"
            " dicts of these, regressors of scikit-learn, and classes that declare how they are"
            " kept",
            f"{said or type(value).__module__ + '.' + type(value).__qualname__} at"
            f" {self.path or 'the top'}",
            "Use these, or declare the class with relu_forecast.storage.stored; or keep the whole"
            " with joblib.dump, and load such a file only where you trust its source.")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Turn any error into a `DamageError` here: it comes from what the file holds."""
        try:
            yield
        except DamageError:
            raise
        except Exception as error:
            said = textwrap.shorten(str(error), 300) or type(error).__name__
            raise DamageError(f"{self.path or 'the document'} is of no use: {said}") from error


@runtime_checkable
class Kind(Protocol):
    """A kind of values."""

    def encode(self, value: Any, place: Place) -> Json:
        """Return a value as JSON; its arrays go to the tensors of the place."""

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value that JSON stands for, or raise `DamageError`."""


@dataclass(frozen=True)
class Plain:
    """Text, true or false: JSON as it is. The type is str or bool."""

    kind: type

    def encode(self, value: Any, place: Place) -> Json:
        return self.kind(value)

    def decode(self, node: Json, place: Place) -> Any:
        place.require(type(node) is self.kind, f"of type {self.kind.__name__}", node)
        return node


@dataclass(frozen=True)
class Whole:
    """A whole number in a range."""

    minimum: int = -_LARGEST
    maximum: int = _LARGEST

    def encode(self, value: Any, place: Place) -> Json:
        return int(value)

    def decode(self, node: Json, place: Place) -> int:
        whole = type(node) is int and self.minimum <= node <= self.maximum
        place.require(whole, "a whole number in range", node)
        return int(node)


@dataclass(frozen=True)
class Number:
    """A float; ``finite=False`` lets infinities and NaN be, which JSON has as text."""

    finite: bool = True

    def encode(self, value: Any, place: Place) -> Json:
        number = float(value)
        return number if math.isfinite(number) else str(number)

    def decode(self, node: Json, place: Place) -> float:
        if not self.finite and isinstance(node, str) and node in _NOT_FINITE:
            return _NOT_FINITE[node]
        place.require(type(node) is float and math.isfinite(node), "a finite number", node)
        return float(node)


@dataclass(frozen=True)
class Choice:
    """One of some plain values: texts, numbers or None."""

    values: tuple[Any, ...]

    def encode(self, value: Any, place: Place) -> Json:
        return value

    def decode(self, node: Json, place: Place) -> Any:
        known = any(type(node) is type(value) and node == value for value in self.values)
        place.require(known, f"one of {', '.join(map(repr, self.values))}", node)
        return node


@dataclass(frozen=True)
class Maybe:
    """A value of some kind, or None."""

    kind: Kind

    def encode(self, value: Any, place: Place) -> Json:
        return None if value is None else self.kind.encode(value, place)

    def decode(self, node: Json, place: Place) -> Any:
        return None if node is None else self.kind.decode(node, place)


@dataclass(frozen=True)
class Many:
    """A list of values of one kind."""

    kind: Kind

    def encode(self, value: Iterable[Any], place: Place) -> Json:
        return [self.kind.encode(one, place.at(i)) for i, one in enumerate(value)]

    def decode(self, node: Json, place: Place) -> list[Any]:
        place.require(isinstance(node, list), "a list", node)
        return [self.kind.decode(one, place.at(i)) for i, one in enumerate(node)]


@dataclass(frozen=True)
class Tuple:
    """A tuple: of any length with values of one kind, or with a kind for each position."""

    kinds: tuple[Kind, ...]
    """One per position; a single one where it is repeated."""
    repeated: bool = False

    def encode(self, value: Iterable[Any], place: Place) -> Json:
        if self.repeated:
            return Many(self.kinds[0]).encode(value, place)
        return [kind.encode(one, place.at(i))
                for i, (kind, one) in enumerate(zip(self.kinds, value, strict=True))]

    def decode(self, node: Json, place: Place) -> tuple[Any, ...]:
        if self.repeated:
            return tuple(Many(self.kinds[0]).decode(node, place))
        fits = isinstance(node, list) and len(node) == len(self.kinds)
        place.require(fits, f"a list of {len(self.kinds)}", node)
        return tuple(kind.decode(one, place.at(i))
                     for i, (kind, one) in enumerate(zip(self.kinds, node, strict=True)))


@dataclass(frozen=True)
class Named:
    """A dict of values of one kind by text."""

    kind: Kind

    def encode(self, value: Mapping[str, Any], place: Place) -> Json:
        return {name: self.kind.encode(one, place.at(name)) for name, one in value.items()}

    def decode(self, node: Json, place: Place) -> dict[str, Any]:
        place.require(isinstance(node, dict), "an object", node)
        return {name: self.kind.decode(one, place.at(name)) for name, one in node.items()}


@dataclass(frozen=True)
class Added:
    """A field that files of before it was there lack; reading them gives it ``before``."""

    kind: Kind
    before: Any = None

    def encode(self, value: Any, place: Place) -> Json:
        return self.kind.encode(value, place)

    def decode(self, node: Json, place: Place) -> Any:
        return self.kind.decode(node, place)


@dataclass(frozen=True)
class Fields:
    """A dict with these names and no others, each for a value of its own kind."""

    kinds: Mapping[str, Kind]

    def encode(self, value: Mapping[str, Any], place: Place) -> Json:
        return {name: kind.encode(value[name], place.at(name)) for name, kind in self.kinds.items()}

    def decode(self, node: Json, place: Place) -> dict[str, Any]:
        place.require(isinstance(node, dict), "an object", node)
        required = f"an object of {', '.join(self.kinds)}"
        lacking = {name: kind.before for name, kind in self.kinds.items()
                   if name not in node and isinstance(kind, Added)}
        place.require(node.keys() | lacking.keys() == self.kinds.keys(), required, sorted(node))
        return {name: lacking[name] if name in lacking else kind.decode(node[name], place.at(name))
                for name, kind in self.kinds.items()}


TEXT = Plain(str)
"""A text."""
FLAG = Plain(bool)
"""True or false."""
WHOLE = Whole()
"""A whole number."""
COUNT = Whole(0)
"""A whole number from 0 on."""
NUMBER = Number()
"""A finite float."""
