"""Forecasters in files: the same to the last bit, whatever they are made of."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import TimeSeriesSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from relu_forecast import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
    baselines,
    hankel,
    load_forecaster,
    sample_patterns,
)
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import (
    Autoregression,
    ConformalIntervals,
    Forecaster,
    ReLUForecaster,
)
from relu_forecast.storage import VECTOR, decode, encode, stored
from relu_forecast.windows.contexts import Context
from tests.storage.forecasters import SIGNAL, assert_same, saved, titled

GOLDEN = Path(__file__).parent / "data" / "forecaster-1.safetensors"
FORECASTS = GOLDEN.with_suffix(".json")
AHEAD = {"horizon": 3, "intervals": ConformalIntervals(calibration_size=8)}
EASY = {"beta_ratio": 0.4, "tol": 0.2}
NETWORKS = [
    ConvexReLURegressor(**EASY),
    ConvexReLURegressor(**EASY, dtype="float32"),
    ConvexReLURegressor(**EASY, fit_intercept=False, linear_skip=False),
    ConvexReLURegressor(**EASY, activation="gated_relu", n_patterns=np.int64(20)),
    ConvexReLURegressor(**EASY, patterns="sampled", n_patterns=20, skip_penalty=1.0),
    ConvexReLURegressor(beta_ratio=2.0),
    ConvexCNNRegressor(3, stride=2, **EASY),
    ConvexCNNRegressor(**EASY, activation="gated_relu", n_patterns=20),
    CircularCNNRegressor(**EASY),
    CircularCNNRegressor(**EASY, activation="gated_relu", n_patterns=20),
    NonconvexReLURegressor(n_neurons=5, n_steps=5),
    NonconvexReLURegressor(n_neurons=5, n_steps=5, architecture="conv", stride=2),
    NonconvexReLURegressor(n_neurons=5, n_steps=5, architecture="circular"),
]
LINEAR = [
    LinearRegression(), LinearRegression(fit_intercept=False), Ridge(2.5), Lasso(0.05),
    RidgeCV(np.logspace(-2, 2, 5)), LassoCV(cv=TimeSeriesSplit(3), alphas=[0.1, 1.0])]
OTHERS = [
    ReLUForecaster(2, strategy="recursive", beta_ratio=0.8), ReLUForecaster(2, beta_ratio=0.8),
    ReLUForecaster(
        2, estimator=ConvexReLURegressor(beta_ratio=0.8, tol=0.2), strategy="direct", alias="net"),
    Autoregression(Context.multiresolution(8, 3), Ridge(), "joint"),
    Autoregression([1, 2, 6], Ridge(), "direct"),
    Autoregression(3, ConvexReLURegressor(**EASY)), baselines.LinearAR(5, strategy="direct"),
    baselines.RidgeAR(4), baselines.RidgeAR(4, 0.5),
    baselines.LassoAR(4), baselines.LassoAR(4, 0.1), baselines.NLinear(4),
    baselines.NLinear(4, 1.0), baselines.Analogs(4), baselines.Analogs(3, 2, None),
    baselines.Naive(), baselines.SeasonalNaive(7), baselines.Drift(),
    baselines.NonconvexNetwork(4, n_neurons=5, n_steps=5), baselines.Regressor(Ridge(), 4),
    baselines.Regressor(Ridge(), 4, on_residuals=True),
    baselines.Regressor(KNeighborsRegressor(3), 4, strategy="direct"),
    baselines.GradientBoosting(4), baselines.GradientBoosting(4, on_residuals=True),
    baselines.AutoReg(3), baselines.AutoReg(0, "ct", 4),
    baselines.ETS(trend="add", seasonal=None), baselines.Theta(), baselines.ARIMA((1, 1, 1)),
    baselines.ARIMA((0, 0, 1), 5, (0, 1, 0)),
]


def shown(parameters):
    """Parameters as text, NumPy's scalars as the numbers that they come back as."""
    return {name: "".join(repr(value).replace("np.int64(20)", "20").split())
            for name, value in parameters.items()}


