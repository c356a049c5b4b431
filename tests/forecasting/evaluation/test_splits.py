"""Splits: cutoffs against brute force, and folds that cover them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation.splits import Splits


def brute_force_cutoffs(length, first_fit, splits):
    """Every position that leaves enough before and after it, and is in step with the end."""
    step = splits.h if splits.step_size is None else splits.step_size
    last = length - 1 - splits.gap - splits.h
    return [
        cutoff for cutoff in range(length)
        if cutoff + 1 >= first_fit and cutoff <= last and (last - cutoff) % step == 0
    ]


SPLITS = st.builds(
    Splits, h=st.integers(1, 6), n_windows=st.none() | st.integers(1, 8),
    step_size=st.none() | st.integers(1, 7), input_size=st.none() | st.integers(1, 25),
    gap=st.integers(0, 4), refit=st.booleans() | st.integers(1, 5))


@settings(max_examples=50)
@given(splits=SPLITS, length=st.integers(1, 60), shortest=st.integers(1, 12))
def test_cutoffs_are_those_of_brute_force(splits, length, shortest):
    assume(splits.input_size is None or splits.input_size >= shortest)
    half = -(-length // 2) if splits.n_windows is None else 1
    first_fit = max(half, shortest, splits.input_size or 1)
    possible = brute_force_cutoffs(length, first_fit, splits)
    if len(possible) < (splits.n_windows or 1):
        with pytest.raises(InvalidArgumentError, match="data must be at least") as caught:
            splits.cutoffs(length, shortest)
        assert str(length) in caught.value.got
    else:
        wanted = possible[-(splits.n_windows or len(possible)) :]
        assert splits.cutoffs(length, shortest).tolist() == wanted


@settings(max_examples=50)
@given(splits=SPLITS, length=st.integers(1, 60), shortest=st.integers(1, 12))
def test_the_length_that_the_error_asks_for_is_enough(splits, length, shortest):
    assume(splits.n_windows is not None)
    assume(splits.input_size is None or splits.input_size >= shortest)
    try:
        splits.cutoffs(length, shortest)
    except InvalidArgumentError as error:
        needed = int(error.required.split()[2])
        assert len(splits.cutoffs(needed, shortest)) == splits.n_windows
        with pytest.raises(InvalidArgumentError):
            splits.cutoffs(needed - 1, shortest)


@settings(max_examples=50)
@given(splits=SPLITS, length=st.integers(50, 120))
def test_folds_share_fits_and_cover_the_cutoffs(splits, length):
    assume((splits.n_windows or 0) * (splits.step_size or splits.h) < length - 40)
    cutoffs, folds = splits.cutoffs(length, 1), splits.folds(length, 1)
    np.testing.assert_array_equal(np.concatenate([fold.cutoffs for fold in folds]), cutoffs)
    sizes = {True: 1, False: len(cutoffs)}.get(splits.refit, splits.refit)
    for fold in folds:
        assert fold.fit_stop == fold.cutoffs[0] + 1
        size = fold.fit_stop - fold.fit_start
        assert size == (splits.input_size or fold.fit_stop)
    assert all(len(fold.cutoffs) == sizes for fold in folds[:-1])
    assert 1 <= len(folds[-1].cutoffs) <= sizes
