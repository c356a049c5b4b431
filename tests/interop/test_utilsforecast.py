from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("utilsforecast")

from utilsforecast.evaluation import evaluate
from utilsforecast.losses import coverage, mae, rmse, smape

from relu_forecast import ReLUForecaster, backtest, baselines, load_ecg

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def beats():
    """Two stretches of an electrocardiogram, as a long frame."""
    ecg = load_ecg()
    return pd.concat([
        ecg.iloc[start : start + 160].rename("y").reset_index().assign(unique_id=name)
        for name, start in {"a": 20_000, "b": 30_000}.items()], ignore_index=True)


@pytest.fixture(scope="module")
def result(beats):
    models = {"AR": baselines.LinearAR(5), "ReLU": ReLUForecaster(lags=5, beta_ratio=0.5)}
    return backtest(models, beats, h=5, n_windows=6, refit=False, level=[80])


def test_its_errors_of_our_frame_are_ours(result):
    # It scores each cutoff; we take all cutoffs of a series together.
    theirs = evaluate(result.predictions, [mae, smape]).groupby(["metric", "unique_id"])[
        ["AR", "ReLU"]].mean()
    ours = result.scores(["mae", "smape"], by="unique_id")
    pd.testing.assert_frame_equal(theirs.loc["mae"], ours.loc["mae"])
    # A share of the sum of magnitudes there, percent of their mean here.
    pd.testing.assert_frame_equal(200 * theirs.loc["smape"], ours.loc["smape"])


def test_its_errors_of_whole_series_are_ours(result):
    whole = result.predictions.drop(columns="cutoff")
    theirs = evaluate(whole, [rmse]).set_index(["metric", "unique_id"])
    pd.testing.assert_frame_equal(theirs, result.scores(["rmse"], by="unique_id"))


def test_its_coverage_of_our_intervals_is_ours(result):
    theirs = evaluate(result.predictions, [coverage], level=[80]).groupby("unique_id")[
        ["AR", "ReLU"]].mean()
    ours = result.scores(["coverage"], by="unique_id").droplevel("metric")
    pd.testing.assert_frame_equal(theirs, ours)


def test_the_frame_of_one_forecaster_is_scored(beats):
    frame = ReLUForecaster(lags=5, beta_ratio=0.5).cross_validation(beats, 5, n_windows=2)
    scores = evaluate(frame, [mae], agg_fn="mean")
    errors = (frame["y"] - frame["ReLU"]).abs()
    assert scores["ReLU"].mean() == pytest.approx(errors.mean())
