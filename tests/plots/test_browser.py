"""Reports in a real browser: nothing asked for, nothing complained of, nothing cut off."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.forecasting.evaluation.backtests import made
from tests.plots.browser import Chromium, find_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium, see CONTRIBUTING.md")]
NARROW, PAPER, WIDE = 390, 794, 1200


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(str(find_chromium()), tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module", params=[(n, m) for n in (1, 4, 16) for m in (1, 50)],
                ids=lambda counts: "{} models, {} series".format(*counts))
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from relu_forecast.plots.cards import ModelCard

    n_models, n_series = request.param
    names = [f"a_model_with_a_long_name_{'x' * 30}_{place}" for place in range(n_models)]
    result = made(n_series=n_series, n_cutoffs=12, h=6, models=names)
    members = pd.DataFrame({"member": range(20), **{f"column {place}": 0.5 for place in range(12)}})
    path = tmp_path_factory.mktemp("report") / "report.html"
    result.to_html(path, cards=[ModelCard("network", {"Certificate": "proven " * 40}, members)],
                   command=f"relu-forecast report {'x' * 300}.csv")
    return path


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_reports_ask_for_nothing_and_fit_the_screen(
    report: Path, width: int, chromium: Chromium
) -> None:
    opened = chromium.open(report, width)
    assert opened.requests == []
    assert opened.complaints == []
    assert chromium.value("innerWidth") == width
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value("[...document.images].every(one => one.complete && one.naturalWidth)")
    narrow = chromium.value("document.images[0].currentSrc != document.images[0].src")
    assert narrow == (width == NARROW)


def test_wide_tables_scroll_in_boxes_that_the_keyboard_reaches(
    report: Path, chromium: Chromium
) -> None:
    chromium.open(report, NARROW)
    boxes = "[...document.querySelectorAll('.scroll')]"
    assert chromium.value(f"{boxes}.some(box => box.scrollWidth > box.clientWidth)")
    chromium.press("Tab", 9)
    assert chromium.value("document.activeElement.getAttribute('href')") == "#main"
    assert chromium.value("document.activeElement.getBoundingClientRect().left") >= 0
    n_links = chromium.value("document.querySelectorAll('nav a').length")
    for _ in range(n_links + 1):
        chromium.press("Tab", 9)
    assert chromium.value("document.activeElement.className") == "scroll"


def test_reports_fit_the_paper(report: Path, chromium: Chromium) -> None:
    chromium.open(report, PAPER)
    assert base64.b64decode(chromium.call("Page.printToPDF")["data"]).startswith(b"%PDF")
    chromium.call("Emulation.setEmulatedMedia", media="print")
    hidden = chromium.value("getComputedStyle(document.querySelector('nav')).display")
    box = chromium.value("getComputedStyle(document.querySelector('.scroll')).overflowX")
    width = chromium.value("document.documentElement.scrollWidth")
    chromium.call("Emulation.setEmulatedMedia", media="")
    assert (hidden, box) == ("none", "visible")
    assert width <= PAPER


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_the_light_and_in_the_dark(
    report: Path, scheme: str, chromium: Chromium
) -> None:
    chromium.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
    chromium.open(report, WIDE)
    colours = chromium.value(
        "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name]"
        ".match(/\\d+/g).slice(0, 3).map(Number).reduce((sum, part) => sum + part))")
    chromium.call("Emulation.setEmulatedMedia", features=[])
    text, ground = colours
    assert abs(text - ground) > 600
    assert (ground > text) == (scheme == "light")


def test_the_browser_sees_what_other_pages_do(tmp_path: Path, chromium: Chromium) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<!DOCTYPE html><body style='width: 900px'>a<script>console.log(1)</script>"
                    "<img src='http://127.0.0.1:9/a.png'>", encoding="utf-8")
    opened = chromium.open(page, NARROW)
    assert opened.requests == ["http://127.0.0.1:9/a.png"]
    assert any('"log"' in complaint for complaint in opened.complaints)
    assert chromium.value("document.documentElement.scrollWidth") > NARROW


def test_the_policy_of_pages_lets_no_script_run(tmp_path: Path, chromium: Chromium) -> None:
    page, bad = tmp_path / "good.html", "<script>document.title = 'run'</script>"
    text = made(n_series=1, models=("p",), levels=()).to_html()
    assert text is not None
    page.write_text(text.replace("<main", f"{bad}<main"), encoding="utf-8")
    opened = chromium.open(page, WIDE)
    assert chromium.value("document.title") == "Backtest"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)
