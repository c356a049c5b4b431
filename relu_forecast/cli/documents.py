"""What commands print: JSON documents for scripts, tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from relu_forecast.cli.session import OUT

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it


def print_document(document: Mapping[str, Any]) -> None:
    """Print a document as JSON: times are ISO 8601, and numbers that are not finite null."""
    sys.stdout.write(json.dumps(_plain(document), indent=2, allow_nan=False) + "\n")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame, without its index."""
    return [dict(zip(frame.columns, row, strict=True))
            for row in frame.itertuples(index=False, name=None)]


def print_table(frame: pd.DataFrame, title: str) -> None:
    """Print a frame, its index first; – stands for what there is not."""
    shown = frame.astype(object).map(_shown).where(frame.notna(), "–")
    headings = [str(frame.index.name or ""), *map(str, frame.columns)]
    OUT.print(table(shown, title, headings, [""] * frame.shape[1]))


def table(
    frame: pd.DataFrame, title: str, headings: Sequence[str], formats: Sequence[str]
) -> Table:
    """Lay a frame out for a terminal.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its index becomes the first column.
    title : str
        Above the table.
    headings : sequence of str
        Of the first and the other columns.
    formats : sequence of str
        Format specifications of the other columns, such as ``".4f"``.
    """
    laid_out = Table(title=title, title_justify="left", header_style="bold")
    for position, heading in enumerate(headings):
        laid_out.add_column(escape(heading), justify="right" if position else "left")
    for row in frame.itertuples(name=None):
        cells = [format(value, form) for value, form in zip(row[1:], formats, strict=True)]
        laid_out.add_row(str(row[0]), *cells)
    return laid_out


def _shown(value: Any) -> str:
    """Return a value with four digits, as a person reads it."""
    return format(value, ".4g") if isinstance(value, float) else str(value)


@singledispatch
def _plain(value: Any) -> Any:
    """Return what JSON has for a value; here, a time in ISO 8601, or the text of an identifier."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


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


@_plain.register
def _(value: Mapping) -> Any:  # type: ignore[type-arg]  # singledispatch takes plain classes
    return {str(key): _plain(one) for key, one in value.items()}


@_plain.register(list)
@_plain.register(tuple)
def _(value: Sequence[Any]) -> Any:
    return [_plain(one) for one in value]
