"""The command fit, against the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import ReLUForecaster, load_forecaster
from relu_forecast.baselines import smoothing


def test_fit_tells_what_was_trained(many: Path, tmp_path: Path, run: Any, document: Any) -> None:
    saved = tmp_path / "m.safetensors"
    told = document("fit", many, "--column", "y", "--lags", 3, "--beta-ratio", 0.2,
                    "--horizon", 2, "-o", saved)
    assert [*told] == ["command", "model", "output", "series", "members", "warnings"]
    model = load_forecaster(saved)
    for row in told["series"]:
        network: Any = model.models_[row["unique_id"]].regressors[0]
        assert row["gap"] == network.gap_
        assert row["beta_ratio"] == network.beta_ratio == 0.2
        assert row["n_neurons"] == network.n_neurons_
        assert (row["first"], row["last"]) == ("2026-01-01T00:00:00", "2026-01-05T23:00:00")
    assert "neurons" in run("fit", many, "--column", "y", "--lags", 3, "--horizon", 2,
                            "-o", saved).stdout


def test_fit_tells_who_is_in_a_committee(bare: Path, tmp_path: Path, run: Any,
                                         document: Any) -> None:
    saved = tmp_path / "m.safetensors"
    told = document("fit", bare, "--horizon", 2, "-o", saved)
    expected = load_forecaster(saved).members_
    assert [row["member"] for row in told["members"]] == expected["member"].tolist()
    for name in ("weight", "weight_1", "weight_2", "error"):
        assert [row[name] for row in told["members"]] == pytest.approx(expected[name].tolist())
    shown = run("fit", bare, "--horizon", 2, "-o", saved).stdout
    assert "linear 4" in shown
    assert "weight" in shown
    assert "horizon must be given" in run("fit", bare, "-o", saved, code=2).stderr


def test_strict_ends_with_3_where_a_training_stopped_early(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any, document: Any
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


@pytest.mark.parametrize("model", ["boosting", "autoreg"])
def test_models_of_other_packages_are_saved(
    model: str, bare: Path, tmp_path: Path, run: Any
) -> None:
    saved = tmp_path / "m.safetensors"
    run("fit", bare, "--model", model, "--lags", 3, "-o", saved)
    run("forecast", saved, "--horizon", 2)
    assert len(load_forecaster(saved).predict(2)) == 2


def test_one_network_for_all_series(frame: pd.DataFrame, tmp_path: Path, document: Any) -> None:
    frame.to_csv(tmp_path / "many.csv", index=False)
    model = tmp_path / "m.safetensors"
    told = document("fit", tmp_path / "many.csv", "--column", "y", "--lags", 3, "--scope", "global",
                    "--beta-ratio", 0.5, "--horizon", 2, "-o", model)
    assert len({row["n_neurons"] for row in told["series"]}) == 1
    expected = ReLUForecaster(3, 2, scope="global", beta_ratio=0.5).fit(frame).predict()
    found = pd.DataFrame(document("forecast", model)["forecasts"])
    np.testing.assert_allclose(found["ReLU"], expected["ReLU"], rtol=1e-9)
