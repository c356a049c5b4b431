"""Values as data, in one file: safetensors with a JSON document, never pickle.

This room knows no class of the rooms above: each class declares in its own module how its objects
are kept, see `stored`, `stored_estimator` and `declare`.
"""

from relu_forecast.storage.arrays import MATRIX, VECTOR, Array, Tensor
from relu_forecast.storage.declarations import kind_of, stored, stored_estimator, with_parameters
from relu_forecast.storage.encoding import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Added,
    Choice,
    DamageError,
    Fields,
    Kind,
    Many,
    Maybe,
    Named,
    Number,
    Tuple,
    Whole,
)
from relu_forecast.storage.estimators import ScikitLearn
from relu_forecast.storage.files import check_storable, decode, encode, load, save, write_file
from relu_forecast.storage.indexes import Label
from relu_forecast.storage.values import VALUE, Declaration, NotKept, Of, declare

__all__ = [
    "COUNT", "FLAG", "MATRIX", "NUMBER", "TEXT", "VALUE", "VECTOR", "WHOLE", "Added", "Array",
    "Choice", "DamageError", "Declaration", "Fields", "Kind", "Label", "Many", "Maybe", "Named",
    "NotKept", "Number", "Of", "ScikitLearn", "Tensor", "Tuple", "Whole", "check_storable",
    "declare", "decode", "encode", "kind_of", "load", "save", "stored", "stored_estimator",
    "with_parameters", "write_file",
]
