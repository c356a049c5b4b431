"""Times at constant rates, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest

from relu_forecast.datasets import sample_times


@pytest.mark.parametrize("rate", [Fraction(360), Fraction("124.945"), Fraction(1, 3)], ids=str)
def test_times_are_the_nearest_nanoseconds(rate: Fraction) -> None:
    times = sample_times(50, rate)
    assert times.name == "ds"
    for k in (0, 1, 7, 49):
        assert abs(times[k].value - k * Fraction(10**9) / rate) <= Fraction(1, 2)
