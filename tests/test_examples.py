"""The examples on small instances, most of them in this process: another takes seconds."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs an example's ``main`` and returns what it prints."""

    def printed(example: str, *arguments: Any) -> str:
        runpy.run_path(str(ROOT / f"examples/{example}.py"))["main"](*arguments)
        return capsys.readouterr().out

    return printed


def run_alone(example: str, *arguments: str, folder: Path) -> str:
    """Run an example in a process of its own, as people do; return what it prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / f"examples/{example}.py"), *arguments], cwd=folder,
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_ecg_forecast(tmp_path: Path) -> None:
    output = run_alone("ecg_forecast", "400", str(tmp_path), folder=tmp_path)
    assert "relative gap" in output
    assert all(0.6 < float(share) < 1 for share in re.search(
        r"coverage-80 +(\S+) +(\S+) +(\S+)", output).groups())
    assert (tmp_path / "ecg_forecast.png").stat().st_size > 10_000


@pytest.mark.long
def test_seasonal_sensor(tmp_path: Path) -> None:
    # Alone: the checks of annotations lengthen its many small steps.
    output = run_alone("seasonal_sensor", "10", str(tmp_path), folder=tmp_path)
    assert "120 months, 3 of them missing" in output
    relu, *_, naive = map(float, re.search(r"rmse +(.*)", output)[1].split())
    assert relu < naive
    assert (tmp_path / "seasonal_sensor.png").stat().st_size > 10_000


def test_many_series(tmp_path: Path, run: Callable[..., str]) -> None:
    output = run("many_series", 5, tmp_path)
    assert re.search(r"ReLU +1\.0.* True", output)
    assert "friedman over 5 rooms" in output
    assert (tmp_path / "many_series.png").stat().st_size > 10_000


@pytest.mark.long
def test_backtest_with_refits(tmp_path: Path, run: Callable[..., str]) -> None:
    output = run("backtest_with_refits", 5, tmp_path)
    assert re.findall(r"5 refits per model, (.*):", output) == ["computed", "from the checkpoint"]
    assert "p_value" in output
    assert "Scores, lowest RMSE first" in (tmp_path / "backtest_with_refits.html").read_text()


@pytest.mark.cluster
def test_scale_out_with_dask(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    output = run_alone("scale_out_with_dask", "3", folder=tmp_path)
    assert "the same as in one place: True" in output


def test_scale_out_names_the_extra_that_is_missing(tmp_path: Path) -> None:
    if find_spec("distributed") is not None:
        pytest.skip("Dask is there")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/scale_out_with_dask.py")], cwd=tmp_path,
        capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == 'This example needs Dask: pip install "relu_forecast[dask]"'


def test_live_ecg(tmp_path: Path, run: Callable[..., str]) -> None:
    output = run("live_ecg", 5, tmp_path)
    inside = float(re.search(r"1800 samples, ([\d.]+)% of them within", output)[1])
    assert 70 < inside < 95  # of the samples of faults, few are
    assert (tmp_path / "live_ecg.png").stat().st_size > 10_000


def test_train_to_optimality(run: Callable[..., str]) -> None:
    output = run("train_to_optimality", 150)
    assert re.search(r"Adam: .* above the lower bound", output)


def test_worked_three_samples(run: Callable[..., str]) -> None:
    output = run("worked_three_samples")
    assert re.findall(r"D_\d = diag\((\d+)\)", output) == ["111", "110", "001", "000"]
    own, optimum = re.search(r"objective: ([\d.]+), the convex optimum: ([\d.]+)", output).groups()
    assert float(own) == pytest.approx(float(optimum), rel=1e-7)


def test_one_dimension_spline(tmp_path: Path, run: Callable[..., str]) -> None:
    output = run("one_dimension_spline", tmp_path)
    away = [float(value) for value in re.findall(r"farthest (\S+) from a data point", output)]
    off = [float(value) for value in re.findall(r"; (\S+) off scipy's spline", output)]
    assert len(away) == len(off) == 3
    assert max(away) < 1e-5
    assert off[0] > off[1] > off[2] < 0.01
    assert (tmp_path / "one_dimension_spline.png").stat().st_size > 10_000


def test_circular_cnn_spectrum(tmp_path: Path, run: Callable[..., str]) -> None:
    output = run("circular_cnn_spectrum", 100, tmp_path)
    counts = re.findall(r"keep (\d+) of (\d+) frequencies", output)
    assert len(counts) == 3
    assert all(int(kept) < int(every) for kept, every in counts)
    assert (tmp_path / "circular_cnn_spectrum.png").stat().st_size > 10_000
