"""Time stamps, identifiers, steps of time and exact fractions, as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from relu_forecast.storage.arrays import DTYPES, Array
from relu_forecast.storage.encoding import FLAG, TEXT, WHOLE, Kind, Many, Maybe, Named, Place, Whole
from relu_forecast.storage.values import VALUE, Declaration, NotKept, Of, declare

_ZONE = re.compile(r"(?!dateutil)[A-Za-z0-9_+-]{1,60}(/[A-Za-z0-9_+-]{1,60})*|UTC[+-]\d\d:\d\d")
"""Time zones by name or offset: no path, and no other form for which pandas reads a file."""
_MASKED = re.compile(r"U?Int(8|16|32|64)|Float(32|64)")
_LABELS = ("str", "string", "object")
_SCALARS = (str, int, float, bool)

_Take = Callable[[Any], dict[str, Any]]
_Make = Callable[[Any, dict[str, Any]], Any]


@dataclass(frozen=True)
class Label:
    """A name or an identifier: text, a number, true or false; or None."""

    def encode(self, value: Any, place: Place) -> Any:
        """Return the label."""
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is not None and type(plain) not in _SCALARS:
            raise place.refusal(value)
        return plain

    def decode(self, node: Any, place: Place) -> Any:
        """Return the label."""
        place.require(node is None or type(node) in _SCALARS, "a label", node)
        return node


def _exact(kinds: dict[str, Kind], take: _Take, make: _Make) -> Declaration:
    """Return how objects are kept that are refused unless they come back as they were."""
    def exactly(value: Any) -> dict[str, Any]:
        indexed = isinstance(value, pd.Index)
        refusal = NotKept(f"an index of dtype {value.dtype}" if indexed else "")
        fields = {**take(value), "name": value.name} if indexed else take(value)
        try:
            again = make(type(value), dict(fields))
        except (TypeError, ValueError) as error:
            raise refusal from error
        same = again.dtype == value.dtype and again.identical(value) if indexed else again == value
        if not same:
            raise refusal
        return fields

    return Declaration(lambda: kinds, exactly, make)


def _offset_fields(offset: BaseOffset) -> dict[str, Any]:
    """Return the alias of a frequency, or the number and the keywords of a DateOffset."""
    if type(offset) is not pd.DateOffset:
        return {"alias": offset.freqstr, "n": 1, "keywords": {}}
    if not all(type(word) is int for word in offset.kwds.values()):
        raise NotKept
    return {"alias": None, "n": offset.n, "keywords": dict(offset.kwds)}


def _offset(kept: type, values: dict[str, Any]) -> Any:
    """Return a frequency."""
    if values["alias"] is None:
        return pd.DateOffset(n=values["n"], **values["keywords"])
    return to_offset(values["alias"])


def _duration_fields(step: timedelta) -> dict[str, Any]:
    """Return a step of time as a count of its unit."""
    ticks = pd.Timedelta(step).to_timedelta64()
    return {"ticks": int(ticks.astype(np.int64)), "unit": np.datetime_data(ticks.dtype)[0]}


def _index_fields(index: pd.Index) -> dict[str, Any]:
    """Return values as an array, or as labels, of an index without a class of its own."""
    dtype = str(index.dtype)
    if dtype in _LABELS:
        return {"dtype": dtype, "array": None, "labels": list(index)}
    array = index.to_numpy(dtype=dtype.lower()) if _MASKED.fullmatch(dtype) else index.to_numpy()
    return {"dtype": dtype, "array": array, "labels": None}


def _index(kept: type, values: dict[str, Any]) -> Any:
    """Return an index of an array, or of labels."""
    dtype, array = values["dtype"], values["array"]
    labelled = array is None and values["labels"] is not None and dtype in _LABELS
    numbered = array is not None and values["labels"] is None and dtype.lower() == str(array.dtype)
    if not (labelled or numbered):
        raise ValueError(f"an index of dtype {dtype} needs an array of it, or labels")
    entries = values["labels"] if labelled else array
    return pd.Index(entries, dtype=dtype, name=values["name"])


def _datetimes(kept: type, values: dict[str, Any]) -> pd.DatetimeIndex:
    """Return datetimes of counts of their unit since 1970, UTC, in their time zone."""
    times = pd.DatetimeIndex(values["ticks"].view(f"M8[{values['unit']}]"), name=values["name"])
    if values["zone"] is not None:
        if not _ZONE.fullmatch(values["zone"]):
            raise ValueError(f"no time zone: {values['zone']!r}")
        times = times.tz_localize("UTC").tz_convert(values["zone"])
    return pd.DatetimeIndex(times, freq=values["freq"])


def _categories(kept: type, values: dict[str, Any]) -> pd.CategoricalIndex:
    """Return values by their positions among categories."""
    codes = pd.Categorical.from_codes(
        values["codes"], values["categories"], ordered=values["ordered"])
    return pd.CategoricalIndex(codes, name=values["name"])


_OFFSET = _exact({"alias": Maybe(TEXT), "n": WHOLE, "keywords": Named(WHOLE)},
                 _offset_fields, _offset)
_DURATION = Declaration(
    lambda: {"ticks": WHOLE, "unit": TEXT}, _duration_fields,
    lambda kept, values: pd.Timedelta(np.timedelta64(values["ticks"], values["unit"])))
_FRACTION = Declaration(
    lambda: {"numerator": WHOLE, "denominator": Whole(1)},
    lambda value: {"numerator": value.numerator, "denominator": value.denominator},
    lambda kept, values: Fraction(**values))
VALUE.forms.update({"offset": (BaseOffset, _OFFSET), "duration": (timedelta, _DURATION),
                    "fraction": (Fraction, _FRACTION)})

_TICKS, _FREQ = Array(dtypes=("int64",)), Maybe(_OFFSET)
_INDEXES: list[tuple[type, dict[str, Kind], _Take, _Make]] = [
    (pd.Index, {"dtype": TEXT, "array": Maybe(Array(dtypes=DTYPES)),
                "labels": Maybe(Many(Label()))}, _index_fields, _index),
    (pd.RangeIndex, {"start": WHOLE, "stop": WHOLE, "step": WHOLE},
     lambda index: {"start": index.start, "stop": index.stop, "step": index.step},
     lambda kept, values: kept(**values)),
    (pd.DatetimeIndex, {"ticks": _TICKS, "unit": TEXT, "zone": Maybe(TEXT), "freq": _FREQ},
     lambda index: {"ticks": index.asi8, "unit": index.unit, "freq": index.freq,
                    "zone": index.tz and str(index.tz)}, _datetimes),
    (pd.TimedeltaIndex, {"ticks": _TICKS, "unit": TEXT, "freq": _FREQ},
     lambda index: {"ticks": index.asi8, "unit": index.unit, "freq": index.freq},
     lambda kept, values: kept(values["ticks"].view(f"m8[{values['unit']}]"), freq=values["freq"],
                               name=values["name"])),
    (pd.PeriodIndex, {"ticks": _TICKS, "freq": TEXT},
     lambda index: {"ticks": index.asi8, "freq": index.freqstr},
     lambda kept, values: kept.from_ordinals(
         values["ticks"], freq=values["freq"], name=values["name"])),
    (pd.CategoricalIndex, {"categories": Of(pd.Index), "codes": _TICKS, "ordered": FLAG},
     lambda index: {"categories": index.categories, "ordered": index.ordered,
                    "codes": index.codes.astype(np.int64)}, _categories),
]
for _kept, _kinds, _take, _make in _INDEXES:
    declare(_kept, _exact({**_kinds, "name": Label()}, _take, _make), f"pandas.{_kept.__name__}")
