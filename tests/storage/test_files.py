"""Saved forecasters: the same to the last bit, and files that cannot do harm."""

import hashlib
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from relu_forecast.storage.regressors import REGRESSORS
from relu_forecast.storage.states import FORECASTERS
from safetensors.numpy import load, save
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import TimeSeriesSplit
from sklearn.tree import DecisionTreeRegressor

from relu_forecast import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
    baselines,
    load_forecaster,
    sample_patterns,
)
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Autoregression, Forecaster, ForecastError, ReLUForecaster
from relu_forecast.storage.encoding import Record, Tagged

RNG = np.random.default_rng(0)
SIGNAL = np.cumsum(RNG.normal(size=60)) + 3 * np.sin(np.arange(60) / 3)
GOLDEN = Path(__file__).parent / "data" / "forecaster-1.safetensors"
FORECASTS = GOLDEN.with_suffix(".json")
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
    ReLUForecaster(2, beta_ratio=0.8),
    ReLUForecaster(2, beta_ratio=0.8, strategy="direct", alias="network"),
    baselines.LinearAR(5, strategy="direct"), baselines.RidgeAR(4), baselines.RidgeAR(4, 0.5),
    baselines.LassoAR(4), baselines.LassoAR(4, 0.1), baselines.NLinear(4),
    baselines.NLinear(4, 1.0), baselines.Naive(), baselines.SeasonalNaive(7), baselines.Drift(),
    baselines.NonconvexNetwork(4, n_neurons=5, n_steps=5), baselines.Regressor(Ridge(), 4),
    baselines.Regressor(Ridge(), 4, on_residuals=True),
    baselines.ETS(trend="add", seasonal=None), baselines.Theta(), baselines.ARIMA((1, 1, 1)),
    baselines.ARIMA((0, 0, 1), 5, (0, 1, 0)),
]


def titled(value):
    """Name a case by its class."""
    return type(value).__name__


def saved(forecaster, folder):
    """Save and load."""
    path = folder / "forecaster.safetensors"
    forecaster.save(path)
    return type(forecaster).load(path)


def assert_same(forecaster, loaded, h=3, **options):
    """Compare what two forecasters forecast, exactly."""
    pd.testing.assert_frame_equal(
        forecaster.predict(h, **options), loaded.predict(h, **options), check_exact=True)


def shown(parameters):
    """Parameters as text, NumPy's scalars as the numbers that they come back as."""
    return {name: "".join(repr(value).replace("np.int64(20)", "20").split())
            for name, value in parameters.items()}


def assert_goes_on(forecaster, folder, new=SIGNAL[:9]):
    """Compare a forecaster and its saved copy, now and after more samples."""
    forecaster.predict(2)
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
def test_regressors_come_back(estimator, tmp_path):
    forecaster = Autoregression(3, estimator).fit(SIGNAL[:25])
    forecaster.predict(3, level=[50, 60])
    before, after = forecaster.regressor_, saved(forecaster, tmp_path).regressor_
    for name in ("beta_", "objective_", "gap_", "certificate_", "n_neurons_", "trace_", "alpha_"):
        assert getattr(before, name, None) == getattr(after, name, None)
    if hasattr(before, "network_"):
        assert vars(before).keys() == vars(after).keys()
        assert_same_weights(before.network_.state_dict(), after.network_.state_dict())
    assert_goes_on(forecaster, tmp_path)


@pytest.mark.parametrize("forecaster", OTHERS, ids=titled)
@pytest.mark.filterwarnings("ignore::relu_forecast.ConvergenceWarning")
def test_forecasters_come_back(forecaster, tmp_path):
    assert_goes_on(forecaster.fit(SIGNAL[:32]), tmp_path)


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("transform", ["standardize", "last_value", "difference", None])
def test_transforms_and_strategies_come_back(transform, strategy, tmp_path):
    model = Autoregression(5, Ridge(), strategy=strategy, transform=transform)
    assert_goes_on(model.fit(SIGNAL), tmp_path)


def test_penalties_chosen_by_validation_come_back(tmp_path):
    assert_goes_on(ReLUForecaster(2, beta_ratio="cv").fit(SIGNAL), tmp_path)


@pytest.mark.parametrize("forecaster", [
    ReLUForecaster(2, beta_ratio=0.8), baselines.LassoAR(3), baselines.Drift()], ids=titled)
