"""Pictures of trainings, against time and along penalties."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast import plots
from relu_forecast.exceptions import InvalidArgumentError

RUNS = {"convex": ([1.0], [10.1]), "Adam": ([0.0, 0.5], [20.0, 11.0])}
CERTIFICATE = {"lower_bound": 10.0, "objective": 10.1, "scope": "program"}


def test_trainings_are_drawn_above_the_band_of_the_certificate() -> None:
    ax = plots.plot_trainings(RUNS, **CERTIFICATE)  # type: ignore[arg-type]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["certificate (program)", "lower bound", "convex, done at 1.0 s", "Adam"]
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    np.testing.assert_allclose([band.y0, band.y1], [10.0, 10.1])
    curve = next(line for line in ax.lines if line.get_label() == "Adam")
    np.testing.assert_array_equal(curve.get_ydata(), [20.0, 11.0])
    assert ax.get_ylim()[1] > 11.0


def test_distances_from_the_bound_are_relative() -> None:
    ax = plots.plot_trainings(RUNS, relative=True, **CERTIFICATE)  # type: ignore[arg-type]
    curve = next(line for line in ax.lines if line.get_label() == "Adam")
    np.testing.assert_allclose(curve.get_ydata(), [1.0, 0.1])
    low, high = ax.get_ylim()
    assert low < 0.01 < 0.1 < high
    assert ax.get_yscale() == "log"


def test_trainings_that_cannot_be_drawn() -> None:
    with pytest.raises(InvalidArgumentError, match="trainings must be at least one"):
        plots.plot_trainings({}, **CERTIFICATE)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="lower_bound must be above 0"):
        plots.plot_trainings(RUNS, lower_bound=0.0, objective=1.0, scope="program", relative=True)


def test_paths_are_drawn_from_the_largest_penalty_down() -> None:
    ratios, objectives, neurons = [1.0, 0.1, 0.01], [3.0, 2.0, 1.0], [0, 1, 2]
    above = plots.plot_path_objectives(ratios, objectives, lower_bounds=[2.5, 1.5, 0.5])
    below = plots.plot_path_neurons(ratios, neurons)
    np.testing.assert_array_equal(above.lines[0].get_ydata(), objectives)
    assert above.collections[0].get_paths()[0].vertices[:, 1].min() == 0.5
    np.testing.assert_array_equal(below.lines[0].get_ydata(), neurons)
    assert all(tick == round(tick) for tick in below.get_yticks())
    for ax in (above, below):
        assert ax.get_xlim()[0] > ax.get_xlim()[1]
    assert not plots.plot_path_objectives(ratios, objectives).collections
