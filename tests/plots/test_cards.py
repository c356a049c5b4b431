"""Cards of models."""

from __future__ import annotations

import pandas as pd

from relu_forecast.plots.cards import ModelCard, card_elements, card_fragment
from relu_forecast.plots.markup import element, render
from tests.plots.pages import Page

EVIL = "<b>"
MEMBERS = pd.DataFrame({"unique_id": EVIL, "member": range(100), "gap": 0.01})


def test_a_card_has_facts_and_what_was_tried() -> None:
    card = ModelCard(EVIL, {"Model": EVIL, "Certificate": "proven"}, MEMBERS)
    page = Page(render(element("div", *card_elements(card))))
    assert page.headings() == [3]
    assert (len(page.all("dt")), len(page.all("dd"))) == (2, 2)
    assert page.cells[:4] == ["unique_id", "member", "gap", EVIL]
    assert len(page.all("tr")) == 1 + 60
    assert "40 more are in members_" in page.text
    assert not page.all("b")


def test_a_notebook_is_shown_no_heading() -> None:
    page = Page(card_fragment(ModelCard(EVIL, {"Model": "Naive()"})))
    assert not page.headings()
    assert not page.all("table")
    assert page.all("strong")
    assert EVIL in page.text
