"""What holds for all commands: help, refusals, versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relu_forecast import baselines
from tests.cli.series import COLUMNS


@pytest.mark.parametrize("command", ["demo", "fit", "forecast", "backtest", "path"])
def test_help_teaches(command: str, run: Any) -> None:
    shown = run(command, "--help").stdout
    assert f"Example: relu-forecast {command}" in shown
    assert "Exit codes" in shown


SLOW = ("cvxpy", "matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "statsmodels", "torch")


@pytest.mark.parametrize("arguments", [
    "--help", "backtest --help", "backtest missing.csv", "backtest missing.csv -o rows.txt",
    "fit a.txt -o m.safetensors", "forecast missing.csv", "path a.txt"])
def test_help_and_refusals_import_nothing_slow(arguments: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    program = (
        "import sys; from relu_forecast.cli import app\n"
        "try: app(sys.argv[1:])\n"
        f"except SystemExit as end: print(end.code, [n for n in {SLOW} if n in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program, *arguments.split()], cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    code = 0 if "--help" in arguments else 2
    assert done.stdout.splitlines()[-1] == f"{code} []"


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
