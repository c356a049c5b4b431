"""Newton steps across cells: where they end, and both ways to solve with their matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Dense
from relu_forecast.networks.hidden_layers import DirectLayer
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.gradients import GradientSettings, train_by_gradients
from relu_forecast.training.newton import _Descent, move_neurons
from relu_forecast.training.settings import NewtonSettings
from relu_forecast.training.sizing import resize

NEWTON = NewtonSettings()


def test_newton_steps_descend_to_a_critical_point(kind, skip, make_problem, draw_neurons) -> None:
    problem = make_problem(kind, skip)
    before = resize(problem, draw_neurons(problem, 12, 1))
    after = move_neurons(problem, before, 0.3, 1e-6, 80, NEWTON)
    assert len(after) == len(before)
    assert torch.equal(after.heads, before.heads)
    assert problem.objective_of(after) < 0.9 * problem.objective_of(before)
    again = problem.objective_of(move_neurons(problem, after, 1e-6, 1e-7, 20, NEWTON))
    assert again == pytest.approx(problem.objective_of(after), rel=1e-3)


def test_newton_steps_end_as_low_as_gradients_do(make_problem, draw_neurons) -> None:
    problem = make_problem("dense", n=100)
    lows = []
    for seed in range(2):
        settings = GradientSettings("lbfgs", 20, 400, 1.0)
        hidden, output = train_by_gradients(problem, DirectLayer(4), settings, seed)
        trained = Neurons(hidden * output.abs(), output.sign())
        lows.append(problem.objective_of(trained))
    ours = [problem.objective_of(move_neurons(
        problem, resize(problem, draw_neurons(problem, 30, seed)), 0.3, 1e-6, 100, NEWTON))
        for seed in range(3)]
    assert min(ours) <= min(lows) * (1 + 1e-3)


def test_a_step_beside_a_ridge_is_the_newton_step_of_the_objective() -> None:
    """Of neurons that are on for all samples the skip takes up all but what its ridge holds."""
    generator = np.random.default_rng(0)
    X = torch.as_tensor(generator.uniform(1.0, 2.0, (40, 4)))
    Y = torch.as_tensor(generator.standard_normal((40, 1)))
    problem = Problem(Dense().features(X), Y, 0.5, LinearSkip.of(X, 5.0))
    heads = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    neurons = Neurons(torch.as_tensor(generator.uniform(0.5, 1.0, (2, 4))), heads)

    def objective(entries):
        blocks = entries.view(2, 4)
        error = problem.targets - problem.features.outputs(blocks) @ heads
        return problem.value(error, blocks)

    start = neurons.blocks.flatten()
    hessian = torch.autograd.functional.hessian(objective, start)
    gradient = torch.autograd.functional.jacobian(objective, start)
    descent = _Descent(problem, neurons, NEWTON)
    descent.soften(1e-9)
    for slab in descent.slabs:
        slab.set_residual(descent.left[:40])
    torch.testing.assert_close(descent._gradient().flatten(), gradient)
    move = descent._newton_move(descent._gradient()).flatten()
    torch.testing.assert_close(move, -torch.linalg.solve(hessian, gradient), rtol=1e-5, atol=1e-8)


def test_few_samples_end_where_many_of_them_repeated_do(make_problem, draw_neurons) -> None:
    """Both factors of the Newton matrix lead to the same point: each sample four times."""
    few = make_problem("dense", n=15)
    neurons = draw_neurons(few, 5, 2)
    assert neurons.blocks.numel() > few.features.n_samples
    repeated = torch.arange(15).repeat(4)
    many = replace(few, features=few.features.restricted(repeated).scaled(0.5),
                   targets=few.targets[repeated] / 2)
    ends = [move_neurons(problem, neurons, 0.3, 1e-4, 40, NEWTON) for problem in (few, many)]
    first, second = (few.objective_of(end) for end in ends)
    assert first == pytest.approx(second, rel=1e-5)
    assert few.objective_of(ends[0]) == pytest.approx(many.objective_of(ends[0]), rel=1e-12)


def test_without_neurons_there_is_nothing_to_move(kind, make_problem) -> None:
    problem = make_problem(kind)
    nothing = Neurons.none(problem.features, 1)
    assert len(move_neurons(problem, nothing, 0.1, 1e-3, 10, NEWTON)) == 0
    loss = 0.5 * float(problem.targets.square().sum())
    assert problem.objective_of(nothing) == pytest.approx(loss)


def test_steps_keep_single_precision(make_problem, draw_neurons) -> None:
    problem = make_problem("dense", True)
    double = move_neurons(problem, draw_neurons(problem, 6, 1), 0.3, 1e-2, 20, NEWTON)
    skip = type(problem.skip).of(problem.skip.inputs.float())
    features = replace(problem.features, rows=problem.features.rows.float(),
                       norm=type(problem.norm)(problem.norm.weights.float()))
    single = replace(problem, features=features, targets=problem.targets.float(), skip=skip)
    moved = move_neurons(single, draw_neurons(problem, 6, 1).to(single.targets), 0.3, 1e-2, 20,
                         NEWTON)
    assert moved.blocks.dtype == torch.float32
    assert single.objective_of(moved) == pytest.approx(problem.objective_of(double), rel=1e-2)
