"""Kinds of values that a saved file holds, each with its form: JSON, and tensors that it names.

A kind both writes and reads its form, so that the two cannot drift apart. Reading takes nothing
on trust: whatever is not of the kind is a `DamageError`, which tells where it is.
"""

from __future__ import annotations

import math
import reprlib
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from relu_forecast.exceptions import InvalidTypeError

Json = Any
"""What the json module makes of a text."""

DTYPES = ("bool", *(f"{sign}int{size}" for size in (8, 16, 32, 64) for sign in ("", "u")),
          "float32", "float64")
"""Of all arrays of numbers that can be kept."""
_LARGEST = 2**4096
"""Of the whole numbers of a file: fractions of floats have up to some thousand bits."""
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class DamageError(Exception):
    """A file holds something else where a value of some kind must be."""


@dataclass(frozen=True)
class Place:
    """A place in a document, and the tensors beside the document.

    Attributes
    ----------
    path : str
        Names and positions that lead there, for example ``"models/0/regressor"``.
    tensors : dict of str to ndarray
        Writing adds to them; reading takes them out, so that none is left or used twice.
    """

    path: str
    tensors: dict[str, npt.NDArray[Any]]

    def at(self, name: str | int) -> Place:
        """Return a place further down."""
        return Place(f"{self.path}/{name}" if self.path else str(name), self.tensors)

    def damage(self, required: str, got: Any) -> DamageError:
        """Return the error for what is not as it must be; long values are cut short."""
        where = self.path or "the document"
        return DamageError(f"{where} is not {required} but {reprlib.repr(got)}")

    def require(self, condition: bool, required: str, got: Any) -> None:
        """Raise the error unless a condition holds."""
        if not condition:
            raise self.damage(required, got)

    def refusal(self, value: Any) -> InvalidTypeError:
        """Return the error for what cannot be kept as data."""
        return InvalidTypeError(
            "forecaster",
            "made of what can be kept as data: a forecaster of this package with a network of"
            " this package or LinearRegression, Ridge, RidgeCV, Lasso or LassoCV, and plain"
            " parameters",
            f"{type(value).__module__}.{type(value).__qualname__} at {self.path}",
            "Use one of these; or keep it with joblib.dump, and load such a file only where you"
            " trust its source.")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Turn any error into a `DamageError` here: it comes from what the file holds."""
        try:
            yield
        except DamageError:
            raise
        except Exception as error:
            said = textwrap.shorten(str(error), 300)
            said = said or type(error).__name__
            raise DamageError(f"{self.path} is of no use: {said}") from error


@runtime_checkable
class Kind(Protocol):
    """A kind of values."""

    def encode(self, value: Any, place: Place) -> Json:
        """Return a value as JSON; its arrays go to the tensors of the place."""

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value that JSON stands for, or raise `DamageError`."""


@dataclass(frozen=True)
class Plain:
    """Text, true or false: JSON as it is.

    Attributes
    ----------
    kind : type
        str or bool.
    """

    kind: type

    def encode(self, value: Any, place: Place) -> Json:
        """Return the value."""
        return self.kind(value)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value."""
        place.require(type(node) is self.kind, f"of type {self.kind.__name__}", node)
        return node


@dataclass(frozen=True)
class Whole:
    """A whole number in a range."""

    minimum: int = -_LARGEST
    maximum: int = _LARGEST

    def encode(self, value: Any, place: Place) -> Json:
        """Return the number."""
        return int(value)

    def decode(self, node: Json, place: Place) -> int:
        """Return the number."""
        whole = type(node) is int and self.minimum <= node <= self.maximum
        place.require(whole, "a whole number in range", node)
        return int(node)


@dataclass(frozen=True)
class Number:
    """A float; ``finite=False`` lets infinities and NaN be, which JSON has as text."""

    finite: bool = True

    def encode(self, value: Any, place: Place) -> Json:
        """Return the number, or its name."""
        number = float(value)
        return number if math.isfinite(number) else str(number)

    def decode(self, node: Json, place: Place) -> float:
        """Return the number."""
        if not self.finite and isinstance(node, str) and node in _NOT_FINITE:
            return _NOT_FINITE[node]
        place.require(type(node) is float and math.isfinite(node), "a finite number", node)
        return float(node)


@dataclass(frozen=True)
class Maybe:
    """A value of some kind, or None."""

    kind: Kind

    def encode(self, value: Any, place: Place) -> Json:
        """Return the value, or null."""
        return None if value is None else self.kind.encode(value, place)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the value, or None."""
        return None if node is None else self.kind.decode(node, place)


