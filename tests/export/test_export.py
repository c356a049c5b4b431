"""Exported models say what streams and forecasters say: compiled by a C compiler, run by NumPy."""

import runpy
import shutil
import subprocess

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import ETS, Analogs, RidgeAR
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression
from tests.export.fitted import AFTER, MODELS, VALUES, H, N, fitted

COMPILER = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


WEIGHTS = np.where(np.arange(N) % 9 == 0, 0.0, 1.0 + np.arange(N) % 3)
def compiled_c(header, folder, *flags):
    """The program that a header is, made in a folder."""
    source, program = folder / "main.c", folder / "program"
    source.write_text(f'#define HEART_MAIN\n#include "{header}"\n')
    done = subprocess.run([COMPILER, *STRICT, *flags, source, "-o", program, "-lm"],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return program


def told_by(program, samples):
    """What the program writes for each sample, NaN where it says nothing."""
    lines = "".join("\n" if one != one else f"{one!r}\n" for one in samples)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    rows = [np.array(line.split(), dtype=float) for line in done.stdout.split("\n")[:-1]]
    width = max(map(len, rows))
    return np.array([row if len(row) else np.full(width, np.nan) for row in rows])


def told_by_stream(name, samples):
    """What a stream that starts with nothing says."""
    return fitted(name).stream(channels=1, level=None).push(
        np.reshape(samples, (-1, 1))).forecast[:, :, 0]


@needs_compiler
@pytest.mark.parametrize("name", MODELS)
def test_c_says_what_a_stream_says(name, tmp_path):
    fitted(name).export_c(tmp_path / "heart.h", prefix="heart")
    found = told_by(compiled_c("heart.h", tmp_path), AFTER.tolist())
    expected = told_by_stream(name, AFTER)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert (~np.isnan(expected)).all(axis=1).sum() > 50


@needs_compiler
@pytest.mark.parametrize("name", ["network", "committee"])
def test_memory_is_used_as_it_should_be(name, tmp_path):
    fitted(name).export_c(tmp_path / "heart.h", prefix="heart", level=[50, 90])
    found = told_by(compiled_c("heart.h", tmp_path, *SANITIZERS), AFTER.tolist())
    np.testing.assert_allclose(found[:, :H], told_by_stream(name, AFTER), rtol=0, atol=1e-12)


@needs_compiler
@pytest.mark.parametrize("name", ["network", "growing means", "differences", "sites"])
def test_floats_are_near(name, tmp_path):
    fitted(name).export_c(tmp_path / "heart.h", prefix="heart", dtype="float")
    found = told_by(compiled_c("heart.h", tmp_path), AFTER.tolist())
    np.testing.assert_allclose(found, told_by_stream(name, AFTER), rtol=0, atol=1e-5)


@needs_compiler
def test_high_levels_lose_no_digits(tmp_path):
    model = ReLUForecaster(6, beta_ratio=0.1).fit(VALUES[:N] + 1e6, horizon=H)
    model.export_c(tmp_path / "heart.h", prefix="heart")
    found = told_by(compiled_c("heart.h", tmp_path), (AFTER + 1e6).tolist())
    expected = model.stream(channels=1, level=None).push((AFTER + 1e6)[:, np.newaxis])
    np.testing.assert_allclose(found, expected.forecast[:, :, 0], rtol=0, atol=1e-9)


@needs_compiler
def test_intervals_are_those_of_predict(tmp_path):
    model = fitted("network")
    model.export_c(tmp_path / "heart.h", prefix="heart", level=[50, 90])
    found = told_by(compiled_c("heart.h", tmp_path), VALUES[:N].tolist())[-1]
    told = model.predict(level=[50, 90])
    expected = [told[f"ReLU{end}"] for end in ("", "-lo-50", "-hi-50", "-lo-90", "-hi-90")]
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=1e-12)


@needs_compiler
def test_weights_of_a_committee_may_stay(tmp_path):
    model = fitted("committee")
    model.export_c(tmp_path / "heart.h", prefix="heart", learn=False)
    found = told_by(compiled_c("heart.h", tmp_path), VALUES.tolist())
    compiled = model.compiled()
    windows = np.lib.stride_tricks.sliding_window_view(VALUES, compiled.length)
    np.testing.assert_allclose(
        found[compiled.length - 1 :], compiled.forecast(windows), rtol=0, atol=1e-12)


