from __future__ import annotations

import numpy as np
import pytest
import torch
from relu_forecast.training.objective import Objective, estimate_beta_max, price_linear

from relu_forecast.datasets import load_ecg
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import ActivationPatterns, enumerate_patterns
from relu_forecast.solvers import solve
from relu_forecast.training.gradients import Descent, DescentProblem, descend
from relu_forecast.training.pricing.search import price
from relu_forecast.training.train import (
    Effort,
    Training,
    gated_patterns,
    train_adaptively,
    train_linear,
    train_on_patterns,
)
from relu_forecast.windows.sliding import hankel


def make_objective(
    n: int = 80, d: int = 3, *, skip: bool = False, activation: str = "relu", seed: int = 0,
    architecture=None,
) -> Objective:
    generator = np.random.default_rng(seed)
    X = torch.as_tensor(np.c_[generator.standard_normal((n, d - 1)), np.ones(n)])
    y = torch.as_tensor(np.abs(X[:, 0].numpy()) + 0.1 * generator.standard_normal(n))
    return Objective(X, y, architecture or Dense(), activation, skip, 0.0)


def beta_max(objective: Objective) -> float:
    return estimate_beta_max(objective, price_linear(objective, 0))


def train(objective: Objective, beta: float, effort: Effort, progress=None) -> Training:
    linear = price_linear(objective, effort.seed)
    return train_adaptively(objective, beta, effort, linear, progress=progress)


ARCHITECTURES = {
    "plane": (Dense(), 14, 2), "space": (Dense(), 10, 3), "four": (Dense(), 9, 4),
    "filters of 2": (Convolution(2), 6, 4),
    "filters of 2 and a bias": (Convolution(2, 2, True), 6, 4),
    "circular, odd": (Circular(), 9, 3), "circular, even": (Circular(), 8, 4)}


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_reaches_the_optimum_over_all_patterns(kind: str, skip: bool) -> None:
    architecture, n, d = ARCHITECTURES[kind]
    objective = make_objective(n=n, d=d, skip=skip, architecture=architecture)
    beta = 0.1 * beta_max(objective)
    exact = solve(objective.program(enumerate_patterns(objective.gate_inputs), beta), tol=1e-8)
    training = train(objective, beta, Effort(1e-6, 20, "auto", 0))
    assert training.certificate.objective == pytest.approx(exact.objective, rel=1e-5)
    assert training.certificate.dual_objective <= exact.objective * (1 + 1e-7)
    proven = kind not in ("four", "circular, odd", "circular, even")
    assert training.certificate.scope == ("network" if proven else "network-estimated")
    assert exact.certificate.scope == "network"


@pytest.mark.parametrize("skip", [False, True])
def test_certificate_is_that_of_the_network(skip: bool) -> None:
    objective = make_objective(skip=skip)
    beta = 0.05 * beta_max(objective)
    training = train(objective, beta, Effort(1e-4, 20, "auto", 0))
    own = training.network.objective(objective.X, objective.y, beta)
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)
    assert training.status == "optimal"
    assert 0.0 <= training.certificate.gap <= 1e-4


def test_never_loses_to_gradient_descent() -> None:
    objective = make_objective()
    beta = 0.03 * beta_max(objective)
    training = train(objective, beta, Effort(1e-4, 20, "auto", 0))
    problem = DescentProblem(objective.features, objective.y, beta, None)
    layer = objective.architecture.layer(objective.X)
    for seed in range(3):
        weights = descend(problem, layer, Descent("lbfgs", 40, 400, 1.0), seed)
        rival = objective.value(objective.network_of(weights), beta)
        assert training.certificate.objective <= rival * (1 + 1e-4)


def test_few_neurons_for_a_target_made_of_two() -> None:
    objective = make_objective()
    beta = 0.03 * beta_max(objective)
    training = train(objective, beta, Effort(1e-3, 20, "auto", 0))
    assert 2 <= training.network.n_neurons <= 12


