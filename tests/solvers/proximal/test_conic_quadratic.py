from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.interior_point.method import InteriorPoint
from relu_forecast.solvers.proximal.conic_quadratic import ConicQuadratic, solve_conic_quadratic
from relu_forecast.solvers.reference import solve_cvxpy
from relu_forecast.solvers.settings import ModelSettings
from tests.fakes import FAKE, fake
from tests.solvers.programs import random_program


def build(name, activation, beta=0.3):
    return random_program(beta, name=name, n=9, n_patterns=3, activation=activation)


def model_of(program):
    """Return the program as a conic quadratic one, its whole loss that of the zero network."""
    rows = program.features.rows if program.has_cones else program.features.rows[:0]
    signs = program.design.masks[:, : len(rows)].to(rows) * 2 - 1
    cones = OwnRows(signs[:, :, None] * rows, torch.ones(signs.shape, dtype=torch.bool))
    method = InteriorPoint(
        program.gram(), program.design.adjoint(program.targets), program.norm, program.beta, cones)
    return ConicQuadratic(method, 0.5 * program.y.square().sum())


def objective_of(method, blocks):
    flat = blocks.flatten()
    smooth = 0.5 * flat.dot(method.gram @ flat) - flat.dot(method.linear.flatten())
    return smooth + method.beta * method.norm.norms(blocks).sum()


def solve(program, goal=1e-10):
    model = model_of(program)
    inner = program.norm.normalised(program.gates)
    gap = program.y.square().sum()
    return model, solve_conic_quadratic(model, inner, gap, goal, ModelSettings())


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
@pytest.mark.parametrize("name", ["dense", "circular, odd"])
def test_the_conic_quadratic_program_of_all_rows_is_the_program(name, activation):
    program = build(name, activation)
    model, state = solve(program)
    assert float(model.gap(state)) <= 1e-9
    value = float(objective_of(model.method, state.blocks) + model.loss)
    assert value == pytest.approx(solve_cvxpy(program, 1e-8, 200).objective, rel=1e-6)
    assert value == pytest.approx(float(program.objective(state.blocks)), rel=1e-9)


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
@pytest.mark.parametrize("beta", [1e-3, 0.3, 3.0])
def test_the_gap_is_about_that_which_the_program_certifies(activation, beta):
    program = build("dense", activation, beta=beta)
    for goal in (1e-1, 1e-4, 1e-8):
        model, state = solve(program, goal)
        multipliers = state.multipliers if program.has_cones else None
        objective, bound, _ = program.bounds(state.blocks, multipliers)
        assert float(model.gap(state)) <= goal
        assert float(objective - bound) <= 2 * goal


def test_rows_that_are_not_present_change_nothing():
    program = build("dense", "relu")
    model, state = solve(program)
    cones = model.method.cones
    wider = ConicQuadratic(replace(model.method, cones=OwnRows(
        torch.cat([cones.rows, torch.zeros_like(cones.rows[:, :4])], 1),
        torch.cat([cones.present, torch.zeros_like(cones.present[:, :4])], 1))), model.loss)
    inner = program.norm.normalised(program.gates)
    other = solve_conic_quadratic(wider, inner, program.y.square().sum(), 1e-10,
                                  ModelSettings())
    torch.testing.assert_close(other.blocks, state.blocks, rtol=1e-4, atol=1e-5)


def test_a_goal_beyond_rounding_gives_the_best_state_seen():
    model, state = solve(build("dense", "relu"), 1e-30)
    assert float(model.gap(state)) <= 1e-8


@pytest.mark.parametrize("n_groups", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fake_cuda_steps_stay_on_the_device_and_never_ask_the_host(n_groups, dtype):
    with FakeTensorMode():
        def of(*shape):
            return fake(*shape, dtype=dtype)

        cones = OwnRows(of(4, 10, 6), fake(4, 10, dtype=torch.bool))
        model = ConicQuadratic(InteriorPoint(
            of(24, 24), of(4, 6), GroupNorm(of(n_groups)), 0.3, cones), of())
        state = model.method.centred(of(4, 6), of())
        for _ in range(3):
            state = model.method.step(state, 1e-9)
        every = [*vars(state).values(), model.gap(state)]
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert {tensor.dtype for tensor in every} == {dtype}


def test_patience_steps_and_the_floor_are_those_of_the_settings():
    program = build("dense", "relu")
    model, inner = model_of(program), program.norm.normalised(program.gates)
    gap = program.y.square().sum()

    def blocks(goal, **settings):
        return solve_conic_quadratic(model, inner, gap, goal, ModelSettings(**settings)).blocks

    assert not torch.equal(blocks(1e-3, most_steps=2), blocks(1e-3))
    assert not torch.equal(blocks(1e-3, floor=0.9), blocks(1e-3))
    impatient = {"far_gap": 1e9, "progress": 1e-9}
    assert not torch.equal(blocks(1e-9, patience=1, **impatient), blocks(1e-9, **impatient))