@needs_compiler
def test_weighted_analogs_and_gaps_in_them(tmp_path):
    import pandas as pd

    values = VALUES[:N].copy()
    values[50:53] = np.nan
    data = pd.DataFrame({"unique_id": "a", "ds": range(N), "y": values, "w": WEIGHTS})
    model = Analogs(5, 4).fit(data, horizon=H, weight_col="w", missing="skip")
    model.export_c(tmp_path / "heart.h", prefix="heart")
    model.export_numpy(tmp_path / "heart.py")
    found = told_by(compiled_c("heart.h", tmp_path), AFTER[:30].tolist())[4:]
    windows = np.lib.stride_tricks.sliding_window_view(AFTER[:30], 5)
    expected = model.compiled().forecast(windows)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    module = runpy.run_path(str(tmp_path / "heart.py"))
    np.testing.assert_allclose(module["forecast"](windows), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_numpy_says_what_the_model_says(name, tmp_path):
    sizes = fitted(name).export_numpy(tmp_path / "heart.py")
    module = runpy.run_path(str(tmp_path / "heart.py"))
    compiled = fitted(name).compiled()
    windows = np.lib.stride_tricks.sliding_window_view(VALUES, compiled.length)[-40:]
    expected = compiled.forecast(windows)
    np.testing.assert_allclose(module["forecast"](windows), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(module["forecast"](windows[0]), expected[0], rtol=0, atol=1e-12)
    assert (module["LENGTH"], module["STEPS"]) == (sizes.length, sizes.n_steps)
    for wrong in (windows[:, 1:], np.full(compiled.length, np.nan)):
        with pytest.raises(ValueError, match="finite samples"):
            module["forecast"](wrong)


def test_sizes_are_counted(tmp_path):
    sizes = RidgeAR(5).fit(VALUES[:N], horizon=2, intervals="split").export_c(
        tmp_path / "a.h", level=90)
    # Four lags (the last is always 0), a level that is not seen, a constant; two half-widths.
    assert sizes.constants == 8 * ((4 + 1) * 2 + 2 + 2)
    small = fitted("network").export_c(tmp_path / "b.h", dtype="float")
    large = fitted("network").export_c(tmp_path / "c.h")
    assert 2 * small.constants == large.constants
    text = (tmp_path / "c.h").read_text()
    assert f"{large.constants:,} bytes of constants" in text
    assert "Certificate of the network" in text
    assert "multiply-adds a forecast" in str(large)


def test_text_of_the_data_stays_in_the_comment(tmp_path):
    import pandas as pd

    name = '*/ int x; /* @ %LENGTH% REAL """ \\ \n ä'
    data = pd.DataFrame({"unique_id": name, "ds": range(60), "y": VALUES[:60]})
    model = RidgeAR(3).fit(data, horizon=2)
    model.export_c(tmp_path / "heart.h", prefix="heart")
    model.export_numpy(tmp_path / "heart.py")
    assert (tmp_path / "heart.h").read_text().count("*/ int x") == 0
    assert runpy.run_path(str(tmp_path / "heart.py"))["STEPS"] == 2
    if COMPILER is not None:
        assert len(told_by(compiled_c("heart.h", tmp_path), [1.0, 2.0, 3.0])) == 3


@pytest.mark.parametrize(("given", "message"), [
    ({"prefix": "a b"}, "prefix must be a name of C"), ({"prefix": "1a"}, "prefix"),
    ({"prefix": "a\n#"}, "prefix"), ({"prefix": ""}, "prefix"), ({"dtype": "half"}, "dtype"),
    ({"level": 90}, "level must be left out unless fit made intervals"),
    ({"n_steps": 0}, "n_steps"), ({"unique_id": "b"}, "unique_id must be a series")])
def test_bad_arguments_are_refused(given, message, tmp_path):
    model = RidgeAR(3).fit(VALUES[:60], horizon=2)
    with pytest.raises(InvalidArgumentError, match=message):
        model.export_c(tmp_path / "a.h", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [
    Autoregression(5, HistGradientBoostingRegressor(max_iter=2)), ETS()], ids=["trees", "ETS"])
def test_what_has_no_form_in_code_says_so_at_once(model, tmp_path):
    model.fit(np.exp(VALUES[:60]), horizon=2)
    for export in (model.export_c, model.export_numpy, lambda _: model.stream()):
        with pytest.raises(InvalidArgumentError, match="made of networks, linear models"):
            export(tmp_path / "a.h")
    with pytest.raises(InvalidArgumentError, match="existing folder"):
        RidgeAR(3).fit(VALUES[:60]).export_c(tmp_path / "no" / "a.h")
