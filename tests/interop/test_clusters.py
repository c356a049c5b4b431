"""The same forecasts on a cluster: joblib's backends of Dask and Ray, in processes."""

from __future__ import annotations

import joblib
import pandas as pd
import pytest

from relu_forecast import ReLUForecaster, backtest, baselines, load_ecg

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]


@pytest.fixture
def dask():
    """A cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, distributed.Client(cluster):
        yield "dask"


@pytest.fixture
def ray(monkeypatch):
    """Two workers on this machine; nothing is reported to anyone."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    register_ray()
    yield "ray"
    ray.shutdown()


def walk(n_jobs):
    """Return the forecasts of two models, fits and series in parallel."""
    models = {"AR": baselines.LinearAR(5), "ReLU": ReLUForecaster(lags=4, beta_ratio=0.5)}
    ecg = load_ecg()[20_000:20_120]
    return backtest(models, ecg, h=5, n_windows=4, n_jobs=n_jobs).predictions


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["dask", "ray"])
def test_a_backtest_on_a_cluster_is_that_of_one_process(cluster, request):
    with joblib.parallel_config(backend=request.getfixturevalue(cluster)):
        together = walk(n_jobs=2)
    pd.testing.assert_frame_equal(together, walk(n_jobs=1))


@pytest.mark.slow
def test_a_failing_fold_is_named_on_a_cluster_too(dask):
    constant = pd.Series([1.0] * 60)
    with (joblib.parallel_config(backend=dask),
          pytest.raises(ValueError, match=r"series y, cutoff .* not constant")):
        ReLUForecaster(
            lags=3, strategy="recursive", transform="standardize", beta_ratio=0.5,
        ).cross_validation(constant, 2, n_windows=4, n_jobs=2)
