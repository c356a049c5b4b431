from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from relu_forecast.baselines import LinearAR
from relu_forecast.cli import app

runner = CliRunner()


@pytest.fixture
def signal(tmp_path: Path) -> Path:
    path = tmp_path / "signal.csv"
    generator = np.random.default_rng(0)
    values = np.sin(np.arange(120) / 4) + 0.05 * generator.standard_normal(120)
    times = pd.date_range("2026-01-01", periods=120, freq="h")
    pd.DataFrame({"when": times, "value": values}).to_csv(path, index=False)
    return path


COLUMNS = ["--column", "value", "--time-col", "when"]


def test_forecast_prints_csv_that_equals_the_library(signal: Path) -> None:
    result = runner.invoke(
        app, ["forecast", str(signal), *COLUMNS, "--model", "ar", "--lags", "4", "-h", "3"])
    assert result.exit_code == 0, result.output
    rows = pd.read_csv(io.StringIO(result.stdout))
    expected = LinearAR(4).fit(pd.read_csv(signal)["value"].to_numpy()).predict(3)
    np.testing.assert_allclose(rows.iloc[:, -1], expected.iloc[:, -1], rtol=1e-9)
    assert rows["ds"].iloc[0] == "2026-01-06 00:00:00"


def test_forecast_writes_a_file(signal: Path, tmp_path: Path) -> None:
    target = tmp_path / "next.csv"
    result = runner.invoke(
        app, ["forecast", str(signal), *COLUMNS, "--model", "naive", "-o", str(target)])
    assert result.exit_code == 0, result.output
    assert len(pd.read_csv(target)) == 10
    assert result.stdout == ""


def test_backtest_compares_models(signal: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    result = runner.invoke(
        app, ["backtest", str(signal), *COLUMNS, "--models", "ar,naive", "--lags", "4",
              "--horizon", "2", "--n-windows", "5", "--refit", "2", "-o", str(target)])
    assert result.exit_code == 0, result.output
    assert result.stdout.index("ar ") < result.stdout.index("naive")
    rows = pd.read_csv(target)
    assert rows.columns.tolist() == ["unique_id", "ds", "cutoff", "y", "ar", "naive"]
    assert len(rows) == 10


def test_backtest_of_the_network(signal: Path) -> None:
    result = runner.invoke(
        app, ["backtest", str(signal), *COLUMNS, "--models", "relu,ar", "--lags", "3",
              "--n-windows", "2", "--beta-ratio", "0.2"])
    assert result.exit_code == 0, result.output
    assert "relu" in result.stdout


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
     (["backtest", "SIGNAL", *COLUMNS, "--n-windows", "900"], "samples long")])
def test_errors_are_one_message_and_code_2(
    signal: Path, arguments: list[str], message: str
) -> None:
    given = [str(signal) if part == "SIGNAL" else part for part in arguments]
    result = runner.invoke(app, given)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["demo", "forecast", "backtest"])
def test_help_has_an_example(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.stdout


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


def test_version() -> None:
    from importlib.metadata import version

    result = runner.invoke(app, ["--version"])
    assert result.stdout.strip() == version("relu_forecast")


@pytest.mark.slow
def test_quick_demo_leaves_pictures_tables_and_a_certificate(tmp_path: Path) -> None:
    result = runner.invoke(app, ["demo", "--quick", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"table.csv", "results.json", "training_fit.png", "one_step_forecasts.png",
                     "multi_step_forecasts.png", "training_objective.png"}
    table = pd.read_csv(tmp_path / "table.csv", index_col="model")
    assert table.loc["ReLU (convex)", "rmse_step_1_mV"] < table.loc["LinearAR", "rmse_step_1_mV"]
    assert "scope: network-estimated" in " ".join(result.stdout.split())
