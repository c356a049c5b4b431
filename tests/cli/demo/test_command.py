"""The demo as a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest


@pytest.mark.slow
def test_quick_demo_leaves_pictures_tables_and_a_certificate(tmp_path: Path, run: Any) -> None:
    result = run("demo", "--quick", "--output", tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"table.csv", "results.json", "training_fit.png", "one_step_forecasts.png",
                     "multi_step_forecasts.png", "training_objective.png"}
    table = pd.read_csv(tmp_path / "table.csv", index_col="model")
    assert table.loc["ReLU (convex)", "rmse_step_1_mV"] < table.loc["LinearAR", "rmse_step_1_mV"]
    assert "scope: network-estimated" in " ".join(result.stdout.split())
