from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.validation import (
    as_samples,
    as_targets,
    check_choice,
    check_int,
    check_non_negative,
    check_positive,
    check_positive_int,
    check_real,
    check_values,
)

NOT_INTEGERS = [True, np.True_, 2.0, np.float64(2), "2", None, [2], Fraction(2)]
NOT_NUMBERS = [True, np.True_, "1.5", None, [1.5], 1j, Decimal("1.5")]
NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan")]


@pytest.mark.parametrize("value", [1, 7, np.int32(7), np.uint8(7)])
def test_check_positive_int_returns_a_python_int(value):
    checked = check_positive_int(value, "lags")
    assert type(checked) is int
    assert checked == value


@pytest.mark.parametrize("value", NOT_INTEGERS)
def test_check_int_refuses_other_types(value):
    with pytest.raises(InvalidTypeError, match=r"^h must be an integer >= 0; got .*Count\.$"):
        check_int(value, "h", minimum=0, remedy="Count.")


@given(minimum=st.integers(), value=st.integers())
def test_check_int_keeps_exactly_what_reaches_the_minimum(minimum, value):
    if value >= minimum:
        assert check_int(value, "h", minimum=minimum, remedy="Count.") == value
    else:
        with pytest.raises(InvalidArgumentError, match=f"h must be an integer >= {minimum}; got"):
            check_int(value, "h", minimum=minimum, remedy="Count.")


@pytest.mark.parametrize("value", [0, -3])
def test_check_positive_int_refuses_what_is_below_one(value):
    with pytest.raises(InvalidArgumentError, match=f"lags must be an integer >= 1; got {value}"):
        check_positive_int(value, "lags")


@pytest.mark.parametrize("check", [check_positive, check_non_negative])
@pytest.mark.parametrize("value", [1, 0.25, np.float32(0.25), Fraction(1, 4)])
def test_number_checks_return_a_python_float(check, value):
    checked = check(value, "beta")
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize("check", [check_positive, check_non_negative])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_number_checks_refuse_other_types(check, value):
    with pytest.raises(InvalidTypeError, match="^beta must be a number; got "):
        check(value, "beta")


@pytest.mark.parametrize("check", [check_positive, check_non_negative])
@pytest.mark.parametrize("value", NOT_FINITE)
def test_number_checks_refuse_nan_and_infinity(check, value):
    with pytest.raises(InvalidArgumentError, match="^beta must be finite; got "):
        check(value, "beta")


def test_only_non_negative_takes_zero():
    assert check_non_negative(0, "beta") == 0.0
    with pytest.raises(InvalidArgumentError, match="beta must be a finite number > 0; got 0"):
        check_positive(0, "beta")
    with pytest.raises(InvalidArgumentError, match="beta must be a finite number >= 0; got -1"):
        check_non_negative(-1, "beta")


def test_the_callers_remedy_ends_the_message():
    for check in (check_positive_int, check_positive, check_non_negative, check_real):
        with pytest.raises(InvalidArgumentError, match=r"Ask a friend\.$"):
            check(None, "beta", "Ask a friend.")


@pytest.mark.parametrize("value", ["relu", None, False, 2])
def test_check_choice_returns_the_value(value):
    assert check_choice(value, "option", ["relu", None, False, 2]) is value


@pytest.mark.parametrize("value", ["ReLU", 1, 0, True, 2.0, [2], np.arange(3)])
def test_check_choice_does_not_mistake_equal_values_of_other_types(value):
    with pytest.raises(InvalidArgumentError, match="option must be one of 'relu', None, False, 2"):
        check_choice(value, "option", ["relu", None, False, 2])


@pytest.mark.parametrize("values", [
    [1, 2, 3], (1.0, 2.0, 3.0), range(1, 4), np.array([1, 2, 3], dtype=np.uint8),
    np.array([1, 2, 3], dtype=np.float16), pd.Series([1, 2, 3], index=[9, 8, 7]),
    pd.Index([1.0, 2.0, 3.0])])
def test_check_values_takes_vectors_of_numbers(values):
    checked = check_values(values, "series")
    assert checked.dtype == np.float64
    assert checked.tolist() == [1.0, 2.0, 3.0]


