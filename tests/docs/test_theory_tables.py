"""What docs/theory.md names is there."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

import relu_forecast

ROOT = Path(__file__).resolve().parents[2]
ROWS = [line.split(" | ") for line in (ROOT / "docs/theory.md").read_text().splitlines()
        if re.search(r"\| `[\w/]*test_\w+\.py::\w+` \|$", line)]
TESTS = sorted({row[-1].strip("`| ") for row in ROWS})
NAMES = sorted({name for row in ROWS for name in re.findall(r"`([A-Za-z_.]+)`", row[-2])
                if "test_" not in name})


@cache
def modules():
    """Return all modules but one that needs what may not be installed."""
    return [importlib.import_module(module.name)
            for module in pkgutil.walk_packages(relu_forecast.__path__, "relu_forecast.")
            if module.name != "relu_forecast.adapters.sktime"]


def test_the_tables_were_read():
    assert len(ROWS) > 50
    assert len(NAMES) > 25


@pytest.mark.parametrize("name", TESTS)
def test_the_tests_of_the_theory_exist(name):
    file, function = name.split("::")
    assert re.search(rf"^def {function}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_the_functions_of_the_theory_exist(name):
    first, *rest = name.split(".")
    owners = [getattr(module, first) for module in modules() if hasattr(module, first)]
    assert any(all(hasattr(owner, part) for part in rest) for owner in owners)
