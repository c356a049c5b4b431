"""The command explain, against the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import explain, load_forecaster
from relu_forecast.cli.explain import TABLES


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, run: Any) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    noise = np.random.default_rng(0).standard_normal((2, 120))
    pd.concat([pd.DataFrame({
        "unique_id": name, "ds": range(120), "y": np.abs(np.sin(np.arange(120) / 4)) + 0.1 * own})
        for name, own in zip("ab", noise, strict=True)]).to_csv(folder / "two.csv", index=False)
    run("fit", folder / "two.csv", "--column", "y", "--lags", 3, "--beta-ratio", 0.3, "--horizon",
        2, "-o", folder / "m.safetensors")
    return folder / "m.safetensors"


@pytest.mark.parametrize("what", TABLES)
def test_tables_are_those_of_the_library(saved: Path, what: str, run: Any, document: Any) -> None:
    model = load_forecaster(saved)
    told, atlas = explain.forecast(model, unique_id="b"), explain.neurons(model, unique_id="b")
    expected = {"regions": explain.regions(model, unique_id="b"), "neurons": atlas.summary} | {
        name: getattr(told if hasattr(told, name) else atlas, name)
        for name in TABLES if name not in ("regions", "neurons")}
    found = document("explain", saved, "--what", what, "--series", "b")
    assert [*found] == ["command", "what", "rows"]
    rows = pd.DataFrame(found["rows"])
    assert rows.columns.tolist() == expected[what].columns.tolist()
    numbers = expected[what].select_dtypes("number")
    np.testing.assert_allclose(rows[numbers.columns], numbers, rtol=1e-12)
    assert len(run("explain", saved, "--what", what, "--series", "b").stdout.splitlines()) == (
        len(rows) + 1)


def test_contributions_sum_to_what_is_forecast(saved: Path, document: Any) -> None:
    forecasts = [row["ReLU"] for row in document("forecast", saved)["forecasts"]
                 if row["unique_id"] == "a"]
    rows = pd.DataFrame(document(
        "explain", saved, "--what", "contributions", "--series", "a")["rows"])
    np.testing.assert_allclose(
        rows.groupby("step")["contribution"].sum(), forecasts, rtol=1e-12)


@pytest.mark.parametrize("what", ["steps", "coefficients", "neurons"])
def test_pictures(saved: Path, what: str, tmp_path: Path, run: Any) -> None:
    run("explain", saved, "--what", what, "--series", "a", "--plot", tmp_path / "p.png",
        "-o", tmp_path / "rows.csv")
    assert (tmp_path / "p.png").stat().st_size > 5_000
    assert len(pd.read_csv(tmp_path / "rows.csv")) > 0


@pytest.mark.parametrize(("given", "told"), [
    (["--what", "all"], "--what must be one of steps"),
    (["--what", "regions", "--plot", "p.png"], "--plot must be left out, or with --what"),
    ([], "unique_id must be that of a series that was fitted, such as a, b"),
    (["--series", "a", "--what", "neurons", "--member", "x"], "member must be one of"),
    (["--series", "a", "--sep", ";"], "--sep must be left out where no file of series is read")])
def test_what_cannot_be_told_is_refused(saved: Path, given: list[str], told: str, run: Any) -> None:
    assert told in " ".join(run("explain", saved, *given, code=2).stderr.split())
