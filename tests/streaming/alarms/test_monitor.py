"""Alarms keep their rate, find faults, go on from a state, and say what they cannot use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from relu_forecast import InvalidArgumentError
from relu_forecast.streaming.alarms import AlarmMonitor, AlarmSettings, errors_by_sample

HORIZON = 3
SETTINGS = AlarmSettings(samples_per_hour=3600, per_hour=6, memory=2000, patience=500)


def errors(length: int, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_normal((length, HORIZON)))


def watched(monitor: AlarmMonitor, rows: np.ndarray) -> list[Any]:
    return [monitor.observe(row) for row in rows]


def test_alarms_keep_their_rate_on_noise_whose_size_drifts() -> None:
    rows = errors(40_000) * np.exp(np.sin(np.arange(40_000) / 8000))[:, np.newaxis]
    verdicts = watched(AlarmMonitor.start(errors(2000, 1), replace(SETTINGS, per_hour=12)), rows)
    asked = 12 * 40_000 / 3600
    assert 0.8 * asked < sum(one.onset for one in verdicts) < 1.2 * asked


def test_p_values_are_uniform_where_scores_are_exchangeable() -> None:
    verdicts = watched(AlarmMonitor.start(errors(2000, 1), SETTINGS), errors(20_000))
    p_values = np.array([one.p_value for one in verdicts])
    for level in (0.01, 0.05, 0.5, 0.9):
        assert np.mean(p_values <= level) == pytest.approx(level, rel=0.25, abs=0.003)


@pytest.mark.parametrize(("factor", "length", "kind"), [
    (20.0, 1, "point"), (1.8, 200, "rise"), (0.05, 200, "fall")])
def test_errors_too_large_and_too_small_are_found_by_the_test_for_them(
        factor: float, length: int, kind: str) -> None:
    monitor = AlarmMonitor.start(errors(2000, 1), replace(SETTINGS, per_hour=1))
    assert not any(one.onset for one in watched(monitor, errors(300)))
    found = watched(monitor, np.full((length, HORIZON), factor))
    assert [one.kind for one in found if one.onset] == [kind]


def test_a_missing_sample_is_no_alarm_and_changes_nothing() -> None:
    monitor = AlarmMonitor.start(errors(2000, 1), SETTINGS)
    before = monitor.state()
    verdict = monitor.observe(np.full(HORIZON, np.nan))
    assert not verdict.alarm
    assert np.isnan(verdict.p_value)
    for name, value in monitor.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_goes_on_exactly() -> None:
    rows = errors(3000)
    monitor = AlarmMonitor.start(errors(2000, 1), replace(SETTINGS, per_hour=60, hold=10))
    watched(monitor, rows[:1500])
    again = AlarmMonitor.from_state(monitor.state())
    first, second = watched(monitor, rows[1500:]), watched(again, rows[1500:])
    assert first == second
    assert any(one.alarm for one in first)


@pytest.mark.parametrize("held_out", [2000, 0])
def test_many_channels_are_each_as_if_alone(held_out: int) -> None:
    settings = replace(SETTINGS, per_hour=60, hold=10)
    past = np.stack([errors(held_out, seed) for seed in range(3)])
    rows = np.stack([errors(2500, 10 + seed) for seed in range(3)], axis=1)
    rows[np.random.default_rng(5).random(rows.shape[:2]) < 0.02] = np.nan
    rows[7, 1, 0] = np.nan
    together = watched(AlarmMonitor.start(past, settings), rows)
    for channel in range(3):
        alone = watched(AlarmMonitor.start(past[channel], settings), rows[:, channel])
        assert any(one.alarm for one in alone)
        for name in ("score", "p_value", "alarm", "onset", "kind"):
            np.testing.assert_array_equal([getattr(one, name)[channel] for one in together],
                                          [getattr(one, name) for one in alone])


def test_alarms_do_not_depend_on_the_unit() -> None:
    first, second = (
        watched(AlarmMonitor.start(unit * errors(2000, 1), replace(SETTINGS, per_hour=60, hold=10)),
                unit * errors(2000)) for unit in (1.0, 1024.0))
    assert first == second


@pytest.mark.parametrize("wrong", [np.ones(4), np.full(HORIZON, np.inf), ["a"] * HORIZON])
def test_what_are_no_errors_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="errors must be"):
        AlarmMonitor.start(errors(2000), SETTINGS).observe(wrong)


@pytest.mark.parametrize("change", [
    {"scales.usual": np.zeros(HORIZON)}, {"reference.oldest": 250}, {"horizon": 4},
    {"fall.level": np.nan}, {"stranger": 1}])
def test_a_foreign_state_is_refused(change: dict[str, Any]) -> None:
    state = AlarmMonitor.start(errors(2000), SETTINGS).state() | change
    with pytest.raises(InvalidArgumentError, match="state must be"):
        AlarmMonitor.from_state(state)


@pytest.mark.parametrize("change", [
    {"per_hour": 0.0}, {"per_hour": 1000.0}, {"hold": 0}, {"memory": 10}, {"gain": 2.0}])
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(change))):
        replace(SETTINGS, **change)


def test_errors_are_of_the_forecasts_made_before() -> None:
    forecasts, values = np.arange(12.0).reshape(4, 3), np.array([0.0, 5.0, 9.0, 2.0])
    found = errors_by_sample(forecasts, values)
    for t in range(4):
        for k in range(1, 4):
            expected = abs(values[t] - forecasts[t - k, k - 1]) if t >= k else np.nan
            np.testing.assert_equal(found[t, k - 1], expected)
