"""Time the solvers and the training against their peers, in one run, on the shipped ECG.

    python benchmarks/run.py [--repeats 3] [--threads 1] [--output benchmarks/results]

Prints a Markdown table and writes it beside a JSON file with every single time. Peers are
CVXPY + Clarabel for the sampled convex programs, Adam for the whole network, and L-BFGS for
convolutional networks of few taps; all minimise the same objective, in float64, in this process,
taking turns, each with the same number of threads (one by default: the products are small).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relu_forecast.architectures import Convolution, Dense
from relu_forecast.arrangements import ActivationPatterns, enumerate_patterns
from relu_forecast.datasets import load_ecg
from relu_forecast.program import ConvexProgram
from relu_forecast.solvers import solve
from relu_forecast.training.adaptive import Effort, train_adaptively
from relu_forecast.training.descent import Descent, DescentProblem, descend
from relu_forecast.training.objective import Objective, price_linear
from relu_forecast.windows import hankel

LAGS = 15
RATIO = 0.01


def instance(n: int, n_patterns: int) -> tuple[torch.Tensor, torch.Tensor, Any, float]:
    """Return windows, targets, Gaussian patterns and beta = 0.01 max_i ||X'D_i y||."""
    signal = load_ecg().to_numpy()[: n + LAGS]
    windows, targets = hankel((signal - signal.mean()) / signal.std(), LAGS)
    X, y = torch.tensor(windows), torch.tensor(targets)
    gates = np.random.default_rng(0).standard_normal((LAGS, n_patterns)).T
    patterns = ActivationPatterns.from_gates(X, torch.as_tensor(gates.copy()))
    correlations = (patterns.masks.to(X) * y) @ X
    return X, y, patterns, RATIO * float(correlations.norm(dim=1).amax())


def program_contest(n: int, n_patterns: int) -> dict[str, Callable[[], float]]:
    """Return the solvers of one sampled program, each giving its objective."""
    X, y, patterns, beta = instance(n, n_patterns)
    program = ConvexProgram(X, y, patterns, beta)
    return {
        "interior point": lambda: solve(program, tol=1e-6).objective,
        "CVXPY + Clarabel": lambda: solve(program, method="cvxpy", tol=1e-6).objective,
    }


def network_contest(n: int) -> dict[str, Callable[[], float]]:
    """Return the trainings of one whole network, each giving its objective (1)."""
    X, y, _, beta = instance(n, 50)
    objective = Objective(X, y, Dense())
    return {"discovered patterns, certified": convex(objective, beta, "network-estimated"),
            "Adam 600 steps": gradients(objective, beta, Descent("adam", 100, 600, 2e-2)),
            "Adam 3,000 steps": gradients(objective, beta, Descent("adam", 100, 3000, 2e-2))}


def filter_contest(n: int, n_patches: int, filter_size: int) -> dict[str, Callable[[], float]]:
    """Return trainings of a convolutional network beside a skip, filters of few taps."""
    lags = n_patches + filter_size - 1
    signal = load_ecg().to_numpy()[20_000 : 20_000 + n + lags]
    windows, targets = hankel((signal - signal.mean()) / signal.std(), lags)
    objective = Objective(
        torch.tensor(windows), torch.tensor(targets), Convolution(filter_size), "relu", True)
    beta = RATIO * price_linear(objective, 0).worst
    return {"proven optimal over all networks": convex(objective, beta, "network"),
            "L-BFGS 1,000 steps": gradients(objective, beta, Descent("lbfgs", 30, 1000, 1.0))}


def count_patterns() -> float:
    """Enumerate the patterns of 20,000 rows in the plane, and return their number."""
    rows = np.random.default_rng(0).standard_normal((20_000, 2))
    return float(len(enumerate_patterns(rows)))


def convex(objective: Objective, beta: float, scope: str) -> Callable[[], float]:
    """Return convex training to a relative gap of 1e-4 within ``scope``."""
    def run() -> float:
        linear = price_linear(objective, 0)
        training = train_adaptively(objective, beta, Effort(1e-4, 20, "auto", 0), linear)
        assert training.certificate.scope == scope
        assert training.certificate.gap <= 1e-4
        return training.certificate.objective
    return run


def gradients(objective: Objective, beta: float, descent: Descent) -> Callable[[], float]:
    """Return gradient training of the same objective."""
    problem = DescentProblem(objective.features, objective.y, beta, objective.skip)
    layer = objective.architecture.layer(objective.X)

    def run() -> float:
        factors = descend(problem, layer, descent, 0)
        return objective.value(objective.network_of(factors), beta)
    return run


def race(contest: dict[str, Callable[[], float]], repeats: int) -> dict[str, Any]:
    """Run every contestant ``repeats`` times in turn; return objectives and seconds."""
    results: dict[str, Any] = {name: {"seconds": []} for name in contest}
    for _ in range(repeats):
        for name, run in contest.items():
            began = time.perf_counter()
            results[name]["objective"] = run()
            results[name]["seconds"].append(time.perf_counter() - began)
    return results


def table(races: dict[str, dict[str, Any]]) -> str:
    """Lay the medians out in Markdown, with ratios to the first contestant."""
    lines = ["| instance | method | result | median seconds | ratio |",
             "|---|---|---|---|---|"]
    for title, results in races.items():
        first = statistics.median(next(iter(results.values()))["seconds"])
        for name, result in results.items():
            median = statistics.median(result["seconds"])
            lines.append(f"| {title} | {name} | {result['objective']:.6g} | {median:.2f} "
                         f"| {median / first:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Run all contests."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    races = {}
    for n, n_patterns in ((300, 20), (500, 50)):
        title = f"sampled program, n = {n}, P = {n_patterns}"
        races[title] = race(program_contest(n, n_patterns), options.repeats)
    races["network, n = 1,000"] = race(network_contest(1000), options.repeats)
    races["all patterns of 20,000 samples in the plane"] = race(
        {"enumeration at rank 2 (their number)": count_patterns}, options.repeats)
    for n, n_patches, size in ((500, 14, 2), (100, 8, 3)):
        title = f"filters of {size} taps, n = {n}, K = {n_patches}"
        races[title] = race(filter_contest(n, n_patches, size), options.repeats)
    options.output.mkdir(parents=True, exist_ok=True)
    machine = {"processor": platform.processor() or platform.machine(),
               "torch_threads": torch.get_num_threads(), "torch": torch.__version__}
    (options.output / "results.json").write_text(
        json.dumps({"machine": machine, "races": races}, indent=1))
    (options.output / "results.md").write_text(table(races) + "\n")
    print(table(races))


if __name__ == "__main__":
    main()
