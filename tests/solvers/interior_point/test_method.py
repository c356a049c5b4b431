from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from relu_forecast.solvers.interior_point.method import InteriorPoint
from relu_forecast.solvers.settings import InteriorPointSettings
from tests.fakes import FAKE, fake
from tests.pairs import in_pairs
from tests.solvers.programs import (
    ACTIVATIONS,
    SKIPS,
    checked,
    faked_program,
    random_program,
    tensors_of,
)


@pytest.mark.parametrize(("name", "activation", "skip"), in_pairs(
    ["dense", "stride, constant", "circular, odd", "circular, even"], ACTIVATIONS, SKIPS[::2]))
def test_fake_cuda_steps_stay_on_the_device_and_never_ask_the_host(name, activation, skip):
    program = checked(random_program(name=name, activation=activation, **skip))
    with FakeTensorMode():
        fakes = faked_program(program)
        method = InteriorPoint.of(fakes)
        state = method.centred(fakes.gates, fakes.y.new_ones(()))
        state = method.step(method.step(state))
        bounds = fakes.bounds(state.blocks, state.multipliers if fakes.has_cones else None)
    every = [*tensors_of(state), *bounds, method.gram, method.linear]
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert {tensor.dtype for tensor in every} == {torch.float64}


def test_fake_cuda_tensors_refuse_a_host_synchronisation():
    with FakeTensorMode():
        scalar = fake()
        with pytest.raises(DataDependentOutputException):
            float(scalar)


@pytest.mark.parametrize("name", ["dense", "patches", "circular, even"])
def test_fake_cuda_steps_keep_float32(name):
    program = checked(random_program(name=name, linear_skip=True))
    with FakeTensorMode():
        single = faked_program(program, torch.float32)
        method = InteriorPoint.of(single)
        state = method.step(method.centred(single.gates, single.y.new_ones(())))
    assert {tensor.dtype for tensor in tensors_of(state)} == {torch.float32}


def program_of_one_block(multiple):
    """Return the method on one free block of two weights, its Gram matrix a multiple of one."""
    program = random_program(n=6, n_patterns=1, activation="gated_relu")
    method = InteriorPoint.of(program)
    return replace(method, gram=multiple * torch.eye(3, dtype=torch.float64))


def test_a_newton_matrix_that_is_not_positive_definite_stays_and_gets_more_jitter():
    method = program_of_one_block(-1e9)
    state = method.centred(torch.zeros_like(method.linear), method.linear.new_ones(()))
    stayed = method.step(state)
    assert torch.equal(stayed.blocks, state.blocks)
    assert float(stayed.jitter) == 100 * float(state.jitter)
    slower = replace(method, settings=InteriorPointSettings(jitter_growth=2.0)).step(state)
    assert float(slower.jitter) == 2 * float(state.jitter)


def test_a_state_is_centred_with_the_share_asked_for():
    program = random_program()
    method = InteriorPoint.of(program)
    share = program.y.new_tensor(0.7)
    state = method.centred(program.norm.normalised(program.gates), share)
    total = float(method.complementarity(state))
    assert total == pytest.approx(2 * 0.7 * program.n_blocks)
    assert float(method.share(method.complementarity(state))) == pytest.approx(0.7)
    assert bool((state.norms > program.norm.group_norms(state.blocks)).all())
    products = state.outputs * state.multipliers
    torch.testing.assert_close(products, torch.full_like(products, 0.7 / method.cones.n_rows))


def test_steps_reduce_complementarity_and_keep_the_cones():
    program = random_program()
    method = InteriorPoint.of(program)
    state = method.centred(program.norm.normalised(program.gates), program.y.square().sum())
    products = [float(method.complementarity(state))]
    for _ in range(20):
        state = method.step(state)
        products.append(float(method.complementarity(state)))
        assert program.cone_violation(state.blocks) == 0.0
    assert products[-1] < 1e-6 * products[0]
    assert products == sorted(products, reverse=True)
