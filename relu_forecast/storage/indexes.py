"""How time stamps, identifiers, steps of time and clocks are kept as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from relu_forecast.storage.encoding import (
    DTYPES,
    FLAG,
    TEXT,
    WHOLE,
    Array,
    DamageError,
    Fields,
    Json,
    Kind,
    Many,
    Maybe,
    Named,
    Place,
    Record,
    Tagged,
    Whole,
)

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


def _timedelta_fields(value: pd.Timedelta) -> dict[str, Any]:
    """Return a step of time as a count of its unit."""
    step = value.to_timedelta64()
    return {"ticks": step.astype(np.int64), "unit": np.datetime_data(step.dtype)[0]}


def _timedelta(kind: type, values: dict[str, Any]) -> pd.Timedelta:
    """Return a step of time."""
    return pd.Timedelta(np.timedelta64(values["ticks"], values["unit"]))


TIMEDELTA = Record(
    "pandas", {"ticks": WHOLE, "unit": TEXT}, _timedelta_fields, _timedelta)


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


def _range_fields(index: pd.RangeIndex) -> dict[str, Any]:
    """Return the ends and the step of a range."""
    return {"start": index.start, "stop": index.stop, "step": index.step, "name": index.name}


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


def _timedelta_index_fields(index: pd.TimedeltaIndex) -> dict[str, Any]:
    """Return steps of time as counts of their unit."""
    return {"ticks": index.asi8, "unit": index.unit, "freq": index.freq, "name": index.name}


def _timedeltas(kind: type, values: dict[str, Any]) -> pd.TimedeltaIndex:
    """Return steps of time."""
    return pd.TimedeltaIndex(
        values["ticks"].view(f"m8[{values['unit']}]"), freq=values["freq"], name=values["name"])


def _period_fields(index: pd.PeriodIndex) -> dict[str, Any]:
    """Return periods as their ordinals."""
    return {"ticks": index.asi8, "freq": index.freqstr, "name": index.name}


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


_NAME, _TICKS, _FREQ = Label(), Array(dtypes=("int64",)), Maybe(Offset())

_PLAIN: Mapping[str, Record] = {
    "Index": Record("pandas", {
        "dtype": TEXT, "array": Maybe(Array(dtypes=DTYPES)), "labels": Maybe(Many(_NAME)),
        "name": _NAME}, _index_fields, _index),
    "RangeIndex": Record("pandas", {
        "start": WHOLE, "stop": WHOLE, "step": WHOLE, "name": _NAME}, _range_fields),
    "DatetimeIndex": Record("pandas", {
        "ticks": _TICKS, "unit": TEXT, "zone": Maybe(TEXT), "freq": _FREQ, "name": _NAME},
        _datetime_fields, _datetimes),
    "TimedeltaIndex": Record("pandas", {
        "ticks": _TICKS, "unit": TEXT, "freq": _FREQ, "name": _NAME},
        _timedelta_index_fields, _timedeltas),
    "PeriodIndex": Record("pandas", {
        "ticks": _TICKS, "freq": TEXT, "name": _NAME}, _period_fields, _periods),
}


@dataclass(frozen=True)
class Index:
    """An index of pandas, of one of the classes that the records name."""

    records: Mapping[str, Record]

    def encode(self, value: pd.Index, place: Place) -> Json:
        """Return the index, if it comes back as it was."""
        node = Tagged(self.records).encode(value, place)
        beside = {name: tensor for name, tensor in place.tensors.items()
                  if name.startswith(f"{place.path}/")}
        try:
            again = Tagged(self.records).decode(node, Place(place.path, beside))
        except DamageError as error:
            raise place.refusal(value) from error
        if again.dtype != value.dtype or not again.identical(value):
            raise place.refusal(value)
        return node

    def decode(self, node: Json, place: Place) -> pd.Index:
        """Return the index."""
        index: pd.Index = Tagged(self.records).decode(node, place)
        return index


INDEX = Index({**_PLAIN, "CategoricalIndex": Record("pandas", {
    "categories": Tagged(_PLAIN), "codes": _TICKS, "ordered": FLAG, "name": _NAME},
    _categorical_fields, _categories)})
"""Any index that a panel may have."""


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
