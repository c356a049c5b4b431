"""Pictures of trainings, against time and along penalties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from relu_forecast import plots
from relu_forecast.problems.certificates import Certificate
from relu_forecast.training.gradients import TracePoint


@dataclass(frozen=True)
class Run:
    seconds: float
    objective: float
    trace: tuple[TracePoint, ...] = ()


@pytest.mark.parametrize("scope", ["program", "network-estimated"])
def test_trainings_are_drawn_above_the_bound(scope: str) -> None:
    trace = (TracePoint(0, 0.0, 20.0), TracePoint(1, 0.5, 11.0))
    runs = {"convex": Run(1.0, 10.1), "Adam": Run(0.5, 11.0, trace)}
    certificate = Certificate(scope, 10.1, 10.0, 1.0)  # type: ignore[arg-type]
    figure = plots.plot_trainings(runs, certificate)
    left, right = figure.axes
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["convex, done at 1.0 s", "Adam", f"lower bound ({scope})"]
    curve = next(line for line in right.lines if line.get_label() == "Adam")
    np.testing.assert_allclose(curve.get_ydata(), [1.0, 0.1])
    assert left.get_ylim()[1] > 11.0
    assert right.get_ylim()[1] > 0.1


@dataclass(frozen=True)
class Path:
    ratios: npt.NDArray[np.float64]
    objectives: npt.NDArray[np.float64]
    n_neurons: npt.NDArray[np.intp]


def test_paths_are_drawn_from_the_largest_penalty_down() -> None:
    path = Path(np.array([1.0, 0.1, 0.01]), np.array([3.0, 2.0, 1.0]), np.array([0, 2, 5]))
    above, below = plots.plot_path(path).axes
    np.testing.assert_array_equal(above.lines[0].get_ydata(), path.objectives)
    np.testing.assert_array_equal(below.lines[0].get_ydata(), path.n_neurons)
    assert below.get_xlim()[0] > below.get_xlim()[1]
