"""Pictures of rankings."""

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
    ranking = rank_models(scores)
    figure = plots.plot_ranking(ranking)
    figure.draw_without_rendering()
    [axes] = figure.axes
    names = [str(name).replace("$", r"\$") for name in ranking.mean_ranks.index]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    points = axes.collections[-1].get_offsets()
    np.testing.assert_allclose(points[:, 0], ranking.mean_ranks)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
