"""Backtest as in earnest: refits, a checkpoint, workers, intervals, a test, and a page.

A run that is broken off goes on from its checkpoint. Here the first one ends well, and a second
one finds all that it did. Delete the file when it is no longer needed.

python examples/backtest_with_refits.py [CUTOFFS] [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import perf_counter

from relu_forecast import Backtest, ReLUForecaster, backtest, baselines, load_ecg

ECG = load_ecg()[20_000:20_300]
MODELS = {"ReLU": ReLUForecaster(lags=5, beta_ratio=0.3), "AR": baselines.LinearAR(5)}


def walk(n_cutoffs: int, checkpoint: Path) -> Backtest:
    """Refit at every cutoff, and keep every fit in ``checkpoint``."""
    return backtest(MODELS, ECG, h=3, n_windows=n_cutoffs, step_size=3, refit=True, level=[90],
                    n_jobs=2, checkpoint=checkpoint, verbose=True)


def main(n_cutoffs: int = 8, folder: Path | None = None) -> None:
    """Run twice; write the page into ``folder`` if one is given."""
    with tempfile.TemporaryDirectory() as scratch:
        for attempt in ("computed", "from the checkpoint"):
            began = perf_counter()
            result = walk(n_cutoffs, Path(scratch) / "run.ckpt")
            print(f"{n_cutoffs} refits per model, {attempt}: {perf_counter() - began:.1f} s")
    print(result.scores(["mae", "rmse", "coverage", "winkler"]).round(4))
    test = result.compare("ReLU", "AR")
    print("Diebold-Mariano, ReLU less AR:")
    print(test[["statistic", "p_value", "n"]].round(3))
    if folder is not None:
        result.to_html(folder / "backtest_with_refits.html")


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
