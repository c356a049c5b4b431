"""Checks of annotations at run time that cost little: a fit calls many small functions.

`jaxtyping.jaxtyped` binds the signature and checks the arguments twice in every call. Here they
are checked once, and jaxtyping only holds the sizes of axes together, where there are any. Of each
function the first calls are checked, and some of those that follow: all of them take more than half
of the time of the tests. `make long` checks all (`CHECK_EVERY_CALL=1`).
"""

from __future__ import annotations

import functools
import inspect
import os
import typing
from collections.abc import Callable
from dataclasses import is_dataclass
from types import FunctionType, NoneType, SimpleNamespace, UnionType
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, TypeCheckError, install_import_hook, jaxtyped

PLAIN = (bool, int, float, str, NoneType)
FIRST_CALLS, EVERY = 10, 1 if os.environ.get("CHECK_EVERY_CALL") else 97
"""Calls of each function that are checked, and of the later ones one in so many: a prime, so that
it is another one of calls that take turns."""
CHECK = beartype(conf=BeartypeConf(violation_type=TypeCheckError))


def install_checks(package: str) -> None:
    """Check the annotations of all that is imported from a package from now on."""
    jaxtyping.jaxtyped = lambda typechecker: check_annotations
    install_import_hook(package, None)


def check_annotations(made: Any) -> Any:
    """Check the arguments and the result of a function, and what a dataclass is made of."""
    if not inspect.isclass(made):
        return _checked(made)
    if is_dataclass(made) and "__init__" in vars(made):
        made.__init__ = _checked(made.__init__)
    return made


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function by no more than its annotations need."""
    if inspect.isgeneratorfunction(function):
        return jaxtyped(function, typechecker=_beartyped)
    hints = {name: _resolved(hint, function) for name, hint in function.__annotations__.items()}
    checked = functools.update_wrapper(_beartyped(_copy(function, hints)), function)
    has_axes, calls = any(map(_has_axes, hints.values())), 0

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > FIRST_CALLS and calls % EVERY:
            return function(*args, **kwargs)
        if not has_axes:
            return checked(*args, **kwargs)
        with jaxtyped("context"):
            return checked(*args, **kwargs)

    return wrapper


def _resolved(hint: Any, function: Callable[..., Any]) -> Any:
    """Return what a hint written as a string stands for, or Any where that is not there yet."""
    holder = SimpleNamespace(__annotations__={"hint": hint})
    try:
        return typing.get_type_hints(holder, function.__globals__, include_extras=True)["hint"]
    except Exception:
        return Any


def _copy(function: Any, hints: dict[str, Any]) -> Any:
    """Return the same function with other annotations."""
    copy = FunctionType(function.__code__, function.__globals__, function.__name__,
                        function.__defaults__, function.__closure__)
    copy.__kwdefaults__, copy.__annotations__ = function.__kwdefaults__, hints
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


def _beartyped(function: Any) -> Any:
    """Check with beartype, but leave plain arguments to the package.

    Its own checks of numbers, strings and options name the argument and a remedy; the tests of
    bad input are for those, so beartype must not come first.
    """
    for name, hint in function.__annotations__.items():
        if name != "return" and _is_plain(hint):
            function.__annotations__[name] = Any
    return CHECK(function)


def _is_plain(hint: Any) -> bool:
    """Tell whether a hint is for numbers, strings, options or None, alone or in a union."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, UnionType):
        return all(map(_is_plain, typing.get_args(hint)))
    return origin is typing.Literal or any(hint is plain for plain in PLAIN)


def _has_axes(hint: Any) -> bool:
    """Tell whether a hint says of a shape, here or within."""
    return (inspect.isclass(hint) and issubclass(hint, AbstractArray)) or any(
        map(_has_axes, typing.get_args(hint)))
