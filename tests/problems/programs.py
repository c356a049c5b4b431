"""Small programs of every architecture that the tests of programs share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram

ACTIVATIONS = ["relu", "gated_relu"]
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
ARCHITECTURES = {
    "dense": (Dense(), 3), "constant": (Dense(True), 2), "patches": (Convolution(2), 4),
    "stride": (Convolution(2, 2, True), 4), "circular, odd": (Circular(), 3),
    "circular, even": (Circular(), 4)}
every_architecture = pytest.mark.parametrize("name", list(ARCHITECTURES))


def data(n=14, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.standard_normal((n, d))), torch.tensor(
        generator.standard_normal(n))


def build(beta=0.5, *, name="dense", seed=0, n_patterns=5, **options):
    architecture, d = ARCHITECTURES[name]
    X, y = data(d=d, seed=seed)
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, seed)
    return ConvexProgram(X, y, patterns, beta, architecture=architecture, **options)


def in_cones(program, seed):
    """Return blocks inside their cones: gates, scaled."""
    sizes = torch.tensor(np.random.default_rng(seed).random((program.n_blocks, 1)))
    return sizes * program.gates
