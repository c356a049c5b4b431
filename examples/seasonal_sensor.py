"""Forecast a seasonal sensor with gaps: carbon dioxide at Mauna Loa, up to a year ahead.

Shows missing="interpolate", a penalty that validation chooses, prediction intervals and their
coverage, and a race against ETS, Theta and a ridge autoregression. The data come with
statsmodels. Of no neurons, the linear model is left: validation may find that it is best.

python examples/seasonal_sensor.py [YEARS] [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from statsmodels.datasets import co2

from relu_forecast import ReLUForecaster, backtest, baselines


def monthly(n_years: int) -> pd.Series:
    """Return the last years of the record, monthly: parts per million, and gaps added."""
    ppm = co2.load_pandas().data["co2"].resample("MS").mean().iloc[-12 * n_years :]
    ppm.iloc[10:13] = float("nan")  # a sensor that is out of order for a quarter
    return ppm


def main(n_years: int = 20, folder: Path | None = None) -> None:
    """Backtest on monthly means; draw into ``folder`` if one is given."""
    ppm = monthly(n_years)
    print(f"{len(ppm)} months, {ppm.isna().sum()} of them missing")

    model = ReLUForecaster(lags=12, transform="difference")
    model.fit(ppm, missing="interpolate", horizon=3, intervals="split")
    print("Chosen by their errors on the last samples:")
    print(model.members_[["member", "neurons", "error", "weight"]].to_string(index=False))
    ahead = model.predict(level=[80, 95])
    print(ahead.to_string(index=False, float_format="{:.1f}".format))

    models = {
        "ReLU": model,
        "RidgeAR": baselines.RidgeAR(12, transform="difference"),
        "ETS": baselines.ETS(season_length=12, seasonal="add"),
        "Theta": baselines.Theta(season_length=12),
        "SeasonalNaive": baselines.SeasonalNaive(12),
    }
    result = backtest(models, ppm, h=12, n_windows=24, step_size=1, refit=False, level=[80, 95],
                      intervals="adaptive", season_length=12, missing="interpolate")
    print(result.scores(["rmse", "mase", "coverage", "winkler"]).round(3))
    if folder is not None:
        result.plot(["ReLU", "ETS"], unit="ppm").savefig(folder / "seasonal_sensor.png", dpi=120)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
