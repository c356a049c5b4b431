"""Walk-forward evaluation: folds against a plain loop, warm starts, and no leakage."""

import io
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from joblib import parallel_config
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from relu_forecast import baselines
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.forecasting import (
    Autoregression,
    Forecaster,
    ForecastError,
    ReLUForecaster,
    backtest,
)
from relu_forecast.forecasting.evaluation import plan
from relu_forecast.forecasting.evaluation.splits import Splits

RNG = np.random.default_rng(0)
SIGNAL = np.sin(np.arange(60) / 3) + 0.1 * RNG.normal(size=60)


@pytest.mark.parametrize(("argument", "value"), [
    ("h", 0), ("h", -3), ("h", 1.5), ("n_windows", 0), ("step_size", 0), ("step_size", -1),
    ("input_size", 0), ("gap", -1), ("gap", 0.5), ("refit", 0), ("refit", -2), ("refit", 1.5)])
def test_arguments_out_of_range_are_named(argument, value):
    with pytest.raises(InvalidArgumentError, match=f"{argument} must be an integer >= ") as caught:
        baselines.Naive().cross_validation(SIGNAL, **{"h": 2, argument: value})
    assert caught.value.argument == argument


@pytest.mark.parametrize("n_jobs", [0, 1.5])
def test_n_jobs_is_checked(n_jobs):
    with pytest.raises(InvalidArgumentError, match="n_jobs must be"):
        baselines.Naive().cross_validation(SIGNAL, 2, n_jobs=n_jobs)


def test_input_size_below_what_the_model_needs_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"input_size .*at least 4"):
        baselines.LinearAR(3).cross_validation(SIGNAL, 2, input_size=3)


def by_hand(model, values, splits, cutoffs):
    """A plain loop: the model of the last fit, told all samples up to each cutoff."""
    rows = []
    for i, cutoff in enumerate(cutoffs):
        refit = {True: 1, False: len(cutoffs)}.get(splits.refit, splits.refit)
        if i % refit == 0:
            start = 0 if splits.input_size is None else cutoff + 1 - splits.input_size
            fitted = clone(model).fit(values[start : cutoff + 1])
        (state,) = fitted.models_.values()
        transform = state.inputs.transform
        mean, scale = transform.mean, transform.scale
        known = ((values[: cutoff + 1] - mean) / scale).tolist()
        for _ in range(splits.gap + splits.h):
            known.append(state.regressor.predict([known[-model.lags :]])[0])
        rows.append(np.array(known[-splits.h :]) * scale + mean)
    return np.concatenate(rows)


@pytest.mark.parametrize("refit", [True, False, 1, 2, 3])
@pytest.mark.parametrize("input_size", [None, 20])
@pytest.mark.parametrize(("gap", "step_size"), [(0, None), (2, 1)])
def test_cross_validation_is_a_plain_loop(refit, input_size, gap, step_size):
    splits = Splits(3, 5, step_size, input_size, gap, refit)
    model = baselines.LinearAR(lags=4, transform="standardize")
    frame = model.cross_validation(
        SIGNAL, 3, n_windows=5, step_size=step_size, input_size=input_size, gap=gap, refit=refit)
    cutoffs = splits.cutoffs(60, 1)
    np.testing.assert_allclose(frame["LinearAR"], by_hand(model, SIGNAL, splits, cutoffs))
    np.testing.assert_array_equal(frame["cutoff"], np.repeat(cutoffs, 3))
    np.testing.assert_array_equal(frame["ds"] - frame["cutoff"], np.tile([1, 2, 3], 5) + gap)
    np.testing.assert_array_equal(frame["y"], SIGNAL[frame["ds"]])


@pytest.mark.parametrize("model", [
    baselines.Naive(), baselines.SeasonalNaive(5), baselines.Drift(),
    baselines.LinearAR(4, strategy="direct"), baselines.AutoReg(3, "ct", 4)], ids=repr)
@pytest.mark.parametrize("input_size", [None, 25])
def test_refitted_cross_validation_is_fit_and_predict(model, input_size):
    frame = model.cross_validation(SIGNAL, 4, n_windows=3, input_size=input_size, gap=1)
    for cutoff, rows in frame.groupby("cutoff"):
        known = SIGNAL[: cutoff + 1][-(input_size or 60) :]
        expected = clone(model).fit(known, horizon=5).predict()[model.alias].to_numpy()[1:]
        np.testing.assert_allclose(rows[model.alias], expected, atol=1e-10)


