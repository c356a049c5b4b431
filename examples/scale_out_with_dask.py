"""The same backtest on a cluster: joblib hands the fits to Dask, and the forecasts are the same.

Here the cluster is two processes on this machine; give ``Client`` the address of a scheduler for
a real one. It needs an extra: pip install "relu_forecast[dask]".

python examples/scale_out_with_dask.py [CUTOFFS]
"""

from __future__ import annotations

import sys

import joblib
import pandas as pd

from relu_forecast import ReLUForecaster, backtest, baselines, load_ecg


def walk(n_cutoffs: int) -> pd.DataFrame:
    """Return forecasts with a refit at every cutoff; nothing here knows of Dask."""
    models = {"ReLU": ReLUForecaster(lags=5, beta_ratio=0.2), "AR": baselines.LinearAR(5)}
    ecg = load_ecg()[20_000:20_200]
    return backtest(models, ecg, h=5, n_windows=n_cutoffs, n_jobs=2).predictions


def main(n_cutoffs: int = 6) -> None:
    """Walk forward on the cluster and here, and compare."""
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError:
        sys.exit('This example needs Dask: pip install "relu_forecast[dask]"')
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        spread = walk(n_cutoffs)
    print(spread.tail(5).to_string(index=False, float_format="{:.4f}".format))
    print(f"the same as in one place: {spread.equals(walk(n_cutoffs))}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
