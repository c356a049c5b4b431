"""Metrics: equal to scikit-learn's, or to a literal transcription of their definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.metrics import (
    mae,
    mase,
    naive_mae,
    naive_rmse,
    rmse,
    rmsse,
    smape,
)

NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
PAIRS = array_shapes(max_dims=2, max_side=6).flatmap(
    lambda shape: st.tuples(*[arrays(np.float64, shape, elements=NUMBERS)] * 2))


@settings(max_examples=40)
@given(PAIRS)
def test_mae_and_rmse_are_those_of_scikit_learn(pair):
    y, forecast = (array.ravel() for array in pair)
    assert mae(*pair) == pytest.approx(mean_absolute_error(y, forecast))
    assert rmse(*pair) == pytest.approx(root_mean_squared_error(y, forecast))


@settings(max_examples=40)
@given(PAIRS)
def test_smape_is_its_definition(pair):
    terms = [
        0.0 if y == f else 200 * abs(y - f) / (abs(y) + abs(f))
        for y, f in zip(*(array.ravel().tolist() for array in pair), strict=True)
    ]
    assert smape(*pair) == pytest.approx(sum(terms) / len(terms))
    assert 0 <= smape(*pair) <= 200 * (1 + 1e-12)


@settings(max_examples=40)
@given(PAIRS, arrays(np.float64, st.integers(8, 20), elements=NUMBERS), st.integers(1, 4))
def test_scaled_errors_are_their_definitions(pair, training, season):
    steps = [training[i] - training[i - season] for i in range(season, len(training))]
    absolute = sum(map(abs, steps)) / len(steps)
    squared = sum(step * step for step in steps) / len(steps)
    assert naive_mae(training, season) == pytest.approx(absolute)
    assert naive_rmse(training, season) == pytest.approx(math.sqrt(squared))
    if absolute > 0:
        y, f = (array.ravel() for array in pair)
        mean_square = sum((y - f) ** 2) / len(y)
        assert mase(*pair, naive_mae(training, season)) == pytest.approx(
            sum(abs(y - f)) / len(y) / absolute)
        assert rmsse(*pair, naive_rmse(training, season)) == pytest.approx(
            math.sqrt(mean_square / squared))


def test_naive_forecast_of_its_own_training_part_scores_one():
    values = np.random.default_rng(0).normal(size=50)
    assert mase(values[3:], values[:-3], naive_mae(values, 3)) == pytest.approx(1)
    assert rmsse(values[3:], values[:-3], naive_rmse(values, 3)) == pytest.approx(1)


@pytest.mark.parametrize("metric", [mae, rmse, smape])
def test_bad_pairs_are_refused(metric):
    with pytest.raises(InvalidArgumentError, match=r"forecast must be of the shape of y, \(2,\)"):
        metric([1.0, 2.0], [1.0])
    with pytest.raises(InvalidArgumentError, match="shape"):
        metric(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InvalidArgumentError, match="forecast must be finite"):
        metric([1.0], [np.nan])
    with pytest.raises(InvalidArgumentError, match="y must be non-empty"):
        metric([], [])
    with pytest.raises(InvalidTypeError, match="y must be real numbers"):
        metric(["1"], [1.0])


@pytest.mark.parametrize("metric", [mase, rmsse])
@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_bad_scales_are_refused(metric, scale):
    with pytest.raises(InvalidArgumentError, match="scale must be"):
        metric([1.0], [2.0], scale)


@pytest.mark.parametrize("scale_of", [naive_mae, naive_rmse])
def test_bad_training_parts_are_refused(scale_of):
    with pytest.raises(InvalidArgumentError, match="season_length must be below the 3 samples"):
        scale_of([1.0, 2.0, 3.0], 3)
    with pytest.raises(InvalidArgumentError, match="season_length must be an integer >= 1"):
        scale_of([1.0, 2.0, 3.0], 0)
    with pytest.raises(InvalidArgumentError, match="training must be finite"):
        scale_of([1.0, np.inf, 3.0])