def assert_goes_on(forecaster, folder, new=SIGNAL[:9]):
    """Compare a forecaster and its saved copy, now and after more samples."""
    loaded = saved(forecaster, folder)
    assert shown(loaded.get_params()) == shown(forecaster.get_params())
    assert_same(forecaster, loaded, level=[50, 60])
    assert_same(forecaster, pickle.loads(pickle.dumps(loaded)))
    assert_same(forecaster.update(new), loaded.update(new))


def assert_same_weights(first, second):
    """Compare weights, and the strides of matrices, on which the last bits of products rest."""
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
        assert tensor.ndim < 2 or tensor.numel() == 0 or tensor.stride() == second[name].stride()


@pytest.mark.parametrize("estimator", [*NETWORKS, *LINEAR], ids=titled)
def test_regressors_come_back(estimator):
    X, y = hankel(SIGNAL[:25], 3)
    X = np.array(X)
    before = clone(estimator).fit(X, y)
    after = decode(*encode(before))
    assert shown(after.get_params()) == shown(before.get_params())
    np.testing.assert_array_equal(after.predict(X), before.predict(X))
    for name in ("beta_", "objective_", "gap_", "certificate_", "n_neurons_", "trace_", "alpha_"):
        assert getattr(before, name, None) == getattr(after, name, None)
    if hasattr(before, "network_"):
        assert vars(before).keys() == vars(after).keys()
        assert_same_weights(before.network_.state_dict(), after.network_.state_dict())
    if hasattr(before, "warm_start_"):
        first, second = before.warm_start_, after.warm_start_
        assert_same_weights(vars(first.neurons), vars(second.neurons))
        assert torch.equal(first.ends, second.ends)
        assert torch.equal(first.linear_ends, second.linear_ends)


@pytest.mark.parametrize("forecaster", OTHERS, ids=titled)
@pytest.mark.filterwarnings("ignore::relu_forecast.ConvergenceWarning")
def test_forecasters_come_back(forecaster, tmp_path):
    assert_goes_on(forecaster.fit(SIGNAL[:32], **AHEAD), tmp_path)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_transforms_and_strategies_come_back(transform, strategy, tmp_path):
    model = Autoregression(5, Ridge(), strategy=strategy, transform=transform)
    assert_goes_on(model.fit(SIGNAL, **AHEAD), tmp_path)


def test_penalties_chosen_by_validation_come_back(tmp_path):
    assert_goes_on(ReLUForecaster(2).fit(SIGNAL[:40], **AHEAD), tmp_path)


@pytest.mark.parametrize("forecaster", [
    ReLUForecaster(2, 3, beta_ratio=0.8), baselines.LassoAR(3), baselines.Drift()], ids=titled)
def test_what_came_back_can_be_fitted_anew(forecaster, tmp_path):
    loaded = saved(forecaster.fit(SIGNAL), tmp_path)
    assert_same(forecaster.fit(2 - SIGNAL[5:]), loaded.fit(2 - SIGNAL[5:]))


def test_patterns_of_ones_own_come_back(tmp_path):
    scaled = SIGNAL / np.sqrt(np.mean(np.square(SIGNAL)))
    rows = np.lib.stride_tricks.sliding_window_view(scaled, 4)[:-1]
    patterns = sample_patterns(np.c_[rows, np.ones(len(rows))], 9, 0)
    estimator = ConvexReLURegressor(patterns=patterns, **EASY)
    forecaster = Autoregression(4, estimator, transform=None).fit(SIGNAL)
    loaded = saved(forecaster, tmp_path)
    assert torch.equal(loaded.estimator.patterns.masks, patterns.masks)
    assert_same(forecaster, loaded)


