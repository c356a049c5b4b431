"""What commands print: JSON documents for scripts, tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
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


def print_table(frame: pd.DataFrame, title: str) -> None:
    """Print a frame, its index first; – stands for what there is not."""
    shown = frame.astype(object).map(_shown).where(frame.notna(), "–")
    headings = [str(frame.index.name or ""), *map(str, frame.columns)]
    OUT.print(table(shown, title, headings, [""] * frame.shape[1]))


def table(frame: pd.DataFrame, title: str, headings: Sequence[str],
          formats: Sequence[str]) -> Table:
    """Lay a frame out for a terminal; its index becomes the first column.

    There is a heading for the first and each other column, and a format specification, such as
    ``".4f"``, for each but the first.
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


def _plain(value: Any) -> Any:
    """Return what JSON has for a value: of times ISO 8601, and of identifiers their text."""
    match value:
        case None | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case np.generic():
            return _plain(value.item())
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
