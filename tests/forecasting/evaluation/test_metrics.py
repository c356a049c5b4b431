"""Metrics: equal to scikit-learn's, or to a literal transcription of their definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    root_mean_squared_error,
)

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.evaluation.metrics import (
    METRICS,
    coverage,
    crps,
    mae,
    mase,
    naive_mae,
    naive_rmse,
    pinball,
    rmse,
    rmsse,
    smape,
    winkler,
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


@settings(max_examples=40)
@given(PAIRS, st.floats(0.01, 0.99))
def test_pinball_is_that_of_scikit_learn(pair, quantile):
    y, forecast = (array.ravel() for array in pair)
    expected = mean_pinball_loss(y, forecast, alpha=quantile)
    assert pinball(*pair, quantile) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40)
@given(PAIRS, st.floats(1, 99), arrays(np.float64, 36, elements=st.floats(0, 100)))
def test_interval_scores_are_their_definitions(pair, level, widths):
    y, lower = pair
    upper = lower + widths[: y.size].reshape(y.shape)
    scores, inside = [], []
    for actual, low, high in zip(y.ravel(), lower.ravel(), upper.ravel(), strict=True):
        outside = max(low - actual, 0) + max(actual - high, 0)
        scores.append(high - low + 2 / (1 - level / 100) * outside)
        inside.append(low <= actual <= high)
    assert winkler(y, lower, upper, level) == pytest.approx(np.mean(scores))
    assert coverage(y, lower, upper) == pytest.approx(np.mean(inside))


def test_winkler_is_the_pinball_loss_of_both_ends():
    y, lower = np.random.default_rng(0).normal(size=(2, 40))
    both = pinball(y, lower, 0.1) + pinball(y, lower + 1, 0.9)
    assert winkler(y, lower, lower + 1, 80) == pytest.approx(2 / 0.2 * both)


def test_crps_is_the_mean_over_the_quantiles_given():
    rng, shares = np.random.default_rng(0), np.array([0.05, 0.5, 0.6])
    y, forecasts = rng.normal(size=30), rng.normal(size=(30, 3))
    each = [pinball(y, forecasts[:, i], share) for i, share in enumerate(shares)]
    assert crps(y, forecasts, shares) == pytest.approx(2 * np.mean(each))


def test_crps_of_many_quantiles_is_that_of_the_distribution():
    y = np.linspace(-2, 2, 9)
    shares = (np.arange(2000) + 0.5) / 2000
    forecasts = np.tile(stats.norm.ppf(shares), (len(y), 1))
    # Gneiting & Raftery (2007), equation (21), of the standard normal distribution.
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / math.sqrt(math.pi)
    assert crps(y, forecasts, shares) == pytest.approx(exact.mean(), abs=1e-4)


@pytest.mark.parametrize("name", METRICS)
def test_scores_are_in_the_unit_that_is_said(name):
    """Three times the data gives three times the losses, or the same, by the unit."""
    metric, (y, low) = METRICS[name], 1 + np.random.default_rng(0).random((2, 30))
    more = {"forecast": [low], "interval": [low, low + 1, 80], "quantile": [low, 0.9],
            "distribution": [np.stack([low, low + 1], axis=1), np.array([0.1, 0.9])]}[metric.takes]

    def score(factor: float) -> float:
        scale = 1.0 if metric.scale is None else metric.scale(factor * y, 2)
        # Levels and quantiles, which have no rows, stay.
        taken = [factor * part if np.ndim(part) and len(part) == 30 else part for part in more]
        return metric.of_means(metric.losses(factor * y, *taken).mean()) / scale

    assert score(3.0) == pytest.approx(score(1.0) * (3 if metric.unit == "data" else 1))
    assert score(1.0) > 0


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


@pytest.mark.parametrize(("call", "message"), [
    (lambda: pinball([1.0], [1.0, 2.0], 0.5), "quantile_forecast must be of the shape of y"),
    (lambda: pinball([1.0], [np.nan], 0.5), "quantile_forecast must be finite"),
    (lambda: pinball([np.nan], [1.0], 0.5), "y must be finite"),
    (lambda: pinball([1.0], [1.0], 0), "quantile must be between 0 and 1, exclusive; got 0"),
    (lambda: pinball([1.0], [1.0], 95), "quantile must be between 0 and 1, exclusive; got 95"),
    (lambda: pinball([1.0], [1.0], "0.5"), "quantile must be a number"),
    (lambda: crps([np.nan], [[1.0]], [0.5]), "y must be finite"),
    (lambda: crps([[1.0]], [[1.0]], [0.5]), "y must be one-dimensional"),
    (lambda: crps([1.0], [1.0], [0.5]), r"quantile_forecasts must be of shape \(1, 1\)"),
    (lambda: crps([1.0], [[1.0, 2.0]], [0.5]), r"quantile_forecasts must .* got shape \(1, 2\)"),
    (lambda: crps([1.0], [[np.inf]], [0.5]), "quantile_forecasts must be finite"),
    (lambda: crps([1.0], [["1"]], [0.5]), "quantile_forecasts must be real numbers"),
    (lambda: crps([1.0], [[1.0]], [1.0]), "quantiles must be between 0 and 1"),
    (lambda: crps([1.0], [[1.0]], 0.5), "quantiles must be one-dimensional"),
    (lambda: winkler([1.0], [0.0], [2.0], 0), "level must be a percentage between 0 and 100"),
    (lambda: winkler([1.0], [0.0], [2.0], 100), "level must be a percentage between 0 and 100"),
    (lambda: winkler([1.0], [0.0], [2.0], None), "level must be a number"),
])
def test_bad_quantiles_and_levels_are_refused(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call()


@pytest.mark.parametrize("metric", [coverage, lambda *bounds: winkler(*bounds, 90)])
def test_bad_intervals_are_refused(metric):
    with pytest.raises(InvalidArgumentError, match="lower must be of the shape of y"):
        metric([1.0], [0.0, 1.0], [2.0])
    with pytest.raises(InvalidArgumentError, match="upper must be of the shape of y"):
        metric([1.0], [0.0], [2.0, 3.0])
    with pytest.raises(InvalidArgumentError, match="lower must be finite"):
        metric([1.0], [np.nan], [2.0])
    with pytest.raises(InvalidArgumentError, match="upper must be finite"):
        metric([1.0], [0.0], [np.inf])
    with pytest.raises(InvalidArgumentError, match="y must be finite"):
        metric([np.nan], [0.0], [1.0])
    with pytest.raises(InvalidArgumentError, match="upper must be nowhere below lower.*position 1"):
        metric([1.0, 1.0], [0.0, 2.0], [0.0, 1.0])
