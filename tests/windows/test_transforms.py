"""Transforms of windows: targets come back as samples, and nothing is learned in secret."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression, ReLUForecaster
from relu_forecast.windows.transforms import TRANSFORMS, Level, WindowTransform

NUMBERS = st.floats(-1e3, 1e3).map(lambda number: round(number, 3))
WINDOWS = st.tuples(st.integers(1, 6), st.integers(2, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=NUMBERS))
TRAINING = arrays(np.float64, 12, elements=NUMBERS).filter(lambda values: np.ptp(values) > 0.1)


@pytest.mark.parametrize("name", TRANSFORMS)
@settings(max_examples=40)
@given(windows=WINDOWS, training=TRAINING, data=st.data())
def test_targets_come_back_as_samples(name, windows, training, data):
    samples = data.draw(arrays(np.float64, len(windows), elements=NUMBERS))
    transform = TRANSFORMS[name].fit(training)
    assert isinstance(transform, WindowTransform)
    targets = transform.targets(windows, samples)
    np.testing.assert_allclose(transform.invert(windows, targets), samples, atol=1e-8)
    features = transform.features(windows)
    assert features.shape == (len(windows), windows.shape[1] - transform.extra)


@settings(max_examples=40)
@given(TRAINING)
def test_standardised_training_part_has_mean_zero_and_deviation_one(training):
    transform = TRANSFORMS["standardize"].fit(training)
    features = transform.features(training[np.newaxis])
    assert features.mean() == pytest.approx(0, abs=1e-7)
    assert features.std() == pytest.approx(1)


@pytest.mark.parametrize("name", ["last_value", "difference"])
@settings(max_examples=40)
@given(windows=WINDOWS, level=NUMBERS)
def test_level_does_not_show(name, windows, level):
    transform = TRANSFORMS[name].fit(windows[0])
    raised = windows + level
    np.testing.assert_allclose(
        transform.features(raised), transform.features(windows), atol=1e-9)
    np.testing.assert_allclose(
        transform.invert(raised, windows[:, 0]), transform.invert(windows, windows[:, 0]) + level,
        atol=1e-9)


def test_features_by_hand():
    window = np.array([[1.0, 4.0, 2.0]])
    expected = {
        None: np.array([[1.0, 4.0, 2.0]]) / np.sqrt((1 + 9) / 2),
        "last_value": [[-0.5, 1.0, 0.0]],
        "difference": [[1.5, -1.0]],
        "standardize": [[-1.0, 2.0, 0.0]],
    }
    for name, features in expected.items():
        transform = TRANSFORMS[name].fit(np.array([1.0, 3.0]), lags=3)
        np.testing.assert_allclose(transform.features(window), features)


@pytest.mark.parametrize(("lags", "squares"), [
    (1, 54 / 4), (2, 54 / 4), (3, (54 / 4 + 83 / 3) / 2), (99, None)])
def test_the_scale_is_the_size_of_changes_over_a_window(lags, squares):
    training = np.array([1.0, 3.0, 0.0, 4.0, 9.0])
    by_lag = [np.mean([(training[t + lag] - training[t]) ** 2 for t in range(5 - lag)])
              for lag in range(1, min(lags, 4) if lags > 1 else 2)]
    scale = TRANSFORMS["last_value"].fit(training, lags).scale
    assert scale == pytest.approx(np.sqrt(np.mean(by_lag)))
    assert squares is None or scale == pytest.approx(np.sqrt(squares))


@settings(max_examples=40)
@given(training=TRAINING, unit=st.integers(-900, 900), name=st.sampled_from([*TRANSFORMS]))
def test_features_do_not_depend_on_the_unit(training, unit, name):
    scaled = training * 2.0**unit
    first, second = (TRANSFORMS[name].fit(values, 4) for values in (training, scaled))
    window = training[np.newaxis, :6]
    np.testing.assert_allclose(
        second.features(window * 2.0**unit), first.features(window), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["last_value", "difference", None])
@pytest.mark.parametrize("training", [np.zeros(5), np.zeros(1)])
def test_what_has_no_size_is_divided_by_one(name, training):
    assert TRANSFORMS[name].fit(training, 3).scale == 1.0


@pytest.mark.parametrize("name", TRANSFORMS)
def test_targets_of_many_steps_are_those_of_each(name):
    transform = TRANSFORMS[name].fit(np.array([1.0, 3.0, 2.0]), 2)
    windows, samples = np.random.default_rng(0).normal(size=(2, 5, 3))
    together = transform.targets(windows, samples)
    for step in range(3):
        np.testing.assert_allclose(together[:, step], transform.targets(windows, samples[:, step]))
        np.testing.assert_allclose(
            transform.invert(windows, together)[:, step], samples[:, step], atol=1e-12)


def test_the_level_is_the_standardised_last_sample_a_fifth_as_large():
    training = np.array([2.0, 4.0, 9.0])
    level = Level.fit(training)
    windows = np.array([[7.0, 5.0], [0.0, 2.0]])
    np.testing.assert_allclose(level.of(windows), 0.2 * np.array([0.0, -3.0]) / training.std())
    assert Level.fit(np.full(7, 0.1)).scale == 1.0
    with pytest.raises(ValueError, match="scales above 0"):
        Level(0.0, 0.0).check_stored()


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_constant_training_part_cannot_be_standardised(constant):
    with pytest.raises(InvalidArgumentError, match="7 samples equal to .*transform='last_value'"):
        TRANSFORMS["standardize"].fit(np.full(7, constant))


@pytest.mark.parametrize("intervals", ["split", "adaptive"])
@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
@pytest.mark.parametrize(("name", "estimator", "scale", "shift"), [
    ("standardize", Ridge(10.0), 7.0, -20.0), ("last_value", Ridge(10.0), 30.0, 100.0),
    ("difference", Ridge(10.0), 0.1, 100.0), ("difference", LinearRegression(), -3.0, 50.0),
    ("last_value", LinearRegression(), 0.01, 5.0), (None, LinearRegression(), -2.0, 9.0),
    (None, Ridge(10.0), 0.01, 0.0)])
def test_forecasts_and_intervals_move_with_the_unit(
    name, estimator, scale, shift, strategy, intervals
):
    values = np.cumsum(np.random.default_rng(0).normal(size=70))
    model = Autoregression(4, estimator, strategy, name)
    arguments = {"n_windows": 2, "refit": False, "level": [50, 80], "intervals": intervals}
    plain, moved = (
        model.cross_validation(data, 3, **arguments).drop(columns=["unique_id", "ds", "cutoff"])
        for data in (values, scale * values + shift))
    if scale < 0:  # upside down: lower bounds become upper ones
        swapped = {"-lo-": "-hi-", "-hi-": "-lo-"}
        moved.columns = [re.sub("-lo-|-hi-", lambda side: swapped[side[0]], column)
                         for column in moved]
    np.testing.assert_allclose(moved[list(plain)], scale * plain + shift, atol=1e-7)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 1e6])
@pytest.mark.parametrize("shift", [0.0, -3.0, 1e6])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_forecasts_of_any_unit_and_level_are_the_same(name, shift, scale, strategy):
    values = np.random.default_rng(0).normal(size=70).cumsum()
    values /= np.abs(values).max()
    level = 0.0 if name is None else scale * shift
    model = Autoregression(4, Ridge(0.01), strategy, name)
    plain, moved = (model.fit(data, horizon=5).predict()["Autoregression"]
                    for data in (values, scale * values + level))
    np.testing.assert_allclose((moved - level) / scale, plain, atol=1e-6)


@pytest.mark.parametrize(("strategy", "scale", "shift"), [
    ("joint", 1e-6, 1e6), ("recursive", 1e6, -1e6), ("direct", 1.0, 1e6)])
def test_networks_of_any_unit_and_level_are_the_same(strategy, scale, shift):
    values = np.abs(np.sin(np.arange(40) / 3)) + 0.05 * np.random.default_rng(0).normal(size=40)
    model = ReLUForecaster(2, 2, strategy=strategy, beta_ratio=0.5)
    plain, moved = (model.fit(data, horizon=2).predict(2)["ReLU"]
                    for data in (values, scale * (values + shift)))
    assert model.regressor_.n_neurons_ > 0
    np.testing.assert_allclose(moved / scale - shift, plain, atol=1e-6)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
@pytest.mark.parametrize("name", ["difference", "last_value"])
def test_steps_add_up_over_the_horizon(name, strategy):
    """A parabola: its changes grow by the same amount at each of many steps."""
    parabola = np.arange(60.0) ** 2 / 10
    model = Autoregression(3, LinearRegression(), strategy, name).fit(parabola, horizon=8)
    np.testing.assert_allclose(
        model.predict(8)["Autoregression"], np.arange(60.0, 68) ** 2 / 10, atol=1e-6)
