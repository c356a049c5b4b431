"""Check a built site: its own links and anchors resolve, and it loads nothing from elsewhere.

``python -m docs.tools.check_site FOLDER`` lists what is wrong and ends with 1, or ends with 0.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
"""Elements that a browser loads by itself, and the attribute that says from where."""


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take up the links and anchors of an element."""
        values = {name: value for name, value in attrs if value is not None}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values and values.get("rel") != "canonical":
            self.loaded.append(values[LOADED[tag]])


def read(file: Path) -> Page:
    """Return what a page of HTML holds."""
    page = Page()
    page.feed(file.read_text())
    return page


def faults(site: Path) -> Iterator[str]:
    """Go through what is wrong with a site, a line for each fault."""
    pages = {file: read(file) for file in sorted(site.rglob("*.html"))}
    for file, page in pages.items():
        name = file.relative_to(site)
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name} loads {address}"
        for address in (*page.links, *page.loaded):
            if not _resolves(address, site, file, pages):
                yield f"{name} links to {address}, which is not there"
    for style in sorted(site.rglob("*.css")):
        if "url(http" in style.read_text().replace('"', ""):
            yield f"{style.relative_to(site)} loads something from elsewhere"


def _resolves(address: str, site: Path, file: Path, pages: dict[Path, Page]) -> bool:
    """Tell whether an address is elsewhere, or there in the site, with its anchor."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    start = site if parts.path.startswith("/") else file.parent
    target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else file
    target = target / "index.html" if target.is_dir() else target
    if target not in pages:
        return target.is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors


def main(site: Path) -> int:
    """Print what is wrong with a site; return 1 if anything is."""
    found = list(faults(site))
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, all links resolve")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
