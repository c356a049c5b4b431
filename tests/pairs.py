"""Fewer cases than the full product of some choices, in which every two choices still meet."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from typing import Any


def in_pairs(*axes: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return rows of one value an axis: any two values of two axes are together in one of them.

    Greedy, in the order of the product; the first values of all axes make the first row.
    """
    choices = [list(values) for values in axes]
    rows = list(product(*(range(len(values)) for values in choices)))
    missing = {pair for row in rows for pair in _pairs(row)}
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(missing & _pairs(row)))
        missing -= _pairs(best)
        chosen.append(best)
    return [tuple(values[at] for values, at in zip(choices, row, strict=True)) for row in chosen]


def _pairs(row: tuple[int, ...]) -> set[tuple[tuple[int, int], ...]]:
    """Return the pairs of (axis, index of the value) in a row."""
    return set(combinations(enumerate(row), 2))