def test_what_came_back_can_be_fitted_anew(forecaster, tmp_path):
    loaded = saved(forecaster.fit(SIGNAL), tmp_path)
    assert_same(forecaster.fit(2 - SIGNAL[5:]), loaded.fit(2 - SIGNAL[5:]))


def test_patterns_of_ones_own_come_back(tmp_path):
    rows = np.lib.stride_tricks.sliding_window_view(SIGNAL, 4)[:-1]
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


def clocks():
    """Time stamps of every kind."""
    n, start = len(SIGNAL), "2020-01-31"
    ranges = {
        "minutes": {"freq": "min"}, "months": {"freq": "ME"}, "weekdays": {"freq": "B"},
        "berlin": {"freq": "D", "tz": "Europe/Berlin"}, "offset": {"freq": "h", "tz": "UTC+02:30"},
        "utc": {"freq": "6h", "tz": "UTC"}, "keywords": {"freq": pd.DateOffset(days=3)}}
    days = pd.date_range(start, periods=n, freq="D")
    return {
        "range": pd.RangeIndex(5, 5 + 3 * n, 3), "ints": pd.Index(np.arange(n) * 4 - 7),
        "int32": pd.Index(np.arange(n, dtype=np.int32)), "floats": pd.Index(np.arange(n) / 360),
        "nullable": pd.Index(np.arange(n), dtype="Int64"),
        **{name: pd.date_range(start, periods=n, **how) for name, how in ranges.items()},
        "without freq": pd.DatetimeIndex(np.asarray(days)), "named": days.rename("day"),
        "seconds": days.as_unit("s"), "timedeltas": pd.timedelta_range("1h", periods=n, freq="7s"),
        "ecg": pd.to_timedelta(np.arange(n) / 360, unit="s"),
        "periods": pd.period_range(start, periods=n, freq="Q-NOV"),
    }


@pytest.mark.parametrize("name", clocks())
def test_time_stamps_come_back(name, tmp_path):
    times = clocks()[name]
    forecaster = baselines.LinearAR(3).fit(pd.Series(SIGNAL, times, name="wave"))
    loaded = saved(forecaster, tmp_path)
    before, after = forecaster.panel_.series[0].times, loaded.panel_.series[0].times
    assert after.identical(before)
    assert type(after) is type(before)
    assert getattr(after, "freq", None) == getattr(before, "freq", None)
    assert_same(forecaster, loaded)
    assert_same(forecaster.update(SIGNAL[:7]), loaded.update(SIGNAL[:7]))


@pytest.mark.parametrize("freq", [
    "7s", pd.Timedelta("7s"), pd.Timedelta("7s").to_pytimedelta(), pd.offsets.Second(7),
], ids=titled)
def test_frequencies_come_back(freq, tmp_path):
    one = pd.Series([3.0], pd.timedelta_range("1h", periods=1))
    forecaster = baselines.Naive().fit(one, freq=freq)
    loaded = saved(forecaster, tmp_path)
    assert loaded.panel_.reading.freq == freq
    assert_same(forecaster, loaded)
    assert_same(forecaster.update([5.0, 4.0]), loaded.update([5.0, 4.0]))


@pytest.mark.parametrize("ids", [
    ["b", "a"], [7, 3], [2.5, 0.5], pd.Categorical(["south", "north"], ["south", "north"]),
    pd.Series(["b", "a"], dtype="string"), pd.Series(["b", "a"], dtype=object),
    pd.to_datetime(["2021-01-01", "2020-01-01"]), pd.Series([1, 2], dtype="UInt8"), [True, False],
], ids=str)
def test_many_series_come_back(ids, tmp_path):
    data = pd.DataFrame({"shop": pd.Series(ids).repeat(60).to_numpy()
                         if not hasattr(ids, "dtype") else pd.Series(ids).repeat(60).array,
                         "t": [*range(60)] * 2, "sales": np.r_[SIGNAL, 5 - 2 * SIGNAL]})
    names = {"id_col": "shop", "time_col": "t", "target_col": "sales"}
    forecaster = baselines.Drift().fit(data, **names)
    loaded = saved(forecaster, tmp_path)
    assert loaded.panel_.ids.identical(forecaster.panel_.ids)
    assert list(loaded.models_) == list(forecaster.models_)
    assert_same(forecaster, loaded, level=80)
    more = data.groupby("shop", observed=True).head(4).assign(t=[*range(60, 64)] * 2)
    assert_same(forecaster.update(more), loaded.update(more))


