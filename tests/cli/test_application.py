"""What holds for all commands: help, refusals, versions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relu_forecast import baselines
from tests.cli.series import COLUMNS


@pytest.mark.parametrize(
    "command", ["demo", "fit", "forecast", "backtest", "report", "path", "watch"])
def test_help_teaches(command: str, run: Any) -> None:
    shown = run(command, "--help").stdout
    assert f"Example: relu-forecast {command}" in shown
    assert "Exit codes" in shown


SLOW = ("cvxpy", "matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "statsmodels", "torch")


LINES = [
    "--help", "backtest --help", "backtest missing.csv", "backtest missing.csv -o rows.txt",
    "fit a.txt -o m.safetensors", "report missing.csv",
    "report missing.csv -o page.pdf", "forecast missing.csv", "path a.txt",
    "watch --help", "watch missing.safetensors", "watch a.txt missing.csv", "watch a.txt --follow",
    "forecast a.csv --tz No", "forecast m.safetensors --update missing.csv"]
SWIFT = ["forecast marks.csv", "backtest marks.csv", "fit marks.csv -o m.safetensors"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By command, how it ended and what slow packages were there; one after another, alone."""
    folder = tmp_path_factory.mktemp("loaded")
    for name in ("a.txt", "a.csv"):
        (folder / name).touch()
    (folder / "marks.csv").write_text("a;b\n1;2\n")
    program = (
        "import json, sys; from relu_forecast.cli import app\n"
        "ends = {}\n"
        "for line in sys.argv[1:]:\n"
        "    try: app(line.split())\n"
        "    except SystemExit as end:\n"
        f"        ends[line] = end.code, [name for name in {SLOW} if name in sys.modules]\n"
        "print(json.dumps(ends))")
    done = subprocess.run([sys.executable, "-c", program, *LINES, *SWIFT], cwd=folder,
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("line", LINES)
def test_help_and_refusals_import_nothing_slow(line: str, loaded: dict[str, Any]) -> None:
    assert loaded[line] == [0 if "--help" in line else 2, []]


@pytest.mark.parametrize("line", SWIFT)
def test_files_that_are_no_use_are_refused_before_torch_is_imported(
    line: str, loaded: dict[str, Any]
) -> None:
    code, slow = loaded[line]
    assert code == 2
    assert {"pandas"} <= set(slow) <= {"pandas", "pyarrow"}


def test_version(run: Any) -> None:
    from importlib.metadata import version

    result = run("--version")
    assert result.stdout.strip() == version("relu_forecast")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["forecast", "missing.csv"], "missing.csv"),
     (["forecast", "SIGNAL", "--column", "valeu"], "value"),
     (["forecast", "SIGNAL", *COLUMNS, "--model", "prophet"], "models must be"),
     (["forecast", "SIGNAL", *COLUMNS, "--horizon", "0"], "h must be"),
     (["forecast", "SIGNAL", *COLUMNS, "--lags", "0"], "lags must be"),
     (["forecast", "SIGNAL", *COLUMNS, "--lags", "500"], "samples long"),
     (["forecast", "SIGNAL", *COLUMNS, "--beta-ratio", "-1"], "beta_ratio must be"),
     (["forecast", "SIGNAL", *COLUMNS, "--model", "adam", "--beta-ratio", "0"],
      "beta_ratio"),
     (["forecast", "SIGNAL", *COLUMNS, "--output", "nowhere/a.csv"], "--output must be"),
     (["backtest", "SIGNAL", *COLUMNS, "--output", "nowhere/a.csv"], "--output must be"),
     (["backtest", "SIGNAL", *COLUMNS, "--refit", "often"], "--refit must be"),
     (["backtest", "SIGNAL", *COLUMNS, "--n-windows", "900"], "samples long"),
     (["forecast", "BARE", "--model", "naive", "--lags", "3"], "--lags must be left out"),
     (["forecast", "BARE", "--beta-ratio", "high"], "--beta-ratio must be a number or cv"),
     (["forecast", "BARE", "--intervals", "split"], "--intervals must be left out"),
     (["forecast", "BARE", "--level", "80;95"], "--level must be numbers"),
     (["forecast", "BARE", "--model", "ar", "--future", "BARE"], "--future must be left out"),
     (["forecast", "BARE", "--future-exog", "y"], "Rename the column"),
     (["forecast", "BARE", "--output", "rows.txt"], "ends in .csv"),
     (["forecast", "MODEL", "--lags", "3"], "--lags must be left out for a saved model"),
     (["forecast", "MODEL", "--model", "ar"], "--model must be left out for a saved model"),
     (["fit", "BARE", "-o", "model.pkl"], "--output must be a file that ends in .safetensors"),
     (["backtest", "BARE", "--models", "seasonal"], "--season-length must be given"),
     (["backtest", "BARE", "--models", "ar,naive", "--compare", "ar,ets"], "--compare must be"),
     (["backtest", "BARE", "--models", ","], "models must be"),
     (["backtest", "BARE", "--html", "page.csv"], "--html must be"),
     (["report", "BARE", "--output", "page.csv"], "--output must be"),
     (["report", "BARE", "--pictures", "0"], "--pictures"),
     (["report", "SIGNAL", *COLUMNS, "--n-windows", "900"], "samples long"),
     (["backtest", "BARE", "--sep", ";;"], "sep must be a single character"),
     (["forecast", "BARE", "--tz", "Berlin"], "tz must be the name of a time zone"),
     (["forecast", "MODEL", "--update", "missing.csv"], "path must be an existing file"),
     (["path", "BARE", "--lags", "0"], "lags must be"),
     (["path", "BARE", "--transform", "log"], "transform must be")])
def test_errors_are_one_message_and_code_2(
    hourly: Path, bare: Path, tmp_path: Path, arguments: list[str], message: str, run: Any
) -> None:
    saved = tmp_path / "m.safetensors"
    baselines.Naive().fit([1.0, 2.0]).save(saved)
    files = {"SIGNAL": str(hourly), "BARE": str(bare), "MODEL": str(saved)}
    result = run(*[files.get(part, part) for part in arguments], code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
