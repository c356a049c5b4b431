"""Gaps that training leaves out: against windows that are picked out one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import (
    ARIMA,
    ETS,
    Analogs,
    AutoReg,
    Drift,
    GradientBoosting,
    LassoAR,
    LinearAR,
    Naive,
    NLinear,
    RidgeAR,
    SeasonalNaive,
    Theta,
)
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History, SeriesArrays
from relu_forecast.forecasting.evaluation.backtest import backtest
from relu_forecast.forecasting.models.committee import Committee
from relu_forecast.forecasting.models.judging import Candidate, JudgedPart

LAGS, H = 3, 2


def gappy(n=80, seed=0):
    """A wave with noise and gaps, the first and last samples observed."""
    generator = np.random.default_rng(seed)
    values = np.sin(np.arange(n) / 3) + 0.2 * generator.standard_normal(n) + 5
    values[[10, 11, 12, 30, 41, 60, 61]] = np.nan
    return values


def clean_windows(values, lags, steps):
    """Windows and what comes some steps after them, without a gap; by a literal loop."""
    rows = []
    for end in range(lags, len(values) - max(steps) + 1):
        window, ahead = values[end - lags : end], values[[end + step - 1 for step in steps]]
        if not np.isnan([*window, *ahead]).any():
            rows.append((window, ahead))
    windows, samples = (np.array(part) for part in zip(*rows, strict=True))
    return windows, samples


def expected_linear(values, strategy, known):
    """Forecast as each strategy does, least squares on the clean windows."""
    def fit(*steps):
        return LinearRegression().fit(*clean_windows(values, LAGS, steps))

    if strategy == "joint":
        return fit(1, 2).predict([known])[0]
    if strategy == "direct":
        return np.array([fit(step).predict([known])[0, 0] for step in (1, 2)])
    model, path = fit(1), list(known)
    for _ in range(H):
        path.append(model.predict([path[-LAGS:]])[0, 0])
    return path[LAGS:]


@pytest.mark.parametrize("transform", ["last_value", "standardize", None])
@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
def test_windows_that_touch_a_gap_are_left_out(strategy, transform):
    values = gappy()
    model = LinearAR(LAGS, strategy, None).fit(values, horizon=H, missing="skip")
    found = model.predict(H)["LinearAR"]
    np.testing.assert_allclose(found, expected_linear(values, strategy, values[-LAGS:]), rtol=1e-9)
    if transform == "last_value":  # the same for linear models with an intercept, but for its sum
        filled = LinearAR(LAGS, strategy, None).fit(values, horizon=H, missing="interpolate")
        assert np.abs(filled.predict(H)["LinearAR"] - found).max() > 1e-6
    else:
        other = LinearAR(LAGS, strategy, transform).fit(values, horizon=H, missing="skip")
        np.testing.assert_allclose(other.predict(H)["LinearAR"], found, rtol=1e-9)


def test_a_difference_reaches_one_sample_further_back():
    values = gappy()
    model = LinearAR(LAGS, transform="difference").fit(values, missing="skip")
    windows, ahead = clean_windows(values, LAGS + 1, [1])
    linear = LinearRegression().fit(np.diff(windows), ahead[:, 0] - windows[:, -1])
    expected = values[-1] + linear.predict([np.diff(values[-LAGS - 1 :])])[0]
    assert model.predict(1)["LinearAR"][0] == pytest.approx(expected, rel=1e-9)


def test_windows_that_are_forecast_from_are_filled():
    values = gappy()
    values[-2] = np.nan
    found = LinearAR(LAGS, "joint", None).fit(values, horizon=H, missing="skip").predict(H)
    known = [values[-3], (values[-3] + values[-1]) / 2, values[-1]]
    np.testing.assert_allclose(
        found["LinearAR"], expected_linear(values, "joint", known), rtol=1e-9)
    values[-1] = np.nan  # the last known one goes on
    found = LinearAR(LAGS, "joint", None).fit(values, horizon=H, missing="skip").predict(H)
    np.testing.assert_allclose(
        found["LinearAR"], expected_linear(values, "joint", [values[-3]] * 3), rtol=1e-9)


def test_nlinear_leaves_gaps_out():
    values = gappy()
    found = NLinear(LAGS).fit(values, horizon=H, missing="skip").predict()["NLinear"]
    windows, ahead = clean_windows(values, LAGS, [1, 2])
    linear = LinearRegression().fit(windows - windows[:, -1:], ahead - windows[:, -1:])
    expected = values[-1] + linear.predict([values[-LAGS:] - values[-1]])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("transform", ["last_value", None])
@pytest.mark.parametrize("k", [1, 5, 1000])
def test_analogs_are_windows_without_gaps(transform, k):
    values = gappy()
    model = Analogs(LAGS, k, transform).fit(values, horizon=H, missing="skip")
    windows, ahead = clean_windows(values, LAGS, [1, 2])
    base = windows[:, -1:] if transform else 0.0
    last = values[-1] if transform else 0.0
    apart = np.linalg.norm((windows - base) - (values[-LAGS:] - last), axis=1)
    near = np.argsort(apart, kind="stable")[:k]
    expected = last + (ahead - base)[near].mean(axis=0)
    np.testing.assert_allclose(model.predict()["Analogs"], expected, rtol=1e-9)


def test_a_stored_library_keeps_its_gaps(tmp_path):
    model = Analogs(LAGS).fit(gappy(), horizon=H, missing="skip")
    model.save(tmp_path / "analogs")
    loaded = Analogs.load(tmp_path / "analogs")
    pd.testing.assert_frame_equal(loaded.predict(), model.predict())
    new = pd.Series([5.0, np.nan, 5.5], range(80, 83))
    pd.testing.assert_frame_equal(loaded.update(new).predict(), model.update(new).predict())


def test_a_missing_column_counts_as_a_gap():
    values = gappy()
    generator = np.random.default_rng(1)
    seen = generator.standard_normal(80)
    seen[[20, 50]] = np.nan
    frame = pd.DataFrame({"ds": range(80), "y": values, "seen": seen})
    model = RidgeAR(LAGS, 1e-9, "joint", None)
    regressor = ReLUForecaster(LAGS, H, estimator=LinearRegression(), transform=None,
                               past_exog=["seen"]).fit(frame, missing="skip")
    both = np.where(np.isnan(seen), np.nan, values)
    rows = []
    for end in range(LAGS, 80 - H + 1):
        own = both[end - LAGS : end + H]
        if not np.isnan(own).any():
            rows.append((np.r_[own[:LAGS], seen[end - LAGS : end]], own[LAGS:]))
    X, Y = (np.array(part) for part in zip(*rows, strict=True))
    expected = LinearRegression().fit(X, Y).predict([np.r_[values[-LAGS:], seen[-LAGS:]]])[0]
    np.testing.assert_allclose(regressor.predict()["ReLU"], expected, rtol=1e-9)
    assert model.skips_missing


@pytest.mark.parametrize("model", [
    LinearAR(LAGS), RidgeAR(LAGS), LassoAR(LAGS), GradientBoosting(LAGS), NLinear(LAGS),
    Analogs(LAGS), Naive(), SeasonalNaive(4), ReLUForecaster(LAGS, beta_ratio=0.3),
    pytest.param(ReLUForecaster(LAGS), marks=pytest.mark.long), ReLUForecaster()], ids=str)
def test_a_complete_series_is_fitted_as_ever(model):
    values = np.nan_to_num(gappy(), nan=5.0)[:100]
    found, expected = (model.fit(values, horizon=H, missing=missing).predict(H)
                       for missing in ("skip", "error"))
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("model", [ETS(), ARIMA(), Theta(), AutoReg(2), Drift()], ids=str)
def test_models_of_whole_series_refuse_to_skip(model):
    name = type(model).__name__
    for call in (lambda: model.fit(gappy(), missing="skip"),
                 lambda: model.cross_validation(gappy(), 2, missing="skip"),
                 lambda: backtest({"n": Naive(), "m": model}, gappy(), 2, missing="skip")):
        with pytest.raises(InvalidArgumentError, match=f"(?s)missing.*{name}.*interpolate"):
            call()


@pytest.mark.parametrize("model", [
    LinearAR(LAGS), LinearAR(LAGS, "joint"), NLinear(LAGS), Analogs(LAGS),
    ReLUForecaster(LAGS, beta_ratio=0.3)], ids=str)
def test_gaps_everywhere_are_an_error(model):
    values = gappy()
    values[1::3] = np.nan
    with pytest.raises(InvalidArgumentError, match="(?s)observed at .*skip.*interpolate"):
        model.fit(values, horizon=H, missing="skip")


def test_cross_validation_leaves_gaps_out_of_every_fit():
    values = gappy()
    frame = LinearAR(LAGS, "joint", None).cross_validation(
        values, H, n_windows=3, step_size=7, input_size=40, missing="skip")
    for cutoff, rows in frame.groupby("cutoff"):
        part = values[cutoff - 39 : cutoff + 1]
        known = pd.Series(part).interpolate().ffill().to_numpy()[-LAGS:]
        np.testing.assert_allclose(
            rows["LinearAR"], expected_linear(part, "joint", known), rtol=1e-9)
    result = backtest({"a": LinearAR(LAGS, "joint", None), "n": Naive()}, values, H, n_windows=3,
                      step_size=7, input_size=40, missing="skip", level=50)
    np.testing.assert_allclose(result.predictions["a"], frame["LinearAR"], rtol=1e-12)


@pytest.mark.parametrize("model", [ReLUForecaster(), ReLUForecaster(LAGS)], ids=str)
def test_a_committee_does_not_see_what_stands_in_gaps(model):
    """Far-off samples in place of gaps change nothing but through what fills them: nothing here."""
    values = gappy(160)
    found = model.fit(values, horizon=H, missing="skip").predict()
    assert np.isfinite(found["ReLU"]).all()
    assert np.abs(found["ReLU"] - 5).max() < 3
    walked = model.cross_validation(values, H, n_windows=12, step_size=1, refit=False,
                                    missing="skip")
    assert np.isfinite(walked["ReLU"]).all()
    state = model.models_["y"]
    judged = JudgedPart.of(state_history(values), H, state.unit)
    errors = state.judged_errors
    assert np.isnan(errors[np.isnan(judged.samples)]).all()
    assert np.isfinite(errors[~np.isnan(judged.samples)]).all()


def state_history(values):
    arrays = SeriesArrays(values, np.empty((len(values), 0)), np.empty((len(values), 0)), True)
    return arrays.history(0, len(values))


def test_members_are_judged_where_samples_are_observed_and_by_what_a_cutoff_knows():
    values = gappy()
    history, first = state_history(values), int(0.7 * 80)
    [judged] = Committee([Candidate("naive", Naive())], 1)._judge(JudgedPart.of(history, 1, 1.0))
    errors = [values[at + 1] - pd.Series(values[: at + 1]).ffill().iloc[-1]
              for at in range(first - 1, 79)]
    assert judged.mean_squares[0] == pytest.approx(np.nanmean(np.square(errors)), rel=1e-12)


def test_weights_learn_nothing_from_a_missing_sample():
    values = gappy()
    committee = Committee([Candidate("naive", Naive()), Candidate("season", SeasonalNaive(5))], 1)
    model = committee.train(state_history(values))
    new = np.array([5.0, np.nan, 6.0])
    recent = History(np.array([5.0, 9.0, 6.0]), np.empty((3, 0)), np.empty((3, 0)),
                     ~np.isnan(new))
    without = model.followed(recent.part(slice(1)))[0]
    after_gap = model.followed(recent.part(slice(2)))[0]
    np.testing.assert_array_equal(after_gap.regrets, without.regrets)
    np.testing.assert_array_equal(after_gap.squares, without.squares)
    assert after_gap.count == without.count + 1
    told = model.followed(History.of([5.0, 9.0]))[0]
    assert (told.regrets != without.regrets).any()


def test_a_history_tells_which_windows_are_whole():
    observed = np.array([1, 1, 0, 1, 1, 1, 1, 0, 1, 1], dtype=bool)
    history = History(np.arange(10.0), np.empty((10, 0)), np.empty((10, 0)), observed)
    assert history.longest_run == 4
    assert history.part(slice(3)).longest_run == 2
    for length in (1, 2, 3):
        for steps in ([1], [2], [1, 2], [1, 2, 3]):
            expected = [bool(observed[end - length : end].all()
                             and all(observed[end + step - 1] for step in steps))
                        for end in range(length, 11 - steps[-1])]
            found = history.whole_windows(length, np.array(steps))
            assert found.tolist() == expected
    plain = History.of(np.arange(4.0))
    assert (plain.longest_run, plain.whole_windows(2, np.array([1]))) == (4, None)
    assert plain.known is plain.values
