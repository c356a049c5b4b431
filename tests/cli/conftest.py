"""Files of series for the commands, and what runs a command in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from relu_forecast.cli import app
from tests.cli.series import HOURS


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    """Return a function that runs a command and checks the code that it ends with."""
    runner = CliRunner()

    def run(*arguments: Any, code: int = 0, sent: str | bytes | None = None) -> Any:
        result = runner.invoke(app, [str(argument) for argument in arguments], input=sent)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture(scope="session")
def document(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs a command and reads its JSON; NaN and Infinity are no JSON."""

    def refuse(literal: str) -> None:
        raise AssertionError(literal)

    return lambda *arguments: json.loads(
        run(*arguments, "--json").stdout, parse_constant=refuse)


@pytest.fixture
def hourly(tmp_path: Path) -> Path:
    path = tmp_path / "signal.csv"
    generator = np.random.default_rng(0)
    values = np.sin(np.arange(120) / 4) + 0.05 * generator.standard_normal(120)
    pd.DataFrame({"when": HOURS[:120], "value": values}).to_csv(path, index=False)
    return path


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two series of 120 samples that follow a temperature, known for four more."""
    generator = np.random.default_rng(0)
    parts = []
    for name in ("a", "b"):
        heat = 10 + 5 * np.sin(np.arange(124) / 4) + generator.standard_normal(124)
        load = np.abs(heat - 10) + 0.3 * generator.standard_normal(124)
        parts.append(pd.DataFrame({"unique_id": name, "ds": HOURS, "y": load, "heat": heat}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def many(frame: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "many.parquet"
    frame[frame["ds"] < HOURS[120]].to_parquet(path)
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """One series of 100 values without times."""
    path = tmp_path / "bare.csv"
    noise = np.random.default_rng(1).standard_normal(104)
    wave = np.sin(np.arange(104) / 4) + 0.1 * noise
    pd.DataFrame({"v": wave[:100]}).to_csv(path, index=False)
    pd.DataFrame({"v": wave[100:]}).to_csv(tmp_path / "new.csv", index=False)
    return path