def test_covariates_and_missing_values_come_back(tmp_path):
    data = pd.DataFrame({"ds": range(62), "y": np.r_[SIGNAL, 1.0, 2.0], "load": RNG.normal(size=62),
                         "temperature": RNG.normal(size=62)})
    data.loc[[0, 1, 20, 59], "y"] = np.nan
    data.loc[[5, 59], "load"] = np.nan
    forecaster = Autoregression(
        4, Ridge(), "direct", past_exog=("load",),
        future_exog=["temperature"]).fit(data[:60], missing="interpolate")
    future = pd.DataFrame({"ds": range(60, 70), "temperature": RNG.normal(size=10)})
    forecaster.predict(2, future=future)
    loaded = saved(forecaster, tmp_path)
    assert loaded.past_exog == ("load",)
    assert not loaded.panel_.series[0].values.flags.writeable
    assert_same(forecaster, loaded, future=future)
    assert_same(forecaster, loaded, future=future, level=50)
    assert_same(forecaster.update(data[60:]), loaded.update(data[60:]), future=future)


def test_intervals_need_no_further_fit(tmp_path):
    estimator = ConvexReLURegressor(patterns="sampled", n_patterns=9, random_state=None)
    forecaster = Autoregression(4, estimator).fit(SIGNAL)
    forecaster.predict(2, level=80)
    loaded = saved(forecaster, tmp_path)
    assert loaded.calibrations_.keys() == forecaster.calibrations_.keys()
    assert_same(forecaster, loaded, h=2, level=80)


def test_the_file_says_what_it_is(tmp_path):
    forecaster = baselines.Drift().fit(SIGNAL)
    forecaster.save(str(tmp_path / "drift"))
    content = (tmp_path / "drift").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header["__metadata__"]
    assert (metadata["format"], metadata["version"]) == ("relu_forecast.forecaster", "1")
    assert json.loads(metadata["document"])["class"] == "Drift"
    np.testing.assert_array_equal(load(content)["panel/series/0/values"], SIGNAL)


def test_the_first_version_is_read_for_ever():
    loaded = load_forecaster(GOLDEN)
    expected = json.loads(FORECASTS.read_text())
    assert isinstance(loaded, Autoregression)
    assert loaded.get_params(deep=False)["lags"] == 4
    np.testing.assert_allclose(
        loaded.predict(3)["Autoregression"], expected["forecasts"], rtol=1e-9)
    assert loaded.predict(3)["ds"].astype(str).tolist() == expected["ds"]
    new = pd.DataFrame(expected["new"])
    new["ds"] = pd.to_datetime(new["ds"], utc=True).dt.tz_convert("Europe/Berlin").astype(
        loaded.panel_.series[0].times.dtype)
    assert len(loaded.update(new).predict(2)) == 4


def test_classes_are_told_apart(tmp_path):
    baselines.LinearAR(3).fit(SIGNAL).save(tmp_path / "f")
    for kind in (Forecaster, Autoregression, baselines.LinearAR):
        assert type(kind.load(tmp_path / "f")) is baselines.LinearAR
    with pytest.raises(InvalidArgumentError, match="file of a ReLUForecaster; got .*LinearAR"):
        ReLUForecaster.load(tmp_path / "f")


def walk(records):
    """Every record that tables of records lead to."""
    for name, record in records.items():
        yield name, record
        stack = list(record.kinds.values())
        while stack:
            kind = stack.pop()
            if isinstance(kind, Tagged):
                yield from walk(kind.records)
            stack += [getattr(kind, part) for part in ("kind", "objects") if hasattr(kind, part)]
            stack += getattr(kind, "kinds", {}).values() if hasattr(kind, "kinds") and not (
                isinstance(kind.kinds, str)) else []


def test_tables_name_classes_and_all_of_their_fields():
    states = {name: Record(kept.home, {"state": kept.state}) for name, kept in FORECASTERS.items()}
    for name, record in {**dict(walk(states)), **dict(walk(REGRESSORS))}.items():
        kind = Tagged({name: record}).class_of(name)
        if hasattr(kind, "__dataclass_fields__") and not hasattr(kind, "fit_transform"):
            assert {each.name for each in fields(kind)} == set(record.kinds), name


class Own(baselines.Naive):
    """A forecaster that the package does not know."""


