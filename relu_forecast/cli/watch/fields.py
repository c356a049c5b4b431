"""The fields of a line, and the numbers in them."""

from __future__ import annotations

import csv
import re

MISSING = frozenset((
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"))
"""Texts that stand for a missing value, as in the files that `relu-forecast fit` reads."""
_TIME = re.compile(r"\d[\d.:/ TZ+-]*")


def fields_of(text: str, separator: str) -> list[str]:
    """Return the fields of a line, without space around them."""
    if '"' in text:
        try:
            found = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
        except csv.Error as error:
            raise ValueError("a row of CSV") from error
        return [one.strip() for one in found]
    return [one.strip() for one in text.split(separator)]


def number_of(text: str, decimal: str = ".") -> float:
    """Read a number, NaN where it is missing; raise ValueError at any other text."""
    text = text.strip()
    if text in MISSING:
        return float("nan")
    if "_" in text or (decimal != "." and "." in text):
        raise ValueError("no number")
    return float(text.replace(decimal, "."))


def is_number(text: str, decimal: str) -> bool:
    """Tell whether a text is a number, or stands for a missing one."""
    try:
        number_of(text, decimal)
    except ValueError:
        return False
    return True


def are_data(fields: list[str], decimal: str) -> bool:
    """Tell whether fields are numbers and times throughout, and so no names of columns."""
    return all(is_number(one, decimal) or _TIME.fullmatch(one) is not None for one in fields)
