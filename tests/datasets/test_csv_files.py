from __future__ import annotations

import numpy as np
import pytest

from relu_forecast.datasets import read_series
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError

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
    (["1.234,5", "2,5"], r"'1.234,5' .* pass thousands \(--thousands\)"),
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
    told = r"not UTF-8; got 'pulse.csv'.*--encoding cp1252"
    with pytest.raises(InvalidArgumentError, match=told):
        read_series(csv("Außen\n1\n", encoding="latin-1"))


@pytest.mark.parametrize(("thousands", "decimal", "text"), [
    (".", ",", "t;load\na;1.234,5\nb;999\nc;-12.000.000,25\nd;\n"),
    (",", ".", 't;load\na;"1,234.5"\nb;999\nc;-12,000,000.25\nd;\n'),
    ("'", ".", "t;load\na;1'234.5\nb;999\nc;-12'000'000.25\nd;\n"),
    (" ", ",", "t;load\na;1\u202f234,5\nb;999\nc;-12 000\u00a0000,25\nd;\n")])
def test_digits_in_groups_are_read_where_told(csv, thousands, decimal, text):
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match="thousands"):
        read_series(csv(text), sep=";", decimal=decimal, column="load")
    for column in ("load", None):
        read = read_series(csv(text), sep=";", decimal=decimal, thousands=thousands, column=column)
        np.testing.assert_array_equal(read["y"], [1234.5, 999.0, -12_000_000.25, np.nan])


def test_a_number_beside_them_is_not_taken_for_the_values(csv):
    text = "t;load;site\na;1.234,5;1\nb;999,1;1\n"
    with pytest.raises(InvalidArgumentError, match="'load': pass thousands"):
        read_series(csv(text), sep=";", decimal=",")
    read = read_series(csv(text), decimal=",", thousands=".", column="load")
    assert read["y"].tolist() == [1234.5, 999.1]


@pytest.mark.parametrize("entry", ["12.34,5", "1.2345", "1.23", ".123", "1..234", "x1.234"])
def test_digits_in_other_groups_are_refused_as_they_are(csv, entry):
    with pytest.raises(InvalidTypeError, match=f"'{entry}' in column 'y' at row 2"):
        read_series(csv(f"y\n1.234\n{entry}\n"), decimal=",", thousands=".", column="y")


def test_times_and_names_keep_their_points(csv):
    text = "date;sensor;y\n01.02.2026;1.234;1.000\n02.02.2026;1.234;2\n"
    read = read_series(csv(text), sep=";", decimal=",", thousands=".", id_col="sensor",
                       date_format="%d.%m.%Y")
    assert read["unique_id"].tolist() == ["1.234", "1.234"]
    assert read["ds"].dt.day.tolist() == [1, 2]
    assert read["y"].tolist() == [1000.0, 2.0]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-8", "UTF-8-SIG"])
@pytest.mark.parametrize("comment", [None, "%"])
def test_files_of_other_encodings_are_read_where_told(csv, encoding, comment):
    path = csv("# Außentemperatur\nZeit;Außen\n0;1\n1;2\n", encoding=encoding)
    if comment:
        path.write_bytes("% ä\nZeit;Außen\n% ß\n0;1\n1;2\n".encode(encoding))
    read = read_series(path, sep=";", column="Außen", encoding=encoding, comment=comment)
    assert read["y"].tolist() == [1.0, 2.0]


def test_the_message_names_the_likely_encoding(csv):
    with pytest.raises(InvalidArgumentError, match="--encoding utf-16"):
        read_series(csv("y\n1\n2\n", encoding="utf-16"))
    with pytest.raises(InvalidArgumentError, match="encoding must be that of the file"):
        read_series(csv("Außen\n1\n", encoding="utf-8"), encoding="ascii")
