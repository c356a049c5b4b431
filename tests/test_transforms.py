"""Transforms of windows: targets come back as samples, and nothing is learned in secret."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.transforms import TRANSFORMS, WindowTransform

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