def test_above_beta_max_the_model_is_the_linear_one() -> None:
    objective = make_objective(skip=True)
    beta = 1.01 * beta_max(objective)
    training = train(objective, beta, Effort(1e-6, 5, "auto", 0))
    assert training.network.n_neurons == 0
    residual = objective.y - training.network(objective.X).detach()
    expected = np.linalg.lstsq(objective.X.numpy(), objective.y.numpy(), rcond=None)[0]
    torch.testing.assert_close(
        residual, objective.y - objective.X @ torch.as_tensor(expected), atol=1e-9, rtol=0)
    assert training.certificate.violation <= 1.0


def test_below_beta_max_there_is_a_neuron() -> None:
    objective = make_objective(skip=True)
    beta = 0.9 * beta_max(objective)
    training = train(objective, beta, Effort(1e-6, 10, "auto", 0))
    assert training.network.n_neurons >= 1


def test_beta_max_in_one_dimension_matches_a_fine_search() -> None:
    objective = make_objective(n=30, d=2)
    angles = torch.linspace(0, 2 * np.pi, 100_001, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    outputs = (circle @ objective.X.T).relu()
    expected = float((outputs.T * objective.y[:, None]).sum(0).abs().amax())
    assert beta_max(objective) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("architecture", [Dense(), Convolution(2), Circular()])
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_beta_max_is_that_of_the_program_of_all_patterns(architecture, activation) -> None:
    objective = make_objective(
        n=6, d=3, skip=True, activation=activation, architecture=architecture)
    every = enumerate_patterns(objective.gate_inputs)
    exact = objective.program(every, 1.0).beta_max()
    tolerance = 1e-6 if objective.prices_exactly and activation == "relu" else 0.05
    assert exact * (1 - tolerance) <= beta_max(objective) <= exact * (1 + 1e-6)


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_beta_max_is_zero_where_the_linear_part_fits(target: float) -> None:
    objective = make_objective(skip=True)
    flat = Objective(objective.X, torch.full_like(objective.y, target), Dense(), "relu", True)
    assert beta_max(flat) == 0.0
    assert train_linear(flat, price_linear(flat, 0), 0.0).network.n_neurons == 0


@pytest.mark.parametrize("architecture", [Dense(True), Convolution(2), Circular()])
def test_gated_training_certifies_its_program(architecture) -> None:
    objective = make_objective(activation="gated_relu", skip=True, architecture=architecture)
    beta = 0.05 * beta_max(objective)
    patterns = gated_patterns(objective, beta, 30, 0)
    training = train_on_patterns(objective, patterns, beta, Effort(1e-6, 200, "auto", 0))
    assert training.network.gate is not None
    assert training.certificate.scope == "program"
    assert training.certificate.gap <= 1e-6
    own = training.network.objective(objective.X, objective.y, beta)
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)


def test_a_start_from_a_nearby_optimum_saves_the_search() -> None:
    objective = make_objective(n=60, d=5)
    effort, linear = Effort(1e-4, 20, "auto", 0), price_linear(objective, 0)
    before = train_adaptively(objective, 0.1 * linear.worst, effort, linear)
    cold = train_adaptively(objective, 0.09 * linear.worst, effort, linear)
    warm = train_adaptively(objective, 0.09 * linear.worst, effort, linear, start=before.neurons)
    assert warm.certificate.gap <= 1e-4
    assert warm.certificate.objective == pytest.approx(cold.certificate.objective, rel=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "K", "size"), [(300, 14, 2), (60, 8, 3)])
def test_filters_of_two_and_three_taps_are_proven_optimal(n: int, K: int, size: int) -> None:
    ecg = load_ecg().to_numpy()[20_000 : 20_000 + n + K + size - 1]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), K + size - 1)
    objective = Objective(torch.tensor(X), torch.tensor(y), Convolution(size), "relu", True)
    training = train(objective, 0.02 * beta_max(objective), Effort(1e-4, 30, "auto", 0))
    assert training.certificate.scope == "network"
    assert training.certificate.gap <= 1e-4
    assert training.network.n_neurons >= 1


