"""Transforms of windows: targets come back as samples, and nothing is learned in secret."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression
from relu_forecast.windows.transforms import TRANSFORMS, WindowTransform

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
        None: [[1.0, 4.0, 2.0]],
        "last_value": [[-1.0, 2.0, 0.0]],
        "difference": [[3.0, -2.0]],
        "standardize": [[-1.0, 2.0, 0.0]],
    }
    for name, features in expected.items():
        transform = TRANSFORMS[name].fit(np.array([1.0, 3.0]))
        np.testing.assert_allclose(transform.features(window), features)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_constant_training_part_cannot_be_standardised(constant):
    with pytest.raises(InvalidArgumentError, match="7 samples equal to .*transform='last_value'"):
        TRANSFORMS["standardize"].fit(np.full(7, constant))


@pytest.mark.parametrize("intervals", ["split", "adaptive"])
@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize(("name", "estimator", "scale", "shift"), [
    ("standardize", Ridge(10.0), 7.0, -20.0), ("last_value", Ridge(10.0), 1.0, 100.0),
    ("difference", Ridge(10.0), 1.0, 100.0), ("difference", LinearRegression(), -3.0, 50.0),
    ("last_value", LinearRegression(), 0.01, 5.0), (None, LinearRegression(), -2.0, 9.0)])
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


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("name", ["difference", "last_value"])
def test_steps_add_up_over_the_horizon(name, strategy):
    """A parabola: its changes grow by the same amount at each of many steps."""
    parabola = np.arange(60.0) ** 2 / 10
    model = Autoregression(3, LinearRegression(), strategy, name).fit(parabola, horizon=8)
    np.testing.assert_allclose(
        model.predict(8)["Autoregression"], np.arange(60.0, 68) ** 2 / 10, atol=1e-6)