@dataclass(frozen=True)
class Many:
    """A list of values of one kind."""

    kind: Kind

    def encode(self, value: Iterable[Any], place: Place) -> Json:
        """Return the values, each at its position."""
        return [self.kind.encode(one, place.at(i)) for i, one in enumerate(value)]

    def decode(self, node: Json, place: Place) -> list[Any]:
        """Return the values."""
        place.require(isinstance(node, list), "a list", node)
        return [self.kind.decode(one, place.at(i)) for i, one in enumerate(node)]


@dataclass(frozen=True)
class Named:
    """A dict of values of one kind by text."""

    kind: Kind

    def encode(self, value: Mapping[str, Any], place: Place) -> Json:
        """Return the values by name."""
        return {name: self.kind.encode(one, place.at(name)) for name, one in value.items()}

    def decode(self, node: Json, place: Place) -> dict[str, Any]:
        """Return the values by name."""
        place.require(isinstance(node, dict), "an object", node)
        return {name: self.kind.decode(one, place.at(name)) for name, one in node.items()}


@dataclass(frozen=True)
class Fields:
    """A dict with these names, each for a value of its own kind."""

    kinds: Mapping[str, Kind]

    def encode(self, value: Mapping[str, Any], place: Place) -> Json:
        """Return the values by name."""
        return {name: kind.encode(value[name], place.at(name))
                for name, kind in self.kinds.items()}

    def decode(self, node: Json, place: Place) -> dict[str, Any]:
        """Return the values by name, all of them and no others."""
        place.require(isinstance(node, dict), "an object", node)
        place.require(node.keys() == self.kinds.keys(),
                      f"an object of {', '.join(self.kinds)}", sorted(node))
        return {name: kind.decode(node[name], place.at(name))
                for name, kind in self.kinds.items()}


@dataclass(frozen=True)
class Array:
    """A NumPy array with its memory order, on which the last bits of products rest.

    Attributes
    ----------
    dims : tuple of int
        Numbers of dimensions that it may have.
    dtypes : tuple of str
        That it may have.
    finite : bool
    """

    dims: tuple[int, ...] = (1,)
    dtypes: tuple[str, ...] = ("float64",)
    finite: bool = True

    def encode(self, value: Any, place: Place) -> Json:
        """Return the order, ``"C"`` or ``"F"``; the tensor is called as the place."""
        array = np.asarray(value)
        if array.dtype.name not in self.dtypes:
            raise place.refusal(value)
        own = array.astype(array.dtype.newbyteorder("="), order="K")
        place.tensors[place.path] = np.asarray(own, order="C")
        return "C" if own.flags.c_contiguous else "F"

    def decode(self, node: Json, place: Place) -> npt.NDArray[Any]:
        """Return the array, a copy."""
        place.require(node in ("C", "F"), "the order of a tensor", node)
        array = _taken(place)
        place.require(array.ndim in self.dims, f"of {self.dims} dimensions", array.shape)
        place.require(array.dtype.name in self.dtypes, f"of dtype {self.dtypes}", array.dtype.name)
        if self.finite:
            place.require(bool(np.isfinite(array).all()), "finite", "NaN or infinite values")
        return np.array(array, order="F" if node == "F" else "C")


