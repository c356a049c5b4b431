"""A backtest as a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from relu_forecast import plots
from relu_forecast.baselines import Naive
from relu_forecast.forecasting import Backtest, backtest
from tests.forecasting.evaluation.backtests import made


class Tags(HTMLParser):
    """Every tag of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


EVIL = "<script>alert(1)</script>"


MODELS = (EVIL, "$\\alpha$")


@pytest.fixture(scope="module")
def result() -> Backtest:
    return made(n_series=2, n_cutoffs=6, gap=0, models=MODELS, prefix="<b>")


@pytest.fixture(scope="module")
def page(result: Backtest) -> str:
    return plots.backtest_page(result)


def test_the_page_needs_no_other(page: str) -> None:
    tags = Tags(page).tags
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "iframe", "object", "b"})
    sources = [value for _, attributes in tags
               for name, value in attributes.items() if name in ("src", "href")]
    assert len(sources) == 1
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert re.search(r"https?:|url\(|@import", page) is None


def test_the_page_shows_names_as_they_are(page: str) -> None:
    assert EVIL not in page
    assert EVIL in Tags(page).text


def test_the_page_has_the_scores(page: str, result: Backtest) -> None:
    text = Tags(page).text
    for table in (result.scores(), result.scores(["rmse", "mae"], by="step"),
                  100 * result.scores(["coverage"])):
        for number in table.to_numpy().ravel():
            assert f"{number:.4g}" in text
    assert "97.5" in text
    assert "2 models forecast 2 series from 12 cutoffs, 3 samples apart" in text
    assert "5 samples were not observed" in text


def test_the_page_has_no_coverage_without_intervals() -> None:
    text = Tags(plots.backtest_page(backtest({"n": Naive()}, np.arange(40.0) % 7, 2))).text
    assert "RMSE by step ahead" in text
    assert "Coverage" not in text
