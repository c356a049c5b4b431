"""The local search: it ends near the optimum, on patterns that hold it, and within its budget."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch

from relu_forecast.networks.fourier import signals_of
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.pricing.search import search_violating
from relu_forecast.training.pricing.starts import perturbed_starts
from relu_forecast.training.search import Budget, LocalSearch
from relu_forecast.training.settings import PricingSettings, SearchSettings, TrainingSettings
from relu_forecast.training.sizing import resize


def solve_convex(problem: Problem, X: np.ndarray, masks: np.ndarray) -> float:
    """Return the optimum of the convex program on some patterns, by CVXPY with a DFT matrix."""
    n, d = X.shape
    dft = np.fft.fft(np.eye(d), norm="ortho") / d**0.5
    circular = problem.norm.n_groups > 1
    blocks, sides = [cp.Variable(d) for _ in range(2 * len(masks))], np.repeat(masks, 2, axis=0)
    shares = [(-1) ** i * cp.multiply(sides[i], X @ block) for i, block in enumerate(blocks)]
    error = sum(shares) - problem.targets[:, 0].numpy()
    if problem.skip is not None:
        error = error + np.c_[X, np.ones(n)] @ cp.Variable(d + 1)
    penalty = sum(cp.norm1(dft @ block) if circular else cp.norm(block) for block in blocks)
    program = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(error) + problem.beta * penalty),
        [cp.multiply(2 * sides[i] - 1, X @ block) >= 0 for i, block in enumerate(blocks)])
    return program.solve(cp.CLARABEL, ignore_dpp=True)


def patterns(X: np.ndarray, gates: np.ndarray) -> np.ndarray:
    return np.unique((X @ gates.T >= 0).T, axis=0).astype(float)


@pytest.mark.filterwarnings("ignore:Objective contains too many subexpressions")
@pytest.mark.parametrize(("kind", "n", "d", "skip"), [
    ("dense", 7, 3, False), ("circular", 6, 4, False), ("circular", 7, 3, True)])
def test_the_search_ends_near_the_optimum_and_finds_its_patterns(
    kind, n, d, skip, features_of, draw_neurons
) -> None:
    generator = np.random.default_rng(3)
    X, y = generator.standard_normal((n, d)), generator.standard_normal((n, 1))
    windows = torch.as_tensor(X)
    beta = 0.1 * float(np.abs(X.T @ y).max())
    problem = Problem(features_of(kind, windows), torch.as_tensor(y), beta,
                      LinearSkip.of(windows) if skip else None)
    optimum = solve_convex(problem, X, patterns(X, generator.standard_normal((20000, d))))
    search = LocalSearch(problem, TrainingSettings())
    neurons = search.improve(resize(problem, draw_neurons(problem, 30, 0)), None,
                             Budget(1e-4, 20), generator)
    found = problem.objective_of(neurons)
    assert optimum * (1 - 1e-6) <= found <= optimum * (1 + 2e-2)
    starts = perturbed_starts(problem.features, neurons.blocks, 10, generator)
    near = search_violating(problem.features, problem.residual_of(neurons), starts,
                            PricingSettings()).directions[:10]
    gates = torch.cat([neurons.blocks, near])
    gates = signals_of(gates, d) if kind == "circular" else gates
    assert solve_convex(problem, X, patterns(X, gates.numpy())) <= optimum * (1 + 1e-3)


def test_no_budget_leaves_the_network_and_a_larger_one_never_worsens_it(
    kind, make_problem, draw_neurons
) -> None:
    problem = make_problem(kind).standardised()
    search, start = LocalSearch(problem, TrainingSettings()), draw_neurons(problem, 5, 0)
    ends = [search.improve(start, None, Budget(1e-4, steps), np.random.default_rng(0))
            for steps in (0, 1, 4)]
    assert ends[0] is start
    values = [problem.objective_of(end) for end in ends]
    assert values[0] > values[1] >= values[2] * (1 - 1e-12)


def test_a_gap_that_is_reached_ends_the_search(make_problem, draw_neurons) -> None:
    problem = make_problem("dense").standardised()
    search = LocalSearch(problem, TrainingSettings())
    first = search.improve(draw_neurons(problem, 5, 0), None, Budget(1e-2, 10),
                           np.random.default_rng(0))
    again = search.improve(first, None, Budget(1e-1, 10), np.random.default_rng(1))
    assert again is first


def test_neurons_are_found_on_subsamples_of_growing_size_where_there_are_many_samples(
    make_problem
) -> None:
    settings = TrainingSettings(search=SearchSettings(first_subsample=20, subsample_growth=3))
    problem = make_problem("dense", n=200).standardised()
    sizes = [len(part.targets) for part in LocalSearch(problem, settings)._subsamples(0)]
    assert sizes == [20, 60]
    found = LocalSearch(problem, settings).find(0)
    assert len(found) >= 1
    assert problem.objective_of(found) < 0.5 * float(problem.targets.square().sum())
    again = LocalSearch(problem, settings).find(0)
    assert torch.equal(found.blocks, again.blocks)
    other = LocalSearch(problem, settings).find(1)
    assert other.blocks.shape != found.blocks.shape or not torch.equal(other.blocks, found.blocks)


def test_few_samples_have_no_subsample(make_problem) -> None:
    problem = make_problem("circular")
    found = LocalSearch(problem, TrainingSettings()).find(0)
    assert len(found) == 0
    assert found.heads.shape == Neurons.none(problem.features, 1).heads.shape
