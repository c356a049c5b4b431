from __future__ import annotations

import pytest
import torch

from relu_forecast.problems.design import Design
from relu_forecast.solvers import SolverSettings, solve
from relu_forecast.solvers.proximal.gap_safe import largest_output, proved_zero
from relu_forecast.solvers.proximal.newton import ProximalNewton
from tests.solvers.programs import ACTIVATIONS, random_program, window_program


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
        2000, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    masks = program.design.masks[:1].expand(len(blocks), -1)
    design = Design(program.features, masks[:1], torch.ones(1, 1, dtype=torch.float64))
    outputs = torch.cat([design.forward(block[None]) for block in blocks[:200]], dim=1)
    assert float(outputs.norm(dim=0).amax()) <= float(bound)
