from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    pytest.importorskip("hatchling", reason="needs the build backend")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


def test_wheel_holds_the_package_and_its_data_byte_for_byte(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for name in (
                "data/ecg_mitbih_208.npz", "data/ecg_mitbih_100.npz", "data/README.md"):
            assert archive.read(f"relu_forecast/{name}") == (ROOT / name).read_bytes()
        for module in ROOT.glob("relu_forecast/**/*.py"):
            assert archive.read(str(module.relative_to(ROOT))) == module.read_bytes()
        assert "relu_forecast/py.typed" in archive.namelist()


def test_wheel_holds_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    roots = {name.split("/")[0] for name in names}
    assert roots == {"relu_forecast", "relu_forecast-0.1.0.dist-info"}
    assert {Path(name).suffix for name in names if name.startswith("relu_forecast/")} == {
        ".md", ".npz", ".py", ".typed"}


def test_wheel_carries_its_licence_and_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        information = "relu_forecast-0.1.0.dist-info"
        licence = archive.read(f"{information}/licenses/LICENSE")
        commands = archive.read(f"{information}/entry_points.txt").decode()
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert "relu-forecast = relu_forecast.cli:app" in commands


def test_ecg_loads_from_an_installed_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "from relu_forecast import datasets; print(datasets.__file__, len(datasets.load_ecg()))")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.stdout.split() == [
        str(tmp_path / "relu_forecast" / "datasets" / "__init__.py"), "108000"]
