from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers import InteriorPointSettings
from relu_forecast.solvers.interior_point.grouped_columns import GroupedColumns
from relu_forecast.solvers.interior_point.grouped_method import GroupedPoint, GroupedRows
from relu_forecast.solvers.interior_point.method import InteriorPoint
from relu_forecast.solvers.second_order_cone import ConePoint, NesterovTodd
from tests.fakes import FAKE, fake, faked
from tests.solvers.programs import (
    SKIPS,
    checked,
    faked_program,
    gaussian,
    random_program,
    tensors_of,
)

SETTINGS = InteriorPointSettings()


def columns_of(program, held=None):
    if held is None:
        held = torch.ones(program.n_blocks, program.norm.n_groups, dtype=torch.bool)
    return GroupedColumns(program, held, program.gates)


@pytest.mark.parametrize("skip", SKIPS)
def test_the_gram_matrix_of_all_pairs_is_that_of_the_blocks(skip):
    program = random_program(name="circular, odd", **skip)
    columns = columns_of(program)
    method, whole = GroupedPoint.on(columns, SETTINGS), InteriorPoint.of(program)
    scale = (1 / program.norm.weights).repeat_interleave(columns.size).repeat(program.n_blocks)
    expected = scale[:, None] * whole.gram * scale
    places = (columns.keys // (columns.per_block * columns.size)) * program.features.width
    places = places + columns.keys % (columns.per_block * columns.size)
    torch.testing.assert_close(method.gram, expected[places][:, places])
    pairs = gaussian(len(columns.places), columns.size)
    blocks = whole.descent(columns.blocks(pairs))
    torch.testing.assert_close(method.descent(pairs), columns.adjoint(blocks))


def test_products_that_are_known_are_kept():
    program = random_program(name="circular, even", linear_skip=True, skip_penalty=1.0)
    held = gaussian(program.n_blocks, program.norm.n_groups) > 0
    before = GroupedPoint.on(columns_of(program, held), SETTINGS)
    kept = torch.tensor([5, 2, 3])
    more = held[kept]
    more[1] = True
    after = columns_of(program.restricted(kept), more)
    cold = GroupedPoint.on(after, SETTINGS)
    warm = GroupedPoint.on(after, SETTINGS, before, kept)
    for name in ("gram", "linear", "cone_columns", "left", "live_heads"):
        torch.testing.assert_close(getattr(warm, name), getattr(cold, name))


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_the_newton_matrix_is_factored(activation):
    program = random_program(name="circular, even", activation=activation)
    held = gaussian(program.n_blocks, program.norm.n_groups, seed=1) > 0
    columns = columns_of(program, held)
    method = GroupedPoint.on(columns, SETTINGS)
    state = method.centred(columns.pairs(columns.inner * program.has_cones), program.y.new_ones(()))
    scaling = NesterovTodd.of(ConePoint(state.norms.flatten(), state.blocks),
                              ConePoint(method.heads, state.duals))
    weights = state.multipliers / state.outputs
    solve = method.factored(weights, scaling, state.jitter)
    right = gaussian(*state.blocks.shape)
    right.view(-1)[torch.ones(right.numel(), dtype=torch.bool).index_fill(
        0, columns.live, False)] = 0.0
    found = solve(right)
    product = method.linear - method.descent(found) + method.cones.adjoint(
        weights * method.cones.outputs(found))
    product += (scaling.eliminated_hessian() @ found[:, :, None])[:, :, 0]
    torch.testing.assert_close(product.flatten()[columns.live], right.flatten()[columns.live])
    torch.testing.assert_close(solve.roughly(right), found)


def test_steps_on_pairs_reduce_complementarity_and_keep_the_cones():
    program = random_program(name="circular, even")
    columns = columns_of(program, gaussian(program.n_blocks, program.norm.n_groups) > 0)
    method = GroupedPoint.on(columns, SETTINGS)
    share = program.y.square().sum()
    state = method.centred(columns.pairs(program.norm.normalised(program.gates)), share)
    total = method.complementarity(state)
    assert float(method.share(total)) == pytest.approx(float(share))
    for _ in range(30):
        state = method.step(state)
        assert program.cone_violation(columns.blocks(state.blocks)) <= 1e-12
    assert float(method.complementarity(state)) < 1e-6 * float(total)


def test_leaning_duals_go_half_the_way_to_the_boundary_at_most():
    program = random_program(name="circular, even")
    method = GroupedPoint.on(columns_of(program), SETTINGS)
    correlations = method.beta * torch.tensor([[0.3, 0.0], [0.0, 4.0]], dtype=torch.float64)
    expected = method.beta * torch.tensor([[-0.3, 0.0], [0.0, -0.5]], dtype=torch.float64)
    torch.testing.assert_close(method.leaning(correlations), expected)


def faked_method(method):
    """Return a method whose every tensor is fake, with all that waits for the device known."""
    columns = method.columns
    copy = GroupedColumns(faked_program(columns.program), faked(columns.held),
                          faked(columns.inner))
    for name in ("rays", "places", "owners", "groups", "live", "live_owners", "keys", "_weights"):
        copy.__dict__[name] = faked(getattr(columns, name))
    copy.__dict__["parts"] = columns.parts
    known = replace(
        method, norm=GroupNorm(faked(method.norm.weights)), cones=GroupedRows(copy), columns=copy,
        **{name: faked(getattr(method, name)) for name in (
            "gram", "linear", "cone_columns", "left", "live_heads")})
    known.__dict__["_tiles"] = tuple(faked(part) for part in method._tiles)
    return known


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_a_step_on_pairs_does_not_wait_for_the_device(activation):
    program = checked(random_program(name="circular, even", activation=activation))
    method = GroupedPoint.on(columns_of(program), SETTINGS)
    assert len(method._tiles[0])
    assert len(method.columns.parts) == program.n_blocks
    with FakeTensorMode():
        fakes = faked_method(method)
        pairs = fake(*method.linear.shape)
        state = fakes.step(fakes.centred(pairs, fake()))
    assert {tensor.device.type for tensor in tensors_of(state)} == {FAKE}
