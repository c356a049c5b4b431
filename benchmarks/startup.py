"""Time how long the command line takes to say what it can do, or to refuse a wrong file.

Run ``python -m benchmarks.startup``: it prints the median seconds of each command over a number of
processes, and how many times that of importing NumPy it is. The bar is 5.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

COMMAND = "from relu_forecast.cli import app; app()"
CASES = {
    "import numpy": ["import numpy"],
    "relu-forecast --help": [COMMAND, "--help"],
    "relu-forecast backtest no_such.csv": [COMMAND, "backtest", "no_such.csv"],
    "relu-forecast backtest wrong.xlsx": [COMMAND, "backtest", "wrong.xlsx"],
}
BAR = 5.0
"""How many times as long as importing NumPy each may take."""


def median_seconds(repeats: int) -> dict[str, float]:
    """Return the median seconds of each case; the cases take turns, so that noise hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "wrong.xlsx").touch()
        for _ in range(repeats):
            for name, arguments in CASES.items():
                began = perf_counter()
                subprocess.run([sys.executable, "-c", *arguments], cwd=folder, check=False,
                               capture_output=True)
                seconds[name].append(perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    medians = median_seconds(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    base = medians["import numpy"]
    for case, median in medians.items():
        print(f"{case:36} {median:6.3f} s  {median / base:5.1f} x  (bar {BAR:g})")
