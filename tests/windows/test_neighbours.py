"""The search for nearest windows: against the distances of all pairs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from relu_forecast.windows import neighbours
from relu_forecast.windows.neighbours import TIE, Chunks, crowded_out, nearest

view = np.lib.stride_tricks.sliding_window_view
RNG = np.random.default_rng(0)
WALK = np.cumsum(RNG.normal(size=900))
SERIES = {
    "walk": WALK, "noise": RNG.normal(size=900), "whole": np.round(3 * np.sin(np.arange(900) / 9)),
    "coarse": np.round(WALK), "constant": np.full(900, 0.1), "line": 0.1 * np.arange(900),
    "wave": np.sin(2 * np.pi * np.arange(900) / 25),
    "flat, then a walk": np.r_[np.zeros(450), WALK[:450]],
    "walk, then flat": np.r_[WALK[:450], np.zeros(450)], "slow": np.cos(np.arange(900) / 250)}


def by_definition(windows, queries, k, relative=True, own=None, apart=0):
    """Sort all windows by the rounded distance, and then the newer first; leave out near ones."""
    found = []
    centre = windows[:, -1].mean()

    def shifted(rows):
        return rows - (rows[:, -1:] if relative else centre)

    step = TIE * np.sqrt((shifted(windows) ** 2).sum(axis=1).mean()) or 1.0
    for place, query in enumerate(shifted(queries)):
        distances = np.sqrt(((shifted(windows) - query) ** 2).sum(axis=1))
        if own is not None:
            distances[np.abs(np.arange(len(windows)) - own[place]) < apart] = np.inf
        found.append(np.lexsort((-np.arange(len(windows)), np.rint(distances / step)))[:k])
    return np.array(found)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("name", SERIES)
def test_nearest_windows_are_those_of_all_distances(name, relative):
    windows, queries = view(SERIES[name][:700], 12), view(SERIES[name][650:], 12)
    np.testing.assert_array_equal(nearest(windows, queries, 5, relative=relative),
                                  by_definition(windows, queries, 5, relative))


@pytest.mark.parametrize("apart", [0, 1, 17])
@pytest.mark.parametrize("name", SERIES)
def test_windows_near_in_time_are_not_found(name, apart):
    windows, own = view(SERIES[name][:700], 12), np.arange(0, 650, 3)
    queries = view(SERIES[name], 12)[own]
    found = nearest(windows, queries, 5, own=own, apart=apart)
    assert (np.abs(found - own[:, np.newaxis]) >= apart).all()
    np.testing.assert_array_equal(
        found, by_definition(windows, queries, 5, own=own, apart=apart))
    few = nearest(windows, queries, 5, own=own, apart=apart, chunks=Chunks(7, 31))
    np.testing.assert_array_equal(few, found)


@given(apart=st.integers(0, 9), n=st.integers(1, 30))
def test_no_more_windows_are_too_near_than_is_said(apart, n):
    near = [sum(abs(i - j) < apart for i in range(n)) for j in range(n)]
    assert max(near) <= crowded_out(apart)
    assert n < 2 * apart or max(near) == crowded_out(apart)


@given(n=st.integers(1, 40), lags=st.integers(1, 5), k=st.integers(1, 50), seed=st.integers(0, 99),
       queries=st.integers(1, 9), chunk=st.integers(1, 50), relative=st.booleans())
def test_neither_chunks_nor_other_queries_change_what_is_found(
        n, lags, k, seed, queries, chunk, relative):
    values = np.random.default_rng(seed).integers(-2, 3, n + lags - 1 + 9).astype(float)
    windows, asked = view(values[: n + lags - 1], lags), view(values, lags)[-9:]
    expected = by_definition(windows, asked, k, relative)
    found = nearest(windows, asked, k, relative=relative, chunks=Chunks(queries, chunk))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(nearest(windows, asked[3:4], k, relative=relative), expected[3:4])


def test_candidates_are_compared_in_pieces(monkeypatch):
    windows, queries = view(WALK[:700], 12), view(WALK[650:], 12)
    monkeypatch.setattr(neighbours, "GATHERED", 2000)
    np.testing.assert_array_equal(
        nearest(windows, queries, 70), by_definition(windows, queries, 70))


def test_newer_windows_come_first_where_distances_are_equal():
    windows = np.array([[0.0, 1.0], [2.0, 2.0], [5.0, 6.0], [7.0, 7.0], [4.0, 5.0]])
    assert nearest(windows, np.array([[8.0, 9.0]]), 4).tolist() == [[4, 2, 0, 3]]
    assert nearest(windows, np.array([[3.0, 3.0]]), 2, relative=False).tolist() == [[1, 4]]
    nearer = windows + np.array([[0.0, 0.0]] * 4 + [[1e-9, 0.0]])  # by less than is told apart
    assert nearest(nearer, np.array([[8.0, 9.0]]), 4).tolist() == [[4, 2, 0, 3]]
    farther = windows + np.array([[0.0, 0.0]] * 4 + [[1e-3, 0.0]])
    assert nearest(farther, np.array([[8.0, 9.0]]), 4).tolist() == [[2, 0, 4, 3]]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6, 1 / 3])
@pytest.mark.parametrize("level", [0.0, 1e6, -1e6])
@pytest.mark.parametrize("name", ["coarse", "whole", "wave"])
def test_ties_fall_the_same_way_in_any_unit_and_at_any_level(name, level, scale):
    values = SERIES[name] / SERIES[name].std()
    other = scale * (values + level)
    np.testing.assert_array_equal(nearest(view(other[:700], 12), view(other[650:], 12), 5),
                                  nearest(view(values[:700], 12), view(values[650:], 12), 5))


@pytest.mark.parametrize("relative", [True, False])
def test_rounding_of_products_does_not_choose(relative):
    # Squares of 1e16, distances of about 1: in the products alone nothing is left of them.
    wave = 1e8 * np.sin(2 * np.pi * np.arange(900) / 25)
    values = np.rint(wave) + np.round(4 * RNG.normal(size=900))
    windows, queries = view(values[:700], 12), view(values[650:], 12)
    for step in (TIE, 1e-9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(neighbours, "TIE", step)
            found = nearest(windows, queries, 5, relative=relative)
            patch.setitem(globals(), "TIE", step)
            np.testing.assert_array_equal(found, by_definition(windows, queries, 5, relative))


def test_threads_of_products_do_not_matter():
    windows, queries = view(WALK[:800], 40), view(WALK[700:], 40)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(nearest(windows, queries, 5))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("values", [np.sin(np.arange(40_300) / 7000), np.zeros(40_300)],
                         ids=["ever nearer", "all equal"])
def test_memory_does_not_grow_with_windows_and_queries(values):
    # All distances would be 12 million numbers, all windows 2 million.
    windows, queries = view(values[:40_000], 50), view(values[-349:], 50)
    tracemalloc.start()
    nearest(windows, queries, 3, chunks=Chunks(64, 256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6


def test_no_query_finds_nothing():
    assert nearest(view(WALK, 5), np.empty((0, 5)), 3).shape == (0, 3)
