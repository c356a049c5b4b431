"""Features and targets of a regressor: against literal loops."""

import numpy as np
import pytest

from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.inputs import Inputs

RNG = np.random.default_rng(0)
VALUES, SEEN, KNOWN = RNG.normal(size=30), RNG.normal(size=(30, 1)), RNG.normal(size=(30, 2))
HISTORY = History(VALUES, SEEN, KNOWN)


def scaled(columns):
    """Columns less their mean over their standard deviation."""
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("lags", [1, 4])
def test_rows_are_lags_then_columns_seen_then_columns_known_ahead(step, lags):
    features, targets = Inputs.of(HISTORY, lags, None).training(HISTORY, step)
    seen, known = scaled(SEEN)[:, 0], scaled(KNOWN)
    rows = range(lags, 30 - step + 1)
    own = VALUES / np.sqrt(np.mean(VALUES**2))
    expected = [[*own[t - lags : t], *seen[t - lags : t], *known[t + step - 1]] for t in rows]
    np.testing.assert_allclose(features, expected)
    np.testing.assert_allclose(targets, own[lags + step - 1 :])


@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_a_perfect_regressor_forecasts_what_it_was_shown(transform):
    class Perfect:
        def fit(self, X, y):
            self.rows = {tuple(row): target for row, target in zip(X, y, strict=True)}
            return self

        def predict(self, X):
            return np.array([self.rows[tuple(row)] for row in X])

    inputs = Inputs.of(HISTORY, 3, transform)
    regressor = Perfect().fit(*inputs.training(HISTORY, 1))
    ends = np.arange(10, 20)
    positions = ends[:, np.newaxis] + np.arange(-inputs.length, 0)
    found = inputs.predict(regressor, VALUES[positions], SEEN[positions], KNOWN[ends])
    np.testing.assert_allclose(found, VALUES[ends])
    assert inputs.length == 3 + (transform == "difference")


@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_scales_are_those_of_observed_samples(transform):
    observed = RNG.uniform(size=30) < 0.7
    observed[[0, 29]] = True
    history = History(np.where(observed, VALUES, 50.0), np.where(observed[:, None], SEEN, 50.0),
                      KNOWN, observed)
    inputs, own = Inputs.of(history, 4, transform, with_level=True), VALUES[observed]
    changes = [[VALUES[t] - VALUES[t - lag] for t in range(lag, 30)
                if observed[t] and observed[t - lag]] for lag in (1, 2, 3)]
    sizes = [np.sqrt(np.mean(np.square(each))) for each in changes]
    expected = {"standardize": own.std(), "difference": sizes[0], None: np.sqrt(np.mean(own**2)),
                "last_value": np.sqrt(np.mean(np.square(sizes)))}[transform]
    assert inputs.transform.scale == pytest.approx(expected, rel=1e-12)
    if transform == "standardize":
        assert inputs.transform.mean == pytest.approx(own.mean(), rel=1e-12)
    np.testing.assert_allclose(inputs.past.means, SEEN[observed].mean(axis=0))
    np.testing.assert_allclose(inputs.past.scales, SEEN[observed].std(axis=0))
    np.testing.assert_allclose(inputs.future.scales, KNOWN.std(axis=0))
    assert (inputs.level is None) is (transform != "last_value")
    if transform == "last_value":
        assert inputs.level.mean == pytest.approx(own.mean(), rel=1e-12)
        assert inputs.level.scale == pytest.approx(own.std(), rel=1e-12)


def test_a_part_without_an_observed_sample_has_the_scales_of_what_fills_it():
    history = History(VALUES, SEEN, KNOWN, np.zeros(30, dtype=bool))
    found, expected = (Inputs.of(one, 4, "standardize") for one in (history, HISTORY))
    assert found.transform == expected.transform
