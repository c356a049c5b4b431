"""Our package on a convex program, by the public `solve`.

Settings: method ("auto"), tol (1e-6), device ("cpu"), dtype ("float64").
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings, Trace
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import Solution, solve


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Solve the program; its construction, with all checks, is part of the time."""
    began, trace = time.perf_counter(), Trace()

    def follow(_: int, certificate: Certificate) -> None:
        trace.append((time.perf_counter() - began, certificate.gap))

    options: dict[str, Any] = {}
    if "dtype" in settings:
        options["dtype"] = getattr(torch, settings["dtype"])
    solution = solve(
        program_of(instance), method=settings.get("method", "auto"),
        tol=settings.get("tol", 1e-6), device=settings.get("device", "cpu"), callback=follow,
        **options)
    trace.append((time.perf_counter() - began, solution.gap))
    return Answer(
        blocks=_signals(solution), gap=solution.gap, trace=trace,
        notes={"status": solution.status, "method": solution.method,
               "iterations": solution.n_iter, "blocks": solution.n_neurons,
               "own objective": solution.objective, "version": torch.__version__})


def program_of(instance: Instance) -> ConvexProgram:
    """Return the package's program of an instance."""
    patterns = ActivationPatterns(
        torch.from_numpy(instance.masks), torch.from_numpy(instance.gates))
    return ConvexProgram(
        torch.from_numpy(instance.X), torch.from_numpy(instance.y), patterns, instance.beta,
        activation=instance.activation, circular=instance.circular)


def _signals(solution: Solution) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the blocks as signals (K, d): those of a circular program are coordinates."""
    program = solution.program
    signals = program.task.architecture.gates(program.X, solution.blocks)
    return np.asarray(signals.double().cpu().numpy())
