"""Check strong duality by experiment: convex optima against many trainings by gradients.

    python benchmarks/theory.py [--instances 100] [--starts 50] [--seed 0]

Each instance is a small random problem whose program holds all activation patterns, so that its
optimum is that of the network of any width. Printed for each architecture:

- mismatch: worst relative difference between the program's optimum and objective (1) of the
  network recovered from it;
- lowest: lowest relative excess over that optimum that any training ended with. Below -1e-6 the
  theorem would be refuted;
- share within 1e-3: instances whose best training came that near, and the starts that did.

A second table checks the low-rank approximation: the program on the patterns of the best rank-r
approximation of X against the bounds of `low_rank_bounds`.

The trainings minimise the nonconvex objective by L-BFGS with gradients written here, in NumPy,
from the windows: nothing of the package is in them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

from relu_forecast.networks.architectures import Architecture, Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import enumerate_patterns, low_rank_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import Solution, solve

Array = npt.NDArray[np.float64]
Objective = Callable[[Array], tuple[float, Array]]

NEURONS = 15
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Kind:
    """An architecture and the sizes of its random instances."""

    architecture: Architecture
    samples: tuple[int, ...]
    lags: tuple[int, ...]


KINDS = {
    "dense": Kind(Dense(), (6, 8, 9), (2, 3)),
    "convolution": Kind(Convolution(2), (6, 8), (4,)),
    "circular": Kind(Circular(), (6, 7), (3, 4)),
}


@dataclass(frozen=True)
class Duel:
    """One instance: the convex optimum, its network, and where the trainings ended.

    Attributes
    ----------
    convex, bound, network : float
        Optimum of the program, its dual bound, and objective (1) of the recovered network.
    trained : ndarray, shape (starts,)
        Objectives of the trained networks.
    """

    convex: float
    bound: float
    network: float
    trained: Array

    @property
    def mismatch(self) -> float:
        """Relative difference between the program and its own network."""
        return abs(self.network - self.convex) / self.convex

    @property
    def excess(self) -> Array:
        """Relative excess of each training over the convex optimum."""
        return (self.trained - self.convex) / self.convex


def random_program(kind: Kind, seed: int) -> ConvexProgram:
    """Return a random program with all patterns, at a random share of the gated beta_max."""
    generator = np.random.default_rng(seed)
    n, d = generator.choice(kind.samples), generator.choice(kind.lags)
    X = torch.tensor(generator.standard_normal((n, d)))
    y = torch.tensor(generator.standard_normal(n))
    patterns = enumerate_patterns(kind.architecture.gate_inputs(X))
    gated = ConvexProgram(X, y, patterns, 1.0, activation="gated_relu",
                          architecture=kind.architecture)
    beta = float(10 ** generator.uniform(-2.0, -0.4)) * gated.beta_max()
    return ConvexProgram(X, y, patterns, beta, architecture=kind.architecture)


def pooled_objective(rows: Array, Y: Array, beta: float, m: int, sites: int = 1) -> Objective:
    """Return the objective of ``sum_j sum_k (X_k u_j)_+ v_js(k)'``, rows (n, K, h), and gradients.

    Patches are in ``sites`` parts of equal size, one after the other, each with output weights of
    its own; Y is (n, C).
    """
    n, patches, h = rows.shape
    each, stacked = patches // sites, rows.reshape(n * patches, h)

    def value(theta: Array) -> tuple[float, Array]:
        hidden = theta[: m * h].reshape(m, h)
        output = theta[m * h :].reshape(sites * m, -1)
        linear = stacked @ hidden.T
        active = np.maximum(linear, 0.0).reshape(n, sites, each, m).sum(2).reshape(n, sites * m)
        error = active @ output - Y
        pull = (error @ output.T).reshape(n, sites, m).repeat(each, axis=1).reshape(-1, m)
        gradient = np.concatenate([
            (((linear > 0) * pull).T @ stacked + beta * hidden).ravel(),
            (active.T @ error + beta * output).ravel()])
        return 0.5 * float((error**2).sum()) + beta / 2 * float(theta @ theta), gradient

    return value


def circular_objective(X: Array, Y: Array, beta: float, m: int) -> Objective:
    """Return the objective of ``sum_j (X U_j w_j)_+ v_j'``, |u_j| = 1, and its gradients."""
    d = X.shape[1]

    def value(theta: Array) -> tuple[float, Array]:
        free, pooling = theta[: 2 * m * d].reshape(2, m, d)
        output = theta[2 * m * d :].reshape(m, -1)
        length = np.linalg.norm(free, axis=1, keepdims=True)
        unit = free / length
        filters, pooled = np.fft.rfft(unit), np.fft.rfft(pooling)
        linear = X @ np.fft.irfft(filters * pooled, d).T
        active = np.maximum(linear, 0.0)
        error = active @ output - Y
        pull = np.fft.rfft(((linear > 0) * (error @ output.T)).T @ X)
        turn = np.fft.irfft(pooled.conj() * pull, d)
        turn = (turn - unit * (unit * turn).sum(1, keepdims=True)) / length
        gradient = np.concatenate([
            turn.ravel(), (np.fft.irfft(filters.conj() * pull, d) + beta * pooling).ravel(),
            (active.T @ error + beta * output).ravel()])
        penalty = float((pooling**2).sum() + (output**2).sum())
        return 0.5 * float((error**2).sum()) + beta / 2 * penalty, gradient

    return value


