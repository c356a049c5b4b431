"""Convolutional networks of few taps beside a linear skip, where pricing proves the optimum.

Settings: n, n_patches, filter_size; method: "convex", or "lbfgs" (steps, neurons).
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.instances import record
from benchmarks.jobs import Answer, Settings
from relu_forecast.networks.architectures import Convolution
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.gradients import GradientSettings, train_by_gradients
from relu_forecast.training.train import Effort, Trainer

_START = 20_000
_RATIO = 0.01


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: None, settings: Settings, threads: int) -> Answer:
    """Train by the method asked for; beta is a share of beta_max."""
    task = _task(settings)
    trainer = Trainer(task, Effort(1e-4, 20, "auto", 0))
    beta = _RATIO * trainer.linear.worst
    if settings["method"] == "convex":
        certificate = trainer.train(beta).certificate
        return Answer(objective=certificate.objective, gap=certificate.gap,
                      notes={"scope": certificate.scope})
    layer = task.architecture.layer(task.X)
    descent = GradientSettings("lbfgs", settings["neurons"], settings["steps"], 1.0)
    network = task.network_of(train_by_gradients(task.problem(beta), layer, descent, 0))
    return Answer(objective=task.objective(network, beta))


def _task(settings: Settings) -> TrainingTask:
    """Return the network's data: windows that a filter crosses in ``n_patches`` steps."""
    n, size = settings["n"], settings["filter_size"]
    lags = settings["n_patches"] + size - 1
    signal = record(_START + n + lags)[_START:]
    signal = (signal - signal.mean()) / signal.std()
    X = np.lib.stride_tricks.sliding_window_view(signal, lags)[:-1].copy()
    targets = torch.from_numpy(signal[lags:, None].copy())
    return TrainingTask(torch.from_numpy(X), targets, Convolution(size), "relu", True)
