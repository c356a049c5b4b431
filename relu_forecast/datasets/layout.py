"""How a file of series is laid out; known before anything slow is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from relu_forecast.exceptions import InvalidArgumentError

TIME_NAMES = ("timestamp", "datetime", "date", "time")
"""Names, in lower case, of columns that are taken for times where there is no column ds."""


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

    @property
    def separator(self) -> str:
        """What is between the columns: a semicolon where decimals are commas, else a comma."""
        usual = ";" if self.decimal == "," else ","
        return usual if self.sep is None else {"tab": "\t", r"\t": "\t"}.get(self.sep, self.sep)


def _check_zone(tz: str) -> None:
    """Refuse a name that no time zone has."""
    try:
        ZoneInfo(tz)
    except (ValueError, OSError, KeyError) as error:  # no such file, a folder, no such key
        raise InvalidArgumentError("tz", "the name of a time zone", repr(tz),
                                   "Pass for example tz='Europe/Berlin' or tz='UTC'.") from error
