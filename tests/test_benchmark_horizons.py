"""The networks on long windows of the benchmark suite, and their training by gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad

from benchmarks.adapters import horizon_descent
from benchmarks.adapters.horizons import Seen
from benchmarks.contests import all_contests
from benchmarks.horizons import Shape, build
from relu_forecast.problems.task import TrainingTask

SHAPES = [Shape(80, 6, 1, 0.1), Shape(80, 6, 3, 0.1), Shape(100, 5, 4, 0.1, "sensor"),
          Shape(50, 4, 1, 0.1, "pooled")]
every_shape = pytest.mark.parametrize("shape", SHAPES)


@every_shape
def test_descents_have_the_gradient_of_the_objective(shape):
    descent = horizon_descent._Descent(build(shape), 3, 0)
    value, gradient = descent.value(descent.first)
    error = check_grad(lambda w: descent.value(w)[0], lambda w: descent.value(w)[1], descent.first)
    assert error <= 1e-4 * np.linalg.norm(gradient)
    assert value == pytest.approx(descent.horizon.objective(*descent.parts(descent.first)))


@every_shape
def test_the_package_trains_on_the_same_problem(shape):
    horizon = build(shape)
    task = TrainingTask(
        torch.from_numpy(horizon.windows), torch.from_numpy(horizon.targets),
        Seen(shape.horizon == 1), "relu", True, is_vector=False)
    np.testing.assert_allclose(task.features.rows, horizon.inputs)
    nothing = np.zeros((0, horizon.inputs.shape[1])), np.zeros((0, shape.horizon))
    assert task.linear_objective == pytest.approx(horizon.objective(*nothing), rel=1e-9)


def test_targets_of_many_outputs_are_in_units_of_what_the_linear_part_leaves():
    horizon = build(SHAPES[1])
    left = horizon.leave(horizon.targets)
    np.testing.assert_allclose((left**2).mean(0), 1.0)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_descents_go_down_and_say_so(method):
    settings = {"shape": vars(SHAPES[1]), "neurons": 5, "method": method, "steps": 30,
                "rate": 0.02}
    answer = horizon_descent.answer(None, settings, 1)
    values = [value for _, value in answer.trace]
    assert answer.objective == pytest.approx(min(values))
    assert answer.objective < values[0]


def test_contests_of_long_windows_are_known():
    names = {contest.name for contest in all_contests()}
    assert {"joint-0.1", "joint-sensor", "lags-15-0.01", "lags-100", "engine-n"} <= names
