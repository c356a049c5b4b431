"""Classes are found by the keys under which they were declared, and in no other way."""

import sys

import pytest

from relu_forecast.storage import Declaration, NotKept, declare, decode, encode
from relu_forecast.storage.registry import UnknownClassError, class_of, declaration_of, key_of


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
    from relu_forecast.storage import WHOLE

    return Declaration(lambda: {"size": WHOLE}, take, lambda kept, fields: kept(**fields))


def test_keys():
    from relu_forecast.baselines import RidgeAR
    from relu_forecast.networks.modules import ReLUNetwork

    assert key_of(RidgeAR) == "relu_forecast.baselines.RidgeAR"
    assert key_of(ReLUNetwork) == "relu_forecast.networks.ReLUNetwork"
    assert key_of(Own) == f"{Own.__module__}.Own"


def test_a_class_of_somebody_else_is_found_once_it_is_declared():
    assert declaration_of(Own) is None
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
