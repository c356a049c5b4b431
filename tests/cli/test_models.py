"""Models by the names that people type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast.cli.models import MODELS, build_models
from relu_forecast.exceptions import InvalidArgumentError


def test_every_model_by_name(tmp_path: Path, document: Any) -> None:
    values = np.sin(np.arange(40) / 2) + 0.1 * np.random.default_rng(1).standard_normal(40)
    pd.DataFrame({"v": values}).to_csv(tmp_path / "short.csv", index=False)
    told = document("backtest", tmp_path / "short.csv", "--models", ",".join(MODELS),
                    "--season-length", 12, "--lags", 3, "--n-windows", 1, "-h", 1)
    assert told["models"] == [*MODELS]
    assert len({scores["mae"] for scores in told["scores"].values()}) > len(MODELS) - 3


def test_parameters_go_to_the_models_that_have_them() -> None:
    models = build_models(["ar", "naive"], {"lags": 4})
    assert models["ar"].lags == 4
    with pytest.raises(InvalidArgumentError, match="--lags must be left out with naive"):
        build_models(["naive"], {"lags": 4})
    assert build_models(["analogs"], {"k": 2})["analogs"].k == 2
    with pytest.raises(InvalidArgumentError, match="--neighbours must be left out with ar, naive"):
        build_models(["ar", "naive"], {"k": 2})
    assert list(build_models(["naive"], {"season_length": 4}, shared=["season_length"])) == [
        "naive"]
