from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relu_forecast.datasets import load_ecg
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    sample_patterns,
)
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers import beta_max_over_heads, solve
from relu_forecast.training.gradients import GradientSettings, train_by_gradients
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.pricing.search import search_violating
from relu_forecast.training.rounds import Round
from relu_forecast.training.settings import PricingSettings, TrainingSettings
from relu_forecast.training.train import Effort, Trainer
from relu_forecast.windows.sliding import hankel

EFFORT = Effort(1e-4, 20, "auto", 0)


def make_task(
    n: int = 80, d: int = 3, *, skip: bool = False, activation: str = "relu", seed: int = 0,
    architecture=None,
) -> TrainingTask:
    generator = np.random.default_rng(seed)
    X = torch.as_tensor(np.c_[generator.standard_normal((n, d - 1)), np.ones(n)])
    y = torch.as_tensor(np.abs(X[:, 0].numpy()) + 0.1 * generator.standard_normal(n))
    return TrainingTask(X, y[:, None], architecture or Dense(), activation, skip, 0.0)


def beta_max(trainer: Trainer) -> float:
    return trainer.pricer.beta_max(trainer.task, trainer.linear)


def bent(effort: Effort = EFFORT, **options) -> Trainer:
    return Trainer(make_task(**options), effort)


ARCHITECTURES = {
    "plane": (Dense(), 14, 2), "space": (Dense(), 10, 3), "four": (Dense(), 9, 4),
    "filters of 2": (Convolution(2), 6, 4),
    "filters of 2 and a bias": (Convolution(2, 2, True), 6, 4),
    "circular, odd": (Circular(), 9, 3), "circular, even": (Circular(), 8, 4)}


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_reaches_the_optimum_over_all_patterns(kind: str, skip: bool) -> None:
    architecture, n, d = ARCHITECTURES[kind]
    trainer = bent(Effort(1e-6, 20, "auto", 0), n=n, d=d, skip=skip, architecture=architecture)
    task, beta = trainer.task, 0.1 * beta_max(trainer)
    every = enumerate_patterns(task.gate_inputs)
    exact = solve(ConvexProgram.of(task, every, beta), tol=1e-8)
    training = trainer.train(beta)
    assert training.certificate.objective == pytest.approx(exact.objective, rel=1e-5)
    assert training.certificate.dual_objective <= exact.objective * (1 + 1e-7)
    proven = kind not in ("four", "circular, odd", "circular, even")
    assert training.certificate.scope == ("network" if proven else "network-estimated")
    assert exact.certificate.scope == "network"


@pytest.mark.parametrize("skip", [False, True])
def test_certificate_is_that_of_the_network(skip: bool) -> None:
    trainer = bent(skip=skip)
    task, beta = trainer.task, 0.05 * beta_max(trainer)
    training = trainer.train(beta)
    own = training.network.objective(task.X, task.targets[:, 0], beta)
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)
    assert task.problem(beta).objective_of(training.neurons) == pytest.approx(own, rel=1e-9)
    assert training.status == "optimal"
    assert 0.0 <= training.certificate.gap <= 1e-4


def test_an_estimated_bound_is_never_above_the_network() -> None:
    trainer = bent()
    beta = 0.1 * beta_max(trainer)
    neurons, problem = trainer.train(beta).neurons, trainer.task.problem(beta)
    value = problem.objective_of(neurons)
    certificate = Certificate("network-estimated", value, 1.01 * value, 1.0)
    starts = torch.eye(3, dtype=torch.float64)
    priced = trainer.pricer.search(problem.left_of(neurons)[: len(problem.targets)], starts)
    concluded = trainer.conclude(problem, Round(neurons, certificate, priced), 1).certificate
    assert concluded.dual_objective == concluded.objective <= (1 + 1e-4) * value


@pytest.fixture(scope="module")
def shared() -> tuple[Trainer, float]:
    """A trainer and a penalty that several tests train with."""
    trainer = bent(Effort(1e-5, 20, "auto", 0))
    return trainer, 0.03 * beta_max(trainer)


@pytest.fixture(scope="module")
def trained(shared):
    """What training without a skip leads to."""
    trainer, beta = shared
    return trainer.train(beta)


def test_never_loses_to_gradient_descent(shared, trained) -> None:
    trainer, beta = shared
    task = trainer.task
    layer, settings = task.architecture.layer(task.X), GradientSettings("lbfgs", 40, 400, 1.0)
    for seed in range(3):
        weights = train_by_gradients(task.problem(beta), layer, settings, seed)
        rival = task.objective(task.network_of(weights), beta)
        assert trained.certificate.objective <= rival * (1 + 1e-4)


