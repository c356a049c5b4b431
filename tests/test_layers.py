from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jaxtyping import TypeCheckError

from relu_forecast.datasets.tables import read_series

LATE = ("cvxpy", "matplotlib", "numpy", "pandas", "rich", "scipy", "sklearn", "statsmodels",
        "torch", "typer")


def test_importing_the_package_leaves_the_slow_packages_for_later():
    program = "import json, sys, relu_forecast; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "relu_forecast" in loaded
    assert [name for name in LATE if name in loaded] == []


def test_annotations_are_checked_while_the_tests_run():
    with pytest.raises(TypeCheckError, match=r"str \| os\.PathLike"):
        read_series(3)