@pytest.mark.parametrize(("forecaster", "part"), [
    (Autoregression(3, DecisionTreeRegressor()), "DecisionTreeRegressor at parameters/estimator"),
    (baselines.GradientBoosting(3), "GradientBoosting"), (baselines.AutoReg(3), "AutoReg"),
    (Own(), "Own"),
    (ReLUForecaster(3, random_state=np.random.RandomState(0)), "RandomState"),
], ids=titled)
def test_what_is_no_data_is_refused(forecaster, part, tmp_path):
    forecaster.fit(SIGNAL)
    with pytest.raises(InvalidTypeError, match=part) as caught:
        forecaster.save(tmp_path / "f")
    assert "joblib.dump" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("times", [
    pd.date_range("2020-01-31", periods=60, freq=pd.offsets.CustomBusinessDay(holidays=[
        "2020-02-03"])),
    pd.date_range("2020", periods=60, tz="dateutil/Europe/Berlin"),
    pd.Index(np.arange(60), dtype="int64[pyarrow]")], ids=titled)
def test_time_stamps_that_would_change_are_refused(times, tmp_path):
    forecaster = baselines.Naive().fit(pd.Series(SIGNAL, times))
    with pytest.raises(InvalidTypeError, match="at panel/series/0/"):
        forecaster.save(tmp_path / "f")


def test_saving_asks_for_a_fit_a_folder_and_unchanged_parameters(tmp_path):
    with pytest.raises(NotFittedError):
        baselines.Naive().save(tmp_path / "f")
    forecaster = baselines.LinearAR(3).fit(SIGNAL)
    for path in (tmp_path, tmp_path / "none" / "f"):
        with pytest.raises(InvalidArgumentError, match="path must be a file in an existing fold"):
            forecaster.save(path)
    with pytest.raises(InvalidArgumentError, match="models/0 .*lags 4.*Fit it again"):
        forecaster.set_params(lags=4).save(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_former_file(tmp_path):
    former = baselines.Naive().fit(SIGNAL)
    former.save(tmp_path / "f")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            baselines.Naive().fit(2 * SIGNAL).save(tmp_path / "f")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert_same(former, load_forecaster(tmp_path / "f"))


def test_a_kill_amid_writing_leaves_the_former_file(tmp_path):
    former = baselines.Naive().fit(SIGNAL)
    former.save(tmp_path / "f")
    program = (
        "import resource, signal, sys; from relu_forecast.baselines import Naive;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
        "Naive().fit([1.0] * 500).save(sys.argv[1])")
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path / "f")], capture_output=True)
    assert done.returncode == -signal.SIGXFSZ
    assert_same(former, load_forecaster(tmp_path / "f"))


def parts(content):
    """Document and tensors of a file."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"]["document"]), load(content)


def signed(document, tensors, **metadata):
    """Content of a file with a true digest, whatever is in it."""
    text = document if isinstance(document, str) else json.dumps(document)
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        digest.update(json.dumps([name, str(array.dtype), array.shape]).encode())
        digest.update(np.ascontiguousarray(array).data)
    return save({name: np.asarray(each, order="C") for name, each in tensors.items()}, {
        "format": "relu_forecast.forecaster", "version": "1", "document": text,
        "digest": digest.hexdigest(), **metadata})


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Files of several kinds, from which the hostile ones are made."""
    path = tmp_path_factory.mktemp("files") / "f"
    dated = pd.Series(SIGNAL, pd.date_range("2020", periods=60, freq="D", tz="Europe/Berlin"))
    months = pd.Series(SIGNAL, pd.date_range("2020-01-31", periods=60, freq="ME"))
    models = [
        Autoregression(6, ConvexReLURegressor(beta_ratio=0.1, tol=0.05)).fit(dated),
        Autoregression(2, ConvexCNNRegressor(2, **EASY), "direct").fit(months),
        baselines.LassoAR(4).fit(SIGNAL), baselines.NLinear(3).fit(SIGNAL),
        baselines.ARIMA((1, 1, 1)).fit(SIGNAL), baselines.Theta().fit(SIGNAL)]
    content = []
    for model in models:
        model.predict(2, level=50)
        model.save(path)
        content.append(path.read_bytes())
    return content


def refused(content, path, match):
    """Load content that must be refused."""
    path.write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=match) as caught:
        load_forecaster(path)
    assert str(path) in str(caught.value)


