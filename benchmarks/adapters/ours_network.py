"""Our package on the whole network: patterns discovered, programs solved, neurons priced.

Settings: tol (1e-5), max_iter (20), seed (0). The trace has the objective after each round.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings, Trace
from relu_forecast.networks.architectures import Dense
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.train import Effort, Trainer


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Train until pricing finds nothing worth ``tol``."""
    began, trace, violations = time.perf_counter(), Trace(), []

    def follow(_: int, certificate: Certificate) -> None:
        trace.append((time.perf_counter() - began, certificate.objective))
        violations.append(certificate.violation)

    targets = torch.from_numpy(instance.y)[:, None]
    task = TrainingTask(torch.from_numpy(instance.X), targets, Dense())
    effort = Effort(settings.get("tol", 1e-5), settings.get("max_iter", 20), "auto",
                    settings.get("seed", 0))
    training = Trainer(task, effort).train(instance.beta, progress=follow)
    weights = [np.asarray(training.network.get_parameter(name).detach().numpy())
               for name in ("hidden_weight", "output_weight")]
    certificate = training.certificate
    trace.append((time.perf_counter() - began, certificate.objective))
    return Answer(
        network=(weights[0], weights[1]), trace=trace,
        notes={"status": training.status, "rounds": training.n_rounds, "gap": certificate.gap,
               "scope": certificate.scope, "neurons": len(weights[1]),
               "violations": violations, "own violation": certificate.violation})
