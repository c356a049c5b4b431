"""The command path, against the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


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