@dataclass(frozen=True)
class Tensor:
    """A torch tensor, kept on the CPU, with its strides, on which the last bits rest too.

    Attributes
    ----------
    dims : tuple of int
        Numbers of dimensions that it may have.
    dtypes : tuple of torch.dtype
        That it may have.
    """

    dims: tuple[int, ...]
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32)

    def encode(self, value: torch.Tensor, place: Place) -> Json:
        """Return the strides; the tensor is called as the place."""
        tensor = value.detach().cpu()
        place.tensors[place.path] = np.asarray(tensor.numpy(), order="C")
        strides, room = tensor.stride(), _room(tensor.shape, tensor.stride())
        # A column of a matrix: its stride would take the room of the matrix and changes no bit.
        loose = tensor.ndim < 2 or room > 2 * tensor.numel() or 0 in strides
        return list(tensor.contiguous().stride() if loose else strides)

    def decode(self, node: Json, place: Place) -> torch.Tensor:
        """Return the tensor, a copy."""
        strides = Many(Whole(1)).decode(node, place)
        tensor = torch.tensor(_taken(place))
        place.require(tensor.dtype in self.dtypes, "of a dtype that belongs here", tensor.dtype)
        place.require(tensor.ndim == len(strides) and tensor.ndim in self.dims,
                      f"of {self.dims} dimensions", tuple(tensor.shape))
        place.require(bool(torch.isfinite(tensor).all()), "finite", "NaN or infinite values")
        if tuple(strides) == tensor.stride() or tensor.numel() == 0:
            return tensor
        fits = _room(tensor.shape, strides) <= 2 * tensor.numel()
        place.require(fits and _are_apart(tensor.shape, strides), "of usable strides", strides)
        return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _taken(place: Place) -> npt.NDArray[Any]:
    """Take the tensor that is called as a place out of the others."""
    place.require(place.path in place.tensors, "among the tensors", "missing")
    return place.tensors.pop(place.path)


def _room(shape: Iterable[int], strides: Iterable[int]) -> int:
    """Return how many entries lie between the first and the last one."""
    return 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))


def _are_apart(shape: Iterable[int], strides: Iterable[int]) -> bool:
    """Tell whether no two entries lie at the same address."""
    end = 1
    for stride, n in sorted(zip(strides, shape, strict=True)):
        if n > 1 and stride < end:
            return False
        end += (n - 1) * stride
    return True


def _construct(kind: type, values: dict[str, Any]) -> Any:
    """Make an object by keyword."""
    return kind(**values)


@dataclass(frozen=True)
class Record:
    """How objects of one class are kept: field by field.

    Attributes
    ----------
    home : str
        Module of the class; it is imported when an object of the class is met.
    kinds : dict of str to Kind
        Of the fields.
    take : callable, optional
        Returns the fields of an object. None takes its attributes.
    make : callable
        Returns the object of a class and its fields, checked: called with both.
    """

    home: str
    kinds: Mapping[str, Kind]
    take: Callable[[Any], Mapping[str, Any]] | None = None
    make: Callable[[type, dict[str, Any]], Any] = _construct

    def fields(self, value: Any) -> Mapping[str, Any]:
        """Return the fields of an object."""
        if self.take is not None:
            return self.take(value)
        return {name: getattr(value, name) for name in self.kinds}


@dataclass(frozen=True)
class Tagged:
    """An object of one of several classes, by the name of its class.

    Attributes
    ----------
    records : dict of str to Record
        The classes that may be met. No other name in a file is ever looked up.
    """

    records: Mapping[str, Record]

    def class_of(self, name: str) -> type:
        """Return a class of the records."""
        found: type = getattr(import_module(self.records[name].home), name)
        return found

    def encode(self, value: Any, place: Place) -> Json:
        """Return the name of the class under ``"class"``, and the fields."""
        name = type(value).__name__
        if name not in self.records or type(value) is not self.class_of(name):
            raise place.refusal(value)
        record = self.records[name]
        return {"class": name, **Fields(record.kinds).encode(record.fields(value), place)}

    def decode(self, node: Json, place: Place) -> Any:
        """Return the object."""
        place.require(isinstance(node, dict) and "class" in node, "an object of a class", node)
        name = node["class"]
        known = isinstance(name, str) and name in self.records
        place.require(known, f"of a class among {', '.join(self.records)}", name)
        record = self.records[name]
        rest = {key: value for key, value in node.items() if key != "class"}
        values = Fields(record.kinds).decode(rest, place)
        with place.blamed():
            return record.make(self.class_of(name), values)


TEXT, FLAG, WHOLE, COUNT, NUMBER = Plain(str), Plain(bool), Whole(), Whole(0), Number()
