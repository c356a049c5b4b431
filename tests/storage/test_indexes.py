"""Time stamps, identifiers and steps of time come back from files as they were."""

import numpy as np
import pandas as pd
import pytest

from relu_forecast import baselines
from relu_forecast.exceptions import InvalidTypeError
from tests.storage.forecasters import SIGNAL, assert_same, saved, titled


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
    forecaster = baselines.Drift().fit(data, horizon=3, intervals="split", **names)
    loaded = saved(forecaster, tmp_path)
    assert loaded.panel_.ids.identical(forecaster.panel_.ids)
    assert list(loaded.models_) == list(forecaster.models_)
    assert_same(forecaster, loaded, level=80)
    more = data.groupby("shop", observed=True).head(4).assign(t=[*range(60, 64)] * 2)
    assert_same(forecaster.update(more), loaded.update(more))


@pytest.mark.parametrize("times", [
    pd.date_range("2020-01-31", periods=60, freq=pd.offsets.CustomBusinessDay(holidays=[
        "2020-02-03"])),
    pd.date_range("2020", periods=60, tz="dateutil/Europe/Berlin"),
    pd.Index(np.arange(60), dtype="int64[pyarrow]")], ids=titled)
def test_time_stamps_that_would_change_are_refused(times, tmp_path):
    forecaster = baselines.Naive().fit(pd.Series(SIGNAL, times))
    with pytest.raises(InvalidTypeError, match="at fitted/panel/series/0/"):
        forecaster.save(tmp_path / "f")