@pytest.mark.cuda
def test_networks_from_a_cuda_device_come_back_there(tmp_path):
    for device in ("auto", "cuda"):
        estimator = ConvexReLURegressor(**EASY, device=device)
        forecaster = Autoregression(6, estimator).fit(SIGNAL)
        loaded = saved(forecaster, tmp_path)
        assert loaded.regressor_.network_.output_weight.is_cuda
        assert_same(forecaster, loaded)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_networks_from_a_cuda_device_forecast_without_one(tmp_path):
    forecaster = Autoregression(6, ConvexReLURegressor(**EASY)).fit(SIGNAL)
    forecaster.estimator.device = forecaster.regressor_.device = "cuda"  # as if trained there
    loaded = saved(forecaster, tmp_path)
    assert loaded.estimator.device == "cuda"
    forecaster.regressor_.device = "cpu"
    assert_same(forecaster, loaded)


def test_covariates_and_missing_values_come_back(tmp_path):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"ds": range(62), "y": np.r_[SIGNAL, 1.0, 2.0], "load": rng.normal(size=62),
                         "temperature": rng.normal(size=62)})
    data.loc[[0, 1, 20, 59], "y"] = np.nan
    data.loc[[5, 59], "load"] = np.nan
    forecaster = Autoregression(
        4, Ridge(), "direct", past_exog=("load",),
        future_exog=["temperature"]).fit(data[:60], missing="interpolate", **AHEAD)
    future = pd.DataFrame({"ds": range(60, 70), "temperature": rng.normal(size=10)})
    loaded = saved(forecaster, tmp_path)
    assert loaded.past_exog == ("load",)
    assert not loaded.panel_.series[0].values.flags.writeable
    assert_same(forecaster, loaded, future=future)
    assert_same(forecaster, loaded, future=future, level=50)
    assert_same(forecaster.update(data[60:]), loaded.update(data[60:]), future=future)


def test_intervals_need_no_further_fit(tmp_path):
    estimator = ConvexReLURegressor(patterns="sampled", n_patterns=9, random_state=None)
    forecaster = Autoregression(4, estimator).fit(SIGNAL, **AHEAD)
    loaded = saved(forecaster, tmp_path)
    assert loaded.calibrations_.keys() == forecaster.calibrations_.keys()
    assert_same(forecaster, loaded, h=2, level=50)


def write_golden_file():
    """Write the file that `test_the_first_version_is_read_for_ever` reads; once per version."""
    days = pd.date_range("2024-03-20", periods=30, freq="D", tz="Europe/Berlin")
    wave = np.sin(np.arange(30) / 3) + 0.1 * np.cos(np.arange(30))
    data = pd.DataFrame({
        "unique_id": np.repeat(["north", "south"], 30), "ds": [*days, *days],
        "y": np.r_[wave, 1 + np.abs(wave)]})
    data.loc[7, "y"] = np.nan
    forecaster = Autoregression(4, ConvexReLURegressor(beta_ratio=0.2, tol=0.01)).fit(
        data, missing="interpolate")
    forecaster.save(GOLDEN)
    forecasts = forecaster.predict(3)
    FORECASTS.write_text(json.dumps({
        "forecasts": forecasts["Autoregression"].tolist(),
        "ds": forecasts["ds"].astype(str).tolist()}, indent=1))


def test_the_first_version_is_read_for_ever():
    loaded = load_forecaster(GOLDEN)
    expected = json.loads(FORECASTS.read_text())
    assert isinstance(loaded, Autoregression)
    assert loaded.get_params(deep=False)["lags"] == 4
    np.testing.assert_allclose(
        loaded.predict(3)["Autoregression"], expected["forecasts"], rtol=1e-9)
    assert loaded.predict(3)["ds"].astype(str).tolist() == expected["ds"]
    new = loaded.predict(2).rename(columns={"Autoregression": "y"})
    assert len(loaded.update(new).predict(2)) == 4


def test_notes_are_kept_until_the_next_fit(tmp_path):
    forecaster = baselines.Naive().fit([1.0, 2.0])
    assert forecaster.notes_ == {}
    forecaster.notes_ = {"sep": ";"}
    forecaster.save(tmp_path / "m.safetensors")
    loaded = load_forecaster(tmp_path / "m.safetensors")
    assert loaded.update([3.0]).notes_ == {"sep": ";"}
    assert loaded.fit([1.0] * 3).notes_ == {}
    assert load_forecaster(GOLDEN).notes_ == {}


