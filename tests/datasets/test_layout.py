from __future__ import annotations

import pytest

from relu_forecast.datasets.layout import TableLayout
from relu_forecast.exceptions import InvalidArgumentError


def test_the_separator_follows_the_decimals():
    assert [TableLayout(decimal=mark).separator for mark in ".,"] == [",", ";"]
    assert TableLayout(decimal=",", sep="tab").separator == "\t"


@pytest.mark.parametrize(("form", "message"), [
    ({"decimal": "'"}, "decimal must be"), ({"sep": ""}, "sep must be"),
    ({"sep": ";;"}, "sep must be"), ({"sep": '"'}, "no quotation mark"),
    ({"tz": "Berlin"}, "tz must be the name"), ({"tz": "../x"}, "tz must be the name"),
    ({"thousands": "."}, "thousands must be one of"),
    ({"thousands": ",", "decimal": ","}, "thousands must be one of"),
    ({"thousands": "-"}, "thousands must be one of"), ({"thousands": ""}, "thousands must be"),
    ({"encoding": "utf-99"}, "encoding must be the name"),
    ({"encoding": "base64"}, "encoding must be the name"), ({"encoding": ""}, "encoding must")])
def test_layouts_that_no_file_has_are_refused(form, message):
    with pytest.raises(InvalidArgumentError, match=message):
        TableLayout(**form)
