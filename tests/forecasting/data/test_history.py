"""What is known at a cutoff: against pandas, which fills the truncated series each time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from relu_forecast.forecasting.data.history import History, Past, SeriesArrays

LENGTH, REACH = 14, 3


@st.composite
def gappy(draw, columns):
    """Columns with missing samples, the first never."""
    values = draw(arrays(
        np.float64, (LENGTH, columns), elements=st.floats(-1e3, 1e3) | st.just(np.nan)))
    values[0] = np.nan_to_num(values[0])
    return values


@st.composite
def samples(draw):
    """A series with two columns of the past and one that is known ahead."""
    ahead = np.arange(float(LENGTH + REACH))[:, np.newaxis]
    return SeriesArrays(draw(gappy(1))[:, 0], draw(gappy(2)), ahead)


def filled(column, cutoff):
    """What pandas makes of a column that ends at the cutoff."""
    return pd.Series(column[: cutoff + 1]).interpolate().ffill().to_numpy()


@settings(max_examples=60)
@given(known=samples(), start=st.integers(0, 12), size=st.integers(1, 14))
def test_a_history_is_the_truncated_series_filled(known, start, size):
    stop = min(start + size, LENGTH)
    history = known.history(start, stop)
    assert len(history) == stop - start
    np.testing.assert_allclose(history.values, filled(known.values, stop - 1)[start:], atol=1e-9)
    for own, column in zip(history.past.T, known.past.T, strict=True):
        np.testing.assert_allclose(own, filled(column, stop - 1)[start:], atol=1e-9)
    np.testing.assert_array_equal(history.future, known.future[start:stop])


@settings(max_examples=60)
@given(known=samples(), length=st.integers(1, 5), data=st.data())
def test_a_past_is_what_each_cutoff_knows_and_no_more(known, length, data):
    cutoffs = np.array(data.draw(
        st.lists(st.integers(length - 1, LENGTH - 1), min_size=1, max_size=4, unique=True)))
    fit_stop = data.draw(st.integers(1, int(cutoffs.min()) + 1))
    past = known.past_at(cutoffs, fit_stop, length, REACH)
    for place, cutoff in enumerate(cutoffs):
        window = slice(cutoff + 1 - length, cutoff + 1)
        np.testing.assert_allclose(
            past.windows[place], filled(known.values, cutoff)[window], atol=1e-9)
        for column in range(2):
            np.testing.assert_allclose(
                past.past[place, :, column], filled(known.past[:, column], cutoff)[window],
                atol=1e-9)
        np.testing.assert_array_equal(
            past.future[place], known.future[cutoff + 1 : cutoff + 1 + REACH])
        assert past.elapsed[place] == cutoff - fit_stop + 1
    expected = [filled(known.values, at)[-1] for at in range(fit_stop, cutoffs.max() + 1)]
    np.testing.assert_allclose(past.recent.values, expected, atol=1e-9)


@settings(max_examples=40)
@given(known=samples(), stop=st.integers(1, LENGTH))
def test_what_is_cut_off_cannot_be_reached(known, stop):
    part = known.until(stop, REACH)
    assert (len(part), len(part.past), len(part.future)) == (stop, stop, stop + REACH)
    for name in ("values", "past", "future"):
        one, whole = getattr(part, name), getattr(known, name)
        assert one.base is None
        assert not np.shares_memory(one, whole)
    np.testing.assert_array_equal(part.history(0, stop).values, known.history(0, stop).values)


def test_complete_samples_stay_exactly_as_they_are():
    values = np.array([0.1, 0.2, 0.7, -0.3])
    plain = SeriesArrays(values, np.empty((4, 0)), np.empty((4, 0)))
    np.testing.assert_array_equal(plain.history(1, 4).values, values[1:])
    past = plain.past_at(np.array([3]), 4, 2, 5)
    np.testing.assert_array_equal(past.windows, [[0.7, -0.3]])
    assert past.recent.values.shape == (0,)
    assert (past.past.shape, past.future.shape) == ((1, 2, 0), (1, 5, 0))


@pytest.mark.parametrize("values", [[1, 2, 3], [1.5]])
def test_plain_histories_and_pasts_have_no_columns(values):
    history = History.of(values)
    assert (history.past.shape, history.future.shape) == ((len(values), 0), (len(values), 0))
    past = Past.of(np.ones((2, 3)), 4)
    assert (past.past.shape, past.future.shape) == ((2, 3, 0), (2, 4, 0))
    assert past.elapsed.tolist() == [0, 0]
