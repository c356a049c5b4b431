"""Classes that say how they are kept: by their annotations, or by the kinds they name."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from jaxtyping import Bool, Float
from sklearn.base import BaseEstimator, RegressorMixin

from relu_forecast.exceptions import InvalidTypeError
from relu_forecast.storage import (
    COUNT,
    FLAG,
    MATRIX,
    NUMBER,
    TEXT,
    VALUE,
    VECTOR,
    WHOLE,
    Added,
    Array,
    Choice,
    DamageError,
    Many,
    Maybe,
    Of,
    Tensor,
    Tuple,
    Whole,
    check_storable,
    decode,
    encode,
    kind_of,
    stored,
    stored_estimator,
)


@stored(count=Whole(1))
@dataclass(frozen=True)
class Part:
    """A part."""

    count: int
    name: str | None = None


@stored(levels=VECTOR)
@dataclass(frozen=True)
class PartSet:
    """Some parts."""

    parts: tuple[Part, ...]
    levels: npt.NDArray[np.float64]
    method: Literal["a", "b"]
    best: Part | None = None
    anything: Any = field(default_factory=dict)

    def check_stored(self):
        if len(self.parts) != len(self.levels):
            raise ValueError("there must be a level per part")


@stored()
class Plain:
    """A class that is no dataclass."""

    def __init__(self, weight: Float[torch.Tensor, "m d"], *, scale: float = 1.0):
        self.weight = weight
        self.scale = scale


@stored_estimator(coef_=VECTOR, n_features_in_=COUNT)
class Mine(RegressorMixin, BaseEstimator):
    """A regressor."""

    best_: Part

    def __init__(self, size=1):
        self.size = size

    def fit(self, X, y):
        self.coef_, self.n_features_in_, self.best_ = np.ones(X.shape[1]), X.shape[1], Part(3)
        return self

    def predict(self, X):
        return X @ self.coef_


SET = PartSet((Part(1, "x"), Part(2)), np.arange(2.0), "b", Part(3), {"any": (1, 2.5)})


def test_dataclasses_come_back():
    again = decode(*encode(SET))
    assert again.parts == SET.parts
    assert (again.best, again.method, again.anything) == (Part(3), "b", {"any": (1, 2.5)})
    np.testing.assert_array_equal(again.levels, SET.levels)


def test_other_classes_come_back_by_the_arguments_of_their_constructor():
    again = decode(*encode(Plain(torch.eye(2), scale=2.5)))
    assert torch.equal(again.weight, torch.eye(2))
    assert again.scale == 2.5


@pytest.mark.parametrize(("change", "match"), [
    ({"method": "c"}, "one of 'a', 'b'"), ({"parts": []}, "a level per part"),
    ({"best": {"class": "pandas.RangeIndex", "start": 0, "stop": 1, "step": 1, "name": None}},
     "best is not a Part"), ({"best": "x"}, "not a Part"), ({"more": 1}, "an object of")])
def test_parts_that_do_not_belong_together_are_refused(change, match):
    document, tensors = encode(SET)
    with pytest.raises(DamageError, match=match):
        decode({**document, **change}, tensors)


def test_estimators_come_back_with_all_that_fit_set_or_nothing():
    assert vars(decode(*encode(Mine(3)))) == {"size": 3}
    again = decode(*encode(Mine(2).fit(np.ones((3, 4)), np.ones(3))))
    assert (again.size, again.n_features_in_, again.best_) == (2, 4, Part(3))
    np.testing.assert_array_equal(again.coef_, np.ones(4))
    document, tensors = encode(Mine())
    document["parameters"]["depth"] = 1
    with pytest.raises(DamageError, match="Mine has no parameter 'depth'"):
        decode(document, tensors)


def test_a_subclass_says_for_itself_how_it_is_kept():
    class Other(Mine):
        pass

    with pytest.raises(InvalidTypeError, match="Other"):
        check_storable(Other())


@pytest.mark.parametrize(("hint", "kind"), [
    (float, NUMBER), (int, WHOLE), (str, TEXT), (bool, FLAG), (Any, VALUE),
    (float | None, Maybe(NUMBER)), (Literal["x", None], Choice(("x", None))),
    (tuple[int, ...], Tuple((WHOLE,), repeated=True)), (tuple[int, str], Tuple((WHOLE, TEXT))),
    (list[str], Many(TEXT)), (npt.NDArray[np.float64], Array(None)), (pd.Index, Of(pd.Index)),
    (Fraction, Of(Fraction)), (int | str, Of(int | str)),
    (Float[torch.Tensor, "m d"], Tensor((2,), (torch.float64, torch.float32))),
    (Bool[torch.Tensor, ""], Tensor((0,), (torch.bool,))),
    (Bool[torch.Tensor, "n *d"], Tensor((1, 2, 3), (torch.bool,)))])
def test_kinds_follow_from_annotations(hint, kind):
    assert kind_of(hint) == kind
    assert Array((2,)) == MATRIX


def test_fields_that_were_added_have_their_value_of_before_in_older_files():
    @stored(sites=Added(TEXT, "global"))
    @dataclass(frozen=True)
    class Grown:
        level: float
        sites: str = "flatten"

    document, tensors = encode(Grown(1.0, "two"))
    assert decode(document, dict(tensors)) == Grown(1.0, "two")
    for wrong in ({"level": 1.0, "sites": 3}, {"level": 1.0, "other": 1}, {"sites": "two"}):
        with pytest.raises(DamageError):
            decode({"class": document["class"], **wrong}, {})
    assert decode({"class": document["class"], "level": 1.0}, {}) == Grown(1.0, "global")