def test_files_that_are_something_else_are_refused(contents, tmp_path):
    path, whole = tmp_path / "f", contents[0]
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)
    for content in (b"", b"RIFF", pickle.dumps(Trap()), whole[:7], whole[:200], whole[:-1],
                    whole + b"\0", (2**63).to_bytes(8, "little") + whole[8:]):
        refused(content, path, "no safetensors are")
    refused(save({"a": np.ones(2)}), path, "the format is not")
    refused(save({"a": np.ones(2)}, {"format": "other"}), path, "the format is not .* but 'other'")
    for missing in (tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(InvalidArgumentError, match="which is not a file"):
            load_forecaster(missing)
    assert not (tmp_path / "sprung").exists()


def test_versions_are_checked_before_the_rest(contents, tmp_path):
    document, tensors = parts(contents[0])
    refused(signed(document, tensors, version="2", more="x"), tmp_path / "f",
            "version is 2, newer than 1, .*: upgrade relu_forecast")
    for version in ("0", "one", "-1", "", "9" * 5000):
        refused(signed(document, tensors, version=version), tmp_path / "f", "version is not 1")
    refused(signed(document, tensors, digest="0"), tmp_path / "f", "digest is not that")


@pytest.mark.parametrize("text", [
    "", "{", "[]", "3", "null", '"x"', "[" * 100_000, '{"a":' * 100_000, "NaN", "9" * 5000])
def test_documents_that_are_no_objects_are_refused(text, contents, tmp_path):
    refused(signed(text, parts(contents[0])[1]), tmp_path / "f", "undamaged")


NETWORK = "models/0/regressor/fitted/network_/"
WARM_START = "models/0/regressor/fitted/warm_start_/"
CHANGES = [
    (0, "class", "Naive", "models/0 is not null"), (0, "class", "os.system", "class is not among"),
    (0, "class", ["Naive"], "class is not among"), (0, "models", [], "one per series"),
    (0, "models", {}, "models is not a list"), (0, "parameters/lags", 10**12, "lags"),
    (0, "parameters/lags", "6", "lags must be an integer"), (0, "parameters/depth", 3, "'depth'"),
    (0, "parameters/lags", {"tuple": [6]}, "lags must be"),
    (0, "parameters/alias", "ds", "a name that no other"),
    (0, "parameters/future_exog", ["x"], "of columns"),
    (0, "parameters/estimator/class", "Popen", "of a class among"),
    (0, "parameters/estimator/class", "LassoAR", "of a class among"),
    (0, "parameters/estimator/parameters/depth", 1, "no parameter 'depth'"),
    (0, "models/0/class", "DirectModel", "an object of inputs, template"),
    (0, "models/0/extra", 1, "an object of inputs"),
    (0, "models/0/inputs/lags", 7, "lags 6"), (0, "models/0/inputs/lags", 6.0, "whole number"),
    (0, "models/0/inputs/lags", True, "whole number"),
    (0, "models/0/inputs/transform/mean", "1", "finite number"),
    (0, "models/0/inputs/transform/mean", None, "finite number"),
    (0, "models/0/inputs/transform/scale", -1.0, "scales above 0"),
    (0, "models/0/inputs/transform", {"class": "Identity"}, "transform 'standardize'"),
    (0, "models/0/regressor/fitted", None, "fitted regressors"),
    (0, "models/0/regressor/fitted/n_features_in_", 7, "windows of 7"),
    (0, "models/0/regressor/fitted/beta_", "high", "finite number"),
    (0, "models/0/regressor/fitted/beta_", "nan", "finite number"),
    (0, "models/0/regressor/fitted/certificate_/scope", "all", "no scope"),
    (0, "models/0/regressor/parameters/dtype", "float32", "dtype is 'float32'"),
    (0, "models/0/regressor/parameters/device", "tpu", "no device"),
    (0, NETWORK + "class", "Module", "of a class among"),
    (0, NETWORK + "skip_bias", None, "half a skip"),
    (0, NETWORK + "gate", [6, 1], "among the tensors"),
    (0, NETWORK + "hidden_weight", [10**9, 1], "usable strides"),
    (0, NETWORK + "hidden_weight", [1, 1], "usable strides"),
    (0, NETWORK + "hidden_weight", [0, 1], "whole number in range"),
    (0, NETWORK + "hidden_weight", "C", "a list"),
    (0, "panel/series/0/values", "K", "order of a tensor"),
    (0, "panel/series/0/times/zone", "dateutil//etc/passwd", "no time zone"),
    (0, "panel/series/0/times/zone", "../../etc/passwd", "no time zone"),
    (0, "panel/series/0/times/zone", "tzlocal()", "no time zone"),
    (0, "panel/series/0/times/zone", "Nowhere/Land", "panel/series/0/times"),
    (0, "panel/series/0/times/unit", "parsec", "panel/series/0/times"),
    (0, "panel/series/0/times/freq/alias", "fortnight", "panel/series/0/times"),
    (0, "panel/series/0/clock/offset/alias", "h", "panel/series/0 is"),
    (0, "panel/series/0/times", {
        "class": "RangeIndex", "start": 0, "stop": 10**15, "step": 1, "name": None}, "a value per"),
    (0, "panel/ids", {"class": "RangeIndex", "start": 0, "stop": 10**15, "step": 1, "name": None},
     "an identifier per series"),
    (0, "panel/missing", "drop", "missing must be one of"),
    (0, "panel/id_col", "y", "three different names"), (0, "panel/time_col", [], "a label"),
    (0, "panel/freq", {"pickle": "x"}, "a parameter"),
    (0, "calibrations/0/series", 5, "calibrations/0"),
    (0, "calibrations/0/fit_stop", 0, "whole number in range"),
    (1, "models/0/regressors", [], "features"), (1, "parameters/strategy", "recursive", "strategy"),
    (1, "models/0/regressors/0/fitted/network_/stride", 0, "whole number in range"),
    (2, "panel/series/0/clock/step/denominator", 0, "whole number in range"),
    (2, "panel/series/0/clock/step/numerator", 2, "clock does not pass"),
    (2, "panel/series/0/clock/origin/numerator", 1, "clock does not pass"),
    (2, "panel/series/0/clock/length", 59, "clock does not pass"),
    (2, "panel/series/0/clock/length", 10**400, "panel/series/0"),
    (3, "models/0/maps/0/horizon", 3, "maps from lags"), (3, "models/0/lags", 10**12, "maps from"),
    (4, "models/0/orders/order", [1, 10**9, 1], "the given differences"),
    (4, "parameters/order/tuple", [1, 10**9, 1], "the given differences"),
    (4, "models/0/orders/season_length", 10**12, "a season within"),
    (4, "models/0/orders/order", [1, 1], "three orders"),
    (4, "models/0/orders/order", [10**9, 1, 1], "a parameter per term"),
    (5, "models/0/smoothing_level", 0.0, "a smoothing level"),
]


def changed(document, path, value):
    """Set an entry of a document."""
    *way, last = path.split("/")
    node = document
    for step in way:
        node = node[int(step) if isinstance(node, list) else step]
    node[int(last) if isinstance(node, list) else last] = value
    return document


@pytest.mark.parametrize(("which", "path", "value", "match"), CHANGES)
def test_hostile_documents_are_refused(which, path, value, match, contents, tmp_path):
    document, tensors = parts(contents[which])
    refused(signed(changed(document, path, value), tensors), tmp_path / "f", match)


TENSORS = [
    (0, NETWORK + "output_weight", lambda each: None, "among the tensors"),
    (0, NETWORK + "output_weight", lambda each: each[:-1], "shapes that do not fit"),
    (0, NETWORK + "output_weight", lambda each: each[:, None], "dimensions"),
    (0, NETWORK + "output_weight", lambda each: each * np.nan, "finite"),
    (0, NETWORK + "output_weight", lambda each: each.astype(np.float32), "different dtypes"),
    (0, NETWORK + "output_weight", lambda each: each.astype(np.int64), "dtype"),
    (0, NETWORK + "hidden_weight", lambda each: each[:, :0], "fit together"),
    (0, NETWORK + "hidden_weight", lambda each: np.empty((0, 10**15)), "fit together"),
    (0, NETWORK + "skip_weight", lambda each: each[:5], "does not take windows"),
    (0, WARM_START + "ends", lambda each: np.ones((0, 3)), "as many columns"),
    (0, WARM_START + "neurons/signs", lambda each: each[:1], "a sign per"),
    (0, "extra", lambda each: np.ones(3), "all that the tensors are for"),
    (0, "panel/series/0/values", lambda each: each * np.inf, "not infinite"),
    (0, "panel/series/0/values", lambda each: np.where(each == each[3], np.nan, each), "missing"),
    (0, "panel/series/0/values", lambda each: each[:-1], "a value per time"),
    (0, "panel/series/0/values", lambda each: each.astype(np.float32), "float64"),
    (0, "panel/series/0/values", lambda each: each.astype(bool), "dtype"),
    (0, "panel/series/0/times/ticks", lambda each: each[::-1].copy(), "panel/series/0"),
    (0, "models/0/inputs/past/means", lambda each: np.ones(2), "0 scales of columns"),
    (1, "models/0/history/values", lambda each: np.ones(99), "training part within"),
    (1, "models/0/history/past", lambda each: np.ones((60, 1)), "past columns"),
    (2, "models/0/regressor/fitted/coef_", lambda each: each[:-1], "does not fit"),
    (2, "models/0/regressor/fitted/coef_", lambda each: each[None], "does not fit|one target"),
    (4, "models/0/mean", lambda each: each[:1], "states"),
    (4, "models/0/tail", lambda each: np.ones(50), "a tail to difference"),
    (5, "models/0/season", lambda each: each[:0], "a season"),
]


@pytest.mark.parametrize(("which", "name", "change", "match"), TENSORS)
def test_hostile_tensors_are_refused(which, name, change, match, contents, tmp_path):
    document, tensors = parts(contents[which])
    new = change(tensors.pop(name, None))
    kept = tensors if new is None else {**tensors, name: new}
    refused(signed(document, kept), tmp_path / "f", match)


def complaint(call, *errors):
    """What a call complains of, nothing where it succeeds."""
    try:
        call()
    except errors as error:
        return str(error)
    return None


def assert_valid_or_refused(content, path):
    """Load content: it forecasts, or is refused by name; a forecast may only be too large."""
    path.write_bytes(content)
    refusal = complaint(lambda: load_forecaster(path), InvalidArgumentError)
    if refusal is not None:
        assert str(path) in refusal
        return
    loaded = load_forecaster(path)
    failure = complaint(lambda: loaded.predict(2), ForecastError)
    assert failure is None or "not finite" in failure


ROUNDS = int(os.environ.get("STORAGE_FUZZ", "25"))
FUZZED = settings(max_examples=ROUNDS, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZED
@given(draw=st.data())
def test_flipped_bytes_are_found(draw, contents, tmp_path):
    content = bytearray(draw.draw(st.sampled_from(contents)))
    for place in draw.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] ^= draw.draw(st.integers(1, 255))
    assert_valid_or_refused(bytes(content), tmp_path / "f")


def places(node, path=""):
    """Paths of all entries of a document."""
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for name, value in entries:
        yield f"{path}{name}"
        if isinstance(value, dict | list):
            yield from places(value, f"{path}{name}/")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 99) | st.floats(allow_nan=False)
    | st.sampled_from([10**9, -(10**18), 10**30, "C", "F", "h", "UTC", "nan", "Ridge", "", 0.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["class", "tuple", "array", "offset", "alias", "0"]), inner, max_size=2),
    max_leaves=4)


