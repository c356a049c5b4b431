from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.arrangements import ActivationPatterns
from relu_forecast.datasets import load_ecg
from relu_forecast.descent import Descent, DescentProblem, descend
from relu_forecast.networks import GatedReLUNetwork
from relu_forecast.pricing import price
from relu_forecast.solvers import solve
from relu_forecast.training import (
    Effort,
    Objective,
    estimate_beta_max,
    train_adaptively,
    train_gated,
    train_linear,
    train_on_patterns,
)
from relu_forecast.windows import hankel


def make_objective(
    n: int = 80, d: int = 3, *, skip: bool = False, activation: str = "relu", seed: int = 0
) -> Objective:
    generator = np.random.default_rng(seed)
    X = torch.as_tensor(np.c_[generator.standard_normal((n, d - 1)), np.ones(n)])
    y = torch.as_tensor(np.abs(X[:, 0].numpy()) + 0.1 * generator.standard_normal(n))
    return Objective(X, y, activation, skip, 0.0)  # type: ignore[arg-type]


def all_patterns(X: torch.Tensor) -> ActivationPatterns:
    """Every pattern of points in the plane with a constant: dense sampling of the circle."""
    generator = np.random.default_rng(0)
    return ActivationPatterns.from_gates(
        X, torch.as_tensor(generator.standard_normal((200_000, X.shape[1]))))


@pytest.mark.parametrize("skip", [False, True])
def test_reaches_the_optimum_over_all_patterns(skip: bool) -> None:
    objective = make_objective(n=14, d=2, skip=skip)
    beta = 0.1 * estimate_beta_max(objective, 0)
    exact = solve(objective.program(all_patterns(objective.X), beta), tol=1e-8)
    training = train_adaptively(objective, beta, Effort(1e-6, 20, "auto", 0))
    assert training.certificate.objective == pytest.approx(exact.objective, rel=1e-5)
    assert training.certificate.dual_objective <= exact.objective * (1 + 1e-7)
    assert training.certificate.scope == "network-estimated"


@pytest.mark.parametrize("skip", [False, True])
def test_certificate_is_that_of_the_network(skip: bool) -> None:
    objective = make_objective(skip=skip)
    beta = 0.05 * estimate_beta_max(objective, 0)
    training = train_adaptively(objective, beta, Effort(1e-4, 20, "auto", 0))
    own = training.network.objective(objective.X, objective.y, beta)
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)
    assert training.status == "optimal"
    assert 0.0 <= training.certificate.gap <= 1e-4


def test_never_loses_to_gradient_descent() -> None:
    objective = make_objective()
    beta = 0.03 * estimate_beta_max(objective, 0)
    training = train_adaptively(objective, beta, Effort(1e-4, 20, "auto", 0))
    problem = DescentProblem(objective.X, objective.y, beta, None)
    for seed in range(3):
        weights = descend(problem, Descent("lbfgs", 40, 400, 1.0), seed)
        rival = problem.network(*weights).objective(objective.X, objective.y, beta)
        assert training.certificate.objective <= rival * (1 + 1e-4)


def test_few_neurons_for_a_target_made_of_two() -> None:
    objective = make_objective()
    beta = 0.03 * estimate_beta_max(objective, 0)
    training = train_adaptively(objective, beta, Effort(1e-3, 20, "auto", 0))
    assert 2 <= training.network.n_neurons <= 12


def test_above_beta_max_the_model_is_the_linear_one() -> None:
    objective = make_objective(skip=True)
    beta = 1.01 * estimate_beta_max(objective, 0)
    training = train_adaptively(objective, beta, Effort(1e-6, 5, "auto", 0))
    assert training.network.n_neurons == 0
    residual = objective.y - training.network(objective.X).detach()
    expected = np.linalg.lstsq(objective.X.numpy(), objective.y.numpy(), rcond=None)[0]
    torch.testing.assert_close(
        residual, objective.y - objective.X @ torch.as_tensor(expected), atol=1e-9, rtol=0)
    assert training.certificate.violation <= 1.0


def test_below_beta_max_there_is_a_neuron() -> None:
    objective = make_objective(skip=True)
    beta = 0.9 * estimate_beta_max(objective, 0)
    training = train_adaptively(objective, beta, Effort(1e-6, 10, "auto", 0))
    assert training.network.n_neurons >= 1


def test_beta_max_in_one_dimension_matches_a_fine_search() -> None:
    objective = make_objective(n=30, d=2)
    angles = torch.linspace(0, 2 * np.pi, 100_001, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    outputs = (circle @ objective.X.T).relu()
    expected = float((outputs @ objective.y).abs().amax())
    assert estimate_beta_max(objective, 0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_beta_max_is_zero_where_the_linear_part_fits(target: float) -> None:
    objective = make_objective(skip=True)
    flat = Objective(objective.X, torch.full_like(objective.y, target), "relu", True, 0.0)
    assert estimate_beta_max(flat, 0) == 0.0
    assert train_linear(flat).network.n_neurons == 0


def test_gated_training_certifies_its_program() -> None:
    objective = make_objective(activation="gated_relu", skip=True)
    beta = 0.05 * estimate_beta_max(objective, 0)
    training = train_gated(objective, beta, 30, Effort(1e-6, 200, "auto", 0))
    assert isinstance(training.network, GatedReLUNetwork)
    assert training.certificate.scope == "program"
    assert training.certificate.gap <= 1e-6
    own = training.network.objective(objective.X, objective.y, beta)
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)


def test_sampled_patterns_are_no_better_than_discovered_ones() -> None:
    objective = make_objective()
    beta = 0.03 * estimate_beta_max(objective, 0)
    effort = Effort(1e-5, 20, "auto", 0)
    generator = np.random.default_rng(0)
    drawn = ActivationPatterns.from_gates(
        objective.X, torch.as_tensor(generator.standard_normal((20, 3))))
    sampled = train_on_patterns(objective, drawn, beta, effort)
    adaptive = train_adaptively(objective, beta, effort)
    assert adaptive.certificate.objective <= sampled.certificate.objective * (1 + 1e-5)


def test_repeatable_bit_for_bit_and_seeded() -> None:
    objective = make_objective(skip=True)
    beta = 0.05 * estimate_beta_max(objective, 0)
    first, again = (
        train_adaptively(objective, beta, Effort(1e-3, 5, "auto", 7)).network for _ in range(2))
    assert torch.equal(first.hidden_weight, again.hidden_weight)


def test_progress_reports_every_round() -> None:
    objective = make_objective()
    beta = 0.05 * estimate_beta_max(objective, 0)
    rounds: list[int] = []
    training = train_adaptively(
        objective, beta, Effort(1e-5, 20, "auto", 0), lambda n_round, _: rounds.append(n_round))
    assert rounds == list(range(1, training.n_rounds + 1))


@pytest.mark.slow
def test_ecg_network_reaches_the_best_known_objective() -> None:
    """The shared instance: n = 1000, 15 lags, no skip; best known 40.5959."""
    ecg = load_ecg().to_numpy()[:1015]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 15)
    objective = Objective(torch.tensor(X), torch.tensor(y), "relu", False, 0.0)
    beta = 17.302509185582704
    training = train_adaptively(objective, beta, Effort(1e-4, 20, "auto", 0))
    assert training.certificate.objective <= 40.600
    assert training.certificate.violation <= 1.001
    residual = objective.y - training.network(objective.X).detach()
    starts = torch.as_tensor(np.random.default_rng(99).standard_normal((500, 15)))
    assert float(price(objective.X, residual, starts).values[0]) <= 1.01 * beta
