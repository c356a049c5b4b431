from __future__ import annotations

import numpy as np
import pytest

from relu_forecast.datasets import read_series
from relu_forecast.exceptions import InvalidArgumentError

EUROPEAN = "Zeit;Wert\n1;1,5\n2;2,25\n"


@pytest.mark.parametrize(("text", "form"), [
    (EUROPEAN, {"decimal": ","}), (EUROPEAN, {"sep": ";", "decimal": ","}),
    ("Zeit\tWert\n1\t1.5\n2\t2.25\n", {"sep": "tab"}),
    ("Zeit\tWert\n1\t1.5\n2\t2.25\n", {"sep": r"\t"}),
    ('Zeit,Wert\n1,"1,5"\n2,"2,25"\n', {"decimal": ",", "sep": ","}),
    ('Zeit,Wert;kW\n1,1.5\n2,2.25\n', {"column": "Wert;kW"})])
def test_separators_and_decimals_are_those_that_are_given(csv, text, form):
    back = read_series(csv(text), time_col="Zeit", **form)
    assert back["y"].tolist() == [1.5, 2.25]
    assert back["ds"].tolist() == [1, 2]


@pytest.mark.parametrize("text", [
    EUROPEAN, "Zeit;Wert\n2026-01-01;1\n", "a,s;b,V\n0,1;2,5\n", "a\tb\n1\t2\n", "a|b\n1|2\n",
    '"a,b";c\n1,5;2,5\n'])
def test_other_separators_are_refused_and_named(csv, text):
    with pytest.raises(InvalidArgumentError, match=r"which .* seems to separate.*--sep.*--decimal"):
        read_series(csv(text))


def test_a_separator_that_is_given_is_believed(csv):
    back = read_series(csv("a,b;c\n1,2;3\n"), sep=",", column="a")
    assert back["y"].tolist() == [1.0]
    with pytest.raises(InvalidArgumentError, match="seems to separate"):
        read_series(csv("a,b\n1,2\n"), decimal=",")


@pytest.mark.parametrize(("text", "form"), [
    (EUROPEAN, {"sep": ";"}), (EUROPEAN, {"sep": ";", "column": "Wert"}),
    ('ds,y\n0,"1,5"\n', {}), ("y\n1,5\n2,5\n", {}), ("y\n1\n2,5\n", {}), ("ds,y\n0,1,5\n", {})])
def test_decimal_commas_are_never_read_as_something_else(csv, text, form):
    with pytest.raises(InvalidArgumentError, match="--decimal ','"):
        read_series(csv(text), **form)


def test_decimal_points_are_not_read_as_separators_of_thousands(csv):
    with pytest.raises(InvalidArgumentError, match=r"--decimal '\.'"):
        read_series(csv("t;y\n0;1.5\n1;2.5\n"), decimal=",")
    with pytest.raises(InvalidArgumentError, match="'1.234,5' in column 'y' at row 1"):
        read_series(csv("t;y\n0;1.234,5\n1;2,5\n"), decimal=",")


def test_comments_above_the_names_are_skipped(csv):
    text = "# pulse, of a\n\n  # person\nds,y\n0,1\n1,2\n"
    assert read_series(csv(text))["y"].tolist() == [1.0, 2.0]
    assert read_series(csv(text, encoding="utf-8-sig"))["y"].tolist() == [1.0, 2.0]


def test_comments_further_down_are_skipped_on_demand_only(csv):
    text = "id,ds,y\n#1,0,1\n#1,1,2\n2,0,3\n"
    assert read_series(csv(text), id_col="id")["y"].tolist() == [1.0, 2.0, 3.0]
    assert read_series(csv(text), id_col="id", comment="#")["y"].tolist() == [3.0]
    with pytest.raises(InvalidArgumentError, match="'%1' in column 'ds'"):
        read_series(csv("% x\nds,y\n0,1\n%1,2\n".replace("% x\n", "")))
    assert read_series(csv("% x\nds,y\n0,1\n%1,2\n"), comment="%")["y"].tolist() == [1.0]


def test_names_behind_a_comment_sign_are_asked_for(csv):
    path = csv("# made by hand\n#id,y\na,1\na,2\n")
    with pytest.raises(InvalidArgumentError, match="comment must be given .*'#id,y' above 'a,1'"):
        read_series(path)
    path = csv("#id,y\na,1\na,2\n")
    assert read_series(path, comment="")["y"].tolist() == [1.0, 2.0]
    assert read_series(csv("# a,b\nid,y\na,1\n"))["y"].tolist() == [1.0]


def test_two_columns_of_one_name_are_refused(csv):
    with pytest.raises(InvalidArgumentError, match="different names; got 'y' twice"):
        read_series(csv("ds,y,y\n0,1,2\n"))


def test_lines_end_as_they_like(csv):
    path = csv("")
    path.write_bytes(b"# a\r\nds;y\r\n0;1,5\r\n")
    np.testing.assert_array_equal(read_series(path, decimal=",")["y"], [1.5])


@pytest.mark.parametrize(("values", "hint"), [
    (["1.234,5", "2,5"], "'1.234,5' .* without separators of thousands"),
    (["1,5", "-", "2,5"], "'-' in column 'kW' is no number"),
    (["1.5", "2.5"], r"with decimal='\.'")])
def test_columns_that_are_almost_of_numbers_are_explained(csv, values, hint):
    text = "note;kW\n" + "".join(f"a;{value}\n" for value in values)
    with pytest.raises(InvalidArgumentError, match=f"0 numeric. Name the column of values.*{hint}"):
        read_series(csv(text), decimal=",")
    with pytest.raises(InvalidArgumentError, match="must be a column of numbers"):
        read_series(csv(text), decimal=",", column="kW")
    rooms = read_series(csv("room,kW\n12,1\n13,2\n12a,3\n"))
    assert rooms["y"].tolist() == [1.0, 2.0, 3.0]


def test_other_encodings_are_named(csv):
    with pytest.raises(InvalidArgumentError, match=r"in UTF-8; got 'pulse.csv'.*encoding UTF-8"):
        read_series(csv("Außen\n1\n", encoding="latin-1"))
