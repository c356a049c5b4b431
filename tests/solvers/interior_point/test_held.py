from __future__ import annotations

import numpy as np
import torch

from relu_forecast.solvers import solve
from relu_forecast.solvers.interior_point.held import moved_inside
from tests.solvers.programs import random_program, window_program


def test_a_start_outside_its_cones_is_moved_inside():
    program = window_program(n=40, lags=5, n_patterns=20, ratio=0.02)
    cold = solve(program)
    noise = torch.as_tensor(np.random.default_rng(0).standard_normal(cold.blocks.shape))
    for start in (cold.blocks + 1e-3 * noise, noise, torch.zeros_like(noise)):
        solution = solve(program, start=start)
        assert solution.gap <= 1e-6
        assert program.cone_violation(solution.blocks) <= 1e-9


def test_blocks_are_moved_along_their_gates_unless_that_is_far():
    program = random_program()
    gates = program.norm.normalised(program.gates)
    noise = torch.as_tensor(np.random.default_rng(1).standard_normal(gates.shape))
    inside, near = moved_inside(program, gates), moved_inside(program, gates + 0.3 * noise)
    torch.testing.assert_close(inside, gates)
    assert program.cone_violation(near) <= 1e-14
    assert torch.equal(moved_inside(program, -gates), torch.zeros_like(gates))
    free = random_program(activation="gated_relu")
    assert torch.equal(moved_inside(free, noise[: free.n_blocks]), noise[: free.n_blocks])