def test_few_neurons_for_a_target_made_of_two(shared) -> None:
    trainer, beta = shared
    training = Trainer(trainer.task, Effort(1e-3, 20, "auto", 0)).train(beta)
    assert 2 <= training.network.n_neurons <= 12


def test_sampled_patterns_are_no_better_than_discovered_ones(shared, trained) -> None:
    trainer, beta = shared
    generator = np.random.default_rng(0)
    drawn = ActivationPatterns.from_gates(
        trainer.task.X, torch.as_tensor(generator.standard_normal((20, 3))))
    sampled = trainer.train_on_patterns(drawn, beta)
    assert trained.certificate.objective <= sampled.certificate.objective * (1 + 1e-5)
    assert sampled.n_rounds == 1
    assert len(sampled.ends) == 0


def test_progress_reports_every_round(shared) -> None:
    trainer, beta = shared
    rounds: list[int] = []
    training = trainer.train(beta, progress=lambda n_round, _: rounds.append(n_round))
    assert rounds == sorted(rounds)
    assert set(rounds) == set(range(1, training.n_rounds + 1))


def test_above_beta_max_the_model_is_the_linear_one() -> None:
    trainer = bent(Effort(1e-6, 5, "auto", 0), skip=True)
    task = trainer.task
    training = trainer.train(1.01 * beta_max(trainer))
    assert training.network.n_neurons == len(training.neurons) == 0
    y = task.targets[:, 0]
    residual = y - training.network(task.X).detach()
    expected = np.linalg.lstsq(task.X.numpy(), y.numpy(), rcond=None)[0]
    torch.testing.assert_close(
        residual, y - task.X @ torch.as_tensor(expected), atol=1e-9, rtol=0)
    assert training.certificate.violation <= 1.0


def test_below_beta_max_there_is_a_neuron() -> None:
    trainer = bent(Effort(1e-6, 10, "auto", 0), skip=True)
    assert trainer.train(0.9 * beta_max(trainer)).network.n_neurons >= 1


def test_beta_max_in_one_dimension_matches_a_fine_search() -> None:
    trainer = bent(n=30, d=2)
    angles = torch.linspace(0, 2 * np.pi, 100_001, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    outputs = (circle @ trainer.task.X.T).relu()
    expected = float((outputs @ trainer.task.targets).abs().amax())
    assert beta_max(trainer) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("architecture", [Dense(), Convolution(2), Circular()])
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_beta_max_is_that_of_the_program_of_all_patterns(architecture, activation) -> None:
    trainer = bent(n=6, d=3, skip=True, activation=activation, architecture=architecture)
    every = enumerate_patterns(trainer.task.gate_inputs)
    exact = ConvexProgram.of(trainer.task, every, 1.0).beta_max()
    is_exact = Pricer(trainer.task.features, PricingSettings()).is_exact
    tolerance = 1e-6 if is_exact and activation == "relu" else 0.05
    assert exact * (1 - tolerance) <= beta_max(trainer) <= exact * (1 + 1e-6)


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_beta_max_is_zero_where_the_linear_part_fits(target: float) -> None:
    task = make_task(skip=True)
    flat = TrainingTask(task.X, torch.full_like(task.targets, target), Dense(), "relu", True)
    trainer = Trainer(flat, EFFORT)
    assert beta_max(trainer) == 0.0
    assert trainer.train_linear(trainer.linear, 0.0).network.n_neurons == 0


@pytest.mark.parametrize("architecture", [Dense(True), Convolution(2), Circular()])
def test_gated_training_certifies_its_program(architecture) -> None:
    trainer = bent(Effort(1e-6, 200, "auto", 0), n=40, activation="gated_relu", skip=True,
                   architecture=architecture)
    task, beta = trainer.task, 0.05 * beta_max(trainer)
    patterns = trainer.gated_patterns(beta, 30)
    training = trainer.train_on_patterns(patterns, beta)
    assert training.network.gate is not None
    assert training.certificate.scope == "program"
    assert training.certificate.gap <= 1e-6
    own = training.network.objective(task.X, task.targets[:, 0], beta)
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)


