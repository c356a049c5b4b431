"""Columns of what analogs say: against loops over all windows, and never of what came after."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeCV

from relu_forecast import Autoregression, InvalidArgumentError, load_forecaster
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.analog_columns import AnalogColumns, fewest_windows
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.network import NetworkAutoregression

RNG = np.random.default_rng(0)
LAGS, HORIZON = 6, 3


def history_of(values, **parts):
    return History(values, np.empty((len(values), 0)), np.empty((len(values), 0)), **parts)


def walk(n=200):
    return np.cumsum(np.random.default_rng(1).normal(size=n))


def expected(values, query, own=None):
    """What followed the five windows most like a query, on average, relative to their ends."""
    found = []
    for start in range(len(values) - LAGS - HORIZON + 1):
        window = values[start : start + LAGS]
        distance = np.linalg.norm((window - window[-1]) - (query - query[-1]))
        overlaps = own is not None and (
            {*range(start, start + LAGS + HORIZON)} & {*range(own, own + LAGS + HORIZON)})
        if not overlaps:
            after = values[start + LAGS : start + LAGS + HORIZON]
            found.append((distance, after - window[-1]))
    found.sort(key=lambda pair: pair[0])
    return np.mean([after for _, after in found[:5]], axis=0)


def test_columns_are_what_followed_the_nearest_windows():
    values = walk()
    columns = AnalogColumns.of(history_of(values), LAGS, HORIZON)
    queries = RNG.normal(size=(4, 9))
    np.testing.assert_allclose(
        columns.of_windows(queries), [expected(values, query[-LAGS:]) for query in queries])


@pytest.mark.parametrize("length", [LAGS, LAGS + 4])
def test_of_the_training_part_nothing_is_looked_up_that_overlaps(length):
    values = walk(120)
    windows = np.lib.stride_tricks.sliding_window_view(values, length)[: 120 - length - HORIZON + 1]
    found = AnalogColumns.of(history_of(values), LAGS, HORIZON).of_training(windows)
    np.testing.assert_allclose(found, [
        expected(values, window[-LAGS:], start + length - LAGS)
        for start, window in enumerate(windows)])


def test_features_do_not_tell_what_they_are_to_forecast():
    values = walk(150)
    row = 40  # changing its horizon changes its targets, and not its features
    changed = values.copy()
    changed[row + LAGS : row + LAGS + HORIZON] += 50.0
    features, targets = [], []
    for series in (values, changed):
        history = history_of(series)
        inputs = Inputs(*[getattr(Inputs.of(history_of(values), LAGS, "last_value"), name)
                          for name in ("context", "transform", "past", "future", "level")],
                        AnalogColumns.of(history, LAGS, HORIZON))
        rows, ahead = inputs.training(history, 1, HORIZON)
        features.append(rows[row])
        targets.append(ahead[row])
    np.testing.assert_array_equal(*features)
    assert (np.abs(targets[0] - targets[1]) > 1).all()


@pytest.mark.parametrize("transform", ["last_value", "standardize", "difference", None])
@pytest.mark.parametrize("lags", [4, 9])
def test_they_stand_last_in_units_of_the_transform(transform, lags):
    history = history_of(walk())
    columns = AnalogColumns.of(history, LAGS, HORIZON)
    plain = Inputs.of(history, lags, transform)
    inputs = Inputs.of(history, lags, transform, analogs=columns)
    windows = RNG.normal(size=(5, inputs.length))
    none = np.empty((5, inputs.length, 0)), np.empty((5, 0))
    features = inputs.features(windows, *none)
    assert features.shape == (5, inputs.width) == (5, plain.width + HORIZON)
    np.testing.assert_array_equal(
        features[:, :-HORIZON], plain.features(windows[:, -plain.length :], *none))
    np.testing.assert_allclose(
        features[:, -HORIZON:], columns.of_windows(windows) / inputs.transform.scale)


@pytest.mark.parametrize("strategy", ["joint", "recursive", "direct"])
def test_they_help_where_a_pattern_comes_again(strategy):
    rng = np.random.default_rng(2)
    beat, pauses = rng.normal(size=20), rng.integers(3, 9, size=80)
    values = np.concatenate([np.r_[beat, np.zeros(pause)] for pause in pauses])
    values = values + 0.01 * rng.normal(size=len(values))
    errors = []
    for analogs in (None, 10):
        model = Autoregression(10, RidgeCV(), strategy, analogs=analogs)
        frame = model.cross_validation(values, 5, n_windows=40, step_size=3, refit=False)
        errors.append(np.mean((frame["y"] - frame["Autoregression"]) ** 2))
    assert errors[1] < 0.4 * errors[0]


def test_neurons_do_not_see_them_and_the_linear_part_does():
    values = np.abs(np.sin(np.arange(300) / 9)) + 0.05 * RNG.normal(size=300)
    model = NetworkAutoregression(8, beta_ratio=0.1, tol=0.05, analogs=12).fit(values, horizon=4)
    [state] = model.models_.values()
    network = state.regressor.network_
    assert network.n_neurons > 0
    assert network.hidden_weight.shape[1] == state.inputs.width - 4 == 8
    assert network.skip_weight.shape == (12, 4)
    assert (network.skip_weight[-4:] != 0).all()


def test_the_objective_of_neurons_that_see_a_part_is_that_of_the_weights():
    values = np.abs(np.sin(np.arange(300) / 9)) + 0.05 * RNG.normal(size=300)
    model = NetworkAutoregression(8, beta_ratio=0.1, tol=0.05, analogs=12).fit(values, horizon=4)
    [state] = model.models_.values()
    regressor = state.regressor
    X, y = model.rows(state.inputs, history_of(values), 1, 4)
    network = regressor.network_
    hidden, bias, output, scale = (
        getattr(network, name).detach().numpy()
        for name in ("hidden_weight", "hidden_bias", "output_weight", "target_scale"))
    skip, constant = network.skip_weight.detach().numpy(), network.skip_bias.detach().numpy()
    fitted = np.maximum(X[:, :8] @ hidden.T + bias, 0) @ output + X @ skip + constant
    penalty = (hidden**2).sum() + (bias**2).sum() + (output**2).sum()
    objective = 0.5 * ((fitted - y / scale) ** 2).sum() + regressor.beta_ / 2 * penalty + (
        regressor.skip_penalty / 2 * (skip**2).sum())
    assert regressor.objective_ == pytest.approx(objective, rel=1e-9)
    np.testing.assert_allclose(regressor.predict(X), fitted * scale, atol=1e-9)


def test_a_saved_model_forecasts_the_same(tmp_path):
    model = NetworkAutoregression(8, beta_ratio=0.1, tol=0.05, analogs=12).fit(walk(), horizon=4)
    model.save(tmp_path / "model.safetensors")
    loaded = load_forecaster(tmp_path / "model.safetensors")
    assert loaded.predict().equals(model.predict())
    [state] = loaded.models_.values()
    with pytest.raises(ValueError, match="analogs 11"):
        NetworkAutoregression(8, beta_ratio=0.1, analogs=11).check_state(state, 200)


def test_scale_and_level_of_the_series_do_not_matter():
    values = walk()
    plain, moved = (
        Autoregression(5, LinearRegression(), analogs=LAGS).fit(series).predict(4)["Autoregression"]
        for series in (values, 1000 * values + 30))
    np.testing.assert_allclose(moved, 1000 * plain + 30, rtol=1e-9)


def test_too_few_windows_are_refused():
    least = fewest_windows(LAGS, HORIZON) + LAGS + HORIZON - 1
    model = Autoregression(2, LinearRegression(), "joint", analogs=LAGS)
    assert model.min_length(HORIZON) == least
    model.fit(walk(least), horizon=HORIZON)
    with pytest.raises(InvalidArgumentError, match=f"at least {least} samples long"):
        model.fit(walk(least - 1), horizon=HORIZON)
    observed = np.ones(least + 5, dtype=bool)
    observed[least // 2] = False
    with pytest.raises(InvalidArgumentError, match="windows for analogs=6 and 3 steps ahead"):
        AnalogColumns.of(history_of(walk(least + 5), observed=observed), LAGS, HORIZON)
    with pytest.raises(InvalidArgumentError, match="analogs"):
        Autoregression(2, LinearRegression(), analogs=0).fit(walk())
