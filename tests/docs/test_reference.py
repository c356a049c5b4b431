"""Every public name is on a page of the reference, imports, and is documented."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import relu_forecast
from docs.tools.run_pages import ROOT
from relu_forecast.storage import Kind

PAGES = sorted((ROOT / "docs/api").glob("*.md"))
LISTED = [name for page in PAGES
          for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)]
ROOMS = [module.name for module in pkgutil.iter_modules(relu_forecast.__path__)
         if module.name not in ("adapters", "cli")]


def named(path: str) -> Any:
    """Return what a dotted name stands for."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def public() -> dict[str, Any]:
    """Return what ``__all__`` of the package and of its rooms names, by dotted name."""
    rooms = ("relu_forecast", *(f"relu_forecast.{room}" for room in ROOMS))
    return {f"{room}.{name}": named(f"{room}.{name}") for room in rooms
            for name in getattr(import_module(room), "__all__", ())}


def members(owner: type) -> Iterator[tuple[str, Any]]:
    """Go through the public methods and properties of a class that the package wrote."""
    for name in dir(owner):
        home = next((base for base in owner.__mro__ if name in vars(base)), object)
        if not name.startswith("_") and home.__module__.startswith("relu_forecast"):
            member = inspect.getattr_static(owner, name)
            if callable(member) or isinstance(member, property | classmethod | staticmethod):
                yield name, getattr(owner, name)


def undocumented(path: str, value: Any) -> list[str]:
    """Return what of a public name has no docstring; that of a base class or protocol counts."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return []
    gaps = [] if inspect.getdoc(value) else [path]
    if inspect.isclass(value):
        of_a_kind = {"encode", "decode"} if _is_a_kind(value) else set()
        gaps += [f"{path}.{name}" for name, member in members(value)
                 if not inspect.getdoc(member) and name not in of_a_kind]
    return gaps


def _is_a_kind(value: type) -> bool:
    """Tell whether a class does what `Kind` says of ``encode`` and ``decode``."""
    return all(hasattr(value, name) for name in ("encode", "decode")) and bool(Kind.encode.__doc__)


def test_names_are_listed_once() -> None:
    assert len(LISTED) > 130
    assert sorted(set(LISTED)) == sorted(LISTED)


@pytest.mark.parametrize("name", LISTED)
def test_what_the_pages_list_imports_and_is_documented(name: str) -> None:
    assert undocumented(name, named(name)) == []


def test_every_public_name_is_on_a_page() -> None:
    values = [named(name) for name in LISTED]
    missing = [name for name, value in public().items() if not isinstance(value, ModuleType)
               and name not in LISTED and not any(value is listed for listed in values)]
    assert missing == []


def test_names_that_are_no_classes_or_functions_have_a_text_below_them() -> None:
    plain = [name for name, value in public().items()
             if not (inspect.isclass(value) or inspect.isroutine(value)
                     or isinstance(value, ModuleType))]
    assert len(plain) >= 10
    sources = "".join(file.read_text() for file in (ROOT / "relu_forecast").rglob("*.py"))
    assert [name for name in plain if not re.search(
        rf'^{name.rpartition(".")[2]}\b[^\n]*= .*\n"""', sources, re.MULTILINE)] == []


def test_a_class_without_docstrings_is_found_out() -> None:
    class Bare:
        def method(self) -> None: ...

    Bare.__module__ = "relu_forecast.bare"
    assert undocumented("Bare", Bare) == ["Bare", "Bare.method"]
