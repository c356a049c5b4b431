from __future__ import annotations

import pandas as pd
import pytest

from relu_forecast.datasets import read_series
from relu_forecast.datasets.daylight_saving import is_at_change, skips_an_hour
from relu_forecast.exceptions import InvalidArgumentError

ZONE = "Europe/Berlin"


def written(csv, times, names=("a",)):
    rows = [f"{name},{time},1" for name in names for time in times]
    return csv("unique_id,ds,y\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize("step", ["15min", "h"])
@pytest.mark.parametrize("start", ["2025-10-25 12:00", "2026-03-28 12:00"])
def test_local_times_are_told_apart_in_order_series_by_series(csv, start, step):
    times = pd.date_range(start, periods=120, freq=step, tz=ZONE)
    back = read_series(written(csv, times.tz_localize(None), ("a", "b")), tz=ZONE)
    assert str(back["ds"].dt.tz) == ZONE
    for _, rows in back.groupby("unique_id"):
        assert rows["ds"].tolist() == times.tolist()


def test_times_with_offsets_are_converted(csv):
    back = read_series(csv("ds,y\n2026-03-29T01:00+01:00,1\n2026-03-29T03:00+02:00,2\n"), tz=ZONE)
    assert [str(time) for time in back["ds"]] == [
        "2026-03-29 01:00:00+01:00", "2026-03-29 03:00:00+02:00"]


def test_times_that_a_zone_does_not_settle_are_refused(csv):
    with pytest.raises(InvalidArgumentError, match=r"02:30:00, which clocks in Europe/Berlin skip "
                                                   r"\(daylight saving time\).*--tz UTC"):
        read_series(written(csv, ["2026-03-29 02:30"]), tz=ZONE)
    with pytest.raises(InvalidArgumentError, match="02:00:00, which comes twice"):
        read_series(written(csv, ["2026-10-25 01:00", "2026-10-25 02:00"]), tz=ZONE)
    with pytest.raises(InvalidArgumentError, match="tz must be left out where times are no dates"):
        read_series(written(csv, [1, 2]), tz=ZONE)


def test_changes_are_nights_of_sundays():
    night, hour = pd.Timestamp("2026-03-29 03:00"), pd.Timedelta("1h")
    assert is_at_change(night)
    assert is_at_change(pd.Timestamp("2026-10-25 02:45"))
    others = [night + hour, night + pd.Timedelta("1D"), night.tz_localize("UTC"), 7,
              pd.Timestamp("2026-06-28 02:00")]
    assert not any(map(is_at_change, others))
    assert skips_an_hour(night - 2 * hour, night, hour)
    assert not skips_an_hour(night - 3 * hour, night, hour)
    assert not skips_an_hour(night - 25 * hour, night, 24 * hour)
