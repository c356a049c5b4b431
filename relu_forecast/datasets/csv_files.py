"""The text of CSV files: comment lines, names, separators and decimals."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from relu_forecast.datasets.entries import (
    TIME_PARSERS,
    is_numeric,
    listed,
    to_numbers,
    unread,
    without_thousands,
)
from relu_forecast.datasets.layout import TIME_NAMES, TableLayout
from relu_forecast.exceptions import InvalidArgumentError

_COMMENT = "#"
"""What begins a comment line above the names, where nothing else is said."""
_OTHER_SEPARATORS = (";", "\t", "|", ",")


def read_csv(path: Path, layout: TableLayout) -> pd.DataFrame:
    """Read a CSV file whose first row, but for comment lines, names the columns."""
    source = _source(path, layout)
    above = _lines_above(path, layout) if layout.comment is None else []
    if layout.sep is None:
        _check_separator(_beginning(path, layout), layout.separator)
    form: dict[str, Any] = {"sep": layout.separator, "skiprows": len(above),
                            "encoding": layout.text_encoding, "skipinitialspace": True}
    names = pd.read_csv(source, header=None, nrows=1, dtype="string", **form).iloc[0].dropna()
    _check_names(names, layout)
    _check_comments(above, names, layout)
    if isinstance(source, io.StringIO):
        source.seek(0)
    # Dates in a format of their own are text, even where they look like numbers: 01022026.
    texts = TIME_NAMES if layout.time_col is None else (layout.time_col,)
    kept = [name for name in names if name in {"ds", *texts} or name.lower() in texts]
    dtype = dict.fromkeys(kept, "string") if layout.date_format is not None else None
    frame: pd.DataFrame = pd.read_csv(source, decimal=layout.decimal, low_memory=False,
                                      index_col=False, dtype=dtype, **form)
    return frame if layout.thousands is None else _ungrouped(frame, layout)


def _ungrouped(frame: pd.DataFrame, layout: TableLayout) -> pd.DataFrame:
    """Return a frame with numbers in place of texts whose digits are in groups."""
    kept = {"ds", "unique_id", layout.time_col, layout.id_col}
    changed: dict[str, pd.Series] = {}
    for name in frame:
        if name in kept or str(name).lower() in TIME_NAMES or is_numeric(frame[name]):
            continue
        text = without_thousands(
            frame[name].astype("string"), layout.thousands or "", layout.decimal)
        numbers = to_numbers(text, layout.decimal)
        # What is no number is named later, and by then as it is in the file.
        changed[str(name)] = text if unread(text, numbers) else numbers
    return frame.assign(**changed)


def _source(path: Path, layout: TableLayout) -> Path | io.StringIO:
    """Return what pandas is to read: the file, or its text without the lines of a comment.

    Comment lines among samples may be data, such as those of a series that is called #1: they are
    left out only where the caller says what begins them.
    """
    comment = layout.comment
    if not comment:
        return path
    return io.StringIO("".join(
        line for line in _lines(path, layout) if not _begins(line, comment)))


def _begins(line: str, comment: str) -> bool:
    """Tell whether a line is a comment."""
    return line.lstrip().startswith(comment)


def _lines_above(path: Path, layout: TableLayout) -> list[str]:
    """Return the lines above the names, if there is a comment among them: it, and blank ones."""
    above = list(takewhile(lambda line: not line.strip() or _begins(line, _COMMENT),
                           _lines(path, layout)))
    return above if any(line.strip() for line in above) else []


def _lines(path: Path, layout: TableLayout) -> Iterator[str]:
    """Yield the lines of a file, with their ends."""
    with open(path, encoding=layout.text_encoding, newline="") as file:
        yield from file


def _beginning(path: Path, layout: TableLayout) -> list[str]:
    """Return the first two lines that are neither blank nor comments."""
    comment = _COMMENT if layout.comment is None else layout.comment
    lines = (line for line in _lines(path, layout) if line.strip()
             and not (comment and _begins(line, comment)))
    return [re.sub('"[^"]*"', "", line) for line in islice(lines, 2)]


def _check_separator(lines: list[str], used: str) -> None:
    """Refuse a file whose names and first sample something else separates, as far as one sees."""
    for other in _OTHER_SEPARATORS:
        counts = [line.count(other) for line in lines]
        if len(lines) < 2 or other == used or not all(counts):
            continue
        if lines[0].count(used) == 0 or counts[0] == counts[1]:
            separator = "tab" if other == "\t" else other
            raise InvalidArgumentError(
                "sep", "given where columns are not separated by " + repr(used),
                f"the names {lines[0].strip()!r}, which {separator!r} seems to separate",
                f"Pass sep={separator!r} (--sep {separator!r}), and decimal=',' (--decimal ',') if"
                f" decimals are commas; sep={used!r} if it is right.")


def _check_names(names: pd.Series, layout: TableLayout) -> None:
    """Refuse a first row of numbers and times: it is a sample, which must not get lost."""
    numbered = [str(position) for position in range(len(names))]  # as pandas names columns
    if _are_data(names, layout).all() and names.tolist() != numbered:
        raise InvalidArgumentError(
            "path", "a CSV file that names its columns in the first row",
            f"data there ({listed(names.tolist())})", "Add a first row, such as: y")
    if names.duplicated().any():
        twice = names[names.duplicated()].iloc[0]
        raise InvalidArgumentError(
            "path", "a CSV file whose columns have different names",
            f"{twice!r} twice ({listed(names.tolist())})", "Rename one of them in the file.")


def _are_data(texts: pd.Series, layout: TableLayout) -> pd.Series:
    """Tell which texts are numbers or times."""
    read = [to_numbers(texts, layout.decimal), *(parse(texts) for parse in TIME_PARSERS)]
    return pd.Series(np.logical_or.reduce([one.notna() for one in read]))


def _check_comments(above: list[str], names: pd.Series, layout: TableLayout) -> None:
    """Refuse a last comment line that may name the columns, where the row below it has data."""
    comments = [line.strip() for line in above if line.strip()]
    as_many = comments and comments[-1].count(layout.separator) == len(names) - 1 > 0
    if as_many and _are_data(names, layout).any():
        raise InvalidArgumentError(
            "comment", "given where comment lines may name the columns",
            f"{comments[-1]!r} above {layout.separator.join(names)!r}",
            "Pass comment='' (--comment '') if that line names the columns, comment='#' if not.")
