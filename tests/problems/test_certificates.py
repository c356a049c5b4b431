"""What a certificate says, and what it makes of figures that are not numbers."""

from __future__ import annotations

import math

import pytest

from relu_forecast.problems.certificates import Certificate


def test_a_certificate_says_its_figures_and_its_scope():
    certificate = Certificate("program", 2.0, 1.5, 1.25)
    assert certificate.gap == 0.25
    assert "relative gap 2.5e-01" in str(certificate)
    assert "rigorous" in str(certificate)
    assert "estimated" in str(Certificate("network-estimated", 2.0, 1.5, 1.25))


def test_the_gap_of_rounding_is_zero_and_of_nan_is_not():
    assert Certificate("program", 1.0, 1.0 + 1e-15, 1.0).gap == 0.0
    assert not Certificate("program", 1.0, float("nan"), 1.0).gap <= 1.0
    assert Certificate("program", float("nan"), 1.0, 1.0).gap == math.inf


def test_the_gap_of_an_objective_of_zero_is_zero():
    assert Certificate("network", 0.0, 0.0, 0.0).gap == 0.0


@pytest.mark.parametrize(("scope", "meaning"), [
    ("program", "with the program's activation patterns"), ("network", "of any width"),
    ("network-estimated", "as far as a multi-start search")])
def test_every_scope_is_told_in_words(scope, meaning):
    text = str(Certificate(scope, 3.0, 2.9, 1.01))
    assert meaning in text
    assert "objective 3, lower bound 2.9" in text
