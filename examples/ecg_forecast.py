"""Forecast an ECG: fit, read the certificate, predict, walk forward, draw.

python examples/ecg_forecast.py [SAMPLES] [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from relu_forecast import ReLUForecaster, backtest, baselines, load_ecg, plots


def main(n_samples: int = 3000, folder: Path = Path(".")) -> None:
    """Run on the first ``n_samples`` of the shipped ECG and save a picture in ``folder``."""
    ecg = load_ecg()[:n_samples]
    model = ReLUForecaster(lags=15).fit(ecg)
    print(model.regressor_.certificate_)
    print(f"{model.regressor_.n_neurons_} neurons")
    print(model.predict(h=5))

    models = {"ReLU": model, "LinearAR": baselines.LinearAR(15), "Naive": baselines.Naive()}
    result = backtest(models, ecg, h=10, step_size=1, n_windows=n_samples // 3, refit=False)
    print(result.scores().round(4))
    plots.plot_backtest(result).savefig(folder / "ecg_forecast.png", dpi=120)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
