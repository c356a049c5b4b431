"""Descent by gradients: values and gradients against autograd, and where it ends."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.patterns.slabs import PerDevice
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training import descent
from relu_forecast.training.descent import DescentData, FactorObjective, descend
from relu_forecast.training.settings import DescentSettings
from tests.fakes import FAKE, faked, faked_features, faked_skip
from tests.training.joint import KINDS, joint_neurons, joint_problem

SETTINGS = DescentSettings()
every_kind = pytest.mark.parametrize("kind", KINDS)
ridges = pytest.mark.parametrize("ridge", [None, 0.0, 0.5], ids=["plain", "skip", "ridge"])


def balanced(problem: Problem, neurons: Neurons) -> torch.Tensor:
    """Return the factors of a network, of equal cost, as one vector."""
    roots = problem.norm.norms(neurons.blocks).sqrt()[:, None]
    return torch.cat([(neurons.blocks / roots).flatten(), (neurons.heads * roots).flatten()])


def objective_of(problem: Problem, neurons: Neurons) -> FactorObjective:
    """Return the objective with room for the neurons."""
    return FactorObjective(DescentData.of(problem, torch.float64), *neurons.heads.shape)


@every_kind
@ridges
@pytest.mark.parametrize("n_targets", [1, 3])
def test_with_sharp_kinks_it_is_the_objective_of_the_network(kind, ridge, n_targets) -> None:
    problem = joint_problem(kind, n_targets, ridge=ridge)
    neurons = joint_neurons(problem, 6)
    objective, point = objective_of(problem, neurons), balanced(problem, neurons)
    objective.soften(1e-9, 1.0, point)
    value, _ = objective(point)
    assert float(value) == pytest.approx(problem.objective_of(neurons), rel=1e-7)


@every_kind
@ridges
@pytest.mark.parametrize("n_targets", [1, 3])
def test_gradients_are_those_of_autograd(kind, ridge, n_targets, monkeypatch) -> None:
    problem = joint_problem(kind, n_targets, ridge=ridge, n=600)
    neurons = joint_neurons(problem, 3)
    monkeypatch.setattr(descent, "SEARCHED", PerDevice(40, 40))
    objective, point = objective_of(problem, neurons), balanced(problem, neurons)
    assert len(objective.slabs) > 1
    objective.soften(0.3, 0.5, point)
    value, gradient = objective(point)
    variable = point.clone().requires_grad_()
    hidden, heads = objective.parts(variable)
    outputs = problem.features.rows @ hidden.T
    soft = (outputs + (outputs.square() + objective.squares).sqrt()) / 2
    fitted = problem.features.combine(problem.features.pool(soft), heads)
    groups = problem.norm.grouped(hidden).square().sum(2)
    if problem.norm.n_groups > 1:
        groups = groups + objective.norm_widths[:, None].square()
    costs = (groups.sqrt() @ problem.norm.weights).square().sum() + heads.square().sum()
    whole = (problem.leave(problem.targets - fitted).square().sum() + problem.beta * costs) / 2
    whole.backward()
    assert float(value) == pytest.approx(float(whole.detach()), rel=1e-12)
    torch.testing.assert_close(gradient, variable.grad)


@every_kind
@ridges
def test_descents_lower_the_objective_and_settle(kind, ridge) -> None:
    problem = joint_problem(kind, ridge=ridge)
    neurons = joint_neurons(problem, 8)
    data = DescentData.of(problem, torch.float64)
    widths = (0.5, 0.1, 0.02, 1e-3)
    moved = descend(data, neurons, widths, 60, SETTINGS)
    assert problem.objective_of(moved) < 0.7 * problem.objective_of(neurons)
    again = descend(data, moved, (1e-3,), 60, SETTINGS)
    assert problem.objective_of(again) == pytest.approx(problem.objective_of(moved), rel=2e-2)
    torch.testing.assert_close(moved.heads.norm(dim=1), torch.ones(len(moved)).double())


def test_single_precision_leads_nearly_as_low() -> None:
    problem = joint_problem("dense")
    neurons = joint_neurons(problem, 8)
    single, double = (descend(DescentData.of(problem, dtype), neurons, (0.5, 0.02), 100, SETTINGS)
                      for dtype in (torch.float32, torch.float64))
    assert single.blocks.dtype == torch.float64
    assert problem.objective_of(single) == pytest.approx(problem.objective_of(double), rel=1e-2)


def test_every_phase_is_reported_and_neurons_without_weights_are_dropped() -> None:
    problem = joint_problem("dense")
    neurons = joint_neurons(problem, 4)
    neurons.blocks[1] = 0.0
    told: list[Neurons] = []
    moved = descend(DescentData.of(problem, torch.float64), neurons, (0.5, 0.1, 0.02), 20,
                    SETTINGS, told.append)
    assert [len(reached) for reached in told] == [3, 3, 3]
    assert torch.equal(told[-1].blocks, moved.blocks)
    nothing = Neurons.none(problem.features, problem.n_targets)
    assert len(descend(DescentData.of(problem, torch.float64), nothing, (0.1,), 5, SETTINGS)) == 0


@every_kind
def test_fake_cuda_objectives_stay_on_the_device_and_never_ask_the_host(kind) -> None:
    problem = joint_problem(kind)
    neurons = joint_neurons(problem, 4)
    left, factors = problem.left_targets, balanced(problem, neurons)
    with FakeTensorMode():
        moved = Problem(faked_features(problem.features), faked(problem.targets), 1.0,
                        faked_skip(problem.skip))
        vars(moved)["left_targets"] = faked(left)
        data = DescentData.of(moved, torch.float32)
        objective = FactorObjective(data, *neurons.heads.shape)
        point = faked(factors, torch.float32)
        objective.soften(0.1, 0.1, point)
        value, gradient = objective(point)
    assert {value.device.type, gradient.device.type} == {FAKE}
    assert (value.dtype, gradient.dtype) == (torch.float64, torch.float32)


@pytest.mark.cuda
def test_a_descent_on_the_device_ends_where_one_on_the_cpu_does() -> None:
    problem = joint_problem("dense", ridge=None)
    neurons = joint_neurons(problem, 6)
    here = descend(DescentData.of(problem, torch.float64), neurons, (0.5, 0.05), 40, SETTINGS)
    features = type(problem.features)(
        problem.features.rows.cuda(), problem.features.n_samples,
        type(problem.norm)(problem.norm.weights.cuda()))
    moved = Problem(features, problem.targets.cuda(), problem.beta)
    there = descend(DescentData.of(moved, torch.float64), neurons.to(moved.targets), (0.5, 0.05),
                    40, SETTINGS)
    assert moved.objective_of(there) == pytest.approx(problem.objective_of(here), rel=1e-3)
