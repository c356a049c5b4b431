from __future__ import annotations

import sys
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from relu_forecast.datasets import sample_times
from relu_forecast.datasets.wfdb import load_wfdb
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression

wfdb = pytest.importorskip("wfdb")

NAMES = ["MLII", "ABP"]
UNITS = ["mV", "mmHg"]
GAINS = [200.0, 10.0]
BASELINES = [1024, -300]
INVALID = -(2**15)
"""What format 16 stores for a sample that is invalid."""


def write_record(folder: Path, name: str = "r", **signals) -> Path:
    """Write two channels of different gains, and return the path of the record."""
    with warnings.catch_warnings():
        # Writing, of which only these tests make use, calls pandas in a way that will go.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        options = {"fs": 360, "fmt": ["16", "16"], "units": UNITS, "sig_name": NAMES,
                   "adc_gain": GAINS, "baseline": BASELINES} | signals
        wfdb.wrsamp(name, write_dir=str(folder), **options)
    return folder / name


@pytest.fixture
def samples():
    """Two channels of 12-bit samples, shape (500, 2)."""
    return np.random.default_rng(0).integers(-2047, 2047, (500, 2))


@pytest.mark.parametrize("fmt", ["16", "24", "32", "212"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_channel_is_read_in_its_physical_unit(tmp_path, samples, fmt, number):
    path = write_record(tmp_path, d_signal=samples, fmt=[fmt, fmt])
    series = load_wfdb(path, NAMES[number])
    np.testing.assert_array_equal(
        series, (samples[:, number] - BASELINES[number]) / GAINS[number])
    assert series.dtype == np.float64
    assert series.name == NAMES[number]
    assert series.attrs == {"sampling_rate_hz": 360.0, "units": UNITS[number]}
    pd.testing.assert_series_equal(series, load_wfdb(str(path), number))


def test_invalid_samples_stay_missing(tmp_path, samples):
    samples[7, 1] = INVALID
    path = write_record(tmp_path, d_signal=samples)
    assert np.flatnonzero(load_wfdb(path, "ABP").isna()).tolist() == [7]
    assert load_wfdb(path, "MLII").notna().all()


def test_the_only_channel_needs_no_name(tmp_path, samples):
    path = write_record(tmp_path, d_signal=samples[:, :1], fmt=["16"], units=["mV"],
                        sig_name=["V5"], adc_gain=[200.0], baseline=[0])
    assert load_wfdb(path).name == "V5"


def test_channels_of_different_rates_keep_their_own(tmp_path):
    fast, slow = np.arange(100), np.arange(50)
    path = write_record(tmp_path, e_d_signal=[fast, slow], samps_per_frame=[2, 1], fs=62.4725)
    series = load_wfdb(path, "MLII")
    np.testing.assert_array_equal(series, (fast - BASELINES[0]) / GAINS[0])
    assert series.attrs["sampling_rate_hz"] == 124.945
    assert series.index.equals(sample_times(100, Fraction("124.945")))
    slow_series = load_wfdb(path, "ABP")
    np.testing.assert_array_equal(slow_series, (slow - BASELINES[1]) / GAINS[1])
    assert slow_series.attrs["sampling_rate_hz"] == 62.4725


def test_segments_are_joined(tmp_path, samples):
    for name, part in {"s1": samples[:200], "s2": samples[200:]}.items():
        write_record(tmp_path, name, d_signal=part)
    (tmp_path / "whole.hea").write_text("whole/2 2 360 500\ns1 200\ns2 300\n")
    series = load_wfdb(tmp_path / "whole", "ABP")
    np.testing.assert_array_equal(series, (samples[:, 1] - BASELINES[1]) / GAINS[1])
    assert series.attrs == {"sampling_rate_hz": 360.0, "units": "mmHg"}


def test_a_channel_without_a_name_is_called_as_its_record(tmp_path, samples):
    path = write_record(tmp_path, d_signal=samples)
    header = path.with_suffix(".hea")
    header.write_text(header.read_text().replace(" ABP", ""))
    assert load_wfdb(path, 1).name == "r"


@pytest.mark.parametrize("channel", [None, "abp", 2, -1, True])
def test_a_channel_that_is_unknown_or_unclear_is_refused(tmp_path, samples, channel):
    path = write_record(tmp_path, d_signal=samples)
    with pytest.raises(InvalidArgumentError, match=r"\(0 'MLII', 1 'ABP'\); got .* Pass one"):
        load_wfdb(path, channel)


def test_a_name_that_two_channels_have_is_refused(tmp_path, samples):
    path = write_record(tmp_path, d_signal=samples)
    header = path.with_suffix(".hea")
    header.write_text(header.read_text().replace("ABP", "MLII"))
    with pytest.raises(InvalidArgumentError, match="number of one channel"):
        load_wfdb(path, "MLII")
    assert load_wfdb(path, 1).attrs["units"] == "mmHg"


@pytest.mark.parametrize("record", ["r.hea", "other", "https://some.host/r", "s3://bucket/r"])
def test_a_record_that_is_not_on_this_machine_is_refused(
    tmp_path, samples, monkeypatch, record
):
    write_record(tmp_path, d_signal=samples)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError, match="without suffix, beside its header"):
        load_wfdb(record, 0)


def test_an_address_is_a_path_even_where_it_exists(tmp_path, samples, monkeypatch):
    folder = tmp_path / "s3:" / "bucket"
    folder.mkdir(parents=True)
    write_record(folder, d_signal=samples)
    monkeypatch.chdir(tmp_path)
    assert len(load_wfdb("s3://bucket/r", 0)) == 500


@pytest.mark.parametrize("header", [
    "", "no header", "r 1", "r 2 360 10\nr.dat 16\n", "r 1 360 500\ngone.dat 16\n",
    "r 1 360 500\nr.dat 999\n", "r 1 360 9999\nr.dat 16\n", "r/2 1 360 20\ns1 10\ns2 10\n"])
def test_a_damaged_record_is_refused(tmp_path, samples, header):
    path = write_record(tmp_path, d_signal=samples)
    path.with_suffix(".hea").write_text(header)
    with pytest.raises(InvalidArgumentError, match=r"^(record|channel) must be .*got .*\. "):
        load_wfdb(path, 0)


def test_without_wfdb_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(ImportError, match=r"pip install 'relu_forecast\[wfdb\]'"):
        load_wfdb(tmp_path / "r")


def test_a_record_is_forecast(tmp_path):
    heart = np.round(200 * np.sin(np.arange(400) * 2 * np.pi / 90)).astype(np.int64)
    path = write_record(tmp_path, d_signal=np.stack([heart, heart], axis=1), baseline=[0, 0])
    series = load_wfdb(path, "MLII")
    model = Autoregression(4, LinearRegression(), transform="standardize").fit(series[:-40])
    forecast = model.predict(h=40)
    assert forecast["ds"].tolist() == series.index[-40:].tolist()
    np.testing.assert_allclose(forecast["Autoregression"], series[-40:], atol=0.05)


@given(st.integers(0, 20_000), st.fractions(Fraction(1, 100), 10**6, max_denominator=10**6))
def test_times_are_the_nearest_nanoseconds_at_any_rate(k, rate):
    nanoseconds = sample_times(k + 1, rate)[k].value
    assert abs(nanoseconds - k * 10**9 / rate) <= Fraction(1, 2)
