"""Contexts: stretches of the past against literal loops."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.storage import decode, encode
from relu_forecast.windows import Context

STRETCHES = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), min_size=1, max_size=6)


def by_hand(context, window):
    """Mean of each stretch: its newest sample is ``lag`` from the end."""
    means = []
    for lag, width in zip(context.lags, context.widths, strict=True):
        samples = [window[len(window) - lag - place] for place in range(width)]
        means.append(sum(samples) / width)
    return means


@settings(max_examples=60)
@given(STRETCHES)
def test_stretches_are_means_of_their_samples(stretches):
    context = Context(*zip(*stretches, strict=True))
    windows = np.random.default_rng(0).normal(size=(3, context.length))
    expected = [by_hand(context, window) for window in windows]
    np.testing.assert_allclose(context.pool(windows), expected, atol=1e-12)
    np.testing.assert_allclose(
        context.pool(windows[:, np.newaxis]), np.array(expected)[:, np.newaxis], atol=1e-12)
    assert context.size == len(stretches)
    assert context.length == max(lag + width - 1 for lag, width in stretches)


@settings(max_examples=60)
@given(length=st.integers(1, 900), per_width=st.integers(1, 20))
def test_growing_stretches_cover_the_past_once(length, per_width):
    context = Context.multiresolution(length, per_width)
    covered = [lag + place for lag, width in zip(context.lags, context.widths, strict=True)
               for place in range(width)]
    assert sorted(covered) == list(range(1, context.length + 1))
    assert list(context.lags) == sorted(context.lags, reverse=True)
    assert list(context.widths) == sorted(context.widths, reverse=True)
    assert set(context.widths) == {2**power for power in range(len(set(context.widths)))}
    assert max(context.widths.count(width) for width in set(context.widths)) <= per_width
    assert 0 <= length - context.length < 2 * max(context.widths)


def test_the_newest_samples_are_seen_as_they_are():
    context = Context.multiresolution(240)
    assert context.lags[-16:] == tuple(range(16, 0, -1))
    assert context.widths == (8,) * 16 + (4,) * 16 + (2,) * 16 + (1,) * 16
    assert Context.multiresolution(16) == Context.of(16)


def test_what_lags_stand_for():
    assert Context.of(3) == Context((3, 2, 1), (1, 1, 1)) == Context.of([1, 2, 3])
    assert Context.of(np.int64(2)) == Context.of(range(1, 3)) == Context.of(np.array([2, 1]))
    season = Context.of((24, 1))
    assert season == Context.of([1, 24]) == Context.of(season)
    window = np.arange(24.0)
    np.testing.assert_array_equal(season.pool(window), [0.0, 23.0])
    assert Context.of(5).pool(window[:5]) is not None
    assert (Context.of(5).is_plain, season.is_plain) == (True, False)
    assert not Context((2, 1), (1, 2)).is_plain


@pytest.mark.parametrize(("context", "name"), [
    (Context.of(7), "7"), (Context.of([1, 24]), "2 lags up to 24"),
    (Context.multiresolution(6, 2), "6 by growing means")])
def test_contexts_have_names(context, name):
    assert str(context) == name


@pytest.mark.parametrize("lags", [0, -1, 2.5, True, [], [0, 1], [1, 1], [1.5], np.array([]),
                                  10**12, [10**12]])
def test_other_numbers_are_refused(lags):
    with pytest.raises(InvalidArgumentError, match=r"lags must be .*Pass a number of samples"):
        Context.of(lags)


@pytest.mark.parametrize("lags", [None, "15", "auto"])
def test_what_is_no_number_is_refused(lags):
    with pytest.raises(InvalidTypeError, match=re.escape(f"got {lags!r}")):
        Context.of(lags)


@pytest.mark.parametrize("context", [
    Context((), ()), Context((1, 2), (1,)), Context((0,), (1,)), Context((1,), (0,))])
def test_stored_contexts_are_checked(context):
    with pytest.raises(ValueError, match="lags|width"):
        context.check_stored()


def test_contexts_come_back_from_files():
    context = Context.multiresolution(100)
    assert decode(*encode(context)) == context
