"""Cards of fitted models: what they are, what is certified of them, and what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import pandas as pd

from relu_forecast.plots.markup import element, render, table_of

_MOST_ROWS = 60
"""Members that a card lists; the others are counted."""


@dataclass(frozen=True)
class ModelCard:
    """What a page says of a fitted model."""

    name: str
    facts: Mapping[str, str]
    """In words, by what they are about."""
    members: pd.DataFrame | None = None
    """What was tried, a row for each series and member; None where nothing was."""


def card_elements(card: ModelCard) -> list[Element]:
    """Return a card below a heading of the third level."""
    return [element("h3", card.name), *_without_heading(card)]


def card_fragment(card: ModelCard) -> str:
    """Return a card as a piece of HTML for a notebook."""
    return render(element("div", element("p", element("strong", card.name)),
                          *_without_heading(card)))


def _without_heading(card: ModelCard) -> list[Element]:
    """Return the facts of a card as a list, and its members as a table."""
    terms = [part for name, fact in card.facts.items()
             for part in (element("dt", name), element("dd", fact))]
    elements = [element("dl", *terms)]
    if card.members is not None:
        shown = card.members.iloc[:_MOST_ROWS]
        table = shown.set_index(shown.columns[0])
        elements.append(table_of(table, f"{card.name}: what was tried, most weight first"))
        if len(card.members) > len(shown):
            elements.append(element(
                "p", f"{len(card.members) - len(shown):,} more are in members_ of the model."))
    return elements