def test_check_values_does_not_copy_float64():
    values = np.arange(3.0)
    assert np.shares_memory(check_values(values, "series"), values)


@pytest.mark.parametrize("values", [
    ["1", "2"], [True, False], [1j], [None, 1.0], [Decimal(1)], pd.to_datetime(["2026-01-01"]),
    pd.to_timedelta(["1s"]), "123", None])
def test_check_values_refuses_what_is_not_numeric(values):
    with pytest.raises(InvalidTypeError, match="^series must be real numbers; got dtype "):
        check_values(values, "series")


@pytest.mark.parametrize(("values", "shape"), [
    (3.0, "()"), (np.zeros((2, 1)), "(2, 1)"), (pd.DataFrame({"a": [1.0]}), "(1, 1)")])
def test_check_values_refuses_other_dimensions(values, shape):
    with pytest.raises(InvalidArgumentError) as caught:
        check_values(values, "series")
    assert caught.value.required == "one-dimensional"
    assert caught.value.got == f"shape {shape}"


def test_check_values_refuses_nothing():
    with pytest.raises(InvalidArgumentError, match="series must be non-empty; got length 0"):
        check_values(np.array([]), "series")


@given(hnp.arrays(np.float64, st.integers(1, 30)))
def test_check_values_counts_and_places_what_is_not_finite(values):
    bad = [position for position, value in enumerate(values) if not math.isfinite(value)]
    if bad:
        with pytest.raises(InvalidArgumentError) as caught:
            check_values(values, "series")
        assert caught.value.got == (
            f"{len(bad)} NaN or infinite values, the first at position {bad[0]}")
    else:
        assert check_values(values, "series") is values


@pytest.mark.parametrize("bad", [
    "abc", [["a", "b"]], None, [[1.0, None]], [[1.0], [1.0, 2.0]], [[1j, 2.0]], [[True, False]],
    np.array([["2020-01-01"]], dtype="datetime64[D]"), torch.zeros(2, 2, dtype=torch.float16),
    torch.zeros(2, 2, dtype=torch.complex64)])
def test_samples_that_are_no_real_numbers_are_type_errors(bad):
    with pytest.raises(InvalidTypeError, match="^X must be"):
        as_samples(bad)
    with pytest.raises(InvalidTypeError, match="^y must be"):
        as_targets(bad, torch.zeros(2, 2).double())


def test_samples_are_finite_unmasked_and_of_two_or_three_axes():
    for bad in ([[1.0, np.nan]], [[np.inf, 1.0]], [1.0, 2.0], np.zeros((0, 2)),
                np.ma.masked_array([[1.0, 2.0]], [[True, False]])):
        with pytest.raises(InvalidArgumentError, match="^X must be"):
            as_samples(bad)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_targets_are_a_vector_or_a_matrix_of_a_row_per_sample(shape):
    targets = as_targets(np.ones(shape), torch.zeros(4, 2))
    assert targets.shape == shape
    assert targets.dtype == torch.float32


@pytest.mark.parametrize("shape", [(), (3,), (0,), (4, 0), (3, 2), (4, 2, 1), (1, 4)])
def test_targets_of_another_form_are_refused(shape):
    with pytest.raises(InvalidArgumentError, match=r"^y must be a vector of 4 targets, one per"):
        as_targets(np.ones(shape), torch.zeros(4, 2).double())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_targets_with_a_value_of_no_use_in_any_column_are_refused(bad):
    targets = np.ones((4, 3))
    targets[2, 1] = bad
    with pytest.raises(InvalidArgumentError, match=r"^y must be finite"):
        as_targets(targets, torch.zeros(4, 2).double())
    with pytest.raises(InvalidArgumentError, match=r"^y must be of magnitude"):
        as_targets(np.where(np.isfinite(targets), 1.0, 1e200), torch.zeros(4, 2).double())


def test_tensors_come_detached_and_whole_numbers_as_float64():
    X = torch.ones(3, 2, dtype=torch.float32, requires_grad=True)
    assert not as_samples(X).requires_grad
    assert as_samples(X).dtype == torch.float32
    assert as_samples(torch.ones(3, 2, dtype=torch.int64)).dtype == torch.float64
    assert as_samples([[1, 2]]).dtype == torch.float64
