from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.windows.sliding import hankel, patches


@given(lags=st.integers(1, 8), horizon=st.integers(1, 6), surplus=st.integers(0, 12))
def test_hankel_equals_slicing_row_by_row(lags, horizon, surplus):
    series = np.random.default_rng(0).normal(size=lags + horizon + surplus)
    X, y = hankel(series, lags, horizon)
    rows = range(surplus + 1)
    np.testing.assert_array_equal(X, [series[t : t + lags] for t in rows])
    ahead = np.array([series[t + lags : t + lags + horizon] for t in rows])
    np.testing.assert_array_equal(y, ahead[:, 0] if horizon == 1 else ahead)


@pytest.mark.parametrize("horizon", [1, 3])
def test_hankel_copies_no_sample(horizon):
    series = np.arange(50.0)
    X, y = hankel(series, 10, horizon)
    assert np.shares_memory(X, series)
    assert np.shares_memory(y, series)


@pytest.mark.parametrize("horizon", [1, 3])
def test_hankel_cannot_be_used_to_change_the_series(horizon):
    series = np.arange(50.0)
    for view in hankel(series, 10, horizon):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1.0
    series[0] = -1.0
    assert series[0] == -1.0


def test_hankel_takes_the_values_of_a_pandas_series_whatever_its_index():
    X, y = hankel(pd.Series([1, 2, 3], index=[30, 10, 20]), lags=2)
    assert X.tolist() == [[1.0, 2.0]]
    assert y.tolist() == [3.0]


@pytest.mark.parametrize("argument", ["lags", "horizon"])
@pytest.mark.parametrize(("value", "error"), [
    (0, InvalidArgumentError), (-2, InvalidArgumentError), (1.5, InvalidTypeError),
    (None, InvalidTypeError)])
def test_hankel_refuses_sizes_below_one_and_fractions(argument, value, error):
    with pytest.raises(error) as caught:
        hankel(np.arange(9.0), **{"lags": 2, "horizon": 2, argument: value})
    assert caught.value.argument == argument


@pytest.mark.parametrize(("lags", "horizon"), [(36, 1), (30, 7)])
def test_hankel_refuses_a_series_without_one_window(lags, horizon):
    with pytest.raises(InvalidArgumentError) as caught:
        hankel(np.arange(36.0), lags, horizon)
    message = str(caught.value)
    assert f"lags + horizon = {lags + horizon} samples" in message
    assert "got 36 samples" in message


@pytest.mark.parametrize("series", [
    [1.0, np.nan, 2.0], [1.0, np.inf, 2.0], [], [[1.0, 2.0]], "abc"])
def test_hankel_checks_the_series(series):
    with pytest.raises(InvalidArgumentError, match="^series must be "):
        hankel(series, 1)


@given(h=st.integers(1, 6), surplus=st.integers(0, 7), stride=st.integers(1, 5),
       n=st.integers(1, 4))
def test_patches_equal_slicing_one_by_one(h, surplus, stride, n):
    d = h + surplus
    X = np.random.default_rng(0).normal(size=(n, d))
    expected = [[row[start : start + h] for start in range(0, d - h + 1, stride)] for row in X]
    np.testing.assert_array_equal(patches(X, h, stride), expected)
    np.testing.assert_array_equal(patches(torch.tensor(X), h, stride), expected)
    assert patches(X, h, stride).shape == (n, surplus // stride + 1, h)


def test_patches_are_views_in_the_dtype_and_kind_of_the_windows():
    X = np.arange(12.0, dtype=np.float32).reshape(2, 6)
    cut = patches(X, 3, 2)
    assert np.shares_memory(cut, X)
    assert cut.dtype == np.float32
    tensor = torch.tensor(X)
    assert patches(tensor, 3, 2).untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    assert patches(tensor, 3, 2).dtype == torch.float32


def test_patches_of_windows_are_shorter_windows():
    series = np.random.default_rng(1).normal(size=12)
    windows, _ = hankel(series, 5)
    short, _ = hankel(series, 3)
    np.testing.assert_array_equal(patches(windows, 3)[:, 1], short[1:8])


def test_a_filter_as_long_as_the_window_makes_one_patch_whatever_the_stride():
    X = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(patches(X, 4, 9), X[:, None])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
@pytest.mark.parametrize(("argument", "value", "error"), [
    ("filter_size", 5, InvalidArgumentError), ("filter_size", 0, InvalidArgumentError),
    ("filter_size", 2.0, InvalidTypeError), ("filter_size", True, InvalidTypeError),
    ("stride", 0, InvalidArgumentError), ("stride", -1, InvalidArgumentError),
    ("stride", 1.5, InvalidTypeError), ("X", [1.0, 2.0, 3.0], InvalidArgumentError),
    ("X", [[[1.0, 2.0]]], InvalidArgumentError), ("X", np.zeros((0, 4)), InvalidArgumentError),
    ("X", np.zeros((4, 0)), InvalidArgumentError)])
def test_patches_name_what_they_refuse(kind, argument, value, error):
    value = kind(value) if argument == "X" else value
    with pytest.raises(error) as caught:
        patches(**{"X": kind(np.ones((2, 4))), "filter_size": 2, argument: value})
    assert caught.value.argument == argument


def test_a_filter_longer_than_the_windows_hears_their_length():
    with pytest.raises(InvalidArgumentError, match="at most the length of the windows, 4; got 5"):
        patches(np.ones((2, 4)), 5)
