from __future__ import annotations

import pytest
import torch

from relu_forecast.networks.architectures import Convolution
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.design import Design
from relu_forecast.solvers import SolverSettings, solve
from relu_forecast.solvers.proximal.newton import ProximalNewton
from relu_forecast.solvers.pruning import largest_output, proved_zero, prune
from tests.solvers.programs import (
    ACTIVATIONS,
    ARCHITECTURES,
    MANY,
    gaussian,
    pairs_program,
    random_program,
    window_program,
)


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


def test_groups_that_matter_stay():
    """At a hundred times its penalty a solution has slack in all groups, and needs several."""
    program = random_program(name="circular, even", activation="gated_relu", n_patterns=1)
    program = program.on(program.patterns, 0.02 * program.beta_max())
    before = program.on(program.patterns, 0.01 * program.beta)
    blocks = solve(before, tol=1e-9).blocks
    sizes = program.norm.group_norms(blocks)
    assert int((sizes > 0).sum()) > 1
    optimum = solve(program, tol=1e-9)
    certificate = Certificate("program", float(program.objective(blocks)),
                              optimum.dual_objective, 1.0)
    kept, after = prune(program, blocks, None, certificate, 1e-6)
    assert torch.equal(kept, blocks)
    assert after == certificate


def test_where_the_zero_network_is_good_enough_everything_goes():
    program = random_program(1e-3)
    noise = 1e-9 * program.norm.normalised(program.gates)
    nothing, certificate = prune(
        program, noise, None, program.certificate(noise, None), tol=1.0)
    assert not bool(nothing.any())
    assert certificate.objective == pytest.approx(0.5 * float(program.y.square().sum()))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_blocks_that_screening_removes_are_not_those_of_the_optimum(activation):
    """At any gap: the sphere around the dual point of a rough solution, with the exact optimum."""
    program = window_program(
        n=50, lags=4, n_patterns=6, ratio=0.02 if activation == "relu" else 0.3,
        activation=activation)
    used = solve(program, tol=1e-9).used
    removed = []
    for tol in (3e-1, 1e-7):
        rough = solve(program, method="proximal", tol=tol)
        method = ProximalNewton(program, 2**18, SolverSettings())
        error = program.error(rough.blocks)
        every = torch.arange(program.n_blocks)
        values = program.norm.dual_norms(method.correlations(every, error))
        gone = proved_zero(program, method.row_gram, error, values,
                           float(program.objective(rough.blocks)))
        assert not bool((gone & used).any())
        removed.append(int(gone.sum()))
    assert removed == sorted(removed)
    if activation == "gated_relu":
        assert removed[-1] > 0


@pytest.mark.parametrize(("name", "d"), [("dense", 3), ("patches", 2), ("circular, even", 6)])
def test_no_block_of_norm_one_has_longer_outputs_than_the_bound_of_screening(name, d):
    program = random_program(name=name, n=30)
    bound = largest_output(program.features, program.features.rows.T @ program.features.rows)
    blocks = program.norm.normalised(torch.randn(
        200, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    design = Design(
        program.features, program.design.masks[:1], torch.ones(1, 1, dtype=torch.float64))
    outputs = torch.cat([design.forward(block[None]) for block in blocks], dim=1)
    assert float(outputs.norm(dim=0).amax()) <= float(bound)


@pytest.mark.parametrize("name", list(MANY))
def test_no_block_with_any_head_adds_more_than_the_bound_of_screening(name):
    program = pairs_program(name=name, n=30)
    features = program.features
    bound = float(largest_output(features, features.rows.T @ features.rows))
    blocks = program.norm.normalised(gaussian(200, features.width))
    heads = gaussian(200, program.n_head_entries, seed=1)
    heads /= heads.norm(dim=1, keepdim=True)
    added = [float(Design(features, program.design.masks[:1], head[None]).forward(
        block[None]).norm()) for block, head in zip(blocks, heads, strict=True)]
    assert 0.1 * bound < max(added) <= bound


@pytest.mark.parametrize("sites", ["global", 2, "flatten"])
def test_the_bound_of_screening_is_reached_where_all_patches_are_the_same(sites):
    """Of windows without change a filter along them puts out the most that the bound allows."""
    X = gaussian(20, 1).abs().expand(20, 4)
    features = Convolution(2, sites=sites).features(X)
    along = torch.full((1, 2), 0.5**0.5, dtype=torch.float64)
    outputs = features.outputs(along).view(20, features.n_sites)
    longest = float(torch.linalg.matrix_norm(outputs, 2))  # over all heads of length one
    bound = float(largest_output(features, features.rows.T @ features.rows))
    assert bound == pytest.approx(longest)
