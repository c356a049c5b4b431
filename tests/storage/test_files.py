"""Files: written as a whole or not at all, and read as data that cannot do harm."""

import hashlib
import json
import os
import pickle
import resource
import signal
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from relu_forecast import (
    ConvexCNNRegressor,
    ConvexReLURegressor,
    baselines,
    load_forecaster,
    storage,
)
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression, ForecastError
from tests.storage.forecasters import SIGNAL

EASY = {"beta_ratio": 0.4, "tol": 0.2}
AHEAD = {"horizon": 3, "intervals": "split"}


def test_the_file_says_what_it_is(tmp_path):
    forecaster = baselines.Drift().fit(SIGNAL)
    forecaster.save(str(tmp_path / "drift"))
    content = (tmp_path / "drift").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header["__metadata__"]
    assert (metadata["format"], metadata["version"]) == ("relu_forecast.forecaster", "1")
    assert json.loads(metadata["document"])["class"] == "relu_forecast.baselines.Drift"
    np.testing.assert_array_equal(load(content)["fitted/panel/series/0/values"], SIGNAL)


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
    pd.testing.assert_frame_equal(former.predict(3), load_forecaster(tmp_path / "f").predict(3))


def test_a_kill_amid_writing_leaves_the_former_file(tmp_path):
    storage.save([1.0], tmp_path / "f")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child lacks
        child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            storage.save([2.0] * 500, tmp_path / "f")
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGXFSZ
    assert len(list(tmp_path.iterdir())) == 2
    assert storage.load(tmp_path / "f") == [1.0]


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
    weighed = pd.DataFrame({"ds": range(60), "y": SIGNAL, "w": np.arange(60.0)})
    months = pd.Series(SIGNAL, pd.date_range("2020-01-31", periods=60, freq="ME"))
    models = [
        Autoregression(6, ConvexReLURegressor(beta_ratio=0.1, tol=0.05),
                       transform="standardize").fit(dated, **AHEAD),
        Autoregression(2, ConvexCNNRegressor(2, **EASY), "direct").fit(months, **AHEAD),
        baselines.LassoAR(4).fit(SIGNAL), baselines.NLinear(3).fit(SIGNAL, **AHEAD),
        baselines.ARIMA((1, 1, 1)).fit(SIGNAL), baselines.Theta().fit(SIGNAL),
        baselines.Analogs(3).fit(SIGNAL, **AHEAD),
        baselines.Analogs(3).fit(weighed, weight_col="w", **AHEAD)]
    content = []
    for model in models:
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


