"""Tuning constants: every one of them changes what it says, and all are where docs say."""

from __future__ import annotations

import ast
import inspect
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
import torch

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Circular, Dense
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers.settings import InteriorPointSettings, SolverSettings
from relu_forecast.training.newton import move_neurons
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.pricing.search import search_violating
from relu_forecast.training.pricing.starts import random_starts
from relu_forecast.training.retraining import reprice_linear, retrain
from relu_forecast.training.rounds import Round
from relu_forecast.training.search import Budget, LocalSearch
from relu_forecast.training.settings import (
    NewtonSettings,
    PricingSettings,
    RetrainingSettings,
    RoundSettings,
    SearchSettings,
    TrainingSettings,
)
from relu_forecast.training.train import Effort, Trainer
from relu_forecast.training.warm_start import WarmStart

GROUPS = {field.name: type(getattr(TrainingSettings(), field.name))
          for field in fields(TrainingSettings)}


def make_task(n=60, d=5, architecture=None, activation="relu"):
    generator = np.random.default_rng(0)
    X = torch.tensor(generator.standard_normal((n, d)))
    y = X[:, 0].abs() - (X[:, 1] + X[:, 2]).relu() + 0.3 * torch.tensor(
        generator.standard_normal(n))
    return TrainingTask(X, y[:, None], architecture or Dense(), activation, True)


def digest(*tensors):
    """Return numbers that tell results apart."""
    return [part.double().flatten().tolist() for part in tensors]


