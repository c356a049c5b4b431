"""Pictures of ranked models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relu_forecast import plots
from relu_forecast.forecasting import rank_models


@pytest.mark.parametrize("n_models", [2, 4])
def test_a_ranking_is_drawn_best_first(n_models: int) -> None:
    scores = pd.DataFrame(np.random.default_rng(0).random((14, 4)) + np.arange(4)[::-1] / 4,
                          columns=["a", "b", "$c$", "d"]).iloc[:, :n_models]
    table = rank_models(scores).frame()
    ax = plots.plot_ranking(table, title="which?", n_series=14)
    ax.figure.draw_without_rendering()
    names = [str(name).replace("$", r"\$") for name in table.index]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    points = ax.collections[-1]
    np.testing.assert_allclose(points.get_offsets()[:, 0], table["mean_rank"])
    hollow = (points.get_facecolors()[:, :3] == 1).all(axis=1)
    np.testing.assert_array_equal(hollow, ~table["with_best"])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert (ax.get_title(), ax.get_xlabel()) == ("which?", "mean rank over 14 series (1 is best)")