def test_sampled_patterns_are_no_better_than_discovered_ones() -> None:
    objective = make_objective()
    beta = 0.03 * beta_max(objective)
    effort = Effort(1e-5, 20, "auto", 0)
    generator = np.random.default_rng(0)
    drawn = ActivationPatterns.from_gates(
        objective.X, torch.as_tensor(generator.standard_normal((20, 3))))
    sampled = train_on_patterns(objective, drawn, beta, effort)
    adaptive = train(objective, beta, effort)
    assert adaptive.certificate.objective <= sampled.certificate.objective * (1 + 1e-5)


def test_repeatable_bit_for_bit_and_seeded() -> None:
    objective = make_objective(skip=True)
    beta = 0.05 * beta_max(objective)
    first, again = (
        train(objective, beta, Effort(1e-3, 5, "auto", 7)).network for _ in range(2))
    assert torch.equal(first.hidden_weight, again.hidden_weight)


def test_progress_reports_every_round() -> None:
    objective = make_objective()
    beta = 0.05 * beta_max(objective)
    rounds: list[int] = []
    training = train(
        objective, beta, Effort(1e-5, 20, "auto", 0), lambda n_round, _: rounds.append(n_round))
    assert rounds == list(range(1, training.n_rounds + 1))


@pytest.mark.slow
def test_ecg_network_reaches_the_best_known_objective() -> None:
    """The shared instance: n = 1000, 15 lags, no skip; best known 40.5959."""
    ecg = load_ecg().to_numpy()[:1015]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 15)
    objective = Objective(torch.tensor(X), torch.tensor(y), Dense())
    beta = 17.302509185582704
    training = train(objective, beta, Effort(1e-4, 20, "auto", 0))
    assert training.certificate.objective <= 40.600
    assert training.certificate.violation <= 1.001
    residual = objective.y - training.network(objective.X).detach()
    starts = torch.as_tensor(np.random.default_rng(99).standard_normal((500, 15)))
    assert float(price(objective.features, residual, starts).values[0]) <= 1.01 * beta


def test_a_neuron_worth_less_than_the_precision_does_not_hold_up_the_proof() -> None:
    generator = np.random.default_rng(8)
    signal = np.sin(np.arange(126) / 4) + 0.01 * generator.standard_normal(126)
    X, _ = hankel(signal, 8)
    X = X[:118]
    y = np.sin(X.sum(1)) + 0.3 * generator.standard_normal(118)
    objective = Objective(torch.tensor(X.copy()), torch.tensor(y), Convolution(1, 3), "relu", True)
    training = train(objective, 0.0406 * beta_max(objective), Effort(1e-4, 20, "auto", 0))
    assert training.status == "optimal"
    assert training.certificate.scope == "network"


@pytest.mark.parametrize("level", [1e5, 1e7])
def test_far_from_the_origin_nothing_false_is_proven(level: float) -> None:
    t = np.arange(200)
    signal = np.sin(t / 6) + 0.5 * np.abs(np.sin(t / 9))
    near, far = ([torch.tensor(part.copy()) for part in hankel(shift + signal, 3)]
                 for shift in (0.0, level))
    own = Objective(*near, Convolution(2, 1, True), "relu", True)
    raised = Objective(*far, Convolution(2, 1, True), "relu", True)
    assert raised.linear_value == pytest.approx(own.linear_value, rel=1e-6)
    training = train(raised, 0.1 * beta_max(raised), Effort(1e-4, 3, "auto", 0))
    value = raised.value(training.network, 0.1 * beta_max(raised))
    assert training.certificate.objective == pytest.approx(value, rel=1e-5)
    assert training.certificate.dual_objective <= value * (1 + 1e-5)
    assert (training.status == "optimal") == (training.certificate.gap <= 1e-4)
