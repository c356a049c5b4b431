"""Values of any form come back as they were; classes are found by their keys, in no other way."""

import sys
from collections import OrderedDict, namedtuple
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidTypeError
from relu_forecast.storage import (
    WHOLE,
    DamageError,
    Declaration,
    NotKept,
    Of,
    declare,
    decode,
    encode,
)
from relu_forecast.storage.encoding import Place
from relu_forecast.storage.values import DECLARATIONS, UnknownClassError, class_of, key_of

SCALARS = (st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text())
KEYS = SCALARS | st.tuples(SCALARS, SCALARS)
PLAIN = st.recursive(SCALARS, lambda inner: (
    st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(KEYS, inner, max_size=3)), max_leaves=8)


@given(PLAIN)
def test_plain_data_comes_back(value):
    again = decode(*encode(value))
    assert again == value
    assert repr(again) == repr(value)


@pytest.mark.parametrize("value", [
    pd.Timedelta("7s"), timedelta(days=2), pd.offsets.MonthEnd(2), pd.DateOffset(days=3),
    Fraction(1, 3)], ids=repr)
def test_other_forms_come_back(value):
    assert decode(*encode([value])) == [value]


def test_arrays_and_scalars_come_back():
    value = {"a": (np.arange(3), torch.ones(2)), "b": np.float64(2.5), "c": np.int64(3)}
    again = decode(*encode(value))
    np.testing.assert_array_equal(again["a"][0], [0, 1, 2])
    assert torch.equal(again["a"][1], torch.ones(2))
    assert (again["b"], again["c"]) == (2.5, 3)


@pytest.mark.parametrize("value", [
    object(), lambda: None, {1, 2}, b"x", namedtuple("Pair", "a b")(1, 2), OrderedDict(a=1),
    1j, np.datetime64("2020-01-01"), pd.Series([1.0])], ids=lambda each: type(each).__name__)
def test_what_has_no_form_is_refused(value):
    with pytest.raises(InvalidTypeError, match=rf"{type(value).__name__} at tuple/1|datetime"):
        encode(("x", value))


@pytest.mark.parametrize(("node", "match"), [
    ({}, "a value"), ({"tuple": [], "number": "inf"}, "a value"), ({"tuple": {}}, "a list"),
    ({"pickle": "x"}, "a value"), ({"dict": [[[], 1]]}, "unhashable"), ({"number": "x"}, "number"),
    ({"dict": [[1, 2], [1, 3]]}, "different keys"), ({"dict": [[1]]}, "a list of 2"),
    ({"class": 3}, "key of a class"), ({"array": "C"}, "among the tensors"),
    ({"fraction": {"numerator": 1, "denominator": 0}}, "in range"),
    ({"duration": {"ticks": 1, "unit": "parsec"}}, "no use"),
    ({"offset": {"alias": "fortnight", "n": 1, "keywords": {}}}, "no use")])
def test_damage_is_found(node, match):
    with pytest.raises(DamageError, match=match):
        decode(node, {})


def test_tensors_that_nobody_asks_for_are_found():
    with pytest.raises(DamageError, match="all that the tensors are for"):
        decode(None, {"x": np.ones(1)})


def test_values_of_another_class_are_refused():
    assert Of(int | str).decode("x", Place("", {})) == "x"
    with pytest.raises(DamageError, match="here is not a str but 'int'"):
        Of(str).decode(3, Place("here", {}))


class Own:
    """A class of somebody else."""

    def __init__(self, size):
        self.size = size


def take(own):
    """Return the fields of an object, unless it is too large."""
    if own.size > 9:
        raise NotKept("an object larger than 9")
    return {"size": own.size}


def declaration():
    """How `Own` is kept."""
    return Declaration(lambda: {"size": WHOLE}, take, lambda kept, fields: kept(**fields))


def test_keys():
    from relu_forecast.baselines import RidgeAR
    from relu_forecast.networks.modules import ReLUNetwork

    assert key_of(RidgeAR) == "relu_forecast.baselines.RidgeAR"
    assert key_of(ReLUNetwork) == "relu_forecast.networks.ReLUNetwork"
    assert key_of(Own) == f"{Own.__module__}.Own"


def test_a_class_of_somebody_else_is_found_once_it_is_declared():
    assert Own not in DECLARATIONS
    with pytest.raises(UnknownClassError):
        class_of("else.Own")
    declare(Own, declaration(), "else.Own")
    assert class_of("else.Own") is Own
    document, tensors = encode(Own(3))
    assert document == {"class": "else.Own", "size": 3}
    assert decode(document, tensors).size == 3
    with pytest.raises(TypeError, match="larger than 9 at the top"):
        encode(Own(10))


def test_a_class_that_is_defined_anew_takes_the_place_of_the_former():
    first, second = type("Twice", (Own,), {}), type("Twice", (Own,), {})
    for kept in (first, second):
        declare(kept, declaration(), "else.Twice")
    assert class_of("else.Twice") is second
    assert type(decode(*encode(first(1)))) is second


@pytest.mark.parametrize("key", [
    "os.system", "builtins.eval", "relu_forecast.baselines.np", "relu_forecast.baselines.arima.np",
    "relu_forecast.__main__.x", "relu_forecast..x", "relu_forecast.no_such_room.X",
    "relu_forecast.exceptions.InvalidTypeError", "", ".", "Naive", "a" * 10_000])
def test_nothing_else_is_looked_up(key):
    with pytest.raises(UnknownClassError) as caught:
        class_of(key)
    assert len(str(caught.value)) < 400


def test_no_module_of_others_is_imported():
    sys.modules.pop("this", None)
    with pytest.raises(UnknownClassError):
        class_of("this.Zen")
    assert "this" not in sys.modules


def test_the_remedy_names_the_module_to_import():
    assert "Import my.models first" in UnknownClassError("my.models.Mine").remedy
    assert "upgrade" in UnknownClassError("relu_forecast.baselines.Newest").remedy
