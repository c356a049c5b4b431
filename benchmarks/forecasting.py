"""How often intervals cover, hourly series, what refits cost: tables for the docs.

``python -m benchmarks.forecasting coverage hourly refits`` runs one or several of the three;
with ``--docs`` the tables go into docs/forecasting.md between their marks.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks.accuracy_stretches import STRETCHES, ecg
from benchmarks.report import insert_into, lay_out
from benchmarks.signals import hundred_hourly
from relu_forecast import Autoregression, ReLUForecaster, baselines, load_ecg

LAGS, REFIT_H = 15, 10
H = 30
LEVEL = 90
_TWO_DAYS = 48
_DOCUMENT = Path(__file__).parent.parent / "docs" / "forecasting.md"


def coverage() -> str:
    """Count how often 90% intervals cover, over all steps and at those where most and least do."""
    from statsmodels.datasets import co2, elnino, sunspots

    signals = {stretch.name: stretch.values for stretch in map(ecg, STRETCHES)} | {
        "co2, weekly": co2.load_pandas().data["co2"].interpolate().to_numpy(),
        "El Niño, monthly": elnino.load_pandas().data.iloc[:, 1:].to_numpy().ravel(),
        "sunspots, yearly": sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(),
    }
    rows: list[list[object]] = []
    for name, values in signals.items():
        for method in ("split", "adaptive"):
            frame = ReLUForecaster(horizon=H).cross_validation(
                values, H, step_size=1, refit=False, level=[LEVEL], intervals=method)
            inside = frame["y"].between(frame[f"ReLU-lo-{LEVEL}"], frame[f"ReLU-hi-{LEVEL}"])
            steps = inside.to_numpy().reshape(-1, H).mean(axis=0) * 100
            rows.append([name, method, len(frame) // H,
                         *(f"{share:.1f}" for share in (
                             steps.mean(), steps[0], steps[9], steps[-1],
                             steps.min(), steps.max()))])
            print(rows[-1], flush=True)
    heads = ["series", "intervals", "cutoffs", "all", "step 1", "step 10", f"step {H}",
             "least of any step", "most"]
    return _markdown(heads, rows)


def hourly() -> str:
    """Forecast two days of a hundred hourly series with a day and a week, after four weeks."""
    series = hundred_hourly()
    models = {"ReLU, default": lambda: ReLUForecaster(horizon=_TWO_DAYS),
              "RidgeAR(168)": lambda: baselines.RidgeAR(168),
              "seasonal naive, a week": lambda: baselines.SeasonalNaive(168)}
    rows: list[list[object]] = []
    for name, make in models.items():
        errors, seconds = [], []
        for values in series:
            began = process_time()
            frame = make().cross_validation(values, _TWO_DAYS, n_windows=1)
            seconds.append(process_time() - began)
            size = np.abs(values[168:-_TWO_DAYS] - values[: -168 - _TWO_DAYS]).mean()
            errors.append(np.abs(frame["y"] - frame.iloc[:, -1]).mean() / size)
        rows.append([name, np.mean(errors), np.mean(errors), np.median(seconds)])
        print(rows[-1], flush=True)
    ridge = rows[1][1]
    for row in rows:
        row[2] = float(row[2]) / float(ridge)  # type: ignore[arg-type]
    return _markdown(["model", "MASE", "over RidgeAR", "processor seconds a series"], rows)


def refits() -> str:
    """Time a fit, forecasts from a thousand cutoffs with it, and a hundred warm refits."""
    record = load_ecg().iloc[20_000:]
    model = ReLUForecaster(LAGS, strategy="recursive", beta_ratio=0.03)
    rows = []
    for _ in range(3):
        fit = _seconds(lambda: model.fit(record.iloc[:5_000]))
        fitted = Autoregression(LAGS, FrozenEstimator(model.regressor_))
        thousand = _seconds(lambda fitted=fitted: fitted.cross_validation(
            record.iloc[: 5_000 + 1_000 * REFIT_H], REFIT_H, n_windows=1_000, refit=False))
        hundred = _seconds(lambda: model.cross_validation(
            record.iloc[: 5_000 + 100 * REFIT_H], REFIT_H, n_windows=100, refit=True))
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
    "coverage": coverage, "hourly": hourly, "refits": refits}


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
