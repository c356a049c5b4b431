"""What commands print: JSON documents for scripts, tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from relu_forecast.cli.session import OUT


def print_document(document: Mapping[str, Any]) -> None:
    """Print a document as JSON: times are ISO 8601, and numbers that are not finite null."""
    sys.stdout.write(json.dumps(_plain(document), indent=2, allow_nan=False) + "\n")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame, without its index."""
    return [dict(zip(frame.columns, row, strict=True))
            for row in frame.itertuples(index=False, name=None)]


def print_table(frame: pd.DataFrame, title: str) -> None:
    """Print a frame, its index first; – stands for what there is not."""
    from relu_forecast.cli.demo import experiment as report

    shown = frame.astype(object).map(_shown)
    headings = [str(frame.index.name or ""), *map(str, frame.columns)]
    OUT.print(report.table(shown, title, headings, [""] * frame.shape[1]))


def _shown(value: Any) -> str:
    """Return a value with four digits, as a person reads it."""
    if pd.isna(value):
        return "–"
    return format(value, ".4g") if isinstance(value, float) else str(value)


@singledispatch
def _plain(value: Any) -> Any:
    """Return what JSON has for a value; here, the text of an identifier."""
    return str(value)


@_plain.register(type(None))
@_plain.register(str)
@_plain.register(int)
def _(value: Any) -> Any:
    return value


@_plain.register
def _(value: float) -> Any:
    return value if math.isfinite(value) else None


@_plain.register
def _(value: np.generic) -> Any:
    return _plain(value.item())


@_plain.register(pd.Timestamp)
@_plain.register(pd.Timedelta)
def _(value: Any) -> Any:
    return value.isoformat()


@_plain.register
def _(value: Mapping) -> Any:  # type: ignore[type-arg]  # singledispatch takes plain classes
    return {str(key): _plain(one) for key, one in value.items()}


@_plain.register(list)
@_plain.register(tuple)
def _(value: Sequence[Any]) -> Any:
    return [_plain(one) for one in value]
