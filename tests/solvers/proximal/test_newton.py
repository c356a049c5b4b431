from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.solvers import SolverSettings
from relu_forecast.solvers.batches import taken
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.proximal.newton import ActiveBlocks, Iterate, ProximalNewton
from relu_forecast.solvers.proximal.sketch import Metric
from relu_forecast.solvers.settings import BlockPricingSettings
from tests.fakes import FAKE, fake
from tests.pairs import in_pairs
from tests.solvers.programs import (
    ACTIVATIONS,
    SKIPS,
    checked,
    faked_program,
    gaussian_data,
    random_program,
    tensors_of,
)


@pytest.mark.parametrize(("name", "activation", "skip"), in_pairs(
    ["dense", "patches", "circular, even"], ACTIVATIONS, SKIPS[::2]))
def test_fake_cuda_steps_stay_on_the_device_and_never_ask_the_host(name, activation, skip):
    program = checked(random_program(name=name, activation=activation, **skip))
    with FakeTensorMode():
        program = faked_program(program)
        d, index = program.features.width, fake(4, dtype=torch.long)
        blocks = fake(4, d)
        rows = ConeRows(program.features.rows, blocks, index, program.design.masks, 2**10,
                        BlockPricingSettings())
        method = ProximalNewton.__new__(ProximalNewton)
        method.program, method.slab_entries, method.settings = program, 2**10, SolverSettings()
        method.norm, method.beta, method.cone_rows = program.norm, program.beta, rows
        working = WorkingRows.empty(blocks, method.places)
        active, y = ActiveBlocks(index, blocks, blocks, working), program.targets
        point = Iterate(active, y, y, blocks)
        for _ in range(2):
            point, curved = method.advance(point, blocks, program.y.sum())
        matrix = fake(4 * d, 4 * d)
        model = method.model(point, matrix, working)
        state = model.method.centred(blocks, model.method.share(program.y.sum()))
        state = model.method.step(model.method.step(state))
        every = [*tensors_of(point), curved, *tensors_of(state), *method.bounds(point),
                 model.gap(state), Metric(model.method.gram, False).corrected(
                     blocks.flatten(), curved.flatten()).matrix]
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert {tensor.dtype for tensor in every} <= {torch.float64, torch.long, torch.bool}


def method_and_iterate(**options):
    """Return the method on a program with all its blocks active at their gates."""
    program = random_program(**options)
    method = ProximalNewton(program, 2**10, SolverSettings())
    index = torch.arange(program.n_blocks)
    inner = program.norm.normalised(program.gates)
    active = ActiveBlocks(index, 0.1 * inner, inner, WorkingRows.empty(inner, method.places))
    return method, method.iterate(active, torch.zeros_like(inner))


@pytest.mark.parametrize("skip", SKIPS[:2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_iterate_has_the_error_and_the_gradient_of_the_program(activation, skip):
    method, point = method_and_iterate(activation=activation, **skip)
    program, blocks = method.program, point.active.blocks
    torch.testing.assert_close(point.error, program.error(blocks))
    blocks = blocks.clone().requires_grad_()
    (0.5 * program.leave(program.error(blocks)).square().sum()).backward()
    torch.testing.assert_close(point.gradient, -blocks.grad)
    fixed = torch.zeros_like(point.active.blocks).index_fill(0, torch.tensor([1]), 0.2)
    rest = method.iterate(taken(point.active, torch.tensor([0])), fixed)
    torch.testing.assert_close(rest.target, program.targets - program.design.forward(fixed))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_line_search_ends_where_the_objective_along_the_direction_is_least(activation):
    method, point = method_and_iterate(activation=activation)
    program, blocks = method.program, point.active.blocks
    direction = gaussian_data(len(blocks), 3, seed=2)[0] * 1e-1
    moved = program.design.forward(direction)
    most = 1.0 if activation == "relu" else 2.0
    length = float(method.line_search(point, direction, moved, point.error.new_zeros(())))
    lengths = torch.linspace(0, most, 801, dtype=torch.float64)
    values = torch.stack([program.objective(blocks + one * direction) for one in lengths])
    assert length == pytest.approx(float(lengths[values.argmin()]), abs=3e-3)
    generous = method.line_search(point, direction, moved, point.error.new_tensor(1e9))
    assert float(generous) == 1.0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_with_the_exact_metric_solves_the_program(activation):
    method, point = method_and_iterate(activation=activation)
    program = method.program
    metric = method.sketch.metric(point.active.index)
    assert metric.exact
    gap = program.y.square().sum()
    point, same = method.step(point, metric, gap, 1e-9 * gap)
    primal, dual = method.bounds(point)
    assert same is metric
    assert float(primal - dual) <= 1e-6 * float(primal)
    assert float(primal) == pytest.approx(float(program.objective(point.active.blocks)))
    assert program.cone_violation(point.active.blocks) <= 1e-12
