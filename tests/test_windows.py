from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.windows import hankel


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