@pytest.mark.parametrize("architecture", [Dense(True), Convolution(2, sites=2), Circular()])
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_networks_of_many_targets_are_trained_on_patterns(architecture, activation) -> None:
    one = bent(n=20, d=4, architecture=architecture, activation=activation).task
    Y = torch.stack([one.targets[:, 0], one.X[:, 0].abs(), torch.ones(20).double()], dim=1)
    task = TrainingTask(one.X, Y, architecture, activation, True, is_vector=False).scaled()
    assert float(task.target_scale[2]) == 1.0  # a constant column: the skip fits it
    trainer = Trainer(task, Effort(1e-3, 50, "auto", 0))
    patterns = sample_patterns(task.gate_inputs, 4, 0)
    beta = 0.3 * beta_max_over_heads(task, patterns)
    training = trainer.train_on_patterns(patterns, beta)
    assert training.status == "optimal"
    assert 0.0 <= training.certificate.gap <= 1e-3
    assert len(training.neurons) == training.network.n_neurons > 0
    assert task.objective(training.network, beta) == pytest.approx(
        training.certificate.objective, rel=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(training.network(task.X)[:, 2], Y[:, 2], rtol=1e-6, atol=1e-6)


def test_a_start_from_a_nearby_optimum_saves_the_search() -> None:
    trainer = bent(n=60, d=5)
    worst = trainer.linear.worst
    before = trainer.train(0.1 * worst)
    cold = trainer.train(0.09 * worst)
    warm = trainer.train(0.09 * worst, start=before.neurons)
    assert warm.certificate.gap <= 1e-4
    assert warm.certificate.objective == pytest.approx(cold.certificate.objective, rel=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "K", "size"), [(300, 14, 2), (60, 8, 3)])
def test_filters_of_two_and_three_taps_are_proven_optimal(n: int, K: int, size: int) -> None:
    ecg = load_ecg().to_numpy()[20_000 : 20_000 + n + K + size - 1]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), K + size - 1)
    task = TrainingTask(torch.tensor(X), torch.tensor(y)[:, None], Convolution(size), "relu", True)
    trainer = Trainer(task, Effort(1e-4, 30, "auto", 0))
    training = trainer.train(0.02 * beta_max(trainer))
    assert training.certificate.scope == "network"
    assert training.certificate.gap <= 1e-4
    assert training.network.n_neurons >= 1


def test_repeatable_bit_for_bit_and_seeded() -> None:
    beta = 0.05 * beta_max(bent(skip=True, n=40, d=5))
    first, again, other = (
        bent(Effort(1e-3, 5, "auto", seed), skip=True, n=40, d=5).train(beta).network
        for seed in (7, 7, 8))
    assert torch.equal(first.hidden_weight, again.hidden_weight)
    assert first.hidden_weight.shape != other.hidden_weight.shape or not torch.equal(
        first.hidden_weight, other.hidden_weight)


@pytest.mark.slow
def test_ecg_network_reaches_the_best_known_objective() -> None:
    """The shared instance: n = 1000, 15 lags, no skip; best known 40.5959."""
    ecg = load_ecg().to_numpy()[:1015]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 15)
    task = TrainingTask(torch.tensor(X), torch.tensor(y)[:, None], Dense())
    beta = 17.302509185582704
    training = Trainer(task, EFFORT).train(beta)
    assert training.certificate.objective <= 40.600
    assert training.certificate.violation <= 1.001
    residual = task.targets - training.network(task.X).detach()[:, None]
    starts = torch.as_tensor(np.random.default_rng(99).standard_normal((500, 15)))
    found = search_violating(task.features, residual, starts, PricingSettings())
    assert float(found.values[0]) <= 1.01 * beta


def test_a_neuron_worth_less_than_the_precision_does_not_hold_up_the_proof() -> None:
    generator = np.random.default_rng(8)
    signal = np.sin(np.arange(126) / 4) + 0.01 * generator.standard_normal(126)
    X, _ = hankel(signal, 8)
    X = X[:118]
    y = np.sin(X.sum(1)) + 0.3 * generator.standard_normal(118)
    task = TrainingTask(torch.tensor(X.copy()), torch.tensor(y)[:, None], Convolution(1, 3),
                        "relu", True)
    trainer = Trainer(task, EFFORT)
    training = trainer.train(0.0406 * beta_max(trainer))
    assert training.status == "optimal"
    assert training.certificate.scope == "network"


@pytest.mark.parametrize("level", [1e5, 1e7])
def test_far_from_the_origin_nothing_false_is_proven(level: float) -> None:
    t = np.arange(200)
    signal = np.sin(t / 6) + 0.5 * np.abs(np.sin(t / 9))
    own, raised = (TrainingTask(
        *(torch.tensor(part.copy()).view(len(part), -1) for part in hankel(shift + signal, 3)),
        Convolution(2, 1, True), "relu", True) for shift in (0.0, level))
    assert raised.linear_objective == pytest.approx(own.linear_objective, rel=1e-6)
    trainer = Trainer(raised, Effort(1e-4, 3, "auto", 0))
    beta = 0.1 * beta_max(trainer)
    training = trainer.train(beta)
    value = raised.objective(training.network, beta)
    assert training.certificate.objective == pytest.approx(value, rel=1e-5)
    assert training.certificate.dual_objective <= value * (1 + 1e-5)
    assert (training.status == "optimal") == (training.certificate.gap <= 1e-4)


