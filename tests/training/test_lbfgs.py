"""L-BFGS: it ends at minima, never climbs, and never asks the host."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.training.lbfgs import LBFGS
from relu_forecast.training.settings import DescentSettings
from tests.fakes import FAKE, fake

SETTINGS = DescentSettings()


def quadratic(dtype=torch.float64):
    """Return a convex quadratic with curvatures from 1 to 1,000, and its minimiser."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(12, 12, generator=generator, dtype=torch.float64)).Q
    matrix = (basis * torch.logspace(0, 3, 12, dtype=torch.float64)) @ basis.T
    end = torch.randn(12, generator=generator, dtype=torch.float64)
    matrix, end = matrix.to(dtype), end.to(dtype)

    def objective(point):
        pull = matrix @ (point - end)
        return 0.5 * (point - end).dot(pull).double() + 3.0, pull

    return objective, end


def rosenbrock(point):
    """The valley of Rosenbrock in many dimensions, its minimum at ones."""
    point = point.detach().requires_grad_()
    with torch.enable_grad():
        value = (100 * (point[1:] - point[:-1] ** 2) ** 2 + (1 - point[:-1]) ** 2).sum() + 1.0
        (gradient,) = torch.autograd.grad(value, point)
    return value.detach(), gradient


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_minimum_of_a_quadratic(dtype) -> None:
    objective, end = quadratic(dtype)
    state = LBFGS(objective, torch.zeros_like(end), SETTINGS)
    state.run(120)
    assert state.point.dtype == dtype
    assert state.value.dtype == torch.float64
    tolerance = 1e-6 if dtype == torch.float64 else 1e-2
    torch.testing.assert_close(state.point, end, atol=tolerance, rtol=0)


def test_a_curved_valley_is_followed_to_its_end() -> None:
    state = LBFGS(rosenbrock, -torch.ones(10, dtype=torch.float64), SETTINGS)
    state.run(400)
    assert float(state.value) == pytest.approx(1.0, abs=1e-6)


def test_values_never_rise_and_belong_to_the_point() -> None:
    state = LBFGS(rosenbrock, -torch.ones(10, dtype=torch.float64), SETTINGS)
    for _ in range(60):
        before = float(state.value)
        state.run(1)
        assert float(state.value) <= before * (1 + 1e-12)
        value, gradient = rosenbrock(state.point)
        assert float(value) == float(state.value)
        assert torch.equal(gradient, state.gradient)


def test_stopping_in_between_changes_nothing() -> None:
    objective, end = quadratic()
    whole, parts = (LBFGS(objective, torch.zeros_like(end), SETTINGS) for _ in range(2))
    whole.run(30)
    for _ in range(6):
        parts.run(5)
    assert torch.equal(whole.point, parts.point)


def test_the_memory_forgets_the_oldest_steps() -> None:
    """With room for two pairs the direction is that of the last two."""
    objective, end = quadratic()
    state = LBFGS(objective, torch.zeros_like(end), DescentSettings(memory=2))
    points = [state.point]
    while len(points) < 4:
        state.run(1)
        if not torch.equal(points[-1], state.point):
            points.append(state.point)
    steps = [b - a for a, b in itertools.pairwise(points)][-2:]
    turns = [objective(b)[1] - objective(a)[1]
             for a, b in itertools.pairwise(points)][-2:]
    direction = state.gradient
    shares = []
    for step, turn in zip(reversed(steps), reversed(turns), strict=True):
        shares.append(step.dot(direction) / step.dot(turn))
        direction = direction - shares[-1] * turn
    direction = direction * steps[-1].dot(turns[-1]) / turns[-1].dot(turns[-1])
    for step, turn, share in zip(steps, turns, reversed(shares), strict=True):
        direction = direction + step * (share - turn.dot(direction) / step.dot(turn))
    torch.testing.assert_close(state._direction, -direction)


def test_fake_cuda_steps_stay_on_the_device_and_never_ask_the_host() -> None:
    with FakeTensorMode():
        matrix = fake(6, 6)
        state = LBFGS(lambda x: ((matrix @ x).dot(x), matrix @ x), fake(6), SETTINGS)
        state.run(3)
    assert {part.device.type for part in (state.point, state.value, state.gradient)} == {FAKE}


@pytest.mark.cuda
def test_steps_on_the_device_are_those_on_the_cpu() -> None:
    objective, end = quadratic()
    here = LBFGS(objective, torch.zeros_like(end), SETTINGS)
    here.run(20)
    matrix = torch.stack([objective(column + end)[1] for column in torch.eye(12).double()]).cuda()
    goal = end.cuda()

    def there_objective(point):
        pull = matrix @ (point - goal)
        return 0.5 * (point - goal).dot(pull) + 3.0, pull

    there = LBFGS(there_objective, torch.zeros_like(goal), SETTINGS)
    there.run(20)
    assert float(there.value) == pytest.approx(float(here.value), rel=1e-6)
