"""Samples from lines: plain numbers, or rows of a CSV file whose first one names the columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from relu_forecast.cli.options import LayoutOptions
from relu_forecast.cli.watch.fields import are_data, fields_of, is_number, number_of
from relu_forecast.datasets.layout import TIME_NAMES
from relu_forecast.exceptions import InvalidArgumentError

_COMMENT = "#"
"""What begins a comment above the names, where nothing else is said."""


class BadLineError(InvalidArgumentError):
    """A line is no sample, or none that can come next."""


class Sample(NamedTuple):
    """A sample, NaN where it is missing, and its time, None where lines have none."""

    value: float
    time: Any


@dataclass(frozen=True)
class Columns:
    """Which fields of a line are the value, the time and the identifier; None: there is none."""

    value: int
    time: int | None = None
    id: int | None = None


class SampleReader:
    """Reads one line after another.

    Parameters
    ----------
    options : LayoutOptions
        Where things are in a line, and how they are written.
    read_time : callable
        Returns the time that a text says.
    unique_id : str
        Of the series: lines that name another are left out.
    """

    def __init__(self, options: LayoutOptions, read_time: Callable[[str], Any],
                 unique_id: str) -> None:
        self._layout, self._column = options.layout(), options.column
        self._read_time, self._id = read_time, unique_id
        self._names: list[str] | None = None
        """Of the columns; empty for plain numbers, None while they are not known."""
        self._columns: Columns | None = None

    def read(self, line: bytes) -> Sample | None:
        """Return the sample of a line; None for names, comments and other series.

        Raises
        ------
        ValueError
            The line is none that can be read; it says what it must be.
        InvalidArgumentError
            The columns are not those that options name, or it is not clear which is meant.
        """
        text = _decoded(line, "utf-8-sig" if self._names is None else "utf-8")
        if self._is_comment(text) or (self._names != [] and not text.strip()):
            return None
        fields = [text] if self._names == [] else fields_of(text, self._layout.separator)
        if self._names is None:
            self._names = self._names_in(text, fields)
            if self._names:
                return None
            fields = [text]
        elif fields == self._names:
            return None  # the names again, as those send them who begin anew
        if self._names and len(fields) != len(self._names):
            raise ValueError(f"{len(self._names)} fields, as there are names")
        if self._columns is None:
            self._columns = self._found(self._names, fields)
        return self._sample(fields, self._columns)

    def state(self) -> dict[str, Any]:
        """Return what is known of the columns, as data."""
        found = self._columns
        return {"names": self._names,
                "columns": None if found is None else [found.value, found.time, found.id]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._names = state["names"]
        self._columns = None if state["columns"] is None else Columns(*state["columns"])

    def _is_comment(self, text: str) -> bool:
        """Tell whether a line is to be left out."""
        begins = self._layout.comment
        if begins is None:
            begins = _COMMENT if self._names is None else ""
        return bool(begins) and text.lstrip().startswith(begins)

    def _names_in(self, text: str, fields: list[str]) -> list[str]:
        """Return the names that a first line has; none if it is a plain number."""
        if is_number(text, self._layout.decimal):
            return []
        if are_data(fields, self._layout.decimal):
            raise InvalidArgumentError(
                "FILE", "one number a line, or a CSV file that names its columns in the first row",
                f"data there ({text[:80]!r})", "Send a first line, such as: time,y")
        return fields

    def _found(self, names: list[str], fields: list[str]) -> Columns:
        """Return where things are, from the names and the first row below them."""
        if not names:
            return Columns(0)
        layout = self._layout
        time = _placed(names, layout.time_col, "--time-col", "ds")
        if time is None and layout.time_col is None:
            called = [place for place, name in enumerate(names) if name.lower() in TIME_NAMES]
            time = called[0] if len(called) == 1 and len(names) > 1 else None
        series = _placed(names, layout.id_col, "--id-col", "unique_id")
        value = _placed(names, self._column, "--column", "y")
        if value is None:
            free = [place for place in range(len(names)) if place not in (time, series)]
            numeric = [place for place in free if is_number(fields[place], layout.decimal)]
            if len(numeric) != 1 and len(free) != 1:
                raise InvalidArgumentError(
                    "--column", "given where there is no column y and not exactly one of numbers",
                    f"columns {', '.join(names)}", "Name the column of values.")
            value = (free if len(free) == 1 else numeric)[0]
        return Columns(value, time, series)

    def _sample(self, fields: list[str], columns: Columns) -> Sample | None:
        """Return the sample in the fields of a line; None if it is of another series."""
        if columns.id is not None and fields[columns.id] != self._id:
            return None
        text = fields[columns.value]
        try:
            value = number_of(text, self._layout.decimal)
        except ValueError as error:
            raise ValueError("a number, or nan where the sample is missing") from error
        if columns.time is None:
            return Sample(value, None)
        try:
            return Sample(value, self._read_time(fields[columns.time]))
        except ValueError as error:
            raise ValueError(f"a time as those of the model are ({error}), or all lines without,"
                             " by --time-col ''") from error


def _decoded(line: bytes, encoding: str) -> str:
    """Return the text of a line, without its end."""
    try:
        return line.decode(encoding).strip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError("text in UTF-8") from error


def _placed(names: list[str], name: str | None, option: str, usual: str) -> int | None:
    """Return the place of the column that is named, else of the usual one, None without it.

    A file that has no such column although the option names one is refused; no name is '' none.
    """
    if name == "":
        return None
    if (name or usual) in names:
        return names.index(name or usual)
    if name is None:
        return None
    raise InvalidArgumentError(option, f"a column of the input ({', '.join(names)})", repr(name),
                               "Name another; those that relu-forecast fit was told hold else.")
