"""Kinds of values: what they write they read, and nothing else."""

import math

import pytest

from relu_forecast.exceptions import InvalidTypeError
from relu_forecast.storage import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Choice,
    DamageError,
    Fields,
    Many,
    Maybe,
    Named,
    Number,
    Tuple,
    Whole,
)
from relu_forecast.storage.encoding import Place

PAIR = Tuple((TEXT, Maybe(NUMBER)))
BOTH = Fields({"a": WHOLE, "b": FLAG})


def place():
    return Place("here", {})


@pytest.mark.parametrize(("kind", "value"), [
    (TEXT, "x"), (FLAG, True), (WHOLE, -(10**40)), (COUNT, 0), (NUMBER, 1e-300),
    (Number(finite=False), math.inf), (Number(finite=False), -math.inf), (Maybe(TEXT), None),
    (Choice(("n", 2, None)), 2), (Many(WHOLE), [1, 2]), (Tuple((WHOLE,), repeated=True), (1, 2)),
    (PAIR, ("x", None)), (Named(WHOLE), {"x": 1}), (BOTH, {"a": 1, "b": False})])
def test_values_come_back(kind, value):
    again = kind.decode(kind.encode(value, place()), place())
    assert again == value
    assert type(again) is type(value)


def test_not_a_number_comes_back():
    kind = Number(finite=False)
    assert math.isnan(kind.decode(kind.encode(math.nan, place()), place()))


@pytest.mark.parametrize(("kind", "node", "match"), [
    (TEXT, 1, "here is not of type str but 1"), (FLAG, 1, "of type bool"), (WHOLE, 1.0, "whole"),
    (WHOLE, True, "whole"), (WHOLE, 2**4097, "in range"), (COUNT, -1, "in range"),
    (Whole(1, 3), 4, "in range"), (NUMBER, 1, "a finite number"), (NUMBER, "nan", "finite"),
    (Number(finite=False), "one", "finite"), (Choice(("n", 1)), True, "one of 'n', 1"),
    (Many(WHOLE), {}, "a list"), (Many(WHOLE), [1, "x"], "here/1 is not a whole"),
    (PAIR, ["x"], "a list of 2"), (PAIR, "xy", "a list"), (Named(WHOLE), [1], "an object"),
    (Named(WHOLE), {"x": None}, "here/x is not"), (BOTH, {"a": 1}, "an object of a, b"),
    (BOTH, {"a": 1, "b": True, "c": 1}, "an object of a, b"), (BOTH, [], "an object")])
def test_other_values_are_refused(kind, node, match):
    with pytest.raises(DamageError, match=match):
        kind.decode(node, place())


def test_errors_say_where_and_are_short():
    with pytest.raises(DamageError, match=r"^here/x is of no use: long") as caught, (
            place().at("x").blamed()):
        raise ValueError("long " * 1000)
    assert len(str(caught.value)) < 400
    with pytest.raises(DamageError, match="KeyError"), place().blamed():
        raise KeyError
    refusal = place().refusal(object())
    assert isinstance(refusal, InvalidTypeError)
    assert "builtins.object at here" in str(refusal)
