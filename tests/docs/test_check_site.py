"""The check of a built site finds what is broken, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.tools.check_site import faults, main


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of two pages without a fault."""
    (tmp_path / "more").mkdir()
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://example.org/"><link href="a.css" rel="stylesheet">'
        '<a href="more/b.html#here">b</a> <a href="more/">b</a> <a href="https://example.org">w</a>')
    (tmp_path / "more/index.html").write_text('<a href="..">up</a><a href="#top" id="top">t</a>')
    (tmp_path / "more/b.html").write_text('<h2 id="here">Here</h2> <a href="../index.html">a</a>')
    (tmp_path / "a.css").write_text("body {background: url('x.png')}")
    return tmp_path


def test_a_sound_site_passes(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(site) == 0
    assert capsys.readouterr().out == "3 pages, all links resolve\n"


@pytest.mark.parametrize(("element", "said"), [
    ('<a href="c.html">c</a>', "c.html, which is not there"),
    ('<a href="b.html#there">b</a>', "b.html#there, which is not there"),
    ('<a href="#there">b</a>', "#there, which is not there"),
    ('<img src="x.png">', "x.png, which is not there"),
    ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
    ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css")])
def test_faults_are_named(element: str, said: str, site: Path) -> None:
    page = site / "more/b.html"
    page.write_text(page.read_text() + element)
    [fault] = faults(site)
    assert fault.startswith("more/b.html")
    assert fault.endswith(said)
    assert main(site) == 1


def test_styles_that_load_from_elsewhere_are_named(site: Path) -> None:
    (site / "a.css").write_text('body {background: url("https://example.org/x.png")}')
    assert list(faults(site)) == ["a.css loads something from elsewhere"]
