"""A signal by the region of its samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import plots
from relu_forecast.exceptions import InvalidArgumentError


def test_samples_are_marked_by_their_region() -> None:
    signal = pd.Series(np.sin(np.arange(100) / 5), pd.date_range("2026", periods=100, freq="h"))
    labels = np.where(signal > 0, 7, -2)
    ax = plots.plot_regions(signal, labels, name="load", unit="MW")
    for region in (7, -2):
        share = 100 * (labels == region).mean()
        points = next(line for line in ax.lines
                      if line.get_label() == f"region {region}, {share:.0f} %")
        np.testing.assert_array_equal(points.get_ydata(), signal[labels == region])
    markers = [line.get_marker() for line in ax.lines if "region" in str(line.get_label())]
    assert len(set(markers)) == 2
    assert ax.get_ylabel() == "load [MW]"


def test_regions_with_few_samples_share_a_grey() -> None:
    labels = np.concatenate([np.arange(9), np.repeat(np.arange(6), 5)])
    ax = plots.plot_regions(np.zeros(len(labels)), labels)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(names) == 7
    assert names[-1] == "3 other regions, 8 %"


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0, 2.0], np.zeros((3, 1), int)])
def test_each_sample_has_one_whole_label(labels: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="labels must be 3 integers"):
        plots.plot_regions([1.0, 2.0, 3.0], labels)
