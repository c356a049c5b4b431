"""`relu-forecast watch` in processes of its own: killed at random, interrupted, and left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_forecast.baselines import RidgeAR
from tests.cli import killing


def lived(folder: Path, kills: int) -> dict[str, Any]:
    """What was seen of watches of a model, m.safetensors in a folder."""
    wave = np.sin(np.arange(150) / 5)
    RidgeAR(5).fit(wave, horizon=3, intervals="split").save(folder / "m.safetensors")
    done = subprocess.run(
        [sys.executable, killing.__file__, str(folder), str(folder / "m.safetensors"), str(kills)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "stderr": done.stderr, "folder": folder}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return lived(tmp_path_factory.mktemp("few"), 3)


def check_kills(seen: dict[str, Any], kills: int, run: Any) -> None:
    """They went on from where they were, and what they wrote is what one watch writes."""
    folder = seen["folder"]
    assert len({lines for lines, *_ in seen["kills"]}) >= (kills + 1) // 2
    out = (folder / "out.jsonl").read_text()
    assert out == run("watch", folder / "m.safetensors", folder / "samples.csv").stdout
    assert [json.loads(line)["line"] for line in out.splitlines()] == [
        *range(1, killing.LINES * kills + 1)]


def test_kills_lose_and_repeat_nothing(few: dict[str, Any], run: Any) -> None:
    check_kills(few, 3, run)


@pytest.mark.long
def test_fifty_kills_lose_and_repeat_nothing(tmp_path: Path, run: Any) -> None:
    seen = lived(tmp_path, 50)
    check_kills(seen, 50, run)
    assert any(size > written for _, written, size in seen["kills"])  # there was more than was kept


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signals_end_it_with_its_state(few: dict[str, Any], name: str) -> None:
    assert few[name] == [130, 3]
    assert "Interrupted. The state is in" in few["stderr"]


def test_a_closed_pipe_is_a_clean_end(few: dict[str, Any]) -> None:
    code, lines = few["pipe"]
    assert code == 0
    assert lines == 2  # the second one was in flight
    assert "Broken" not in few["stderr"]
