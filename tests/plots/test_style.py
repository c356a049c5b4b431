"""Looks, times, names and legends as pictures have them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from relu_forecast.plots.style import (
    MOST_NAMED,
    axes_of,
    count_on,
    draw_line,
    looks,
    name_lines,
    name_times,
    on_axis,
    plain,
    short,
    with_unit,
)


def lightness(colour: str) -> float:
    """Relative luminance, as greyscale printing shows it."""
    linear = np.array([part / 12.92 if part < 0.04 else ((part + 0.055) / 1.055) ** 2.4
                       for part in to_rgb(colour)])
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_lines_are_told_apart_without_their_colours() -> None:
    named = looks(MOST_NAMED)
    for one, other in combinations(named, 2):
        assert one.marker != other.marker
    for one, other in pairwise(named):
        assert one.dashes != other.dashes
        assert abs(lightness(one.colour) - lightness(other.colour)) > 0.1
    assert len({(look.colour, str(look.dashes), look.marker) for look in looks(252)}) == 252


def test_times_become_numbers_and_dates() -> None:
    times = pd.to_timedelta([0.5, 90], unit="s")
    np.testing.assert_array_equal(on_axis(times), [0.5, 90.0])
    np.testing.assert_array_equal(on_axis(pd.RangeIndex(3)), range(3))
    months = on_axis(pd.period_range("2026-01", periods=2, freq="M"))
    assert months.tolist() == pd.to_datetime(["2026-01-01", "2026-02-01"]).asi8.tolist() or (
        pd.DatetimeIndex(months) == pd.to_datetime(["2026-01-01", "2026-02-01"])).all()
    zoned = on_axis(pd.date_range("2026-01-01", periods=1, tz="Asia/Tokyo"))
    assert pd.Timestamp(zoned[0]) == pd.Timestamp("2025-12-31 15:00")


@pytest.mark.parametrize("width", [3.8, 7.0])
@pytest.mark.parametrize("times", [
    pd.date_range("2026-01-28", periods=300, freq="h"), pd.date_range("1999", periods=80, freq="D"),
    pd.RangeIndex(100_000, 100_300), pd.to_timedelta(np.arange(300) / 360, unit="s"),
    pd.period_range("1950-01", periods=300, freq="M")], ids=lambda times: type(times).__name__)
def test_the_labels_of_times_do_not_collide(times: pd.Index, width: float) -> None:
    ax = axes_of(None, (width, 3))
    ax.plot(on_axis(times), np.zeros(len(times)))
    name_times(ax, times)
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()
             if label.get_text() and 0 <= ax.transAxes.inverted().transform(
                 label.get_window_extent().get_points())[:, 0].mean() <= 1]
    assert len(boxes) >= 2
    for left, right in pairwise(boxes):
        assert left.x1 < right.x0
    offset = ax.xaxis.get_offset_text()
    if offset.get_text():
        assert ax.xaxis.label.get_window_extent().x1 < offset.get_window_extent().x0


@pytest.mark.parametrize("length", [
    *(f"{2**place}s" for place in range(0, 29, 2)), "47h", "61D", "700D", "300ms", "1001us"])
def test_dates_over_any_time_have_ticks_and_no_warning(length: str) -> None:
    start = pd.Timestamp("2026-01-28 13:00")
    times = pd.DatetimeIndex([start, start + pd.Timedelta(length)])
    ax = axes_of(None, (3.8, 3))
    ax.plot(on_axis(times), [0, 1])
    name_times(ax, times)
    ax.figure.draw_without_rendering()  # a warning is an error here
    low, high = ax.get_xlim()
    assert 1 <= sum(low <= tick <= high for tick in ax.get_xticks()) <= 8


def test_axes_name_the_unit_of_times() -> None:
    names = []
    for times in (pd.to_timedelta([0, 1], unit="s"), pd.RangeIndex(2),
                  pd.date_range("2026", periods=2, tz="UTC")):
        ax = axes_of(None)
        name_times(ax, times)
        names.append(ax.get_xlabel())
    assert names == ["time [s]", "time", "time [UTC]"]


def test_dates_of_a_zone_are_told_as_clocks_there_do() -> None:
    times = pd.date_range("2026-01-28", periods=5, freq="D", tz="Asia/Tokyo")
    ax = axes_of(None)
    ax.plot(on_axis(times), range(5))
    name_times(ax, times)
    assert ax.get_xlabel() == "time [Asia/Tokyo]"
    ticks = pd.to_datetime(ax.get_xticks(), unit="D", utc=True).tz_convert("Asia/Tokyo")
    assert set(ticks.hour) == {0}


@pytest.mark.parametrize("width", [3.8, 7.0])
def test_legends_lie_below_the_axes_and_within_the_figure(width: float) -> None:
    ax = axes_of(None, (width, 3.6))
    for place, look in enumerate(looks(7)):
        draw_line(ax, range(9), range(9), look, place, short(f"model with a long name, {place}"))
    name_times(ax, pd.RangeIndex(9))
    name_lines(ax)
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    assert legend.y1 < ax.xaxis.label.get_window_extent().y0
    assert legend.y0 >= -1
    assert legend.x1 <= ax.figure.bbox.width + 1


def test_the_first_line_lies_on_top() -> None:
    ax = axes_of(None)
    for place, look in enumerate(looks(3)):
        draw_line(ax, range(3), range(3), look, place, None)
    heights = [line.get_zorder() for line in ax.lines]
    assert heights == sorted(heights, reverse=True)
    assert ax.lines[0].get_linewidth() < ax.lines[1].get_linewidth()


def test_counts_have_whole_ticks() -> None:
    ax = axes_of(None)
    ax.plot([0, 1], [0, 2])
    count_on(ax, "y")
    assert all(tick == round(tick) for tick in ax.get_yticks())


def test_names_are_not_read_as_formulas() -> None:
    assert plain("$x$") == r"\$x\$"
    assert with_unit("$x", "$") == r"\$x [\$]"
    assert with_unit("load", None) == "load"
    assert short("a" * 60) == "a" * 27 + "…"


def test_names_with_underscores_are_in_legends() -> None:
    ax = axes_of(None)
    draw_line(ax, range(3), range(3), looks(1)[0], 0, short("_mine"))
    name_lines(ax)
    assert "_mine" in ax.get_legend().get_texts()[0].get_text()
