"""Forecast many sensors at once, with a column that is known ahead, and rank the models.

The heating of eight rooms follows the outdoor temperature, which a weather service tells ahead:
it rises only below 15 degrees, a kink that a ReLU network has and a linear model has not. Each
room gets a network of its own.

python examples/many_series.py [ROOMS] [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from relu_forecast import Autoregression, ReLUForecaster, backtest, baselines

HORIZON = 6
HOURS = pd.date_range("2026-03-01", periods=240 + HORIZON, freq="h")


def room(name: str, generator: np.random.Generator) -> pd.DataFrame:
    """Simulate a room: hours, outdoor temperature in degrees Celsius, heating in kilowatts."""
    hour = np.arange(len(HOURS))
    outdoor = 15 + 8 * np.sin(2 * np.pi * hour / 24) + generator.standard_normal(len(hour))
    heating = generator.uniform(0.5, 2) * np.maximum(15 - outdoor, 0)
    heating += 0.3 * generator.standard_normal(len(hour))
    return pd.DataFrame({"unique_id": name, "ds": HOURS, "y": heating, "outdoor": outdoor})


def main(n_rooms: int = 8, folder: Path | None = None) -> None:
    """Forecast and rank over some rooms; draw into ``folder`` if one is given."""
    generator = np.random.default_rng(0)
    rooms = pd.concat([room(f"room {number}", generator) for number in range(1, n_rooms + 1)])
    ahead = rooms["ds"] >= HOURS[-HORIZON]
    past, future = rooms[~ahead], rooms.loc[ahead, ["unique_id", "ds", "outdoor"]]

    relu = ReLUForecaster(
        lags=3, strategy="recursive", beta_ratio=0.1, future_exog=["outdoor"]).fit(past)
    print(relu.predict(HORIZON, future=future).groupby("unique_id").head(1).to_string(index=False))

    models = {
        "ReLU": relu,
        "Linear": Autoregression(3, LinearRegression(), future_exog=["outdoor"]),
        "Boosting": baselines.GradientBoosting(3, future_exog=["outdoor"]),
        "SeasonalNaive": baselines.SeasonalNaive(24),
    }
    result = backtest(models, past, HORIZON, n_windows=12, refit=False, season_length=24)
    print(result.scores(["mae", "rmsse"]).round(3))
    ranking = result.rank("rmsse")
    print(ranking.frame().round(2))
    print(f"{ranking.test} over {ranking.n_series} rooms: p = {ranking.p_value:.2g}; not told "
          f"apart: {ranking.groups}")
    if folder is not None:
        ranking.plot().savefig(folder / "many_series.png", dpi=120)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
