"""Relative links of the Markdown files lead somewhere, and all pages are in the menu."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.tools.run_pages import ROOT, examples, pages

FILES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md",
                                    "data/README.md")), *pages()]
FROM_OUTSIDE = {"contributing.md", "changelog.md", "data.md"}
"""Pages of the site that `docs.tools.hooks` makes of files outside docs/."""


def prose(file: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", file.read_text(), flags=re.DOTALL | re.MULTILINE)


def links(file: Path) -> list[str]:
    """Return the links of a page that are no web addresses."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(file))
            if not re.match(r"https?:", link)]


@cache
def anchors(file: Path) -> set[str]:
    """Return the anchors of headings, as GitHub and MkDocs make them, and of public names."""
    headings = re.findall(r"^#+ (.*)$", prose(file), re.MULTILINE)
    slugs = {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
             for heading in headings}
    if file.name == "gallery.md":
        slugs |= {name.replace("_", "-") for name in examples()}
    return slugs | set(re.findall(r"^::: (\S+)$", file.read_text(), re.MULTILINE))


def resolves(link: str, file: Path) -> bool:
    """Tell whether a link leads to a file that is there, and to an anchor that it has."""
    path, _, anchor = link.partition("#")
    target = (file.parent / unquote(path)).resolve() if path else file
    if target.parent == ROOT / "docs" and target.name in FROM_OUTSIDE:
        return not anchor
    return target.exists() and (not anchor or anchor in anchors(target))


def test_there_are_links() -> None:
    assert sum(len(links(file)) for file in FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    assert [link for link in links(file) if not resolves(link, file)] == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One heading\n\n[a](#one-heading) [b](#two) [c](page.md#one-heading) [d](x)")
    assert [link for link in links(page) if not resolves(link, page)] == ["#two", "x"]


def test_every_page_is_in_the_menu_once() -> None:
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r"([\w/]+\.md)$", menu, re.MULTILINE)
    there = {page.relative_to(ROOT / "docs").as_posix() for page in pages()} | FROM_OUTSIDE
    assert sorted(listed) == sorted(there)
