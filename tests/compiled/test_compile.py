"""Compiled models forecast what the states that they come from forecast."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, PoissonRegressor

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import ETS, Analogs, Drift, Naive, NLinear, RidgeAR, SeasonalNaive
from relu_forecast.compiled import Mixture, Recursion, WindowNetwork
from relu_forecast.compiled.signature import signature_of
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression
from relu_forecast.forecasting.data.history import History, SeriesArrays
from relu_forecast.networks import Circular, Convolution, Dense
from relu_forecast.windows.contexts import Context

N, H = 180, 4
RNG = np.random.default_rng(5)
VALUES = np.sin(np.arange(N + 40) / 3) + 0.3 * np.sign(np.sin(np.arange(N + 40) / 7)) + (
    0.1 * RNG.normal(size=N + 40))
CUTOFFS = np.array([N - 1, N, N + 7, N + 30])


def forecasts(model, values=VALUES, horizon=H):
    """What a model says from some cutoffs, as a forecaster and compiled."""
    model.check_parameters()
    state = model.train(History.of(values[:N]), horizon, ())
    compiled = model.compile(state, horizon)
    arrays = SeriesArrays(values, np.empty((len(values), 0)), np.empty((len(values) + horizon, 0)))
    cutoffs = CUTOFFS[:1] if isinstance(compiled, Mixture) else CUTOFFS
    expected = model.forecast(state, arrays.past_at(cutoffs, N, model.lookback, horizon), horizon)
    windows = np.stack([values[stop + 1 - compiled.length : stop + 1] for stop in cutoffs])
    return compiled, compiled.forecast(windows), expected


def network(architecture=None, activation="relu", ratio=0.2):
    return ConvexReLURegressor(
        beta_ratio=ratio, architecture=architecture or Dense(), activation=activation, tol=0.2,
        skip_penalty=0.1)


NETWORKS = {
    "dense": network(), "without bias": network(Dense(constant_input=False)),
    "partial": network(Dense(constant_input=True, inputs=5)),
    "gated": network(activation="gated_relu", ratio=0.02),
    "convolution": network(Convolution(4)), "strided": network(Convolution(3, stride=2)),
    "sites": network(Convolution(4, sites=2)), "flat": network(Convolution(4, sites="flatten")),
    "circular": network(Circular(), ratio=0.02), "linear": LinearRegression(),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_all_architectures_are_layers(name):
    strategy = "recursive" if name in ("gated", "circular") else "joint"
    compiled, found, expected = forecasts(
        Autoregression(8, NETWORKS[name], strategy))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    if name != "linear":
        block = compiled.block if isinstance(compiled, Recursion) else compiled
        assert block.layers.n_neurons > 0


@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("transform", ["last_value", "standardize", "difference", None])
@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
def test_transforms_and_strategies_become_weights(transform, strategy, level):
    model = Autoregression(Context.multiresolution(24, 4), LinearRegression(), strategy, transform)
    _, found, expected = forecasts(model, VALUES + level)
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-12 if level == 0 else 2e-9)


@pytest.mark.parametrize("lags", [6, [1, 2, 5], Context.multiresolution(20, 3)])
@pytest.mark.parametrize("strategy", ["recursive", "joint"])
def test_networks_see_level_and_context(lags, strategy):
    _, found, expected = forecasts(ReLUForecaster(lags, beta_ratio=0.05, strategy=strategy))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [
    Naive(), SeasonalNaive(5), Drift(), NLinear(6), RidgeAR(6), RidgeAR(6, strategy="direct"),
    Analogs(6, 3), Analogs(6, 3, None), Autoregression(6, LinearRegression(), "joint", analogs=7),
    Autoregression(6, network(), "joint", analogs=4)], ids=repr)
def test_other_models_are_compiled_too(model):
    _, found, expected = forecasts(model)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_circular_network_may_have_no_neurons():
    _, found, expected = forecasts(Autoregression(8, network(Circular(), ratio=1.5)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_linear_recursion_becomes_one_map():
    compiled, _, _ = forecasts(RidgeAR(6))
    assert isinstance(compiled, WindowNetwork)
    assert compiled.layers.linear.shape == (7, H)


def test_a_committee_is_its_members_and_their_weights():
    compiled, found, expected = forecasts(ReLUForecaster())
    assert isinstance(compiled, Mixture)
    assert len(compiled.members) > 3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_series_of_a_pool_keep_their_scale_and_linear_part():
    data = {"unique_id": ["a"] * N + ["b"] * N, "ds": [*range(N)] * 2,
            "y": [*VALUES[:N], *(50 - 3 * VALUES[5 : N + 5])]}
    model = ReLUForecaster(6, beta_ratio=0.1, scope="global").fit(pd.DataFrame(data), horizon=H)
    told = model.predict().groupby("unique_id")["ReLU"]
    for name, y in pd.DataFrame(data).groupby("unique_id")["y"]:
        compiled = model.compiled(name)
        window = y.to_numpy()[np.newaxis, -compiled.length :]
        np.testing.assert_allclose(compiled.forecast(window)[0], told.get_group(name), atol=1e-11)
    with pytest.raises(InvalidArgumentError, match="unique_id must be the name of a series"):
        model.compiled()
    with pytest.raises(InvalidArgumentError, match="'c'"):
        model.compiled("c")


@pytest.mark.parametrize("model", [
    Autoregression(5, HistGradientBoostingRegressor(max_iter=2)), ETS(),
    Autoregression(5, PoissonRegressor(), transform=None)], ids=lambda one: type(one).__name__)
def test_what_has_no_such_form_is_refused(model):
    positive = np.exp(VALUES[:60])
    state = model.train(History.of(positive), H, ())
    with pytest.raises(InvalidArgumentError, match="made of networks, linear models and analogs"):
        model.compile(state, H)


def test_further_columns_are_refused():
    data = pd.DataFrame({"unique_id": "a", "ds": range(60), "y": VALUES[:60], "x": VALUES[1:61]})
    model = Autoregression(3, LinearRegression(), "direct", past_exog=["x"]).fit(data, horizon=2)
    with pytest.raises(InvalidArgumentError, match="past_exog"):
        model.compiled()


def test_signatures_tell_models_apart():
    one, other = (RidgeAR(lags).compile(RidgeAR(lags).train(History.of(VALUES[:50]), 2, ()), 2)
                  for lags in (3, 4))
    again = RidgeAR(3).compile(RidgeAR(3).train(History.of(VALUES[:50]), 2, ()), 2)
    assert signature_of(one) == signature_of(again) != signature_of(other)