MODELS = [
    baselines.LinearAR(3), baselines.LinearAR(3, strategy="direct", transform="difference"),
    baselines.Drift(), baselines.SeasonalNaive(4), baselines.AutoReg(2, "ct", 3)]


@settings(max_examples=20)
@given(
    model=st.sampled_from(MODELS), changed=st.integers(0, 59),
    other=arrays(np.float64, 60, elements=st.floats(-1e6, 1e6)), gap=st.integers(0, 3),
    refit=st.sampled_from([True, False, 2]), input_size=st.sampled_from([None, 22]))
def test_what_comes_after_a_cutoff_changes_nothing(
    model, changed, other, gap, refit, input_size
):
    arguments = {"n_windows": 6, "gap": gap, "refit": refit, "input_size": input_size}
    future = np.where(np.arange(60) < changed, SIGNAL, other + RNG.normal(size=60))
    before = model.cross_validation(SIGNAL, 4, **arguments)
    after = model.cross_validation(future, 4, **arguments)
    untouched = before["cutoff"] < changed
    # Not up to rounding: the very same numbers, computed from the very same numbers.
    assert before.loc[untouched, model.alias].equals(after.loc[untouched, model.alias])


class Peeking(Forecaster):
    """Forecasts the largest samples in reach: of the fit, then of the windows."""

    lookback = 3

    def __init__(self, alias="Peeking"):
        self.alias = alias

    def train(self, history, horizon, warm_start):
        return largest(history.values)

    def forecast(self, state, past, h):
        return np.tile([state, largest(past.windows)], (len(past.windows), 1))


def largest(array):
    """The largest entry of an array and of all arrays that it is a view of."""
    return max(array.max(), largest(array.base)) if array.base is not None else array.max()


@pytest.mark.parametrize(("refit", "together"), [(True, 1), (3, 3), (False, 30)])
def test_nothing_after_the_cutoffs_of_a_fit_can_be_reached(refit, together):
    frame = Peeking().cross_validation(
        np.arange(60.0), 2, n_windows=30, step_size=1, refit=refit)
    cutoffs = frame["cutoff"].to_numpy().reshape(-1, together, 2)
    peeked = frame["Peeking"].to_numpy().reshape(-1, together, 2)
    assert (peeked[:, :, 0] == cutoffs[:, :1, 0]).all()
    assert (peeked[:, :, 1] == cutoffs[:, -1:, 0]).all()


def panel_frame():
    """Three series of different lengths and phases."""
    parts = [
        pd.DataFrame({"unique_id": name, "ds": np.arange(n) + start, "y": SIGNAL[:n] * scale})
        for name, n, start, scale in [("c", 60, 0, 1), ("a", 40, 7, -3), ("b", 51, 2, 0.5)]
    ]
    return pd.concat(parts, ignore_index=True)


def test_each_series_is_its_own():
    frame = panel_frame()
    together = baselines.LinearAR(4).cross_validation(frame, 3, n_windows=4)
    alone = [
        baselines.LinearAR(4).cross_validation(rows, 3, n_windows=4)
        for _, rows in frame.groupby("unique_id")]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))


def test_order_of_series_changes_nothing():
    frame = panel_frame()
    shuffled = frame.sort_values(["ds", "unique_id"], ascending=[True, False])
    assert not shuffled["unique_id"].equals(frame["unique_id"])
    pd.testing.assert_frame_equal(
        baselines.LinearAR(4).cross_validation(shuffled, 3, refit=2),
        baselines.LinearAR(4).cross_validation(frame, 3, refit=2))


def test_two_workers_find_what_one_finds():
    frame = panel_frame()
    serial = baselines.LinearAR(4).cross_validation(frame, 3, refit=2)
    parallel = baselines.LinearAR(4).cross_validation(frame, 3, refit=2, n_jobs=2)
    pd.testing.assert_frame_equal(serial, parallel, check_exact=True)


def test_without_n_windows_half_of_each_series_is_kept_for_the_first_fit():
    cutoffs = baselines.Naive().cross_validation(panel_frame(), 3).groupby("unique_id")["cutoff"]
    known = cutoffs.min() - pd.Series({"a": 7, "b": 2, "c": 0}) + 1
    lengths = pd.Series({"a": 40, "b": 51, "c": 60})
    assert (known >= lengths / 2).all()
    assert (known - 3 < lengths / 2).all()