MODEL, SERIES = "fitted/models/0/", "fitted/panel/series/0/"
NETWORK = MODEL + "regressor/fitted/network_/"
WARM_START = MODEL + "regressor/fitted/warm_start_/"
CHANGES = [
    (0, "class", "relu_forecast.baselines.Naive", "no parameter"),
    (0, "class", "os.system", "Fetch the file again"),
    (0, "class", "Naive", "Fetch the file again"),
    (0, "class", ["Naive"], "key of a class"), (0, "fitted/models", [], "one model per series"),
    (0, "fitted/models", {}, "models is not a list"), (0, "parameters/lags", 10**12, "lags"),
    (0, "parameters/lags", "6", "lags must be a whole"), (0, "parameters/depth", 3, "'depth'"),
    (0, "parameters/lags", {"tuple": [6]}, "must have lags"),
    (0, "parameters/alias", "ds", "a name that no other"),
    (0, "parameters/future_exog", ["x"], "of columns"),
    (0, "parameters/estimator/class", "Popen", "not among those that are declared"),
    (0, "parameters/estimator/class", "relu_forecast.cli.app", "not among those that are"),
    (0, "parameters/estimator/parameters/depth", 1, "no parameter 'depth'"),
    (0, MODEL + "class", "relu_forecast.forecasting.DirectModel", "an object of inputs"),
    (0, MODEL + "extra", 1, "an object of inputs"),
    (0, MODEL + "inputs/context/lags", [7, 5, 4, 3, 2, 1], "lags 6"),
    (0, MODEL + "inputs/context/lags", [5, 4, 3, 2, 1], "as many widths as lags"),
    (0, MODEL + "inputs/context/widths", [0] * 6, "must be at least 1"),
    (0, MODEL + "inputs/context/lags", 6.0, "a list"),
    (0, MODEL + "inputs/transform/mean", "1", "finite number"),
    (0, MODEL + "inputs/transform/mean", None, "finite number"),
    (0, MODEL + "inputs/transform/scale", -1.0, "scales above 0"),
    (0, MODEL + "inputs/transform",
     {"class": "relu_forecast.windows.Scale", "scale": 1.0}, "transform 'standardize'"),
    (0, MODEL + "regressor/fitted", None, "not fitted yet"),
    (0, MODEL + "regressor/fitted/n_features_in_", 7, "windows of 7"),
    (0, MODEL + "regressor/fitted/beta_", "high", "finite number"),
    (0, MODEL + "regressor/fitted/beta_", "nan", "finite number"),
    (0, MODEL + "regressor/fitted/certificate_/scope", "all", "one of 'program'"),
    (0, MODEL + "regressor/parameters/dtype", "float32", "dtype is 'float32'"),
    (0, MODEL + "regressor/parameters/device", "tpu", "no device"),
    (0, NETWORK + "class", "torch.nn.modules.module.Module", "not among those that are declared"),
    (0, NETWORK + "skip/bias", None, "a list"),
    (0, NETWORK + "gate", [6, 1], "among the tensors"),
    (0, NETWORK + "hidden_weight", [10**9, 1], "usable strides"),
    (0, NETWORK + "hidden_weight", [1, 1], "usable strides"),
    (0, NETWORK + "hidden_weight", [0, 1], "whole number in range"),
    (0, NETWORK + "hidden_weight", "C", "a list"),
    (0, SERIES + "values", "K", "order of a tensor"),
    (0, SERIES + "times/zone", "dateutil//etc/passwd", "no time zone"),
    (0, SERIES + "times/zone", "../../etc/passwd", "no time zone"),
    (0, SERIES + "times/zone", "tzlocal()", "no time zone"),
    (0, SERIES + "times/zone", "Nowhere/Land", "panel/series/0/times"),
    (0, SERIES + "times/unit", "parsec", "panel/series/0/times"),
    (0, SERIES + "times/freq/alias", "fortnight", "panel/series/0/times"),
    (0, SERIES + "clock/offset/offset/alias", "h", "fitted/panel is of no use"),
    (0, SERIES + "times", {"class": "pandas.RangeIndex", "start": 0, "stop": 10**15, "step": 1,
                           "name": None}, "a value per"),
    (0, "fitted/panel/ids", {"class": "pandas.RangeIndex", "start": 0, "stop": 10**15, "step": 1,
     "name": None},
     "an identifier per series"),
    (0, "fitted/panel/reading/missing", "drop", "missing must be one of"),
    (0, "fitted/panel/reading/columns/id", "y", "three different names"),
    (0, "fitted/panel/reading/columns/time", [], "a label"),
    (0, "fitted/panel/reading/freq", {"pickle": "x"}, "a value"),
    (0, "fitted/calibrations", [], "one per series, with errors for each step"),
    (0, "fitted/horizon", 4, "one per series, with errors for each step"),
    (0, "fitted/intervals/method", "bootstrap", "one of 'split', 'adaptive'"),
    (1, MODEL + "regressors", [], "must have 3 regressors"),
    (1, "fitted/horizon", None, "there must be a horizon"),
    (1, "parameters/strategy", "recursive", "strategy"),
    (1, MODEL + "regressors/0/fitted/network_/stride", 0, "whole number in range"),
    (2, SERIES + "clock/step/fraction/denominator", 0, "whole number in range"),
    (2, SERIES + "clock/step/fraction/numerator", 2, "clock does not pass"),
    (2, SERIES + "clock/origin/fraction/numerator", 1, "clock does not pass"),
    (2, SERIES + "clock/length", 59, "clock does not pass"),
    (2, SERIES + "clock/length", 10**400, "fitted/panel"),
    (3, "parameters/lags", 4, "a map from 4 lags"),
    (3, "fitted/horizon", 2, "a map to 2 samples"),
    (4, MODEL + "orders/order", [1, 10**9, 1], "the given differences"),
    (4, "parameters/order/tuple", [1, 10**9, 1], "the given differences"),
    (4, MODEL + "orders/season_length", 10**12, "a season within"),
    (4, MODEL + "orders/order", [1, 1], "a list of 3"),
    (4, MODEL + "orders/order", [10**9, 1, 1], "a parameter per term"),
    (5, MODEL + "smoothing_level", 0.0, "a smoothing level"),
    (6, MODEL + "k", 0, "whole number in range"),
    (6, MODEL + "lags", 2, "the lags, k, horizon and transform"),
    (6, MODEL + "horizon", 10**12, "samples for one window"),
    (6, "fitted/horizon", 2, "the lags, k, horizon and transform"),
    (7, "fitted/panel/reading/weight", "y", "weight_col must be a column beside"),
    (7, "fitted/panel/reading/weight", None, "weights None"),
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
    (0, NETWORK + "output_weight", lambda each: each[:-1], "not fit|violates type hint"),
    (0, NETWORK + "output_weight", lambda each: each[:, None], "stride"),
    (0, NETWORK + "output_weight", lambda each: each * np.nan, "finite"),
    (0, NETWORK + "output_weight", lambda each: each.astype(np.float32), "different dtypes"),
    (0, NETWORK + "output_weight", lambda each: each.astype(np.int64), "dtype"),
    (0, NETWORK + "hidden_weight", lambda each: each[:, :0], "fit together"),
    (0, NETWORK + "hidden_weight", lambda each: np.empty((0, 10**15)),
     "fit together|violates type hint"),
    (0, NETWORK + "skip/weight", lambda each: each[:5], "does not take windows"),
    (0, WARM_START + "ends", lambda each: np.ones((0, 3)), "as many columns|violates type hint"),
    (0, WARM_START + "neurons/heads", lambda each: each[:1], "a head per|violates type hint"),
    (0, "extra", lambda each: np.ones(3), "all that the tensors are for"),
    (0, SERIES + "values", lambda each: each * np.inf, "not infinite"),
    (0, SERIES + "values", lambda each: np.where(each == each[3], np.nan, each), "missing"),
    (0, SERIES + "values", lambda each: each[:-1], "a value per time"),
    (0, SERIES + "values", lambda each: each.astype(np.float32), "float64"),
    (0, SERIES + "values", lambda each: each.astype(bool), "dtype"),
    (0, SERIES + "times/ticks", lambda each: each[::-1].copy(), "fitted/panel"),
    (0, MODEL + "inputs/past/means", lambda each: np.ones(2), "0 scales of columns"),
    (2, MODEL + "regressor/fitted/coef_", lambda each: each[:-1], "models/0: "),
    (2, MODEL + "regressor/fitted/coef_", lambda each: each[None], "one target"),
    (4, MODEL + "mean", lambda each: each[:1], "states"),
    (4, MODEL + "tail", lambda each: np.ones(50), "a tail to difference"),
    (5, MODEL + "season", lambda each: each[:0], "a season"),
    (6, MODEL + "values", lambda each: each[:5], "samples for one window"),
    (6, MODEL + "values", lambda each: each[1:], "the 60 samples of the series"),
    (6, MODEL + "values", lambda each: each * np.nan, "samples for one window"),
    (6, MODEL + "values", lambda each: each * np.inf, "not be infinite"),
    (7, SERIES + "weights", lambda each: -each, "numbers >= 0"),
    (7, SERIES + "weights", lambda each: each[1:], "60 numbers"),
    (7, SERIES + "weights", lambda each: each * np.nan, "finite"),
    (7, MODEL + "weights", lambda each: -each, "weights >= 0"),
    (7, MODEL + "weights", lambda each: each[1:], "weights >= 0 of its windows"),
    (7, MODEL + "weights", lambda each: 0 * each, "samples for one window"),
    (0, "fitted/calibrations/0", lambda each: -each, "absolute errors"),
    (0, "fitted/calibrations/0", lambda each: each[:, :2], "errors for each step"),
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
