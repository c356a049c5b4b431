"""Forecast an ECG: fit, read the certificate, predict with intervals, walk forward, draw.

python examples/ecg_forecast.py [SAMPLES] [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from relu_forecast import ReLUForecaster, backtest, baselines, load_ecg

LEVELS = [80, 95]


def main(n_samples: int = 1200, folder: Path | None = None) -> None:
    """Run on the first ``n_samples`` of the shipped ECG; draw into ``folder`` if one is given."""
    ecg = load_ecg()[:n_samples]
    model = ReLUForecaster(lags=15, horizon=5, beta_ratio=0.1)
    model.fit(ecg, horizon=5, intervals="split")
    print(model.regressor_.certificate_)
    print(f"{model.regressor_.n_neurons_} neurons")
    print(model.predict(level=LEVELS).to_string(index=False, float_format="{:.3f}".format))

    models = {"ReLU": model, "LinearAR": baselines.LinearAR(15), "Naive": baselines.Naive()}
    result = backtest(models, ecg, h=10, step_size=1, n_windows=n_samples // 3, refit=False,
                      level=LEVELS, intervals="adaptive")
    print(result.scores(["mae", "rmse", "winkler"]).round(4))
    print("Share of samples within the intervals, of all steps ahead:")
    print(result.scores(["coverage"]).round(3))
    if folder is not None:
        result.plot(unit="mV").savefig(folder / "ecg_forecast.png", dpi=120)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