def nonconvex_objective(program: ConvexProgram, m: int) -> tuple[Objective, int]:
    """Return the nonconvex objective of the program's network of m neurons, and its arguments."""
    return architecture_objective(program.task.architecture, program.X.numpy(),
                                  program.targets.numpy(), program.beta, m)


def architecture_objective(
    architecture: Architecture, X: Array, Y: Array, beta: float, m: int, sites: int = 1
) -> tuple[Objective, int]:
    """Return the nonconvex objective of a network of m neurons, and its arguments."""
    (_, d), n_targets = X.shape, Y.shape[1]
    if isinstance(architecture, Circular):
        return circular_objective(X, Y, beta, m), m * (2 * d + n_targets)
    h = getattr(architecture, "filter_size", d)
    rows = np.lib.stride_tricks.sliding_window_view(X, h, axis=1)
    return pooled_objective(rows, Y, beta, m, sites), m * (h + sites * n_targets)


def trainings(objective: Objective, size: int, starts: int, seed: int) -> Iterator[float]:
    """Yield the objectives that L-BFGS reaches from random weights."""
    generator = np.random.default_rng(seed)
    for _ in range(starts):
        start = generator.standard_normal(size) * 10 ** generator.uniform(-1.5, 0.0)
        yield float(minimize(objective, start, jac=True, method="L-BFGS-B",
                             options={"maxiter": 3000, "maxfun": 6000, "maxcor": 20,
                                      "ftol": 1e-13, "gtol": 1e-9}).fun)


def duel(kind: Kind, starts: int, seed: int) -> Duel:
    """Return one instance's convex optimum and trainings."""
    program = random_program(kind, seed)
    solution = solve(program, tol=TOLERANCE)
    own = solution.network().objective(program.X, program.y, program.beta)
    trained = np.array(list(trainings(
        *nonconvex_objective(program, NEURONS), starts, seed + 1)))
    return Duel(solution.objective, solution.dual_objective, own, trained)


@dataclass(frozen=True)
class LowRank:
    """Optima on the patterns of a low-rank approximation, and what bounds them.

    Attributes
    ----------
    full, reduced : float
        Optimum p* on all patterns and p_r on those of the best rank-r approximation.
    bound : float
        ``1/2 (||e|| + sqrt(K) sigma_{r+1} R)^2 + beta R``.
    factor : float
        ``(1 + sqrt(K) sigma_{r+1} ||y|| / (2 beta))^2``, a bound on ``p_r / p*``.
    slides : float
        ``1 + sigma_{r+1} / beta``, the slides' factor.
    """

    full: float
    reduced: float
    bound: float
    factor: float
    slides: float


