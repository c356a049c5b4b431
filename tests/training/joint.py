"""Small problems of several targets, or sites, for the tests of trainings by gradients."""

from __future__ import annotations

import numpy as np
import torch

from relu_forecast.networks.architectures import Architecture, Circular, Convolution, Dense
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem

KINDS: dict[str, Architecture] = {
    "dense": Dense(), "pooled": Convolution(2), "sites": Convolution(2, sites=2),
    "circular": Circular()}


def joint_problem(
    kind: str, n_targets: int = 3, *, ridge: float | None = 0.5, n: int = 50, d: int = 5,
    beta: float = 1.0
) -> Problem:
    """Return a problem whose targets are bends in random directions; no skip without a ridge."""
    generator = np.random.default_rng(1)
    X = torch.as_tensor(generator.standard_normal((n, d)))
    bends = (X @ torch.as_tensor(generator.standard_normal((d, 4)))).relu()
    noise = 0.1 * torch.as_tensor(generator.standard_normal((n, n_targets)))
    Y = bends @ torch.as_tensor(generator.standard_normal((4, n_targets))) + noise
    skip = None if ridge is None else LinearSkip.of(X, ridge)
    return Problem(KINDS[kind].features(X), Y, beta, skip)


def joint_neurons(problem: Problem, m: int, seed: int = 0) -> Neurons:
    """Return Gaussian neurons, without weight where the rows have nothing."""
    generator = np.random.default_rng(seed)
    blocks = torch.as_tensor(generator.standard_normal((m, problem.features.width)))
    heads = torch.as_tensor(generator.standard_normal((m, problem.n_head_entries)))
    used = (problem.features.rows != 0).any(0)
    return Neurons(0.3 * blocks * used, heads / heads.norm(dim=1, keepdim=True))
