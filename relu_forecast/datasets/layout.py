"""How a file of series is laid out; known before anything slow is imported."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from relu_forecast.exceptions import InvalidArgumentError

TIME_NAMES = ("timestamp", "datetime", "date", "time")
"""Names, in lower case, of columns that are taken for times where there is no column ds."""

THOUSANDS = (".", ",", "'", "\u2019", "_", " ")
"""What may be between groups of three digits; a space stands for those that do not break, too."""


@dataclass(frozen=True)
class TableLayout:
    """Where times and identifiers are in a file, and how its entries are written.

    The parameters of `relu_forecast.read_series` of the same names, which says what they mean.
    """

    time_col: str | None = None
    id_col: str | None = None
    sep: str | None = None
    decimal: str = "."
    comment: str | None = None
    date_format: str | None = None
    tz: str | None = None
    regular: Any = None
    thousands: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise InvalidArgumentError("decimal", "'.' or ','", repr(self.decimal),
                                       "Pass decimal=',' (--decimal ',') for numbers such as 1,5.")
        if len(self.separator) != 1 or self.separator in '"\n\r':
            raise InvalidArgumentError(
                "sep", "a single character, and no quotation mark", repr(self.sep),
                "Pass for example sep=';' (--sep ';'); --sep tab for a tab.")
        if self.tz is not None:
            _check_zone(self.tz)
        if self.thousands is not None and (
                self.thousands not in THOUSANDS or self.thousands == self.decimal):
            raise InvalidArgumentError(
                "thousands", f"one of {' '.join(map(repr, THOUSANDS))}, and not the mark of"
                " decimals", repr(self.thousands),
                "Pass for example thousands='.' with decimal=',' (--thousands . --decimal ,).")
        if self.encoding is not None:
            _check_encoding(self.encoding)

    @property
    def text_encoding(self) -> str:
        """How the characters of a file are written; a mark at the start of UTF-8 is no text."""
        given = codecs.lookup(self.encoding or "utf-8").name
        return "utf-8-sig" if given == "utf-8" else given

    @property
    def separator(self) -> str:
        """What is between the columns: a semicolon where decimals are commas, else a comma."""
        usual = ";" if self.decimal == "," else ","
        return usual if self.sep is None else {"tab": "\t", r"\t": "\t"}.get(self.sep, self.sep)


def _check_encoding(encoding: str) -> None:
    """Refuse a name that no encoding of text has."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:  # unknown, or of other things than text
        raise InvalidArgumentError(
            "encoding", "the name of an encoding of text", repr(encoding),
            "Pass for example encoding='cp1252', 'latin-1' or 'utf-16'.") from error


def _check_zone(tz: str) -> None:
    """Refuse a name that no time zone has."""
    try:
        ZoneInfo(tz)
    except (ValueError, OSError, KeyError) as error:  # no such file, a folder, no such key
        raise InvalidArgumentError("tz", "the name of a time zone", repr(tz),
                                   "Pass for example tz='Europe/Berlin' or tz='UTC'.") from error
