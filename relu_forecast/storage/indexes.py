"""Time stamps, identifiers, steps of time and exact fractions, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from relu_forecast.storage.arrays import DTYPES, Array
from relu_forecast.storage.encoding import (
    FLAG,
    TEXT,
    WHOLE,
    Fields,
    Json,
    Kind,
    Many,
    Maybe,
    Named,
    Place,
    Whole,
)
from relu_forecast.storage.registry import Declaration, NotKept, declare
from relu_forecast.storage.values import VALUE, Of

_ZONE = re.compile(r"(?!dateutil)[A-Za-z0-9_+-]{1,60}(/[A-Za-z0-9_+-]{1,60})*|UTC[+-]\d\d:\d\d")
"""Time zones by name or offset: no path, and no other form for which pandas reads a file."""
_MASKED = re.compile(r"U?Int(8|16|32|64)|Float(32|64)")
_LABELS = ("str", "string", "object")
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Label:
    """A name or an identifier: text, a number, true or false; or None."""

    def encode(self, value: Any, place: Place) -> Json:
        """Return the label."""
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is not None and type(plain) not in _SCALARS:
            raise place.refusal(value)
        return plain

    def decode(self, node: Json, place: Place) -> Any:
        """Return the label."""
        place.require(node is None or type(node) in _SCALARS, "a label", node)
        return node


@dataclass(frozen=True)
class Offset:
    """A frequency of pandas: its alias, or a number and the keywords of a DateOffset."""

    def encode(self, value: BaseOffset, place: Place) -> Json:
        """Return alias, number and keywords."""
        plain = type(value) is pd.DateOffset
        alias, keywords = (None, dict(value.kwds)) if plain else (value.freqstr, {})
        if not (all(type(word) is int for word in keywords.values())
                and _is_alias_of(alias, value)):
            raise place.refusal(value)
        return {"alias": alias, "n": value.n if plain else 1, "keywords": keywords}

    def decode(self, node: Json, place: Place) -> BaseOffset:
        """Return the offset."""
        kept = Fields(_FREQUENCY).decode(node, place)
        with place.blamed():
            if kept["alias"] is None:
                return pd.DateOffset(n=kept["n"], **kept["keywords"])
            offset: BaseOffset = to_offset(kept["alias"])
            return offset


_FREQUENCY: Mapping[str, Kind] = {"alias": Maybe(TEXT), "n": WHOLE, "keywords": Named(WHOLE)}


def _is_alias_of(alias: str | None, offset: BaseOffset) -> bool:
    """Tell whether an alias, if there is one, stands for all of a frequency."""
    try:
        return alias is None or to_offset(alias) == offset
    except ValueError:
        return False


@dataclass(frozen=True)
class Duration:
    """A step of time, as a count of its unit."""

    def encode(self, value: timedelta, place: Place) -> Json:
        """Return count and unit."""
        step = pd.Timedelta(value).to_timedelta64()
        return {"ticks": int(step.astype(np.int64)), "unit": np.datetime_data(step.dtype)[0]}

    def decode(self, node: Json, place: Place) -> pd.Timedelta:
        """Return the step."""
        kept = Fields({"ticks": WHOLE, "unit": TEXT}).decode(node, place)
        with place.blamed():
            return pd.Timedelta(np.timedelta64(kept["ticks"], kept["unit"]))


def _named(*names: str, **others: str) -> Callable[[Any], Mapping[str, Any]]:
    """Return how to take fields that are attributes of an index, some by other names."""
    attributes = {**{name: name for name in (*names, "name")}, **others}
    return lambda index: {field: getattr(index, name) for field, name in attributes.items()}


def _index_fields(index: pd.Index) -> dict[str, Any]:
    """Return values as an array, or as labels, of an index without a class of its own."""
    dtype = str(index.dtype)
    if dtype in _LABELS:
        return {"dtype": dtype, "array": None, "labels": list(index), "name": index.name}
    array = index.to_numpy(dtype=dtype.lower()) if _MASKED.fullmatch(dtype) else index.to_numpy()
    return {"dtype": dtype, "array": array, "labels": None, "name": index.name}


def _index(kind: type, values: dict[str, Any]) -> pd.Index:
    """Return an index of an array, or of labels."""
    dtype, array = values["dtype"], values["array"]
    labelled = array is None and values["labels"] is not None and dtype in _LABELS
    numbered = array is not None and values["labels"] is None and dtype.lower() == str(array.dtype)
    if not (labelled or numbered):
        raise ValueError(f"an index of dtype {dtype} needs an array of it, or labels")
    index: pd.Index = pd.Index(
        values["labels"] if labelled else array, dtype=dtype, name=values["name"])
    return index


def _datetime_fields(index: pd.DatetimeIndex) -> dict[str, Any]:
    """Return datetimes as counts of their unit since 1970, UTC."""
    return {"ticks": index.asi8, "unit": index.unit, "zone": index.tz and str(index.tz),
            "freq": index.freq, "name": index.name}


def _datetimes(kind: type, values: dict[str, Any]) -> pd.DatetimeIndex:
    """Return datetimes in their time zone."""
    times = pd.DatetimeIndex(values["ticks"].view(f"M8[{values['unit']}]"), name=values["name"])
    if values["zone"] is not None:
        if not _ZONE.fullmatch(values["zone"]):
            raise ValueError(f"no time zone: {values['zone']!r}")
        times = times.tz_localize("UTC").tz_convert(values["zone"])
    return pd.DatetimeIndex(times, freq=values["freq"])


def _timedeltas(kind: type, values: dict[str, Any]) -> pd.TimedeltaIndex:
    """Return steps of time."""
    return pd.TimedeltaIndex(
        values["ticks"].view(f"m8[{values['unit']}]"), freq=values["freq"], name=values["name"])


def _periods(kind: type, values: dict[str, Any]) -> pd.PeriodIndex:
    """Return periods."""
    return pd.PeriodIndex.from_ordinals(  # type: ignore[attr-defined, no-any-return]
        values["ticks"], freq=values["freq"], name=values["name"])


def _categorical_fields(index: pd.CategoricalIndex) -> dict[str, Any]:
    """Return categories, and the position of each value among them."""
    return {"categories": index.categories, "codes": index.codes.astype(np.int64),
            "ordered": index.ordered, "name": index.name}


def _categories(kind: type, values: dict[str, Any]) -> pd.CategoricalIndex:
    """Return values out of categories."""
    codes = pd.Categorical.from_codes(
        values["codes"], values["categories"], ordered=values["ordered"])
    return pd.CategoricalIndex(codes, name=values["name"])


@dataclass(frozen=True)
class Ratio:
    """An exact fraction: numerator and denominator."""

    def encode(self, value: Fraction, place: Place) -> Json:
        """Return both."""
        return {"numerator": value.numerator, "denominator": value.denominator}

    def decode(self, node: Json, place: Place) -> Fraction:
        """Return the fraction."""
        parts: Mapping[str, Kind] = {"numerator": WHOLE, "denominator": Whole(1)}
        return Fraction(*Fields(parts).decode(node, place).values())


def _declare(
    kept: type[pd.Index], kinds: Mapping[str, Kind], take: Callable[[Any], Mapping[str, Any]],
    make: Callable[[type, dict[str, Any]], Any],
) -> None:
    """Declare an index, which is refused unless it comes back as it was."""
    def exactly(index: pd.Index) -> Mapping[str, Any]:
        fields = take(index)
        try:
            again = make(kept, dict(fields))
        except (TypeError, ValueError) as error:
            raise NotKept(f"an index of dtype {index.dtype}") from error
        if again.dtype != index.dtype or not again.identical(index):
            raise NotKept(f"an index of dtype {index.dtype}")
        return fields

    declare(kept, Declaration(lambda: kinds, exactly, make), f"pandas.{kept.__name__}")


_NAME, _TICKS, _FREQ = Label(), Array(dtypes=("int64",)), Maybe(Offset())
_declare(pd.Index, {
    "dtype": TEXT, "array": Maybe(Array(dtypes=DTYPES)), "labels": Maybe(Many(_NAME)),
    "name": _NAME}, _index_fields, _index)
_declare(pd.RangeIndex, {"start": WHOLE, "stop": WHOLE, "step": WHOLE, "name": _NAME},
         _named("start", "stop", "step"), lambda kind, values: kind(**values))
_declare(pd.DatetimeIndex, {
    "ticks": _TICKS, "unit": TEXT, "zone": Maybe(TEXT), "freq": _FREQ, "name": _NAME},
    _datetime_fields, _datetimes)
_declare(pd.TimedeltaIndex, {"ticks": _TICKS, "unit": TEXT, "freq": _FREQ, "name": _NAME},
         _named("unit", "freq", ticks="asi8"), _timedeltas)
_declare(pd.PeriodIndex, {"ticks": _TICKS, "freq": TEXT, "name": _NAME},
         _named(ticks="asi8", freq="freqstr"), _periods)
_declare(pd.CategoricalIndex, {
    "categories": Of(pd.Index), "codes": _TICKS, "ordered": FLAG, "name": _NAME},
    _categorical_fields, _categories)
VALUE.forms.update({"offset": (BaseOffset, Offset()), "duration": (timedelta, Duration()),
                    "fraction": (Fraction, Ratio())})
