"""What a page of HTML holds, as the parser of the standard library reads it."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "img", "source", "br", "link"}


class Page(HTMLParser):
    """The tags of a page, its text, and what is not closed as it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.cells: list[str] = []
        self._open: list[str] = []
        self.unclosed: list[str] = []
        self.feed(text)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("th", "td"):
            self.cells.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data):
        self.text += data
        if self._open and self._open[-1] in ("th", "td"):
            self.cells[-1] += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]

    def headings(self) -> list[int]:
        """Return the levels of the headings, in order."""
        return [int(tag[1]) for tag, _ in self.tags if tag in ("h1", "h2", "h3", "h4")]


def check_structure(text: str) -> Page:
    """Refuse a page that asks for anything elsewhere, or that some readers cannot make sense of."""
    page = Page(text)
    assert page.unclosed == []
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "iframe", "object", "embed", "form"})
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "srcset"):
                assert str(value).startswith("data:image/png;base64,")
            if name == "href":
                assert str(value).startswith("#")
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    assert {str(link["href"])[1:] for link in page.all("a")} <= set(identifiers)
    assert all(str(image["alt"]).strip() for image in page.all("img"))
    levels = page.headings()
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert {head.get("scope") for head in page.all("th")} == {"col", "row"}
    for box in (attributes for _, attributes in page.tags if attributes.get("class") == "scroll"):
        assert box["tabindex"] == "0"
        assert box["role"] == "region"
        assert box["aria-label"]
    assert page.tags[page.tags.index(("main", {"id": "main", "tabindex": "-1"}))]
    first = next(attributes for tag, attributes in page.tags if tag == "a")
    assert first["href"] == "#main"
    return page