@FUZZED
@given(draw=st.data())
def test_changed_documents_do_no_harm(draw, contents, tmp_path):
    document, tensors = parts(draw.draw(st.sampled_from(contents)))
    for _ in range(draw.draw(st.integers(1, 2))):
        path = draw.draw(st.sampled_from(list(places(document))))
        document = changed(document, path, draw.draw(JSON))
    assert_valid_or_refused(signed(document, tensors), tmp_path / "f")


@FUZZED
@given(draw=st.data())
def test_changed_tensors_do_no_harm(draw, contents, tmp_path):
    document, tensors = parts(draw.draw(st.sampled_from(contents)))
    name = draw.draw(st.sampled_from(sorted(tensors)))
    dtype = draw.draw(st.sampled_from([None, "f4", "f8", "i8", "u1", "?"]))
    shape = draw.draw(st.sampled_from([None, (), (0,), (0, 6), (1,), (6, 1), (2, 2, 2)]))
    new = tensors[name].copy() if shape is None else np.ones(shape)
    if new.size:
        new.flat[draw.draw(st.integers(0, new.size - 1))] = draw.draw(
            st.sampled_from([0, 1, -1, 100]))
    tensors[name] = new if dtype is None else new.astype(dtype)
    assert_valid_or_refused(signed(document, tensors), tmp_path / "f")
