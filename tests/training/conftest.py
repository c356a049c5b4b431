"""Small problems that the tests of several parts of training share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from relu_forecast.networks.architectures import Architecture, Circular, Convolution, Dense
from relu_forecast.networks.features import Features
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem

ARCHITECTURES: dict[str, Architecture] = {
    "dense": Dense(), "convolution": Convolution(3), "circular": Circular()}


@pytest.fixture(params=list(ARCHITECTURES))
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of hidden layer in turn."""
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "skip"])
def skip(request: pytest.FixtureRequest) -> bool:
    """Without a linear skip, and with one."""
    return request.param


@pytest.fixture(scope="session")
def features_of() -> Callable[[str, Tensor], Features]:
    """Return a function that makes features of a kind from windows."""
    return lambda kind, X: ARCHITECTURES[kind].features(X)


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Problem]:
    """Return a function that makes a problem whose targets are two bends, or more of them."""
    return bent_problem


@pytest.fixture(scope="session")
def draw_neurons() -> Callable[..., Neurons]:
    """Return a function that draws neurons for a problem."""
    return drawn_neurons


def bent_problem(
    kind: str, skip: bool = False, n: int = 60, d: int = 4, n_targets: int = 1
) -> Problem:
    """Return a problem of Gaussian windows; target c bends in its own places."""
    X = torch.as_tensor(np.random.default_rng(0).standard_normal((n, d)))
    Y = torch.stack([X.sum(1).relu() - (X[:, c] - X[:, c + 1]).relu()
                     for c in range(n_targets)], dim=1)
    return Problem(ARCHITECTURES[kind].features(X), Y, 0.5, LinearSkip.of(X) if skip else None)


def drawn_neurons(problem: Problem, m: int, seed: int) -> Neurons:
    """Return Gaussian neurons of both signs, without weight where the rows have nothing."""
    generator = np.random.default_rng(seed)
    blocks = torch.as_tensor(generator.standard_normal((m, problem.features.width)))
    heads = torch.ones(m, 1, dtype=torch.float64)
    heads[1::2] = -1.0
    if problem.n_targets > 1:
        heads = torch.as_tensor(generator.standard_normal((m, problem.n_targets)))
    heads = heads / heads.norm(dim=1, keepdim=True)
    return Neurons(0.1 * blocks * (problem.features.rows != 0).any(0), heads)
