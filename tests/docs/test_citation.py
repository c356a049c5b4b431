"""CITATION.cff says of the package what pyproject.toml says."""

from __future__ import annotations

import re

import pytest

from docs.tools.run_pages import ROOT


@pytest.mark.parametrize(("ours", "theirs"), [
    ("title", "name"), ("version", "version"), ("license", "license")])
def test_the_citation_agrees_with_the_package(ours: str, theirs: str) -> None:
    citation = re.search(rf"^{ours}: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    package = re.search(rf'^{theirs} = "(.*)"$', (ROOT / "pyproject.toml").read_text(),
                        re.MULTILINE)
    assert citation[1] == package[1]
