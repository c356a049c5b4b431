"""Our package on the networks of `benchmarks.horizons`.

Settings: shape (the fields of `Shape`), tol (1e-2), seed (0). The trace has the objective after
each round.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.horizons import Shape, build
from benchmarks.jobs import Answer, Settings, Trace
from relu_forecast.networks import WholeBlocks
from relu_forecast.networks.modules import ReLUNetwork
from relu_forecast.networks.two_layer import SkipWeights
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.threads import one_thread
from relu_forecast.training.train import Effort, Trainer


@dataclass(frozen=True)
class Seen(WholeBlocks):
    """Neurons that see what `benchmarks.horizons` gives them; the skip sees the windows."""

    has_level: bool
    """Whether the last value of a window stays in the others."""

    def check_input(self, X: torch.Tensor) -> None:
        """Take anything."""

    def gate_inputs(self, X: torch.Tensor) -> torch.Tensor:
        """Return the neurons' inputs."""
        seen = X if self.has_level else (X - X[:, -1:])[:, :-1]
        return torch.cat([seen, X.new_ones(len(X), 1)], dim=1)

    def network(
        self, factors: list[torch.Tensor], gates: torch.Tensor | None, skip: SkipWeights | None
    ) -> ReLUNetwork:
        """Return the network, which is never asked for outputs here."""
        return _SeenNetwork(self, factors, skip)


class _SeenNetwork(ReLUNetwork):
    """A dense network on the neurons' inputs."""

    def __init__(
        self, layout: Seen, factors: list[torch.Tensor], skip: SkipWeights | None
    ) -> None:
        super().__init__(*factors, skip=skip)
        self.layout = layout

    def hidden(self, X: torch.Tensor) -> torch.Tensor:
        """Return the hidden layer's outputs."""
        return super().hidden(self.layout.gate_inputs(X))


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: None, settings: Settings, threads: int) -> Answer:
    """Train until the gap is within ``tol``."""
    shape = Shape(**settings["shape"])
    horizon = build(shape)
    beta, began, trace = horizon.beta, time.perf_counter(), Trace()

    def follow(_: int, certificate: Certificate) -> None:
        trace.append((time.perf_counter() - began, certificate.objective))

    task = TrainingTask(
        torch.from_numpy(horizon.windows), torch.from_numpy(horizon.targets),
        Seen(shape.horizon == 1), "relu", True, is_vector=False)
    effort = Effort(settings.get("tol", 1e-2), 20, "auto", settings.get("seed", 0))
    with one_thread():
        training = Trainer(task, effort).train(beta, progress=follow)
    elapsed, cpu, certificate = time.perf_counter() - began, time.process_time(), (
        training.certificate)
    neurons = training.neurons
    sizes = neurons.blocks.norm(dim=1, keepdim=True).sqrt()
    value = horizon.objective((neurons.blocks / sizes).numpy(), (neurons.heads * sizes).numpy())
    trace.append((elapsed, value))
    return Answer(objective=value, gap=certificate.gap, trace=trace, notes={
        "status": training.status, "rounds": training.n_rounds, "scope": certificate.scope,
        "own objective": certificate.objective, "training seconds": elapsed, "cpu": cpu,
        "neurons": len(neurons), "violation": certificate.violation,
        "targets": np.shape(horizon.targets)})
