"""The shipped electrocardiograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relu_forecast import InvalidArgumentError
from relu_forecast.datasets import load_ecg

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize("record", ["208", "100"])
def test_ecg_is_the_record_in_millivolts(record):
    ecg = load_ecg(record)
    with np.load(DATA / f"ecg_mitbih_{record}.npz") as arrays:
        np.testing.assert_array_equal(ecg, (arrays["adc"].astype(float) - 1024) / 200)
    assert len(ecg) == 108_000
    assert ecg.attrs == {"sampling_rate_hz": 360.0}
    assert ecg.dtype == np.float64
    assert ecg.name == "ecg"
    assert ecg.index.name == "ds"


def test_every_ecg_time_is_the_nearest_nanosecond_to_the_exact_one():
    ecg = load_ecg()
    assert ecg.index.dtype == "timedelta64[ns]"
    nanoseconds = ecg.index.to_numpy().astype(np.int64).astype(object)
    exact_times_360 = np.arange(len(ecg)).astype(object) * 10**9
    assert np.abs(360 * nanoseconds - exact_times_360).max() <= 180
    assert set(np.diff(nanoseconds)) == {2_777_777, 2_777_778}


def test_ecg_rate_stays_with_slices():
    assert load_ecg().attrs == {"sampling_rate_hz": 360.0}
    assert load_ecg().iloc[100:200].attrs == {"sampling_rate_hz": 360.0}


def test_changing_a_loaded_ecg_leaves_the_next_one_alone():
    first = load_ecg()
    first.iloc[0] = 1e3
    first.attrs["sampling_rate_hz"] = 1.0
    second = load_ecg()
    assert second.iloc[0] != 1e3
    assert second.attrs["sampling_rate_hz"] == 360.0


def test_the_usual_ecg_is_208_and_the_other_is_another():
    np.testing.assert_array_equal(load_ecg(), load_ecg("208"))
    assert not np.array_equal(load_ecg(), load_ecg("100"))


@pytest.mark.parametrize("record", ["101", "", 208])
def test_other_records_are_refused(record):
    with pytest.raises(InvalidArgumentError, match="record"):
        load_ecg(record)
