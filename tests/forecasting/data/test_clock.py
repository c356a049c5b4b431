"""Time stamps: every regular kind is continued exactly, every irregular one is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.data.clock import CalendarClock, UniformClock, read_clock

REGULAR = {
    "range": pd.RangeIndex(3, 63, 3),
    "integer": pd.Index(np.arange(20) * 7 - 50),
    "unsigned": pd.Index(np.arange(20, dtype=np.uint16)),
    "nullable": pd.Index(pd.array(np.arange(20), dtype="Int64")),
    "datetime_seconds": pd.date_range("2020-01-01", periods=20, freq="36s").as_unit("s"),
    "datetime_ns": pd.date_range("1970-01-01", periods=20, freq="h").as_unit("ns"),
    "timedelta": pd.timedelta_range("3s", periods=20, freq="40ms"),
    "period_month": pd.period_range("2020-01", periods=20, freq="M"),
    "period_two_days": pd.period_range("2020-01-01", periods=20, freq="2D"),
    "day": pd.date_range("2020-01-01", periods=20, freq="D"),
    "week": pd.date_range("2020-01-01", periods=20, freq="W"),
    "month_start": pd.date_range("2020-01-01", periods=20, freq="MS"),
    "month_end": pd.date_range("2020-01-31", periods=20, freq="ME"),
    "quarter": pd.date_range("2020-01-01", periods=20, freq="QE"),
    "business_day": pd.bdate_range("2020-01-01", periods=20),
    "hours_through_summer_time": pd.date_range(
        "2020-03-28 20:00", periods=20, freq="h", tz="Europe/Oslo"),
    "days_through_summer_time": pd.date_range(
        "2020-03-20", periods=20, freq="D", tz="Europe/Oslo"),
}


def hertz_360(n: int) -> pd.TimedeltaIndex:
    """Time stamps at 360 Hz, rounded to the nearest nanosecond."""
    return pd.TimedeltaIndex(((np.arange(n) * 10**9 + 180) // 360).view("m8[ns]"))


@pytest.mark.parametrize("times", REGULAR.values(), ids=REGULAR.keys())
@pytest.mark.parametrize("known", [12, 19])
def test_regular_times_are_continued_as_they_go_on(times, known):
    after = read_clock(times[:known], None, "ds").after(len(times) - known)
    assert after.dtype == times.dtype
    assert after.equals(times[known:])


def test_float_times_are_continued_up_to_rounding():
    for times in (np.arange(50) * 0.1, 1e9 + np.arange(50) / 360):
        after = read_clock(pd.Index(times[:30]), None, "ds").after(20)
        np.testing.assert_allclose(after, times[30:], rtol=4e-16)


@pytest.mark.parametrize(("known", "h"), [(100, 50), (1000, 3600), (4999, 36000)])
@pytest.mark.parametrize("start", ["0s", "12345 days 00:00:00.123456789"])
def test_signal_rounded_to_nanoseconds_is_continued_without_drift(known, h, start):
    times = hertz_360(known + h) + pd.Timedelta(start)
    assert read_clock(times[:known], None, "ds").after(h).equals(times[known:])


def test_signal_truncated_to_nanoseconds_is_continued_without_drift():
    ticks = np.arange(4000) * 10**9 // 360
    times = pd.TimedeltaIndex(ticks.view("m8[ns]"))
    assert read_clock(times[:1000], None, "ds").after(3000).equals(times[1000:])


@settings(max_examples=60)
@given(
    start=st.integers(-(10**17), 10**17), step=st.integers(1, 10**13), n=st.integers(2, 200),
    h=st.integers(1, 50))
def test_integer_steps_are_exact(start, step, n, h):
    times = pd.Index([start + k * step for k in range(n + h)], dtype=np.int64)
    assert read_clock(times[:n], None, "ds").after(h).equals(times[n:])


@settings(max_examples=40)
@given(n=st.integers(4, 60), data=st.data())
def test_a_missing_sample_is_refused(n, data):
    gap = data.draw(st.integers(1, n - 2))
    times = hertz_360(n).delete(gap)
    with pytest.raises(InvalidArgumentError, match="regular times.*the usual one is"):
        read_clock(times, None, "ds")


def test_jitter_is_refused_and_tiny_jitter_is_not():
    steps = np.arange(50.0)
    steps[20] += 1e-3
    with pytest.raises(InvalidArgumentError, match="regular times"):
        read_clock(pd.Index(steps), None, "ds")
    steps[20] = 20 + 1e-8
    assert read_clock(pd.Index(steps), None, "ds").after(1)[0] == pytest.approx(50)


def test_rounding_to_a_coarse_unit_is_refused():
    times = hertz_360(40).as_unit("ms")
    with pytest.raises(InvalidArgumentError, match="regular times"):
        read_clock(times, None, "ds")


BAD_TIMES = {
    "unsorted": (pd.Index([0, 2, 1]), "sorted, oldest first; got 1 after 2 at position 2"),
    "unsorted_dates": (pd.to_datetime(["2020-01-02", "2020-01-01"]), "sorted"),
    "repeated": (pd.Index([0, 1, 1]), "free of duplicates; got 1 again at position 2"),
    "not_a_time": (pd.DatetimeIndex(["2020-01-01", None]), "NaT at position 1"),
    "nan": (pd.Index([0.0, np.nan]), "nan at position 1"),
    "infinite": (pd.Index([0.0, np.inf]), "inf at position 1"),
    "missing_period": (pd.PeriodIndex(["2020-01", None], freq="M"), "NaT at position 1"),
    "gap": (pd.Index([0, 1, 2, 4]), "a step of 2 from 2 to 4 where the usual one is 1"),
    "gap_in_months": (
        pd.date_range("2020-01-01", periods=9, freq="MS").delete(4), "at regular times"),
    "gap_in_periods": (
        pd.period_range("2020-01", periods=9, freq="M").delete(4), "at regular times"),
}


@pytest.mark.parametrize(("times", "message"), BAD_TIMES.values(), ids=BAD_TIMES.keys())
def test_bad_times_are_refused(times, message):
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        read_clock(times, None, "ds")
    assert caught.value.argument == "ds"
    assert caught.value.remedy


@pytest.mark.parametrize("start", ["2026-03-28 12:00", "2026-10-24 12:00"])
def test_clocks_that_change_are_named(start):
    times = pd.date_range(start, periods=40, freq="h", tz="Europe/Berlin")
    with pytest.raises(InvalidArgumentError, match=r"daylight saving time.*tz_localize"):
        read_clock(times.tz_localize(None), None, "ds")
    noon = pd.date_range("2026-03-28 12:00", periods=5, freq="h")
    for bad in (noon.delete(2), noon.insert(1, noon[0])):
        with pytest.raises(InvalidArgumentError) as caught:
            read_clock(bad, None, "ds")
        assert "daylight" not in str(caught.value)


@pytest.mark.parametrize("times", [
    pd.Index(["2020-01-01", "2020-01-02"]), pd.Index([True, False]),
    pd.Index([pd.Timestamp("2020"), 3], dtype=object), pd.Index([1j, 2j]),
    pd.CategoricalIndex([1, 2]), pd.MultiIndex.from_tuples([(0, 0), (0, 1)]),
], ids=["str", "bool", "object", "complex", "category", "multi"])
def test_times_of_another_type_are_refused(times):
    with pytest.raises(InvalidTypeError, match="numbers, datetimes, timedeltas or periods"):
        read_clock(times, None, "ds")


def test_given_frequency_decides_where_two_rules_fit():
    times = pd.to_datetime(["2020-07-01", "2020-08-01"])
    uniform, calendar = read_clock(times, None, "ds"), read_clock(times, "MS", "ds")
    assert isinstance(uniform, UniformClock)
    assert isinstance(calendar, CalendarClock)
    assert uniform.after(2)[1] == pd.Timestamp("2020-10-02")
    assert calendar.after(2)[1] == pd.Timestamp("2020-10-01")


@pytest.mark.parametrize(("times", "freq", "expected"), [
    (pd.Index([5]), 2, 7),
    (pd.Index([0.5]), 0.25, 0.75),
    (pd.date_range("2020-01-31", periods=1), "ME", pd.Timestamp("2020-02-29")),
    (pd.date_range("2020-01-01", periods=1), "h", pd.Timestamp("2020-01-01 01:00")),
    (pd.timedelta_range("1s", periods=1), pd.Timedelta("2s"), pd.Timedelta("3s")),
    (pd.timedelta_range("1D", periods=1), "D", pd.Timedelta("2D")),
    (pd.period_range("2020-01", periods=1, freq="M"), "M", pd.Period("2020-02", "M")),
])
def test_one_sample_with_a_frequency_is_continued(times, freq, expected):
    assert read_clock(times, freq, "ds").after(1)[0] == expected
    with pytest.raises(InvalidArgumentError, match="freq must be given"):
        read_clock(pd.Index(times.to_list()), None, "ds")


@pytest.mark.parametrize(("times", "freq"), [
    (pd.RangeIndex(5), 1),
    (pd.Index(np.arange(5) * 0.1), 0.1),
    (hertz_360(50), pd.Timedelta(seconds=1 / 360)),
    (pd.date_range("2020-01-01", periods=5, freq="h"), "60min"),
    (pd.date_range("2020-01-01", periods=5, freq="MS"), pd.offsets.MonthBegin()),
    (pd.period_range("2020-01", periods=5, freq="M"), "M"),
])
def test_frequency_that_agrees_changes_nothing(times, freq):
    inferred = read_clock(times, None, "ds").after(3)
    assert read_clock(times, freq, "ds").after(3).equals(inferred)


@pytest.mark.parametrize(("times", "freq"), [
    (pd.RangeIndex(5), 2),
    (pd.date_range("2020-01-01", periods=5, freq="h"), "2h"),
    (pd.date_range("2020-01-01", periods=5, freq="MS"), "ME"),
    (pd.timedelta_range("0s", periods=5, freq="s"), "ms"),
    (pd.period_range("2020-01", periods=5, freq="M"), "D"),
    (pd.period_range("2020-01-01", periods=9, freq="D")[::2], "D"),
])
def test_frequency_that_contradicts_the_times_is_refused(times, freq):
    with pytest.raises(InvalidArgumentError, match=r"freq must be .* with time stamps from"):
        read_clock(times, freq, "ds")


@pytest.mark.parametrize(("times", "freq"), [
    (pd.RangeIndex(5), "h"),
    (pd.RangeIndex(5), 0),
    (pd.RangeIndex(5), float("nan")),
    (pd.date_range("2020-01-01", periods=5, freq="h"), "fortnight"),
    (pd.date_range("2020-01-01", periods=5, freq="h"), 3),
    (pd.timedelta_range("0s", periods=5, freq="D"), "MS"),
    (pd.period_range("2020-01", periods=5, freq="M"), "fortnight"),
])
def test_frequency_of_another_kind_is_refused(times, freq):
    with pytest.raises(InvalidArgumentError, match="freq must be") as caught:
        read_clock(times, freq, "ds")
    assert caught.value.argument == "freq"
