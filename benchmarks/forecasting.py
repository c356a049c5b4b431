"""How good the forecasts are, how often intervals cover, what refits cost: tables for the docs.

``python -m benchmarks.forecasting accuracy coverage refits`` runs one or several of the three;
with ``--docs`` the tables go into docs/forecasting.md between their marks.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks.report import insert_into, lay_out
from benchmarks.signals import measured, simulated
from relu_forecast import Autoregression, ReLUForecaster, backtest, baselines, load_ecg

LAGS, H = 15, 10
LEVEL = 90
_DOCUMENT = Path(__file__).parent.parent / "docs" / "forecasting.md"


def accuracy() -> str:
    """Compare RMSE with ridge regression on every signal, losses and all.

    Models are fitted once, to the first half, and forecast from every later sample.
    """
    rows = []
    for name, values in [*measured(), *simulated()]:
        models = {"ReLU": ReLUForecaster(horizon=H), "ridge": baselines.RidgeAR(LAGS)}
        result = backtest(models, values, H, step_size=1, refit=False)
        rmse = result.scores(["rmse"], by="step").loc["rmse"]
        members = models["ReLU"].fit(values[: (len(values) + 1) // 2]).members_
        rows.append([
            name, len(members), members["member"][0], *rmse.loc[1],
            rmse.loc[1, "ReLU"] / rmse.loc[1, "ridge"],
            *rmse.loc[H], rmse.loc[H, "ReLU"] / rmse.loc[H, "ridge"]])
        print(rows[-1], flush=True)
    heads = ["signal", "members", "of most weight", "ReLU, 1 step", "RidgeAR", "ratio",
             f"ReLU, {H} steps", "RidgeAR", "ratio"]
    return _markdown(heads, rows)


def coverage() -> str:
    """Count how often 90% intervals cover, at every step of the horizon."""
    from statsmodels.datasets import co2, elnino, sunspots

    signals = {
        "ECG": load_ecg().to_numpy()[20_000:30_000],
        "co2": co2.load_pandas().data["co2"].interpolate().to_numpy(),
        "El Niño, monthly": elnino.load_pandas().data.iloc[:, 1:].to_numpy().ravel(),
        "sunspots": sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(),
    }
    rows = []
    for name, values in signals.items():
        for method in ("split", "adaptive"):
            frame = ReLUForecaster(horizon=H).cross_validation(
                values, H, step_size=1, refit=False, level=[LEVEL], intervals=method)
            inside = frame["y"].between(frame[f"ReLU-lo-{LEVEL}"], frame[f"ReLU-hi-{LEVEL}"])
            steps = inside.to_numpy().reshape(-1, H).mean(axis=0) * 100
            rows.append([name, method, len(frame), f"{100 * inside.mean():.1f}",
                         *(f"{step:.0f}" for step in steps)])
            print(rows[-1], flush=True)
    return _markdown(["series", "intervals", "forecasts", "all", *map(str, range(1, H + 1))], rows)


def refits() -> str:
    """Time a fit, forecasts from a thousand cutoffs with it, and a hundred warm refits."""
    ecg = load_ecg().iloc[20_000:]
    model = ReLUForecaster(LAGS, strategy="recursive", beta_ratio=0.03)
    rows = []
    for _ in range(3):
        fit = _seconds(lambda: model.fit(ecg.iloc[:5_000]))
        fitted = Autoregression(LAGS, FrozenEstimator(model.regressor_))
        thousand = _seconds(lambda fitted=fitted: fitted.cross_validation(
            ecg.iloc[: 5_000 + 1_000 * H], H, n_windows=1_000, refit=False))
        hundred = _seconds(lambda: model.cross_validation(
            ecg.iloc[: 5_000 + 100 * H], H, n_windows=100, refit=True))
        rows.append([fit, thousand, hundred, hundred / fit])
        print(rows[-1], flush=True)
    heads = ["cold fit, s", "1,000 cutoffs after it, s", "100 refits, s", "refits / fit"]
    return _markdown(heads, [np.median(rows, axis=0).tolist()])


def _seconds(work: Callable[[], object]) -> float:
    """Return the wall-clock time of some work."""
    began = perf_counter()
    work()
    return perf_counter() - began


def _markdown(heads: list[str], rows: list[list[object]]) -> str:
    """Return a table, numbers with four digits."""
    return lay_out(heads, [
        [f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows])


TABLES: dict[str, Callable[[], str]] = {
    "accuracy": accuracy, "coverage": coverage, "refits": refits}


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasting")
    parser.add_argument("tables", nargs="+", choices=TABLES)
    parser.add_argument("--docs", action="store_true", help="put them into docs/forecasting.md")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unfinished trainings show in their forecasts
        for name in options.tables:
            table = TABLES[name]()
            print(table)
            if options.docs:
                insert_into(_DOCUMENT, table, f"<!-- {name} -->", f"<!-- end of {name} -->")


if __name__ == "__main__":
    main()