class Failing(LinearRegression):
    """Fails on long training parts."""

    def fit(self, X, y):
        if len(X) > 45:
            raise OSError("the tape is full")
        return super().fit(X, y)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_the_first_failing_fold_raises_and_is_named(n_jobs):
    model = Autoregression(4, Failing())
    times = pd.date_range("2020-01-01", periods=60, freq="h")
    with pytest.raises(ForecastError, match="the tape is full") as caught:
        model.cross_validation(
            pd.Series(SIGNAL, times, name="tape"), 5, n_windows=4, n_jobs=n_jobs)
    assert "series tape, cutoff 2020-01-03 01:00:00: OSError" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_failing_fold_keeps_its_cause(n_jobs):
    with pytest.raises(ForecastError) as caught:
        Autoregression(4, Failing()).cross_validation(SIGNAL, 5, n_jobs=n_jobs)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_constant_training_part_is_named():
    values = np.r_[np.ones(30), SIGNAL[:10]]
    with pytest.raises(InvalidArgumentError, match=r"\(series y, cutoff 27\).*equal to 1.0"):
        baselines.LinearAR(3, transform="standardize").cross_validation(values, 3, n_windows=4)


def test_a_short_series_is_named():
    frame = pd.concat([panel_frame(), pd.DataFrame({"unique_id": "d", "ds": [0, 1], "y": [1, 2]})])
    with pytest.raises(InvalidArgumentError, match=r"data \(series d\) must be at least 8 samples"):
        baselines.LinearAR(4).cross_validation(frame, 3, n_windows=1)


class NotANumber(BaseEstimator):
    """Predicts what is not a number."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(len(X), np.nan)


def test_a_forecast_that_is_not_finite_raises():
    with pytest.raises(ForecastError, match=r"cutoffs 39 to 57: .* not finite from step 1 of 2"):
        Autoregression(2, NotANumber(), transform=None).cross_validation(
            SIGNAL, 2, n_windows=10, refit=False)


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "verbose", "shown"), [
    (Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False)])
def test_progress_shows_on_a_terminal_if_asked_for(monkeypatch, stream, verbose, shown):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("TERM", "xterm")
    frame = baselines.Naive().cross_validation(SIGNAL, 3, verbose=verbose)
    assert bool(sys.stderr.getvalue()) is shown
    pd.testing.assert_frame_equal(frame, baselines.Naive().cross_validation(SIGNAL, 3))


def test_verbose_is_checked():
    with pytest.raises(InvalidArgumentError, match="verbose must be one of True, False"):
        baselines.Naive().cross_validation(SIGNAL, 3, verbose=2)


EXOGENOUS = {"strategy": "direct", "past_exog": ("seen",), "future_exog": ("known",)}
KINDS = [
    baselines.Naive(), baselines.SeasonalNaive(4), baselines.Drift(), baselines.LinearAR(3),
    baselines.LinearAR(3, "direct", "difference"), baselines.RidgeAR(3),
    baselines.LassoAR(3, 0.01), baselines.NLinear(3), baselines.AutoReg(2, "ct", 3),
    baselines.Analogs(3), baselines.ARIMA((0, 1, 1)),
    baselines.ETS(trend="add", damped_trend=False), baselines.Theta(),
    Autoregression(3, LinearRegression(), **EXOGENOUS),
    Autoregression(3, Ridge(), future_exog=("known",)),
    baselines.Regressor(DecisionTreeRegressor(random_state=0), 3, on_residuals=True, **EXOGENOUS),
]


def observed(seed=1):
    """A series of 60 with gaps, a column seen up to a cutoff, with gaps, and one known ahead."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "ds": np.arange(60), "y": 5 + SIGNAL + 0.3 * generator.normal(size=60),
        "seen": generator.normal(size=60), "known": np.cos(np.arange(60) / 2)})
    frame.loc[[20, 33, 34, 47], "y"] = np.nan
    frame.loc[[21, 44], "seen"] = np.nan
    return frame