def test_classes_are_told_apart(tmp_path):
    baselines.LinearAR(3).fit(SIGNAL).save(tmp_path / "f")
    for kind in (Forecaster, Autoregression, baselines.LinearAR):
        assert type(kind.load(tmp_path / "f")) is baselines.LinearAR
    with pytest.raises(InvalidArgumentError, match="file of a ReLUForecaster; got .*LinearAR"):
        ReLUForecaster.load(tmp_path / "f")


class Undeclared:
    """A class that says nothing of how it is kept."""


@stored(levels=VECTOR)
@dataclass(frozen=True)
class Levels:
    """The state of a forecaster that the package does not know."""

    levels: np.ndarray
    count: int

    def check_stored(self):
        if self.count != len(self.levels):
            raise ValueError("count must be that of the levels")


class Own(Forecaster):
    """A forecaster that the package does not know; ``form`` makes its state."""

    def __init__(self, form="plain", alias="Own"):
        self.form = form
        self.alias = alias

    @property
    def lookback(self):
        return 2

    def train(self, history, horizon, warm_start):
        mean = float(history.values.mean())
        return {"plain": {"mean": mean, 3: (None, True, "x", [np.arange(3)]), ("a",): np.inf},
                "declared": [Levels(np.full(2, mean), 2)], "tensor": torch.full((2,), mean),
                "undeclared": Undeclared()}[self.form]

    def forecast(self, state, past, h):
        mean = {"plain": lambda: state["mean"], "tensor": lambda: float(state[0]),
                "declared": lambda: state[0].levels[0]}[self.form]()
        return np.full((len(past.windows), h), mean)


@pytest.mark.parametrize("form", ["plain", "declared", "tensor"])
def test_a_forecaster_of_ones_own_comes_back(form, tmp_path):
    forecaster = Own(form).fit(SIGNAL, **AHEAD)
    forecaster.check_storable()
    assert_goes_on(forecaster, tmp_path)


def test_states_of_undeclared_classes_are_refused(tmp_path):
    forecaster = Own("undeclared").fit(SIGNAL)
    with pytest.raises(InvalidTypeError, match=r"Undeclared at fitted/models/0") as caught:
        forecaster.save(tmp_path / "f")
    assert "joblib.dump" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("forecaster", "part"), [
    (Autoregression(3, make_pipeline(FunctionTransformer(lambda X: X), Ridge())), "lambda"),
    (baselines.Regressor(make_pipeline(FunctionTransformer(np.nan_to_num), Ridge())), "nan_to_num"),
    (baselines.Regressor(make_pipeline(StandardScaler(), ConvexReLURegressor(**EASY)), 2),
     "ConvexReLU"),
    (ReLUForecaster(3, 3, random_state=np.random.RandomState(0)), "RandomState at parameters/rand"),
], ids=["lambda", "function", "network", "generator"])
def test_what_is_no_data_is_refused_before_and_after_a_fit(forecaster, part, tmp_path):
    for refused in (forecaster.check_storable, lambda: forecaster.save(tmp_path / "f")):
        with pytest.raises(InvalidTypeError, match=part):
            refused()
        forecaster.fit(SIGNAL)
    assert list(tmp_path.iterdir()) == []


def test_saving_asks_for_a_fit_a_folder_and_unchanged_parameters(tmp_path):
    with pytest.raises(NotFittedError):
        baselines.Naive().save(tmp_path / "f")
    forecaster = baselines.LinearAR(3).fit(SIGNAL)
    for path in (tmp_path, tmp_path / "none" / "f"):
        with pytest.raises(InvalidArgumentError, match="path must be a file in an existing fold"):
            forecaster.save(path)
    with pytest.raises(InvalidArgumentError, match="models/0: .*lags 4.*Fit it again"):
        forecaster.set_params(lags=4).save(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []
