"""How a class says, in its own module, how its objects are kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch

from relu_forecast.storage import encoding
from relu_forecast.storage.arrays import Array, Tensor
from relu_forecast.storage.encoding import Kind
from relu_forecast.storage.values import VALUE, Declaration, Of, declare

_T = TypeVar("_T")
_SIMPLE: Mapping[Any, Kind] = {
    float: encoding.NUMBER, int: encoding.WHOLE, str: encoding.TEXT, bool: encoding.FLAG,
    Any: VALUE}


def stored(key: str | None = None, /, **kinds: Kind) -> Callable[[type[_T]], type[_T]]:
    """Declare that objects of a class are kept as the arguments of its constructor.

    Each argument must be an attribute of the same name. A class may have a method
    ``check_stored(self) -> None``: it is called after an object has been read from a file, and
    raises ValueError where parts do not belong together.

    Parameters
    ----------
    key : str, optional
        What files call the class, see `declare`: that of before it moved to another room.
    **kinds : Kind
        Of arguments whose annotation does not say enough: of arrays, for example. The others
        follow from their annotations, see `kind_of`.

    Returns
    -------
    callable
        A decorator, which returns the class itself.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from relu_forecast.storage import VECTOR, decode, encode
    >>> @stored(season=VECTOR)
    ... @dataclass(frozen=True)
    ... class Level:
    ...     level: float
    ...     season: np.ndarray
    >>> decode(*encode(Level(1.5, np.zeros(2))))
    Level(level=1.5, season=array([0., 0.]))
    """
    def decorate(kept: type[_T]) -> type[_T]:
        def found() -> Mapping[str, Kind]:
            hints = get_type_hints(kept if is_dataclass(kept) else kept.__init__)
            names = list(inspect.signature(kept.__init__).parameters)[1:]
            return {name: kinds.get(name) or kind_of(hints.get(name, Any)) for name in names}

        declaration = Declaration(
            found, lambda value: {name: getattr(value, name) for name in declaration.fields.kinds},
            lambda kind, values: kind(**values))
        declare(kept, declaration, key)
        return kept
    return decorate


def stored_estimator(**kinds: Kind) -> Callable[[type[_T]], type[_T]]:
    """Declare that estimators of a class are kept as their parameters and what `fit` set.

    What `fit` sets are the attributes that the class or a base of it annotates and whose names
    end in an underscore, such as ``coef_: npt.NDArray[np.float64]``. All of them are kept, or
    none of an estimator that has not been fitted. See `stored` for ``check_stored``.

    Parameters
    ----------
    **kinds : Kind
        Of attributes whose annotation does not say enough, or that have none.
    """
    def decorate(kept: type[_T]) -> type[_T]:
        declare(kept, estimator_declaration(kept, kinds))
        return kept
    return decorate


def estimator_declaration(
    kept: type, kinds: Mapping[str, Kind], *, changed: bool = False
) -> Declaration:
    """Return how the estimators of a class are kept, given kinds of attributes.

    With ``changed``, parameters are left out that are as the constructor sets them: for classes
    of scikit-learn, whose versions differ in their parameters. See `stored_estimator`.
    """
    def found() -> Mapping[str, Kind]:
        hints = {} if changed else get_type_hints(kept)
        fitted = {name: kind_of(hint) for name, hint in hints.items()
                  if name.endswith("_") and not name.startswith("_")}
        parts = encoding.Fields({**fitted, **kinds})
        return {"parameters": encoding.Named(VALUE), "fitted": encoding.Maybe(parts)}

    def take(estimator: Any) -> Mapping[str, Any]:
        parameters = estimator.get_params(deep=False)
        usual = kept().get_params() if changed else {}
        names = declaration.fields.kinds["fitted"].kind.kinds  # type: ignore[attr-defined]
        is_fitted = all(hasattr(estimator, name) for name in names)
        return {
            "parameters": {name: value for name, value in parameters.items() if not (
                name in usual and type(value) is type(usual[name])
                and repr(value) == repr(usual[name]))},
            "fitted": {name: getattr(estimator, name) for name in names} if is_fitted else None}

    def make(kind: type, values: dict[str, Any]) -> Any:
        estimator = with_parameters(kind, values["parameters"])
        vars(estimator).update(values["fitted"] or {})
        return estimator

    declaration = Declaration(found, take, make)
    return declaration


def with_parameters(kept: type, parameters: Mapping[str, Any]) -> Any:
    """Return an estimator or a forecaster, whose constructor must have the parameters."""
    known = kept._get_param_names()  # type: ignore[attr-defined]
    unknown = sorted(parameters.keys() - set(known))
    if unknown:
        raise ValueError(f"{kept.__name__} has no parameter {unknown[0]!r}")
    return kept(**parameters)


def kind_of(hint: Any) -> Kind:
    """Return the kind of values that an annotation allows.

    A float is finite; an array of NumPy may have any number of dimensions and is of finite
    float64; a tensor has the dimensions that jaxtyping gives, a variadic axis standing for up to
    two, and is finite. A class or a protocol allows its instances.
    """
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and NoneType in parts and len(parts) == 2:
        return encoding.Maybe(kind_of(parts[parts[0] is NoneType]))
    if origin is Literal:
        return encoding.Choice(parts)
    if origin is tuple:
        kinds = tuple(kind_of(part) for part in parts if part is not Ellipsis)
        return encoding.Tuple(kinds, repeated=parts[-1] is Ellipsis)
    if origin is list:
        return encoding.Many(kind_of(parts[0]))
    if origin is np.ndarray:
        return Array(None)
    if isinstance(hint, type) and issubclass(getattr(hint, "array_type", object), torch.Tensor):
        return _tensor(hint)
    return Of(hint) if isinstance(hint, type | UnionType) else VALUE


def _tensor(hint: Any) -> Kind:
    """Return the kind of tensors that a jaxtyping annotation allows."""
    count = len(hint.dims)
    counts = (count,) if hint.index_variadic is None else (count - 1, count, count + 1)
    dtypes = ("float64", "float32", "int64", "bool")
    allowed = tuple(getattr(torch, name) for name in dtypes if name in hint.dtypes)
    return Tensor(counts, allowed)