def low_rank_bounds(full: Solution, rank: int) -> LowRank:
    """Solve a dense or convolutional program on low-rank patterns, and bound it from the full one.

    Projecting every neuron of the full optimum on the first r right singular vectors keeps its
    norm from growing, gives it a pattern of the approximation, and moves its output by at most
    ``sqrt(K) sigma_{r+1} ||z_k||``, with K patches; so with e the residual and R the sum of the
    norms at the full optimum, ``p_r <= 1/2 (||e|| + sqrt(K) sigma_{r+1} R)^2 + beta R``. From
    ``||e|| <= ||y||``, ``R <= p*/beta`` and ``p* <= ||y||^2/2`` follows the factor.
    """
    program = full.program
    rows = program.task.architecture.gate_inputs(program.X)
    small = solve(ConvexProgram(program.X, program.y, low_rank_patterns(rows, rank), program.beta,
                                architecture=program.task.architecture), tol=TOLERANCE)
    values = torch.linalg.svdvals(rows)
    sigma = float(values[rank]) if rank < len(values) else 0.0
    moved = sigma * program.features.n_patches**0.5
    error, size = float(program.error(full.blocks).norm()), float(full.blocks.norm(dim=1).sum())
    bound = 0.5 * (error + moved * size) ** 2 + program.beta * size
    factor = (1 + moved * float(program.y.norm()) / (2 * program.beta)) ** 2
    return LowRank(full.objective, small.objective, bound, factor, 1 + sigma / program.beta)


def rescaled(program: ConvexProgram, factor: float) -> ConvexProgram:
    """Return the program with targets and beta multiplied: all optima grow by the square."""
    return ConvexProgram(program.X, factor * program.y, program.patterns, factor * program.beta,
                         architecture=program.task.architecture)


def duality_row(name: str, instances: int, starts: int, seed: int) -> str:
    """Return the line of the first table for one architecture."""
    began = time.perf_counter()
    duels = [duel(KINDS[name], starts, seed + 2 * i) for i in range(instances)]
    mismatch = max(one.mismatch for one in duels)
    lowest = min(float(one.excess.min()) for one in duels)
    near = np.mean([one.excess.min() <= 1e-3 for one in duels])
    near_starts = np.mean(np.concatenate([one.excess for one in duels]) <= 1e-3)
    seconds = time.perf_counter() - began
    return (f"| {name} | {mismatch:.1e} | {lowest:+.1e} | {near:.0%} | {near_starts:.0%} "
            f"| {seconds:.0f} |")


def low_rank_row(name: str, instances: int, seed: int) -> str:
    """Return the line of the second table for one architecture."""
    kind, found = KINDS[name], []
    for i in range(instances):
        program = random_program(kind, seed + 2 * i)
        full = solve(program, tol=TOLERANCE)
        found += [low_rank_bounds(full, rank) for rank in range(1, program.features.width)]
    ratios = np.array([one.reduced / one.full for one in found])
    slack = max(one.reduced / one.bound for one in found)
    loose = max(one.reduced / one.full / one.factor for one in found)
    printed = np.array([one.slides - 1 for one in found])
    broken = [int((ratios > (1 + printed / units) * (1 + 1e-6)).sum()) for units in (1, 1000)]
    return (f"| {name} | {len(found)} | {ratios.max():.3f} | {slack:.3f} | {loose:.3f} "
            f"| {broken[0]} | {broken[1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{arguments.instances} instances, {arguments.starts} starts, {NEURONS} neurons\n")
    print("| architecture | mismatch | lowest | within 1e-3 | starts within 1e-3 | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in KINDS:
        print(duality_row(name, arguments.instances, arguments.starts, arguments.seed), flush=True)
    print("\nLow rank: worst p_r / p*, worst share of either bound, times that the slides' factor "
          "(1 + sigma/beta)\nfailed, as it is and with y and beta in units 1000 times smaller "
          "(which leaves p_r / p*)\n")
    print("| architecture | programs | p_r / p* | of the bound | of the factor | failed "
          "| failed, small units |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in ("dense", "convolution"):
        print(low_rank_row(name, arguments.instances, arguments.seed), flush=True)


if __name__ == "__main__":
    main()
