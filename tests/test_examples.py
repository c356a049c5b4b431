from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ecg_forecast(tmp_path: Path) -> None:
    output = run(str(ROOT / "examples/ecg_forecast.py"), "400", str(tmp_path), folder=tmp_path)
    assert "relative gap" in output
    assert (tmp_path / "ecg_forecast.png").stat().st_size > 10_000


def test_train_to_optimality(tmp_path: Path) -> None:
    output = run(str(ROOT / "examples/train_to_optimality.py"), "150", folder=tmp_path)
    assert re.search(r"Adam: .* above the lower bound", output)


@pytest.mark.slow
def test_readme_snippets_run(tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        assert run("-c", snippet.replace("22_000", "20_500"), folder=tmp_path)
