"""The architecture of docs/architectures.md: one file, and all of the package takes it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

from relu_forecast import (
    ConvexProgram,
    ConvexReLURegressor,
    load_forecaster,
    sample_patterns,
    solve,
)
from relu_forecast.training.gradients import GradientSettings, train_by_gradients

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"


@pytest.fixture(scope="module")
def page() -> dict:
    """What the page's example leaves behind."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict = {"__name__": "own_architecture"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_it_is_trained_to_a_proven_optimum(page):
    network = page["network"]
    assert network.certificate_.scope == "network"
    assert network.gap_ <= 1e-3
    assert network.n_neurons_ >= 1
    assert clone(network).get_params()["architecture"] == page["DenseOnDifferences"]()


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_its_network_has_the_objective_of_its_program(page, activation):
    generator = np.random.default_rng(0)
    X, y = torch.tensor(generator.standard_normal((30, 4))), torch.tensor(
        generator.standard_normal(30))
    architecture = page["DenseOnDifferences"]()
    program = ConvexProgram(
        X, y, sample_patterns(architecture.gate_inputs(X), 10, 0), 0.5, activation=activation,
        architecture=architecture, linear_skip=True)
    solution = solve(program, tol=1e-8)
    own = solution.network().objective(X, y, 0.5)
    assert own == pytest.approx(solution.objective, rel=1e-8)


def test_gradients_never_end_below_the_bound(page):
    generator = np.random.default_rng(1)
    X, y = generator.standard_normal((40, 3)), generator.standard_normal(40)
    model = ConvexReLURegressor(0.5, architecture=page["DenseOnDifferences"](), tol=1e-6)
    model.fit(X, y)
    program = ConvexProgram(
        X, y, sample_patterns(np.diff(X, axis=1), 2, 0), 0.5, linear_skip=True,
        architecture=page["DenseOnDifferences"]())
    layer = program.task.architecture.layer(program.X)
    for seed in range(3):
        factors = train_by_gradients(
            program, layer, GradientSettings("lbfgs", 20, 300, 1.0), seed)
        value = program.task.objective(program.task.network_of(factors), 0.5)
        assert value >= model.certificate_.dual_objective * (1 - 1e-9)


def test_forecasters_of_it_come_back_from_files(page, tmp_path):
    forecaster = page["forecaster"]
    forecaster.save(tmp_path / "f")
    again = load_forecaster(tmp_path / "f")
    assert again.predict(5).equals(forecaster.predict(5))
    assert again.estimator.architecture == page["DenseOnDifferences"]()
