"""Alarms of streams, and the same of samples that are all there."""

import numpy as np
import pandas as pd
import pytest

from relu_forecast.baselines import RidgeAR
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.storage import decode, encode
from relu_forecast.streaming.alarms import AlarmSettings

N = 3000
RNG = np.random.default_rng(7)
WAVE = np.sin(np.arange(N + 2500) / 6) + 0.05 * RNG.normal(size=N + 2500)
TIMES = pd.date_range("2026-01-01", periods=len(WAVE), freq="10ms")
SIGNAL = pd.Series(WAVE, TIMES)
FAULTY = SIGNAL.copy()
FAULTY.iloc[N + 800] += 1.0
FAULTY.iloc[N + 1600 : N + 2100] = FAULTY.iloc[N + 1600]
SETTINGS = AlarmSettings(samples_per_hour=360_000, per_hour=60.0)


@pytest.fixture(scope="module")
def model():
    return RidgeAR(20).fit(SIGNAL[:N], horizon=5, intervals="split")


def test_faults_raise_alarms_and_clean_stretches_hardly_any(model):
    told = model.detect(FAULTY[N:], alarms=60.0)
    assert told.columns.tolist() == ["ds", "y", "score", "p_value", "alarm", "onset", "kind"]
    assert told["alarm"].iloc[800]
    assert told["kind"].iloc[800] == "point"
    assert told["alarm"].iloc[1610:2100].any()
    assert told["p_value"].iloc[800] < 0.005
    clean = model.detect(SIGNAL[N:], alarms=60.0)
    assert clean["onset"].sum() <= 3  # 2,500 samples are 25 s: 0.4 are expected
    assert clean["p_value"].isna().sum() < 300  # 750 errors are known; it waits for 1,000
    assert clean["p_value"].dropna().between(0, 1).all()
    assert 0.3 < clean["p_value"].mean() < 0.7


def test_it_is_what_a_stream_says(model):
    told, stream = model.detect(FAULTY[N:], alarms=60.0), model.stream(alarms=SETTINGS)
    readings = [stream.push(sample) for sample in FAULTY[N:].tolist()]
    for name in ("score", "p_value", "alarm", "onset", "kind"):
        np.testing.assert_array_equal(told[name], [getattr(one, name) for one in readings])
    at_once = model.stream(alarms=SETTINGS).push(FAULTY[N:].to_numpy())
    np.testing.assert_array_equal(at_once.alarm, told["alarm"])


def test_missing_samples_are_no_alarm(model):
    stream = model.stream(alarms=60.0)
    stream.push(WAVE[N : N + 100])
    for _ in range(50):
        reading = stream.push(None)
        assert not reading.alarm
        assert np.isnan(reading.p_value)


def test_a_state_goes_on_with_its_alarms(model):
    stream = model.stream(alarms=60.0)
    stream.push(FAULTY[N : N + 805].to_numpy())
    other = model.stream(alarms=60.0, state=decode(*encode(stream.state())))
    rest = FAULTY[N + 805 :].to_numpy()
    one, again = stream.push(rest), other.push(rest)
    for part in ("score", "p_value", "alarm", "onset", "kind", "upper"):
        np.testing.assert_array_equal(getattr(again, part), getattr(one, part))
    for others in (None, 30.0):
        with pytest.raises(InvalidArgumentError, match="state"):
            model.stream(alarms=others, state=stream.state())
    with pytest.raises(InvalidArgumentError, match="state"):
        model.stream(alarms=60.0, state=model.stream().state())


def test_channels_have_alarms_of_their_own(model):
    stream = model.stream(channels=2, alarms=SETTINGS)
    both = np.stack([SIGNAL.to_numpy(), FAULTY.to_numpy()], axis=1)[N - 1500 :]
    told = stream.push(both)
    assert told.alarm.shape == (len(both), 2)
    assert told.onset[2300, 1]
    assert not told.alarm[2300, 0]


def test_so_many_an_hour_need_times_in_a_unit(model):
    plain = RidgeAR(20).fit(WAVE[:N], horizon=5)
    with pytest.raises(InvalidArgumentError, match=r"AlarmSettings\(samples_per_hour"):
        plain.stream(alarms=1.0)
    assert plain.stream(alarms=SETTINGS).push(1.0).alarm is False
    with pytest.raises(InvalidArgumentError, match="alarms"):
        model.stream(alarms=-1.0)
    with pytest.raises(InvalidArgumentError, match="data"):
        model.detect(SIGNAL[N + 5 :], alarms=1.0)
