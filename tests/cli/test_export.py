"""relu-forecast export: the same files as the library writes, and what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_forecast.baselines import RidgeAR


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "wave.safetensors"
    RidgeAR(4).fit(np.sin(np.arange(120) / 3), horizon=3, intervals="split").save(path)
    return path


def test_files_are_those_of_the_library(saved: Path, run: Any, document: Any) -> None:
    from relu_forecast import load_forecaster

    model: Any = load_forecaster(saved)
    sizes = model.export_c(saved.with_name("own.h"), level=[80], dtype="float", prefix="wave")
    told = document("export", saved, "--level", 80, "--dtype", "float", "--prefix", "wave")
    assert saved.with_suffix(".h").read_text() == saved.with_name("own.h").read_text()
    assert (told["constants"], told["memory"]) == (sizes.constants, sizes.memory)
    model.export_numpy(saved.with_name("own.py"), n_steps=2)
    other = saved.with_name("other.py")
    shown = run("export", saved, "--to", "numpy", "--horizon", 2, "-o", other).stderr
    assert other.read_text() == saved.with_name("own.py").read_text()
    assert "2 steps ahead from 4 samples" in shown
    assert "multiply-adds" in shown


@pytest.mark.parametrize(("given", "told"), [
    (["--to", "fortran"], "--to must be c, onnx or numpy"),
    (["--to", "numpy", "--level", "80"], "--level must be left out with --to numpy"),
    (["--to", "numpy", "--fixed-weights"], "--fixed-weights must be left out"),
    (["-o", "x.py"], "--output must be a file that ends in .h"),
    (["--series", "b"], "unique_id must be a series that was fitted"),
    (["--prefix", "1"], "prefix must be a name of C"),
    (["--dtype", "half"], "dtype must be one of")])
def test_what_cannot_be_written_is_refused(
    saved: Path, given: list[str], told: str, run: Any
) -> None:
    assert told in " ".join(run("export", saved, *given, code=2).stderr.split())
