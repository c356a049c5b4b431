"""Checked annotations for every test: the hook goes in before the package is imported."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any

import pytest
from beartype import beartype
from hypothesis import settings
from jaxtyping import install_import_hook

PLAIN = (bool, int, float, str, NoneType)


def check_annotations(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check arguments and results with beartype, but leave plain arguments to the package.

    Its own checks of numbers, strings and options name the argument and a remedy; the tests of
    bad input are for those, so beartype must not come first.
    """
    for name, hint in function.__annotations__.items():
        if name != "return" and _is_plain(hint):
            function.__annotations__[name] = Any
    return beartype(function)


def _is_plain(hint: Any) -> bool:
    """Tell whether a hint is for numbers, strings, options or None, alone or in a union."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, UnionType):
        return all(map(_is_plain, typing.get_args(hint)))
    return origin is typing.Literal or any(hint is plain for plain in PLAIN)


if "relu_forecast" in sys.modules:
    raise RuntimeError("relu_forecast was imported before its annotations could be checked")
install_import_hook("relu_forecast", f"{__name__}.{check_annotations.__name__}")

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests that need a CUDA device where there is none."""
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