def is_text(node):
    """Tell whether a statement is a docstring, of a class or of the fields above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value.value, str)


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_is_documented(group):
    [tree] = ast.parse(inspect.getsource(GROUPS[group])).body
    assert [node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)] == [
        field.name for field in fields(GROUPS[group])]
    assert is_text(tree.body[0])
    if group != "solver":  # its fields are named as their classes, which say more
        # Fields that share a docstring stand together, so that the last one has it.
        assert is_text([node for node in tree.body if not isinstance(node, ast.FunctionDef)][-1])


@pytest.mark.parametrize("group", GROUPS)
def test_settings_are_frozen_and_equal_by_value(group):
    own = GROUPS[group]()
    assert own == GROUPS[group]()
    assert own == getattr(TrainingSettings(), group)
    with pytest.raises(FrozenInstanceError):
        setattr(own, fields(own)[0].name, 0)


NEWTON = {"norm_width": 10.0, "least_scale": 0.9, "full_step_narrowing": 0.9,
          "part_step_narrowing": 0.9, "long_step": 0.01, "most_halvings": 1,
          "sufficient_decrease": 0.9, "settled": 1.0}


def moved(settings, seed):
    """Return where Newton steps end from a rough start, where all sorts of steps occur."""
    architecture = Circular() if seed else Dense()
    problem = make_task(30, 4, architecture).problem(0.5)
    generator = np.random.default_rng(seed)
    blocks = torch.tensor(generator.standard_normal((8, problem.features.width)))
    heads = torch.tensor(generator.choice([-1.0, 1.0], (8, 1)))
    scales = torch.logspace(-2, 1, 8).double()[:, None]
    neurons = Neurons(
        scales * blocks * (problem.features.rows != 0).any(0), heads)
    return digest(move_neurons(problem, neurons, 0.3, 1e-7, 25, settings).blocks)


@pytest.fixture(scope="module")
def usual_moves():
    return [moved(NewtonSettings(), seed) for seed in range(3)]


@pytest.mark.parametrize("name", NEWTON)
def test_every_newton_setting_changes_where_steps_end(name, usual_moves):
    changed = replace(NewtonSettings(), **{name: NEWTON[name]})
    assert any(moved(changed, seed) != usual_moves[seed] for seed in range(3))


def test_a_descent_that_fails_goes_on_until_it_has_failed_too_often():
    strict = NewtonSettings(sufficient_decrease=0.9, most_halvings=1, most_failures=20)
    assert moved(strict, 0) != moved(replace(strict, most_failures=1), 0)


def test_a_matrix_that_is_singular_to_rounding_is_damped():
    generator = np.random.default_rng(0)
    rows = torch.tensor(generator.standard_normal((200, 1)) * np.ones((1, 6))).float()
    rows = rows + 1e-6 * torch.tensor(generator.standard_normal((200, 6))).float()
    task = TrainingTask(rows, rows[:, :1].abs(), Dense())
    blocks, heads = torch.tensor(generator.standard_normal((6, 6))).float(), torch.ones(6, 1)
    ends = [move_neurons(task.problem(1e-6), Neurons(blocks, heads), 0.1, 1e-3, 10,
                         NewtonSettings(most_damping=most)).blocks for most in (1.0, 1e-12)]
    assert not torch.equal(*ends)


def test_every_newton_setting_was_tried():
    assert {*NEWTON, "most_failures", "most_damping"} == {
        field.name for field in fields(NewtonSettings)}


PRICING = {"scouted_rows": 20, "fewest_scouted_samples": 40, "most_compared": 3,
           "almost_same_outputs": 0.3, "coarse_widths": (0.5, 0.4, 0.3, 0.2, 0.1),
           "first_widths": 1,
           "most_valued": 2, "finished": 1, "fine_widths": (0.01,), "group_widths": (),
           "compared_rows": 5}
ELSEWHERE = {"exact_rows", "cheap_rows", "linear_starts", "same_outputs", "whitened_rows",
             "settled", "most_settling", "settled_of_gap"}  # in pricing/test_large_search.py
LARGE = {
    "formed_weights": 2, "scouted_rows_large": 20, "climbed_rows": 30, "samples_per_weight": 30,
    "scouting_widths": 1, "fewest_climbing": 20, "starts_per_climbing": 1, "starts_per_round": 4,
    "mixed_ends": 1, "scouting_products": 1, "climbing_products": 1, "finishing_products": 1,
    "finished_large": 1, "settling_steps": 1}


@pytest.mark.long
@pytest.mark.parametrize("name", ["", *LARGE])
def test_every_setting_of_large_searches_changes_what_they_find(name):
    n_targets = 1 if name == "formed_weights" else 3
    task = make_task(150, 6)
    residual = torch.tensor(np.random.default_rng(1).standard_normal((150, n_targets)))
    base = PricingSettings(
        fewest_scouted_samples=10, scouted_rows_large=60, climbed_rows=80, samples_per_weight=1,
        fewest_climbing=3, starts_per_climbing=4, finished_large=4,
        starts_per_round=8 if name == "mixed_ends" else 9)
    found = [Pricer(task.features, settings, n_targets).search_near(
        residual, Neurons.none(task.features, n_targets), 8, np.random.default_rng(0)).found
        for settings in (base, replace(base, **{name: LARGE[name]} if name else {}))]
    assert (digest(found[0].directions) == digest(found[1].directions)) == (not name)


def searched(settings):
    """Return all ends of a search with groups of coordinates."""
    task = make_task(60, 4, Circular())
    features, base = task.features, PricingSettings(fewest_scouted_samples=10, scouted_rows=30)
    own = replace(base, **{name: value for name, value in vars(settings).items()
                           if value != vars(PricingSettings())[name]})
    starts = random_starts(features, 12, np.random.default_rng(0), 5000)
    found = search_violating(features, task.linear_residual, starts, own)
    return digest(found.directions, found.values)


@pytest.mark.long
@pytest.mark.parametrize("name", PRICING)
def test_every_setting_of_a_search_changes_its_ends(name):
    assert searched(replace(PricingSettings(), **{name: PRICING[name]})) != searched(
        PricingSettings())


def test_settings_of_what_is_exact_compared_drawn_and_whitened():
    task = make_task(60, 3)
    features, usual = task.features, PricingSettings()
    assert Pricer(features, usual).is_cheap
    assert not Pricer(features, replace(usual, cheap_rows=10)).is_cheap
    assert not Pricer(features, replace(usual, exact_rows=10)).is_exact
    wide = make_task(60, 5)
    counts = [len(Pricer(wide.features, replace(usual, linear_starts=n, most_valued=1000,
                                                almost_same_outputs=1.0)).price_linear(
        wide.linear_residual, 0).found.values) for n in (2, 30)]
    assert counts[0] < counts[1]
    near = PricedNeurons(torch.tensor([[1.0, 0, 0], [1.0, 0.3, 0]]).double(),
                         torch.ones(2, 1).double(), torch.tensor([2.0, 1.0]).double())
    kept = [len(near.distinct(features, 0.0, 5, replace(usual, same_outputs=same)).values)
            for same in (0.5, 0.999)]
    assert kept == [1, 2]
    drawn = [random_starts(features, 4, np.random.default_rng(0), rows) for rows in (5, 60)]
    assert not torch.equal(*drawn)
    known = ELSEWHERE | set(PRICING) | set(LARGE)
    assert known == {field.name for field in fields(PricingSettings)}


SEARCH = {"first_subsample": 30, "subsample_growth": 2, "subsample_gap": 0.5,
          "subsample_steps": 1, "quick_starts": 1, "most_joining": 1, "worth_joining": 20.0,
          "newton_steps": 1, "widest": 1e-3, "narrowing": 0.01, "narrowest": 0.09,
          "last_of_first": 1e-3, "last_of_gap": 1e-5, "last_of_tol": 1.0}


def found_by(settings):
    """Return what a local search finds on subsamples, and then on all samples."""
    problem = make_task(90, 4).problem(1.0).standardised()
    base = {"first_subsample": 20, "subsample_growth": 3}
    changed = {name: value for name, value in vars(settings).items()
               if value != vars(SearchSettings())[name]}
    own = TrainingSettings(search=replace(SearchSettings(), **{**base, **changed}))
    search = LocalSearch(problem, own)
    end = search.improve(search.find(0), None, Budget(1e-3, 3), np.random.default_rng(0))
    return digest(end.blocks)


@pytest.fixture(scope="module")
def usual_search():
    return found_by(SearchSettings())


@pytest.mark.long
@pytest.mark.parametrize("name", SEARCH)
def test_every_setting_of_the_local_search_changes_what_it_finds(name, usual_search):
    assert found_by(replace(SearchSettings(), **{name: SEARCH[name]})) != usual_search


def test_every_setting_of_the_local_search_was_tried():
    assert set(SEARCH) == {field.name for field in fields(SearchSettings)}


def trained(settings, tol=1e-3, activation="relu", most_joining=60):
    """Return what a training and its linear part leave behind."""
    task = make_task(40, 4, activation=activation)
    own = TrainingSettings(rounds=settings, search=SearchSettings(most_joining=most_joining))
    trainer = Trainer(task, Effort(tol, 6, "auto", 0, own))
    beta = 0.05 * trainer.linear.worst
    if activation == "gated_relu":
        return digest(trainer.gated_patterns(beta, 3).gates)
    training = trainer.train(beta)
    return [*digest(training.neurons.blocks, training.ends), training.n_rounds,
            training.certificate.dual_objective]


ROUNDS = {"thorough_starts": 3, "kept_ends": 1, "steps_per_round": 1, "simplifying": 1.0}


@pytest.fixture(scope="module")
def usual_training():
    return trained(RoundSettings())


@pytest.mark.long
@pytest.mark.parametrize("name", ROUNDS)
def test_every_setting_of_rounds_changes_a_training(name, usual_training):
    assert trained(replace(RoundSettings(), **{name: ROUNDS[name]})) != usual_training


@pytest.mark.parametrize("change", [{"rough_gap": 0.5}, {"rough_steps": 1}])
def test_the_rough_search_decides_the_patterns_of_gated_networks(change):
    assert trained(replace(RoundSettings(), **change), activation="gated_relu") != trained(
        RoundSettings(), activation="gated_relu")


def test_programs_are_solved_where_rounds_gain_little():
    """With one neuron a round, and almost any gain little, rounds are followed by programs."""
    often, never = (RoundSettings(steps_per_round=1, program_precision=share)
                    for share in (80.0, 1e-9))
    assert trained(often, 1e-2, most_joining=1) != trained(never, 1e-2, most_joining=1)


def test_neurons_that_pricing_found_are_blocks_of_the_program():
    task, values = make_task(40, 4), []
    for most in (1, 4, 30):
        settings = TrainingSettings(rounds=RoundSettings(new_blocks=most))
        trainer = Trainer(task, Effort(1e-3, 6, "auto", 0, settings))
        problem = task.problem(0.05 * trainer.linear.worst)
        one = trainer.linear.found.at(torch.arange(1)).neurons
        priced = trainer.pricer.search_near(
            problem.residual_of(one), one, 5, np.random.default_rng(0))
        certificate = problem.certify(
            priced.scope, problem.left_of(one), one.blocks, priced.worst / problem.beta)
        solved = trainer._solve_program(problem, Round(one, certificate, priced))
        values.append(problem.objective_of(solved))
    assert values[0] > values[1] > values[2]


def test_every_setting_of_rounds_was_tried():
    tried = {*ROUNDS, "rough_gap", "rough_steps", "program_precision", "new_blocks"}
    elsewhere = {
        "kept_linear_ends",  # in tests/estimators/test_convex.py
        # in tests/training/test_movers.py
        "first_weights", "few_weights", "newton_weights", "newton_gap",
        "joint_simplifying", "starts_per_neuron"}  # in tests/training/test_train.py
    assert tried | elsewhere == {field.name for field in fields(RoundSettings)}


RETRAINING = {"widest": 1e-3, "width": 0.05, "narrowest": 5e-3, "newton_steps": 1,
              "worth_joining": 1.5, "starts": 1, "finished": 1, "most_rounds": 1,
              "linear_starts": 1}


@pytest.fixture(scope="module")
def left_behind():
    """A task of other samples, and what a training on the first ones left."""
    task = make_task(60, 4)
    effort = Effort(1e-3, 20, "auto", 0)
    some = TrainingTask(task.X[:40], task.targets[:40], Dense(), "relu", True)
    trainer = Trainer(some, effort)
    training = trainer.train(0.1 * trainer.linear.worst)
    return task, WarmStart.of(training.neurons, training.ends,
                              trainer.linear.found.directions[:2])


def retrained(left_behind, settings):
    """Return what a training that starts from an earlier one ends with."""
    task, start = left_behind
    trainer = Trainer(task, Effort(1e-4, 20, "auto", 0, TrainingSettings(retraining=settings)))
    linear = reprice_linear(trainer, start)
    training = retrain(trainer, 0.1 * linear.worst, linear, start)
    return digest(linear.found.values, training.neurons.blocks, training.ends)


@pytest.fixture(scope="module")
def usual_retraining(left_behind):
    return retrained(left_behind, RetrainingSettings())


@pytest.mark.long
@pytest.mark.parametrize("name", RETRAINING)
def test_every_setting_of_retraining_changes_it(name, left_behind, usual_retraining):
    changed = replace(RetrainingSettings(), **{name: RETRAINING[name]})
    assert retrained(left_behind, changed) != usual_retraining


def test_every_setting_of_retraining_was_tried():
    assert set(RETRAINING) == {field.name for field in fields(RetrainingSettings)}


@pytest.mark.parametrize(("group", "values", "message"), [
    (PricingSettings, {"coarse_widths": (0.1,)}, "coarse_widths must be more than first_widths"),
    (PricingSettings, {"fine_widths": ()}, "fine_widths at least one"),
    (PricingSettings, {"finished": 0}, "finished must be an integer >= 1"),
    (NewtonSettings, {"long_step": -1.0}, "long_step must be a finite number > 0"),
    (SearchSettings, {"quick_starts": 2.5}, "quick_starts must be an integer")])
def test_values_that_cannot_be_used_are_refused(group, values, message):
    with pytest.raises(InvalidArgumentError, match=message):
        group(**values)


def test_programs_are_solved_by_the_settings_of_the_solver():
    task = make_task()
    short = SolverSettings(interior_point=InteriorPointSettings(step_back=0.5))
    usual, slow = (
        Trainer(task, Effort(1e-6, 50, "interior_point", 0, TrainingSettings(solver=solver)))
        .train_on_patterns(sample_patterns(task.gate_inputs, 8, 0), 0.5)
        for solver in (SolverSettings(), short))
    assert usual.certificate.objective != slow.certificate.objective
    assert usual.certificate.objective == pytest.approx(slow.certificate.objective, rel=1e-5)
