"""The demo's experiment on a small instance, run once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relu_forecast.cli.demo.experiment import QUICK, Experiment, Setup, run_experiment


@pytest.fixture(scope="session")
def small() -> Setup:
    """An instance that takes a second."""
    return replace(
        QUICK, n_train=120, n_test=20, lags=4, h=3, season_length=40, n_neurons=5, adam_steps=10,
        sgd_epochs=3, lbfgs_steps=5, beta_ratio=0.2)


@pytest.fixture(scope="session")
def told() -> list[str]:
    """The stages that the experiment announced."""
    return []


@pytest.fixture(scope="session")
def experiment(small: Setup, told: list[str]) -> Experiment:
    return run_experiment(small, told.append)