def assert_causal(model, changed, **arguments):
    """What is not known at a cutoff leaves every number from that cutoff as it was, exactly."""
    frame, other = observed(), observed(seed=2)
    other.loc[[45, 52], "y"], other.loc[55, "seen"] = np.nan, np.nan
    later = frame.copy()
    later.loc[changed:, ["y", "seen"]] = other.loc[changed:, ["y", "seen"]]
    before, after = (
        model.cross_validation(data, 2, missing="interpolate", **arguments)
        for data in (frame, later))
    untouched = before["cutoff"] < changed
    assert untouched.any()
    columns = [name for name in before if name.startswith(model.alias)]
    pd.testing.assert_frame_equal(
        before.loc[untouched, columns], after.loc[untouched, columns], check_exact=True)
    assert not before[columns].equals(after[columns])
    return before


@pytest.mark.parametrize(("refit", "intervals"), [
    (True, "split"), (2, "adaptive"), (False, "split"), (False, "adaptive")])
@pytest.mark.parametrize("model", KINDS, ids=repr)
def test_neither_forecasts_nor_bounds_know_what_comes_after_a_cutoff(model, refit, intervals):
    frame = assert_causal(
        model, 51, n_windows=4, step_size=3, gap=1, refit=refit, level=[50, 70],
        intervals=intervals, input_size=None if refit is True else 40)
    bounds = frame[[f"{model.alias}-{side}" for side in ("lo-70", "lo-50", "hi-50", "hi-70")]]
    assert np.isfinite(bounds).all(axis=None)
    assert (np.diff(bounds) >= 0).all()


@pytest.mark.parametrize("model", [
    ReLUForecaster(1, 2), ReLUForecaster(horizon=2),
    ReLUForecaster(1, beta_ratio=0.3, **EXOGENOUS),
    baselines.GradientBoosting(2),
    baselines.NonconvexNetwork(2, n_neurons=4, n_steps=20)], ids=repr)
def test_trained_models_do_not_know_what_comes_after_a_cutoff(model):
    assert_causal(
        model, 54, n_windows=2, step_size=4, refit=False, level=50, intervals="adaptive")


FOLDS = {"h": 1, "n_windows": 5, "step_size": 2}


def test_chains_of_warm_fits_do_not_depend_on_workers(monkeypatch):
    """Three chains of two folds after the first fit of each series."""
    monkeypatch.setattr(plan, "CHAIN_LENGTH", 2)
    frame = panel_frame().query("unique_id != 'c'")
    model = ReLUForecaster(1, strategy="recursive", beta_ratio=0.3)
    serial = model.cross_validation(frame, **FOLDS)
    with parallel_config("threading"):
        parallel = model.cross_validation(frame, **FOLDS, n_jobs=-1)
    pd.testing.assert_frame_equal(parallel, serial, check_exact=True)
    shuffled = frame.sort_values(["ds", "unique_id"], ascending=[True, False])
    models = {"ReLU": model, "line": baselines.LinearAR(2)}
    together = backtest(dict(reversed(models.items())), shuffled, **FOLDS).predictions
    np.testing.assert_array_equal(together["ReLU"], serial["ReLU"])


@pytest.mark.slow
def test_warm_fits_agree_between_processes():
    model = ReLUForecaster(1, strategy="recursive", beta_ratio=0.3)
    serial, parallel = (
        model.cross_validation(SIGNAL, **FOLDS, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(serial, parallel, check_exact=True)


def test_the_first_fold_is_a_plain_fit_and_the_others_are_within_tolerance():
    model = ReLUForecaster(
        1, None, ConvexReLURegressor(beta_ratio=0.3, tol=1e-6), "recursive")
    frame = model.cross_validation(SIGNAL, **FOLDS)
    for number, (cutoff, rows) in enumerate(frame.groupby("cutoff")):
        plain = clone(model).fit(SIGNAL[: cutoff + 1]).predict(1)["ReLU"].to_numpy()
        np.testing.assert_allclose(rows["ReLU"], plain, rtol=0 if number == 0 else 1e-3)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_fits_that_do_not_converge_are_counted_wherever_they_ran(n_jobs, tmp_path):
    model = ReLUForecaster(
        3, None, ConvexReLURegressor(beta_ratio=0.001, tol=1e-14, max_iter=1), "recursive")
    walk = {"n_windows": 3, "n_jobs": n_jobs, "checkpoint": tmp_path / "kept.db"}
    for _ in range(2):  # computed, and recalled
        with pytest.warns(ConvergenceWarning, match=r"3 of 3 fits of ReLU .* series y, cutoff 53"):
            model.cross_validation(SIGNAL, 2, **walk)
