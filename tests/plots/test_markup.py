"""Pages as trees: names of data stay text, and pages need no other."""

from __future__ import annotations

import base64
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import pandas as pd
import pytest

from relu_forecast.plots.markup import Section, element, page_of, picture_of, render, table_of
from tests.plots.pages import Page, check_structure

EVIL = "</td><script>alert(1)</script>\" onload='x' &amp; <!--"


def test_text_and_attributes_are_escaped() -> None:
    found = Page(render(element("p", EVIL, element("b", EVIL), EVIL, title=EVIL)))
    assert [tag for tag, _ in found.tags] == ["p", "b"]
    assert found.tags[0][1] == {"title": EVIL}
    assert found.text == EVIL * 3


def test_tables_are_escaped_and_have_scopes() -> None:
    frame = pd.DataFrame({EVIL: [0.123456, np.nan], "n": [3, 4], "best": [True, False]},
                         index=[EVIL, "b"])
    found = Page(render(table_of(frame, EVIL, stub="model")))
    assert found.cells == ["model", EVIL, "n", "best", EVIL, "0.1235", "3", "yes", "b", "–", "4",
                           "no"]
    assert [head["scope"] for head in found.all("th")] == ["col"] * 4 + ["row"] * 2
    assert found.all("div")[0]["aria-label"] == EVIL
    assert {tag for tag, _ in found.tags} == {
        "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}


def sizes_of(picture: Element) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of the wide and the narrow PNG, as their own headers say."""
    found = []
    for tag, name in (("img", "src"), ("source", "srcset")):
        [part] = picture.iter(tag)
        data = base64.b64decode(part.attrib[name].removeprefix("data:image/png;base64,"))
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        assert size == (int(part.attrib["width"]), int(part.attrib["height"]))
        found.append(size)
    return found[0], found[1]


def test_pictures_are_drawn_for_wide_and_narrow_screens() -> None:
    widths: list[float] = []

    def draw(figure: Any) -> None:
        widths.append(figure.get_figwidth())
        figure.subplots().plot([0, 1])

    picture = picture_of(draw, EVIL, "what", height=3, narrow_height=5)
    assert widths[0] > 2 * widths[1]
    wide, narrow = sizes_of(picture)
    assert wide[0] > wide[1]
    assert narrow[0] < narrow[1]
    assert Page(render(picture)).all("img")[0]["alt"] == EVIL
    assert "max-width" in str(Page(render(picture)).all("source")[0]["media"])


def test_a_page_has_landmarks_and_lets_nothing_in() -> None:
    table = table_of(pd.DataFrame({"a": [1]}), "A table")
    text = page_of(EVIL, EVIL, [Section("one", EVIL, [table]), Section("two", "Two", [])])
    page = check_structure(text)
    names = [tag for tag, _ in page.tags]
    for landmark in ("header", "nav", "main"):
        assert names.count(landmark) == 1
    assert page.headings() == [1, 2, 2]
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert str(policy).startswith("default-src 'none'")
    assert text.startswith("<!DOCTYPE html>")
    assert "viewport" in {meta.get("name") for meta in page.all("meta")}
    assert page.all("html") == [{"lang": "en"}]


@pytest.mark.parametrize("text", ["<p>", "<p></b></p>"])
def test_the_check_of_pages_sees_what_is_not_closed(text: str) -> None:
    assert Page(text).unclosed
