"""The command report, against the library."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from relu_forecast import ReLUForecaster, backtest, baselines
from tests.cli.series import COLUMNS
from tests.plots.pages import check_structure


def test_the_page_is_of_the_backtest(many: Path, tmp_path: Path, document: Any) -> None:
    page = tmp_path / "page.html"
    told = document("report", many, "--column", "y", "--models", "ar,naive", "--lags", 3, "-h", 2,
                    "--n-windows", 9, "--level", 80, "--pictures", 1, "-o", page)
    result = backtest({"ar": baselines.LinearAR(3), "naive": baselines.Naive()},
                      pd.read_parquet(many), 2, n_windows=9, refit=False, level=[80])
    pd.testing.assert_frame_equal(
        pd.DataFrame(told["scores"]), result.scores(), check_names=False, rtol=1e-9)
    assert told["page"] == str(page)
    found = check_structure(page.read_text())
    for number in result.scores(["rmse", "winkler"]).to_numpy().ravel():
        assert f"{number:.4g}" in found.cells
    assert "The first 1 of 2 series." in found.text
    assert "Backtest of many.parquet" in found.text
    assert "Fitted models" not in found.text


def test_networks_come_with_their_certificate_and_what_was_tried(
    hourly: Path, tmp_path: Path, run: Any
) -> None:
    page = tmp_path / "page.html"
    given = ["--models", "relu,naive", "--lags", "3", "--beta-ratio", "0.2", "-h", "2",
             "--n-windows", "3"]
    run("report", hourly, *COLUMNS, *given, "-o", page)
    values = pd.read_csv(hourly, parse_dates=["when"]).set_index("when")["value"]
    model = ReLUForecaster(3, beta_ratio=0.2).fit(values, horizon=2)
    found = check_structure(page.read_text())
    assert str(model.regressor_.certificate_) in found.text
    assert f"{model.members_['gap'].iloc[0]:.4g}" in found.cells
    assert "ReLUForecaster(alias='relu'" in found.text


def test_the_command_on_the_page_makes_it_again(tmp_path: Path, run: Any) -> None:
    data, page = tmp_path / "a b.csv", tmp_path / "it's.html"
    pd.DataFrame({"v": np.sin(np.arange(60.0))}).to_csv(data, index=False)
    run("report", data, "--models", "naive,drift", "-h", 2, "--output", page, "--strict")
    command = check_structure(page.read_text()).text
    line = next(line for line in command.splitlines() if "relu-forecast report" in line)
    words = shlex.split(line[line.index("relu-forecast") :])
    assert words == ["relu-forecast", "report", str(data), "--horizon", "2", "--models",
                     "naive,drift", "--output", str(page), "--strict"]
    first = page.read_text()
    run(*words[1:])
    scores = [cell for cell in check_structure(first).cells if "." in cell]
    again = [cell for cell in check_structure(page.read_text()).cells if "." in cell]
    assert len(set(scores) - set(again)) <= 2  # the seconds
