"""The commands that fit, forecast, backtest and trace paths, against the library."""

from __future__ import annotations

import io
import json
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from relu_forecast import ReLUForecaster, backtest, baselines, load_forecaster
from relu_forecast.baselines import smoothing
from relu_forecast.cli import app
from relu_forecast.cli.documents import print_document
from relu_forecast.cli.models import MODELS
from relu_forecast.cli.session import session
from relu_forecast.exceptions import ConvergenceWarning

runner = CliRunner()
HOURS = pd.date_range("2026-01-01", periods=124, freq="h")


def run(*arguments: Any, code: int = 0) -> Any:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def document(*arguments: Any) -> Any:
    """Return the JSON document of a command; NaN and Infinity are no JSON."""

    def refuse(literal: str) -> None:
        raise AssertionError(literal)

    return json.loads(run(*arguments, "--json").stdout, parse_constant=refuse)


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


def test_a_saved_model_forecasts_as_the_library_does(
    many: Path, frame: pd.DataFrame, tmp_path: Path
) -> None:
    saved, ahead = tmp_path / "m.safetensors", tmp_path / "ahead.csv"
    target = tmp_path / "next.parquet"
    known = frame.loc[frame["ds"] >= HOURS[120], ["unique_id", "ds", "heat"]]
    known.to_csv(ahead, index=False)
    run("fit", many, "--column", "y", "--future-exog", "heat", "--lags", 3, "--beta-ratio", 0.2,
        "--horizon", 4, "--intervals", "split", "-o", saved)
    run("forecast", saved, "--future", ahead, "--level", "80,95", "-o", target)
    model = ReLUForecaster(3, beta_ratio=0.2, future_exog=["heat"]).fit(
        pd.read_parquet(many), horizon=4, intervals="split")
    expected = model.predict(4, future=known, level=[80, 95])
    pd.testing.assert_frame_equal(pd.read_parquet(target), expected, check_dtype=False, rtol=1e-9)


def test_a_saved_model_is_updated_by_a_file_without_times(bare: Path, tmp_path: Path) -> None:
    saved = tmp_path / "m.safetensors"
    run("fit", bare, "--model", "ar", "--lags", 4, "-o", saved)
    [row] = document("forecast", saved, "--update", tmp_path / "new.csv", "-h", 1)["forecasts"]
    whole = np.concatenate([pd.read_csv(bare)["v"], pd.read_csv(tmp_path / "new.csv")["v"]])
    expected = baselines.LinearAR(4).fit(whole).predict(1)["LinearAR"].item()
    assert row == {"unique_id": "bare", "ds": 104, "LinearAR": pytest.approx(expected, rel=1e-9)}


