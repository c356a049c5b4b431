"""Colours, times and names as pictures have them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from relu_forecast.plots.style import PALETTE, colours, on_axis, plain


def test_colours_begin_again_when_they_run_out() -> None:
    assert colours(len(PALETTE) + 2) == [*PALETTE, *PALETTE[:2]]


def test_durations_are_drawn_in_seconds() -> None:
    times = pd.to_timedelta([0.5, 90], unit="s")
    np.testing.assert_array_equal(on_axis(times), [0.5, 90.0])
    np.testing.assert_array_equal(on_axis(pd.RangeIndex(3)), range(3))


def test_names_are_not_read_as_formulas() -> None:
    assert plain("$x$") == r"\$x\$"
