"""Convolutional networks of few taps beside a linear skip, where pricing proves the optimum.

Settings: n, n_patches, filter_size; method: "convex", or "lbfgs" (steps, neurons).
"""

from __future__ import annotations

import numpy as np
import torch
from relu_forecast.training.objective import Objective, price_linear

from benchmarks.instances import record
from benchmarks.jobs import Answer, Settings
from relu_forecast.networks.architectures import Convolution
from relu_forecast.training.gradients import Descent, DescentProblem, descend
from relu_forecast.training.train import Effort, train_adaptively

_START = 20_000
_RATIO = 0.01


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: None, settings: Settings, threads: int) -> Answer:
    """Train by the method asked for; beta is a share of beta_max."""
    objective = _objective(settings)
    linear = price_linear(objective, 0)
    beta = _RATIO * linear.worst
    if settings["method"] == "convex":
        training = train_adaptively(objective, beta, Effort(1e-4, 20, "auto", 0), linear)
        certificate = training.certificate
        return Answer(objective=certificate.objective, gap=certificate.gap,
                      notes={"scope": certificate.scope})
    problem = DescentProblem(objective.features, objective.y, beta, objective.skip)
    layer = objective.architecture.layer(objective.X)
    descent = Descent("lbfgs", settings["neurons"], settings["steps"], 1.0)
    network = objective.network_of(descend(problem, layer, descent, 0))
    return Answer(objective=objective.value(network, beta))


def _objective(settings: Settings) -> Objective:
    """Return the network's data: windows that a filter crosses in ``n_patches`` steps."""
    n, size = settings["n"], settings["filter_size"]
    lags = settings["n_patches"] + size - 1
    signal = record(_START + n + lags)[_START:]
    signal = (signal - signal.mean()) / signal.std()
    X = np.lib.stride_tricks.sliding_window_view(signal, lags)[:-1].copy()
    return Objective(torch.from_numpy(X), torch.from_numpy(signal[lags:].copy()),
                     Convolution(size), "relu", True)