def test_columns_known_ahead_go_on_where_a_file_without_times_ends(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    one = frame.loc[frame["unique_id"] == "a", ["y", "heat"]]
    one[:120].to_csv(tmp_path / "one.csv", index=False)
    one[["heat"]][120:].to_csv(tmp_path / "ahead.csv", index=False)
    given = ["--column", "y", "--model", "boosting", "--lags", "3", "--future-exog", "heat"]
    result = run("forecast", tmp_path / "one.csv", *given, "--future", tmp_path / "ahead.csv",
                 "-h", 4)
    model = baselines.GradientBoosting(3, future_exog=["heat"])
    model.fit(one[:120].assign(ds=range(120)))
    expected = model.predict(4, future=one[120:].assign(ds=range(120, 124)))
    rows = pd.read_csv(io.StringIO(result.stdout))
    np.testing.assert_allclose(rows["GradientBoosting"], expected["GradientBoosting"], rtol=1e-9)


def test_past_columns_gaps_and_steps_reach_the_model(frame: pd.DataFrame, tmp_path: Path) -> None:
    one = frame.loc[frame["unique_id"] == "a", ["ds", "y", "heat"]][:60]
    one.loc[20, "y"] = np.nan
    one.to_csv(tmp_path / "one.csv", index=False)
    given = ["--column", "y", "--model", "boosting", "--lags", "3", "--past-exog", "heat",
             "--strategy", "direct", "--transform", "none", "--seed", "1", "--freq", "1h"]
    run("forecast", tmp_path / "one.csv", *given, code=2)
    result = run("forecast", tmp_path / "one.csv", *given, "--missing", "interpolate", "-h", 2)
    model = baselines.GradientBoosting(
        3, strategy="direct", transform=None, random_state=1, past_exog=["heat"])
    expected = model.fit(one, missing="interpolate", freq="1h", horizon=2).predict()
    rows = pd.read_csv(io.StringIO(result.stdout))
    np.testing.assert_allclose(rows["GradientBoosting"], expected["GradientBoosting"], rtol=1e-9)


def test_fit_tells_what_was_trained(many: Path, tmp_path: Path) -> None:
    saved = tmp_path / "m.safetensors"
    told = document("fit", many, "--column", "y", "--lags", 3, "--beta-ratio", "cv", "-o", saved)
    assert [*told] == ["command", "model", "output", "series", "warnings"]
    model = load_forecaster(saved)
    for row in told["series"]:
        network: Any = model.models_[row["unique_id"]].regressors[0]
        assert row["gap"] == network.gap_
        assert row["beta_ratio"] == network.beta_ratio != 0.03
        assert row["n_neurons"] == network.n_neurons_
        assert (row["first"], row["last"]) == ("2026-01-01T00:00:00", "2026-01-05T23:00:00")
    assert "neurons" in run("fit", many, "--column", "y", "--lags", 3, "-o", saved).stdout


def test_backtest_tells_scores_tests_and_seconds(many: Path, tmp_path: Path) -> None:
    page, rows = tmp_path / "report.html", tmp_path / "rows.parquet"
    told = document(
        "backtest", many, "--column", "y", "--models", "ar,theta,naive", "--lags", 3, "-h", 2,
        "--n-windows", 9, "--refit", 3, "--level", 80, "--intervals", "adaptive", "--gap", 1,
        "--compare", "ar,naive", "--season-length", 5, "--n-jobs", 1, "--html", page, "-o", rows)
    result = backtest(
        {"ar": baselines.LinearAR(3), "theta": baselines.Theta(5), "naive": baselines.Naive()},
        pd.read_parquet(many), 2, n_windows=9, refit=3, level=[80], intervals="adaptive", gap=1,
        season_length=5)
    pd.testing.assert_frame_equal(
        pd.DataFrame(told["scores"]), result.scores(), check_names=False, rtol=1e-9)
    pd.testing.assert_frame_equal(pd.read_parquet(rows), result.predictions, check_dtype=False)
    tests = pd.DataFrame(told["comparison"]["tests"]).set_index(["unique_id", "step"])
    np.testing.assert_allclose(tests["p_value"], result.compare("ar", "naive")["p_value"])
    assert [*told["seconds"]] == told["models"] == ["ar", "theta", "naive"]
    assert (told["levels"], told["n_cutoffs"]) == ([80], 18)
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_backtest_prints_intervals_and_tests_for_people(many: Path) -> None:
    shown = run("backtest", many, "--column", "y", "--models", "ar,naive", "--lags", 3, "-h", 2,
                "--n-windows", 9, "--level", 80, "--compare", "ar,naive").stdout
    for word in ("coverage-80", "seconds", "favour ar over naive"):
        assert word in shown


def test_every_model_by_name(bare: Path) -> None:
    told = document("backtest", bare, "--models", ",".join(MODELS), "--season-length", 25,
                    "--lags", 3, "--n-windows", 1, "-h", 1)
    assert told["models"] == [*MODELS]
    assert len({scores["mae"] for scores in told["scores"].values()}) > len(MODELS) - 3


def test_path_equals_the_library(bare: Path, tmp_path: Path) -> None:
    from relu_forecast import hankel, regularization_path

    told = document("path", bare, "--lags", 3, "--ratios", "1,0.3,0.1", "--tol", 0.001,
                    "--skip-penalty", 0.5, "--plot", tmp_path / "p.png", "-o", tmp_path / "p.csv")
    values = pd.read_csv(bare)["v"].to_numpy()
    X, y = hankel((values - values.mean()) / values.std(), 3)
    path = regularization_path(X, y, ratios=[1, 0.3, 0.1], tol=0.001, skip_penalty=0.5)
    rows = pd.DataFrame(told["path"])
    np.testing.assert_allclose(rows["objective"], path.objectives, rtol=1e-6)
    assert rows["n_neurons"].tolist() == path.n_neurons.tolist()
    assert told["beta_max"] == pytest.approx(path.beta_max)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv"), rows)
    assert (tmp_path / "p.png").stat().st_size > 5_000


def test_path_is_of_one_series(many: Path) -> None:
    told = run("path", many, "--column", "y", "--lags", 2, "--n-ratios", 2, "--series", "b")
    assert "118 windows of b" in told.stdout
    assert "such as a, b" in run("path", many, "--column", "y", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["forecast", "BARE", "--model", "naive", "--lags", "3"], "--lags must be left out"),
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
    bare: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    saved = tmp_path / "m.safetensors"
    baselines.Naive().fit([1.0, 2.0]).save(saved)
    files = {"BARE": str(bare), "MODEL": str(saved)}
    result = run(*[files.get(part, part) for part in arguments], code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_strict_ends_with_3_where_a_training_stopped_early(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "m.safetensors"
    given = ["fit", bare, "--model", "ets", "-o", saved]
    run(*given, "--strict")
    monkeypatch.setattr(smoothing, "FIT_STEPS", 1)
    [warning] = document(*given)["warnings"]
    assert "not reached" in warning
    told = run(*given, "--strict", code=3)
    assert f"Warning: {warning}" in told.stderr
    assert "samples" in told.stdout
    assert saved.exists()


def test_times_of_a_file_are_never_taken_for_row_numbers(tmp_path: Path) -> None:
    known, again, model = tmp_path / "t.csv", tmp_path / "again.csv", tmp_path / "m.safetensors"
    signal = pd.DataFrame({"t": range(40), "v": np.sin(np.arange(40.0)), "x": range(40)})
    signal.to_csv(known, index=False)
    signal[:9].to_csv(again, index=False)
    named = ["--time-col", "t", "--column", "v"]
    run("fit", known, "--model", "ridge", "--lags", "3", "-o", model, *named)
    told = run("forecast", model, "-h", "2", "--update", again, *named, code=2)
    assert "duplicates" in told.stderr


def test_many_warnings_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with session():
        for number in range(5):
            warnings.warn(f"gap {number}", ConvergenceWarning, stacklevel=1)
    assert "and 2 more" in capsys.readouterr().err


def test_unexpected_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), session():
        _ = 1 / 0


def test_documents_hold_what_json_has(capsys: pytest.CaptureFixture[str]) -> None:
    print_document({"a": [np.nan, np.inf, np.float64(0.1), np.int64(2)], 3: None,
                    "t": (pd.Timedelta("1ms"), pd.Timestamp("2026-01-01", tz="UTC"))})
    assert json.loads(capsys.readouterr().out) == {
        "a": [None, None, 0.1, 2], "3": None,
        "t": ["P0DT0H0M0.001S", "2026-01-01T00:00:00+00:00"]}


@pytest.mark.parametrize("command", ["demo", "fit", "forecast", "backtest", "path"])
def test_help_teaches(command: str) -> None:
    shown = run(command, "--help").stdout
    assert f"Example: relu-forecast {command}" in shown
    assert "Exit codes" in shown


@pytest.mark.slow
def test_an_interrupted_backtest_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(300).cumsum()
    pd.DataFrame({"v": values}).to_csv(tmp_path / "walk.csv", index=False)
    command = [sys.executable, "-c", "from relu_forecast.cli import app; app()", "backtest",
               "walk.csv", "--models", "arima", "--refit", "true", "--checkpoint", "run.ckpt"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None and _entries(tmp_path / "run.ckpt") == 0:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 130
    assert "run.ckpt keeps what is done: the same command goes on from there." in said
    assert "Traceback" not in said


def _entries(path: Path) -> int:
    """Return how many fits a checkpoint holds."""
    if not path.exists():
        return 0
    with sqlite3.connect(path) as file:
        tables = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return int(file.execute("SELECT count(*) FROM entries").fetchone()[0]) if tables else 0
