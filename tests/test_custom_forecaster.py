"""The forecaster of docs/custom_forecaster.md runs as the page says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "custom_forecaster.md"
CLASS, USE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_forecaster_has_at_most_40_lines():
    assert len([line for line in CLASS.splitlines() if line.strip()]) <= 40


def test_it_passes_the_check_backtests_saves_and_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(CLASS + USE, {"__name__": "custom_forecaster"})
    shown = capsys.readouterr().out
    assert "SeasonalMean-hi-95" in shown
    assert "coverage-80" in shown
    assert (tmp_path / "mine.safetensors").stat().st_size > 0
