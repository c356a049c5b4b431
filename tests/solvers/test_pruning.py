from __future__ import annotations

import pytest
import torch

from relu_forecast.solvers import solve
from relu_forecast.solvers.pruning import prune
from tests.solvers.programs import ACTIVATIONS, ARCHITECTURES, random_program


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_unused_blocks_are_exactly_zero(name, activation):
    options = {"name": name, "activation": activation}
    program = random_program(0.5 * random_program(**options).beta_max(), **options)
    solution = solve(program)
    assert 0 < solution.n_neurons < program.n_blocks
    assert solution.n_neurons == int((solution.blocks.norm(dim=1) > 0).sum())
    assert solution.gap <= 1e-6


def test_small_blocks_go_where_the_gap_allows_it():
    program = random_program(activation="gated_relu")
    solution = solve(program, tol=1e-9)
    assert 0 < solution.n_neurons < program.n_blocks
    smeared = solution.blocks + 1e-9
    before = program.certificate(smeared, None)
    blocks, after = prune(program, smeared, None, before, 1e-6)
    assert torch.equal((blocks != 0).any(1), solution.used)
    assert after.gap <= 1e-6
    assert after.dual_objective == before.dual_objective


def test_blocks_that_matter_stay():
    program = random_program(activation="gated_relu")
    blocks = solve(program, tol=1e-9).blocks.clone()
    blocks[blocks == 0] = 0.5
    before = program.certificate(blocks, None)
    kept, after = prune(program, blocks, None, before, 1e-6)
    assert bool((kept != 0).any(1).sum() > 0)
    assert after.gap <= before.gap


def test_where_the_zero_network_is_good_enough_everything_goes():
    program = random_program(1e-3)
    noise = 1e-9 * program.norm.normalised(program.gates)
    nothing, certificate = prune(
        program, noise, None, program.certificate(noise, None), tol=1.0)
    assert not bool(nothing.any())
    assert certificate.objective == pytest.approx(0.5 * float(program.y.square().sum()))
