"""Seasons of series whose season is known."""

import numpy as np
import pytest

from relu_forecast.forecasting.models.seasons import (
    _autocorrelations,
    find_season,
    find_seasons,
)

RNG = np.random.default_rng(0)


def repeated(length, n=600, noise=0.1):
    """A random pattern, over and over, with noise; the same whatever was drawn before."""
    rng = np.random.default_rng(length)
    return np.resize(rng.normal(size=length), n) + noise * rng.normal(size=n)


@pytest.mark.parametrize("length", [3, 7, 24, 60, 168])
def test_the_length_of_a_pattern_is_found(length):
    assert find_season(repeated(length), 200) == length


def test_a_week_of_days_is_a_week_where_days_differ():
    day = np.tile(np.sin(np.arange(24) / 24 * 2 * np.pi) * 5, 7)
    week = np.tile(day * np.repeat([1, 1, 1, 1, 1, 0.2, 0.1], 24), 12)
    assert find_season(week + 0.3 * RNG.normal(size=len(week)), 1000) == 168
    assert find_season(np.tile(day, 12) + 0.3 * RNG.normal(size=len(week)), 1000) == 24


def test_a_week_is_found_beside_its_days():
    day = np.tile(np.sin(np.arange(24) / 24 * 2 * np.pi) * 5, 7)
    week = np.tile(day * np.repeat([1, 1, 1, 1, 1, 0.7, 0.6], 24), 12)
    values = week + 0.05 * np.random.default_rng(1).normal(size=len(week))
    assert find_season(values, 200) == 24
    assert find_seasons(values, 200) == [24, 168]
    assert find_seasons(np.random.default_rng(1).normal(size=400), 150) == []


@pytest.mark.parametrize("values", [
    RNG.normal(size=400), RNG.normal(size=400).cumsum(), np.zeros(400), np.full(400, 0.1),
    np.arange(400.0), np.array([]), np.array([1.0]), np.array([1.0, 2.0, 1.0, 2.0])],
    ids=["noise", "walk", "zero", "constant", "line", "none", "one", "four"])
def test_what_has_no_season(values):
    assert find_season(values, 150) is None


def test_no_season_is_longer_than_asked_for_or_than_half_the_samples():
    values = np.resize(np.eye(50)[7], 600)
    assert find_season(values, 49) is None
    assert find_season(values, 50) == 50
    assert find_season(values[:99], 99) is None


@pytest.mark.parametrize(("unit", "level"), [(1e-150, 0.0), (1e150, 0.0), (1.0, 1e6), (-3.0, 2.0)])
def test_unit_and_level_do_not_matter(unit, level):
    assert find_season(unit * (repeated(24) + level), 200) == 24


def test_a_trend_does_not_matter():
    assert find_season(repeated(12) + 0.5 * np.arange(600), 200) == 12


def test_the_correlation_of_steps_by_hand():
    """The season is the first lag of about the largest, larger than at both lags beside it."""
    values = repeated(9, 200, 0.5)
    steps = np.diff(values) - np.diff(values).mean()
    likeness = [np.sum(steps[lag:] * steps[: len(steps) - lag]) / np.sqrt(
        np.sum(steps[lag:] ** 2) * np.sum(steps[: len(steps) - lag] ** 2)) for lag in range(62)]
    peaks = [lag for lag in range(2, 61)
             if likeness[lag] > max(likeness[lag - 1], likeness[lag + 1])]
    most = max(likeness[lag] for lag in peaks)
    assert find_season(values, 60) == min(lag for lag in peaks if likeness[lag] >= most - 0.03) == 9


@pytest.mark.parametrize("gaps", [[], [5, 6, 30], np.flatnonzero(RNG.uniform(size=80) < 0.5)])
def test_correlations_are_of_pairs_of_steps_that_are_known(gaps):
    values = repeated(6, 80, 0.5)
    values[gaps] = np.nan
    steps = np.diff(values)
    found, pairs = _autocorrelations(steps, 20)
    steps -= np.nanmean(steps)
    for lag in range(21):
        early, late = steps[: len(steps) - lag], steps[lag:]
        both = ~np.isnan(early * late)
        early, late = early[both], late[both]
        assert pairs[lag] == both.sum() > 0
        assert found[lag] == pytest.approx(
            early @ late / np.sqrt((early @ early) * (late @ late)), abs=1e-12)


def test_a_season_is_found_between_gaps_that_lines_would_hide():
    generator = np.random.default_rng(3)
    values = np.resize([0.0, 3.0, 1.0, 5.0, 2.0], 600) + 0.1 * generator.normal(size=600)
    missing = generator.uniform(size=600) < 0.5
    known = np.where(missing, np.nan, values)
    places = np.arange(600)
    filled = np.interp(places, places[~missing], values[~missing])
    assert find_season(known, 100) == 5
    assert find_season(filled, 100) != 5
    assert find_season(np.where(missing, np.nan, generator.normal(size=600)), 100) is None
    assert find_season(np.full(600, np.nan), 100) is None
    assert find_season(np.where(places % 2, np.nan, values), 100) is None  # no step is known