def joint_task(n: int = 70, d: int = 5, n_targets: int = 3, architecture=None) -> TrainingTask:
    generator = np.random.default_rng(1)
    X = torch.as_tensor(generator.standard_normal((n, d)))
    bends = (X @ torch.as_tensor(generator.standard_normal((d, 3)))).relu()
    Y = bends @ torch.as_tensor(generator.standard_normal((3, n_targets)))
    return TrainingTask(X, Y, architecture or Dense(), "relu", True, 0.1, False)


JOINT = {"dense": Dense(), "sites": Convolution(2, sites=2), "circular": Circular()}


@pytest.mark.parametrize("kind", JOINT)
def test_networks_of_many_outputs_are_certified(kind: str) -> None:
    trainer = Trainer(joint_task(architecture=JOINT[kind]), Effort(2e-2, 12, "auto", 0))
    task, beta = trainer.task, 0.1 * beta_max(trainer)
    training = trainer.train(beta)
    own = training.network.objective(task.X, task.targets, beta, 0.1)
    assert training.status == "optimal"
    assert training.certificate.objective == pytest.approx(own, rel=1e-9)
    assert task.problem(beta).objective_of(training.neurons) == pytest.approx(own, rel=1e-9)
    problem = task.problem(beta)
    again = trainer.pricer.search_near(
        problem.residual_of(training.neurons), training.neurons, 60, np.random.default_rng(9))
    honest = problem.certify(again.scope, problem.left_of(training.neurons),
                             training.neurons.blocks, again.worst / beta)
    assert honest.gap <= 4e-2


def test_one_target_as_a_column_is_the_vector() -> None:
    column = make_task(n=60, d=5, skip=True)
    joint = TrainingTask(column.X, column.targets.repeat(1, 2), Dense(), "relu", True, 0.0, False)
    effort = Effort(1e-3, 20, "auto", 0)
    one, two = Trainer(column, effort), Trainer(joint, effort)
    beta = 0.1 * beta_max(one)
    first = one.train(beta).certificate
    second = two.train(beta * 2**0.5).certificate
    assert 2 * first.objective == pytest.approx(second.objective, rel=3e-3)


@pytest.mark.parametrize("task", [joint_task(), make_task(d=5)], ids=["joint", "single"])
@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_training_returns_its_best_network(task, after: int) -> None:
    trainer = Trainer(task, Effort(1e-9, 20, "auto", 0))
    beta, seen = 0.05 * beta_max(trainer), []

    def interrupt(n_round: int, certificate: Certificate) -> None:
        seen.append(certificate)
        if len(seen) == after:
            raise KeyboardInterrupt

    training = trainer.train(beta, progress=interrupt)
    value = task.problem(beta).objective_of(training.neurons)
    assert training.status == "interrupted"
    assert training.certificate.objective == pytest.approx(value, rel=1e-9)
    assert value <= seen[-1].objective * (1 + 1e-6)
    assert 0 < training.certificate.gap <= 1
    assert training.certificate.dual_objective <= value


def test_networks_for_comparison_are_trained_without_the_thorough_search() -> None:
    task, whole = joint_task(n=40, d=4), TrainingSettings()
    counts = {}
    for settings in (whole, whole.for_comparison()):
        trainer, searches = Trainer(task, Effort(5e-2, 5, "auto", 0, settings)), []
        near = trainer.pricer.search_near

        def spied(residual, neurons, n_starts, *rest, near=near, searches=searches, **named):
            searches.append(n_starts)
            return near(residual, neurons, n_starts, *rest, **named)

        object.__setattr__(trainer.pricer, "search_near", spied)
        trainer.train(0.2 * beta_max(trainer))
        counts[settings] = max(searches)
    assert counts[whole] == whole.rounds.thorough_starts
    assert counts[whole.for_comparison()] == whole.search.quick_starts


def test_starts_follow_the_neurons_and_fewer_of_these_may_cost_more() -> None:
    rounds = EFFORT.settings.rounds
    trainer = Trainer(joint_task(n=40, d=4), EFFORT)
    assert trainer._starts(0) == (15, 100)
    assert trainer._starts(50) == (int(50 * rounds.starts_per_neuron), 100)
    assert trainer._starts(500) == (100,)
    values = []
    for share in (1e-6, 0.5):
        settings = replace(EFFORT.settings, rounds=replace(rounds, joint_simplifying=share))
        own = Trainer(trainer.task, Effort(1e-2, 6, "auto", 0, settings))
        values.append(own.train(0.1 * beta_max(own)).certificate.objective)
    assert values[0] < values[1]
