"""The command path, against the library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast.training.train import Trainer


def test_path_equals_the_library(bare: Path, tmp_path: Path, document: Any) -> None:
    from relu_forecast import hankel, regularization_path
    from relu_forecast.windows.grids import Grid

    told = document("path", bare, "--lags", 3, "--ratios", "1,0.3,0.1", "--tol", 0.001,
                    "--transform", "standardize",
                    "--skip-penalty", 0.5, "--plot", tmp_path / "p.png", "-o", tmp_path / "p.csv")
    values = pd.read_csv(bare)["v"].to_numpy()
    values = Grid.of(values).steps(values)
    X, y = hankel((values - values.mean()) / values.std(), 3)
    path = regularization_path(X, y, ratios=[1, 0.3, 0.1], tol=0.001, skip_penalty=0.5)
    rows = pd.DataFrame(told["path"])
    np.testing.assert_allclose(rows["objective"], path.objectives, rtol=1e-6)
    assert rows["n_neurons"].tolist() == path.n_neurons.tolist()
    assert told["beta_max"] == pytest.approx(path.beta_max)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv"), rows)
    assert (tmp_path / "p.png").stat().st_size > 5_000


def test_windows_are_those_of_a_network_that_forecasts(bare: Path, document: Any) -> None:
    from relu_forecast import ReLUForecaster

    told = document("path", bare, "--lags", "1,2,5", "--ratios", "0.4", "--tol", 0.001,
                    "--skip-penalty", 0.5)
    values = pd.read_csv(bare)["v"].to_numpy()
    model = ReLUForecaster([1, 2, 5], strategy="recursive", beta_ratio=0.4, skip_penalty=0.5)
    network = model.fit(values).regressor_
    assert told["beta_max"] == pytest.approx(network.beta_max_)
    assert told["path"][0]["objective"] == pytest.approx(network.objective_, rel=0.01)


def test_samples_that_weigh_nothing_are_no_targets(
    bare: Path, tmp_path: Path, document: Any
) -> None:
    values = pd.read_csv(bare)
    values[:60].to_csv(tmp_path / "first.csv", index=False)
    values.assign(w=np.arange(len(values)) < 60).astype(float).to_csv(
        tmp_path / "weighed.csv", index=False)
    given = ["--lags", 3, "--ratios", "0.5", "--tol", 0.001, "--transform", "none"]
    known = [document("path", tmp_path / "first.csv", *given), *(
        document("path", tmp_path / "weighed.csv", "--column", "v", *more, *given)
        for more in (["--weight-col", "w"], []))]
    assert [told["n_windows"] for told in known] == [57, 57, len(values) - 3]
    # Over beta_max, which moves with the scale as the objective does.
    first, weighed, all_same = (told["path"][0]["objective"] / told["beta_max"] for told in known)
    assert weighed == pytest.approx(first, rel=0.01)
    assert abs(all_same - first) > 0.05 * first


def test_path_is_of_one_series(many: Path, run: Any) -> None:
    told = run("path", many, "--column", "y", "--lags", 2, "--n-ratios", 2, "--series", "b")
    assert "118 windows of b" in told.stdout
    assert "such as a, b" in run("path", many, "--column", "y", code=2).stderr


def test_a_path_stops_unless_it_is_to_go_on(bare: Path, run: Any) -> None:
    given = ["path", bare, "--lags", 3, "--ratios", "0.5,0.05,0.03", "--tol", 0.1, "--json"]
    results = [run(*given, *more) for more in ([], ["--no-stop"])]
    stopped, whole = (json.loads(result.stdout) for result in results)
    assert (stopped["ended"], whole["ended"]) == ("stopped", "done")
    assert len(stopped["path"]) < len(whole["path"]) == 3
    assert stopped["path"] == whole["path"][:len(stopped["path"])]
    assert ["--no-stop goes on" in result.stderr for result in results] == [True, False]


def test_ctrl_c_shows_and_writes_what_there_is(
    bare: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, train = [], Trainer.train

    def pressing(self: Any, beta: float, **options: Any) -> Any:
        begun.append(beta)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return train(self, beta, **options)

    monkeypatch.setattr(Trainer, "train", pressing)
    told = run("path", bare, "--lags", 3, "--ratios", "0.9,0.7,0.5,0.3", "-o", tmp_path / "p.csv",
               code=130)
    assert pd.read_csv(tmp_path / "p.csv")["beta_ratio"].tolist() == pytest.approx([0.9, 0.7])
    assert "Best networks" in told.stdout
    assert "was interrupted" in told.stderr
    begun[:] = [0.0, 0.0]
    assert "Nothing was written" in run("path", bare, "--lags", 3, code=130).stderr
