"""The command backtest, against the library."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import backtest, baselines
from tests.cli.series import COLUMNS
from tests.forecasting.evaluation.checkpoints import entries


def test_backtest_compares_models(hourly: Path, tmp_path: Path, run: Any) -> None:
    target = tmp_path / "rows.csv"
    result = run("backtest", hourly, *COLUMNS, "--models", "ar,naive", "--lags", "4",
              "--horizon", "2", "--n-windows", "5", "--refit", "2", "-o", target)
    assert result.stdout.index("ar ") < result.stdout.index("naive")
    rows = pd.read_csv(target)
    assert rows.columns.tolist() == ["unique_id", "ds", "cutoff", "y", "ar", "naive"]
    assert len(rows) == 10


def test_backtest_of_the_network(hourly: Path, run: Any) -> None:
    result = run("backtest", hourly, *COLUMNS, "--models", "relu,ar", "--lags", "3",
              "--n-windows", "2", "--beta-ratio", "0.2")
    assert "relu" in result.stdout


def test_backtest_tells_scores_tests_and_seconds(many: Path, tmp_path: Path, document: Any) -> None:
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


def test_backtest_prints_intervals_and_tests_for_people(many: Path, run: Any) -> None:
    shown = run("backtest", many, "--column", "y", "--models", "ar,naive", "--lags", 3, "-h", 2,
                "--n-windows", 9, "--level", 80, "--compare", "ar,naive").stdout
    for word in ("coverage-80", "seconds", "favour ar over naive"):
        assert word in shown


@pytest.mark.slow
def test_an_interrupted_backtest_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(300).cumsum()
    pd.DataFrame({"v": values}).to_csv(tmp_path / "walk.csv", index=False)
    # Runs in the background of a shell hand down that Ctrl-C is ignored.
    program = ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
               "from relu_forecast.cli import app; app()")
    command = [sys.executable, "-c", program, "backtest", "walk.csv", "--models", "naive,arima",
               "--refit", "true", "--checkpoint", "run.ckpt", "--n-windows", "60", "-h", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None and entries(tmp_path / "run.ckpt") == 0:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 130
    assert "run.ckpt keeps what is done: the same command goes on from there." in said
    assert "Traceback" not in said


def test_weights_reach_every_fit(frame: pd.DataFrame, tmp_path: Path, run: Any) -> None:
    frame.to_csv(tmp_path / "many.csv", index=False)
    given = ["backtest", tmp_path / "many.csv", "--column", "y", "-h", 2, "--n-windows", 2,
             "--weight-col", "heat", "--lags", 3]
    run(*given, "--models", "ridge", "-o", tmp_path / "rows.csv")
    expected = backtest({"ridge": baselines.RidgeAR(3)}, frame, 2, n_windows=2, refit=False,
                        weight_col="heat").predictions["ridge"]
    found = pd.read_csv(tmp_path / "rows.csv")["ridge"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    told = run(*given, "--models", "ridge,naive", code=2).stderr
    assert "weight_col must be None for a model whose" in told
    assert "Naive()" in told
