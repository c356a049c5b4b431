"""Pages of HTML, built as trees: what comes from data is text in them, whatever it holds.

A page needs no other: it has its style and pictures in it, runs no script, and its policy forbids
both scripts and requests.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, tostring

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

Content = str | Element
"""What elements hold: text, which is escaped, and other elements."""
Draw = Callable[[Figure], Any]
"""Draws on an empty figure, whatever its size."""

_POLICY = ("default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
           "form-action 'none'")
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 62rem;
  background: Canvas; color: CanvasText; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; }
a { color: LinkText; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; }
nav ul { padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; list-style: none; }
.scroll { overflow-x: auto; max-width: 100%; margin: 1rem 0; }
:focus-visible { outline: 2px solid Highlight; outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; font-weight: bold; padding-bottom: 0.25rem; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid GrayText; text-align: right;
  vertical-align: baseline; }
td { white-space: nowrap; }
th[scope=row], thead th:first-child { text-align: left; min-width: 7rem; max-width: 16rem;
  overflow-wrap: anywhere; }
dt { font-weight: bold; }
dd { margin: 0 0 0.5rem 1rem; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; background: white; }
pre { white-space: pre-wrap; border: 1px solid GrayText; padding: 0.5rem; }
@media print {
  body { max-width: none; font-size: 9pt; color: black; background: white; }
  nav, .skip { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding: 0.1rem 0.25rem; white-space: normal; overflow-wrap: anywhere; }
  th[scope=row], thead th:first-child { min-width: 4rem; max-width: 10rem; }
  figure, tr { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
}
"""
_WIDE, _NARROW = 110, 200
"""Dots per inch of pictures for wide screens, and for narrow ones, which are dense."""
_NARROW_INCHES = 3.6
"""Width of a picture on a narrow screen."""


@dataclass(frozen=True)
class Section:
    """A part of a page."""

    name: str
    """Its anchor: letters and hyphens, unique on the page."""
    heading: str
    content: Sequence[Element]


def element(tag: str, *content: Content, **attributes: str) -> Element:
    """Return an element; ``class_`` and ``aria_label`` stand for ``class`` and ``aria-label``."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value
                         for name, value in attributes.items()})
    last: Element | None = None
    for part in content:
        if isinstance(part, Element):
            made.append(part)
            last = part
        elif last is None:
            made.text = (made.text or "") + part
        else:
            last.tail = (last.tail or "") + part
    return made


def render(root: Element) -> str:
    """Return an element as HTML, all text and attributes escaped."""
    return tostring(root, encoding="unicode", method="html")


def page_of(title: str, summary: str, sections: Sequence[Section]) -> str:
    """Return a whole page.

    It has a link that skips to the sections, a heading for each, and a list of them.
    """
    head = element(
        "head", element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title), element("style", _STYLE))
    links = [element("li", element("a", section.heading, href=f"#{section.name}"))
             for section in sections]
    body = element(
        "body", element("a", "Skip to the results", href="#main", class_="skip"),
        element("header", element("h1", title), element("p", summary)),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *map(_laid_out, sections), id="main", tabindex="-1"))
    return f"<!DOCTYPE html>\n{render(element('html', head, body, lang='en'))}\n"


def _laid_out(section: Section) -> Element:
    """Return a section as an element with its heading."""
    heading = element("h2", section.heading, id=section.name)
    return element("section", heading, *section.content, aria_labelledby=section.name)


def table_of(frame: pd.DataFrame, caption: str, *, stub: str = "") -> Element:
    """Return a frame as a table that scrolls in a box of its own, which the keyboard can reach.

    Parameters
    ----------
    frame : pandas.DataFrame
        The index becomes the headers of rows, four digits are shown of numbers.
    caption : str
        What the table shows.
    stub : str, default ""
        Header of the column of row headers; by default the name of the index.
    """
    first = str(stub or frame.index.name or "")
    headers = [element("th", first, scope="col"),
               *(element("th", str(name), scope="col") for name in frame.columns)]
    rows = [element("tr", element("th", _shown(name), scope="row"),
                    *(element("td", _shown(value)) for value in values))
            for name, *values in frame.itertuples(name=None)]
    table = element("table", element("caption", caption), element("thead", element("tr", *headers)),
                    element("tbody", *rows))
    return element("div", table, class_="scroll", role="region", tabindex="0", aria_label=caption)


def picture_of(draw: Draw, alt: str, caption: str, *, height: Any = 3.6, width: Any = 8,
               narrow_height: Any = None) -> Element:
    """Return a picture that holds its own bytes, drawn once for wide and once for narrow screens.

    Parameters
    ----------
    draw : callable
        Draws on the figure that it is given.
    alt : str
        What is seen, in numbers, for those who do not see it.
    caption : str
        What it is, below the picture.
    height, width, narrow_height : number
        In inches; ``narrow_height`` is ``height`` by default.
    """
    tall = height if narrow_height is None else narrow_height
    wide = _encoded(draw, (width, height), _WIDE)
    narrow = _encoded(draw, (_NARROW_INCHES, tall), _NARROW)
    image = element("img", src=wide, alt=alt, width=str(round(width * _WIDE)),
                    height=str(round(height * _WIDE)))
    return element(
        "figure", element("picture", element("source", media="(max-width: 640px)", srcset=narrow,
                                             width=str(round(_NARROW_INCHES * _NARROW)),
                                             height=str(round(tall * _NARROW))), image),
        element("figcaption", caption))


def _encoded(draw: Draw, size: tuple[Any, Any], dpi: int) -> str:
    """Return a drawing as the address of its own bytes."""
    figure, file = Figure(figsize=size, layout="constrained"), BytesIO()
    draw(figure)
    figure.savefig(file, format="png", dpi=dpi)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _shown(value: Any) -> str:
    """Return a value of a table as a person reads it; – stands for what there is not."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if pd.isna(value):
        return "–"
    return format(value, ".4g") if isinstance(value, (float, np.floating)) else str(value)
