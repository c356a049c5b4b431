"""Prediction intervals: against literal loops, and how often they cover."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from relu_forecast.baselines import ARIMA, LinearAR, Naive
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Forecaster
from relu_forecast.forecasting.evaluation.intervals import ConformalIntervals

RNG = np.random.default_rng(0)
SIGNAL = 10 + np.sin(np.arange(90) / 3) + 0.2 * RNG.normal(size=90)


def half_widths(frame, alias, level):
    """Distances of the upper bounds from the forecasts; the lower ones are as far."""
    upper = (frame[f"{alias}-hi-{level:g}"] - frame[alias]).to_numpy()
    lower = (frame[alias] - frame[f"{alias}-lo-{level:g}"]).to_numpy()
    np.testing.assert_allclose(lower, upper, atol=1e-12)
    return upper


def conformal_quantile(errors, share):
    """The error of rank ``ceil((m + 1) share)``."""
    rank = math.ceil((len(errors) + 1) * share - 1e-9)
    return sorted(errors)[min(max(rank, 1), len(errors)) - 1]


@pytest.mark.parametrize("model", [Naive(), LinearAR(3), LinearAR(3, "direct", "difference")],
                         ids=repr)
@pytest.mark.parametrize("size", [None, 24])
def test_split_half_widths_are_a_literal_loop(model, size):
    h, held_out = 3, size or 90 // 4
    conformal = ConformalIntervals(calibration_size=size)
    frame = model.fit(SIGNAL, horizon=h, intervals=conformal).predict(level=[60, 80])
    errors = {step: [] for step in range(1, h + 1)}
    for step, own in errors.items():
        forecasts = model.cross_validation(  # one fit, then every origin of the calibration part
            SIGNAL, step, n_windows=held_out - step + 1, step_size=1, refit=False)
        last = forecasts[forecasts["ds"] - forecasts["cutoff"] == step]
        own.extend(np.abs(last["y"] - last[model.alias]))
    for level in (60, 80):
        expected = [conformal_quantile(own, level / 100) for own in errors.values()]
        np.testing.assert_allclose(half_widths(frame, model.alias, level), expected)


def adaptive_by_hand(values, begin, first, cutoffs, h, share, gamma):
    """Gibbs & Candès with errors known late, for Naive: origins from ``begin - 1`` on."""
    error = {(i, k): abs(values[i + k] - values[i])
             for i in range(begin - 1, len(values)) for k in range(1, h + 1)
             if i + k < len(values)}
    warm_up = begin - 1 + (first - begin) // 2
    aimed, issued, widths = [share] * (h + 1), {}, []
    for origin in range(warm_up, cutoffs[-1] + 1):
        for k in range(1, h + 1):
            if (origin - k, k) in issued:
                missed = error[origin - k, k] > issued[origin - k, k]
                aimed[k] += gamma * (missed - (1 - share))
            known = [error[i, k] for i in range(begin - 1, origin - k + 1)]
            issued[origin, k] = conformal_quantile(known, aimed[k])
        if origin in cutoffs:
            widths += [issued[origin, k] for k in range(1, h + 1)]
    return widths


@settings(max_examples=25)
@given(seed=st.integers(0, 99), h=st.integers(1, 4), gamma=st.sampled_from([0.01, 0.1, 0.4]),
       level=st.sampled_from([50, 70, 80]), size=st.integers(14, 20))
def test_adaptive_half_widths_are_a_literal_loop(seed, h, gamma, level, size):
    values = np.random.default_rng(seed).normal(size=70).round(3)
    frame = Naive().cross_validation(
        values, h, n_windows=6, step_size=3, refit=False, level=level,
        intervals=ConformalIntervals("adaptive", size, gamma))
    cutoffs = frame["cutoff"].unique().tolist()
    first = cutoffs[0] + 1
    expected = adaptive_by_hand(values, first - size, first, cutoffs, h, level / 100, gamma)
    np.testing.assert_allclose(half_widths(frame, "Naive", level), expected)


def test_adaptive_intervals_learn_from_what_calibrated_them():
    """Refitted at a cutoff, the interval is that of a predict from there."""
    intervals = ConformalIntervals("adaptive", 20, 0.1)
    frame = LinearAR(3).cross_validation(
        SIGNAL, 2, n_windows=3, level=[50, 80], intervals=intervals)
    for cutoff, rows in frame.groupby("cutoff"):
        alone = LinearAR(3).fit(SIGNAL[: cutoff + 1], horizon=2, intervals=intervals).predict(
            level=[50, 80])
        np.testing.assert_allclose(
            rows[list(alone)[2:]].to_numpy(), alone.iloc[:, 2:].to_numpy(), rtol=1e-12)


class Constant(Forecaster):
    """Forecasts zero, whatever came before."""

    lookback = 1

    def __init__(self, alias="Constant"):
        self.alias = alias

    def train(self, history, horizon, warm_start):
        return None

    def forecast(self, state, past, h):
        return np.zeros((len(past.windows), h))


def coverage(frame, alias, level):
    """The share of samples within their intervals."""
    return frame["y"].between(frame[f"{alias}-lo-{level}"], frame[f"{alias}-hi-{level}"]).mean()


def test_split_intervals_cover_exchangeable_errors_as_often_as_they_say():
    noise = np.random.default_rng(4).standard_t(3, size=800)
    frame = Constant().cross_validation(
        noise, 1, n_windows=700, input_size=21, level=[50, 75],
        intervals=ConformalIntervals(calibration_size=20))
    # The rank of a new error among 20 + 1 is uniform: ceil(21 level) / 21 of them are covered.
    assert coverage(frame, "Constant", 75) == pytest.approx(16 / 21, abs=0.025)
    assert coverage(frame, "Constant", 50) == pytest.approx(11 / 21, abs=0.03)


def test_adaptive_intervals_keep_covering_when_the_noise_grows():
    noise = np.random.default_rng(5).normal(size=900) * np.where(np.arange(900) < 400, 1.0, 3.0)
    covered = {
        method: coverage(Constant().cross_validation(
            noise, 1, n_windows=450, refit=False, level=80,
            intervals=ConformalIntervals(method, 200, 0.05)), "Constant", 80)
        for method in ("split", "adaptive")}
    assert covered["split"] < 0.5
    assert covered["adaptive"] == pytest.approx(0.8, abs=0.03)


def test_adaptive_intervals_look_back_on_the_latest_errors_only():
    values = np.r_[np.tile([50.0, -50.0], 150), np.tile([1.0, -1.0], 550)]
    intervals = ConformalIntervals("adaptive", 1390, 1e-9)
    assert half_widths(
        Constant().fit(values, horizon=1, intervals=intervals).predict(level=90),
        "Constant", 90) == 1.0


@pytest.mark.parametrize("model", [Naive(), LinearAR(4, "direct"), ARIMA((1, 0, 0))], ids=repr)
@pytest.mark.parametrize("intervals", ["split", "adaptive"])
def test_levels_are_nested_and_leave_the_forecasts_alone(model, intervals):
    walk = {"n_windows": 4, "step_size": 2, "refit": 2}
    plain = model.cross_validation(SIGNAL, 3, **walk)
    frame = model.cross_validation(SIGNAL, 3, **walk, level=[80, 50.5], intervals=intervals)
    pd.testing.assert_frame_equal(frame[list(plain)], plain, check_exact=True)
    sides = [f"{model.alias}-{side}" for side in ("lo-50.5", "hi-50.5", "lo-80", "hi-80")]
    assert list(frame)[-4:] == sides
    inner, outer = half_widths(frame, model.alias, 50.5), half_widths(frame, model.alias, 80)
    assert (inner > 0).all()
    assert (inner <= outer).all()
    assert (inner < outer).any()
    fitted = model.fit(SIGNAL, horizon=3, intervals=intervals)
    np.testing.assert_array_equal(
        fitted.predict(3)[model.alias], fitted.predict(3, level=80)[model.alias])


def test_each_step_has_its_own_width():
    walk = np.cumsum(np.random.default_rng(6).normal(size=200))
    widths = half_widths(
        Naive().fit(walk, horizon=9, intervals="split").predict(level=80), "Naive", 80)
    assert widths[8] > 2 * widths[0]


def test_every_parameter_of_intervals_matters():
    widths = [
        half_widths(Naive().fit(SIGNAL, horizon=2, intervals=one).predict(level=70), "Naive", 70)
        .tolist()
        for one in (
            ConformalIntervals(), ConformalIntervals(calibration_size=40),
            ConformalIntervals("adaptive", 40), ConformalIntervals("adaptive", 40, 0.3))]
    assert len({tuple(one) for one in widths}) == 4


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"level": 0}, InvalidArgumentError, "level must be percentages from 1 to below 100"),
    ({"level": [50, 100]}, InvalidArgumentError, "level must be percentages from 1 to below 100"),
    ({"level": -5}, InvalidArgumentError, "level must be percentages"),
    ({"level": np.nan}, InvalidArgumentError, "level must be finite"),
    ({"level": []}, InvalidTypeError, "level must be percentages such as"),
    ({"level": "80"}, InvalidTypeError, "level must be percentages such as"),
    ({"level": ["80"]}, InvalidTypeError, "level must be a number"),
    ({"level": True}, InvalidTypeError, "level must be a number"),
    ({"intervals": "bootstrap"}, InvalidArgumentError, "intervals must be one of 'split', 'adap"),
    ({"level": 80, "intervals": None}, InvalidArgumentError, "intervals must be one of"),
    ({"level": 95, "intervals": ConformalIntervals(calibration_size=20)}, InvalidArgumentError,
     r"calibration_size( .series y.)? must be at least 21 for level=95 at 3 steps ahead; got 20"),
    ({"level": 99}, InvalidArgumentError,
     r"calibration_size .series y. must be at least 101 for level=99 at 3 steps ahead; got 22"
     r"\. Pass intervals=ConformalIntervals\(calibration_size=101\)"),
])
def test_bad_intervals_are_refused(arguments, error, message):
    options = {"intervals": "split"} | arguments
    level = options.pop("level", 80)
    if options["intervals"] is not None:
        with pytest.raises(error, match=message):
            Naive().fit(SIGNAL, horizon=3, **options).predict(level=level)
    longer = r"data \(series y\) must be at least 105" if "101" in message else message
    with pytest.raises(error, match=longer):
        Naive().cross_validation(SIGNAL, 3, level=level, **options)


def test_intervals_are_made_at_fit_and_nowhere_else():
    for fitted in (Naive().fit(SIGNAL), Naive().fit(SIGNAL, horizon=2),
                   Naive().fit(SIGNAL, horizon=2, intervals="split")):
        with pytest.raises(InvalidArgumentError, match=r"level must be left out unless fit made"
                           r" intervals .* fit\(..., horizon=3, intervals='split'\)"):
            fitted.predict(3, level=80)
    with pytest.raises(InvalidArgumentError, match="horizon must be given with intervals"):
        Naive().fit(SIGNAL, intervals="split")


@pytest.mark.parametrize("model", [Naive(), LinearAR(3, "direct")], ids=repr)
def test_a_fitted_forecaster_can_be_calibrated_later(model):
    at_once = clone(model).fit(SIGNAL, horizon=3, intervals="adaptive").predict(level=[50, 80])
    later = model.fit(SIGNAL, horizon=3)
    for horizon in (3, None):
        later.calibrate(horizon, "adaptive")
        pd.testing.assert_frame_equal(later.predict(level=[50, 80]), at_once, check_exact=True)
    later.calibrate(2)
    assert later.horizon_ == (3 if model.needs_horizon else 2)
    with pytest.raises(InvalidArgumentError, match="horizon must be"):
        later.calibrate(0)


def test_the_calibration_part_of_a_fit_has_errors_enough_for_the_usual_levels():
    fitted = Naive().fit(SIGNAL[:60], horizon=3, intervals="split")
    assert fitted.calibrations_["y"].shape == (21, 3)
    assert np.isfinite(fitted.predict(level=95).iloc[:, 2:]).all(axis=None)
    short = Naive().fit(SIGNAL[:12], horizon=3, intervals="split")
    assert np.isfinite(short.predict(level=80).iloc[:, 2:]).all(axis=None)
    with pytest.raises(InvalidArgumentError, match=r"calibration_size .* at least 21 .*got 11"):
        short.predict(level=95)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"method": "jackknife"}, "method must be one of"),
    ({"calibration_size": 0}, "calibration_size must be an integer >= 1"),
    ({"calibration_size": 2.5}, "calibration_size must be an integer >= 1"),
    ({"gamma": 0}, "gamma must be"), ({"gamma": -1.0}, "gamma must be"),
    ({"gamma": np.inf}, "gamma must be finite")])
def test_bad_conformal_parameters_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ConformalIntervals(**arguments)


@pytest.mark.parametrize("intervals", ["split", "adaptive"])
@pytest.mark.parametrize("level", [50, 90])
def test_the_shortest_series_is_long_enough(intervals, level):
    errors = {50: 1, 90: 9}[level] * (2 if intervals == "adaptive" else 1)
    fewest = 2 + errors + 3 - 1  # two samples for Naive to have times, errors at three steps
    values = SIGNAL[:fewest]
    conformal = ConformalIntervals(intervals, calibration_size=errors + 3 - 1)
    frame = Naive().fit(values, horizon=3, intervals=conformal).predict(level=level)
    assert np.isfinite(frame.iloc[:, 2:]).all(axis=None)
    with pytest.raises(InvalidArgumentError, match=r"series y must be at least .* held out"):
        Naive().fit(values[:-2], horizon=3, intervals=conformal)


@pytest.mark.parametrize("intervals", ["split", "adaptive"])
def test_missing_targets_of_the_calibration_part_are_left_out(intervals):
    values = SIGNAL.copy()
    values[75:88:3] = np.nan
    frame = Constant().fit(
        values, missing="interpolate", horizon=1,
        intervals=ConformalIntervals(intervals, 30, 1e-9)).predict(level=60)
    known = values[60:][~np.isnan(values[60:])]
    assert half_widths(frame, "Constant", 60)[0] == conformal_quantile(np.abs(known), 0.6)


@pytest.mark.parametrize("intervals", ["split", "adaptive"])
def test_too_few_known_errors_are_an_error_and_no_silence(intervals):
    values = SIGNAL.copy()
    values[72:] = np.nan
    message = r"known at 4 errors of the calibration part for level=80; got 3 at 2 steps ahead"
    def fitted(size):
        return Naive().fit(values, missing="interpolate", horizon=2,
                           intervals=ConformalIntervals(intervals, size))

    with pytest.raises(InvalidArgumentError, match=rf"data \(series y\) must be {message}"):
        fitted(22).predict(level=80)
    with pytest.raises(InvalidArgumentError, match=r"data \(series y, cutoff"):
        Naive().cross_validation(
            values, 2, missing="interpolate", level=80,
            intervals=ConformalIntervals(intervals, 16))
    assert len(fitted(40).predict(level=80)) == 2
