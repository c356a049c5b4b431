from __future__ import annotations

import pytest
import torch

from relu_forecast.solvers import SolverSettings, WorkingSetSettings, solve
from relu_forecast.solvers.interior_point.held import WorkingSetTooLargeError
from relu_forecast.solvers.interior_point.held_blocks import HeldBlocks
from tests.solvers.programs import ACTIVATIONS, random_program

DEFAULTS = SolverSettings()


def held(program, index):
    zero = program.X.new_zeros(len(index), program.features.width)
    return HeldBlocks.of(program, torch.tensor(index), zero, DEFAULTS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_blocks_that_join_and_leave_keep_the_iterate_of_the_others(activation):
    program = random_program(activation=activation)
    some = held(program, [3, 0])
    more = some.joined(program, torch.tensor([4]), some.method.share(some.state.jitter), DEFAULTS)
    assert more.index.tolist() == [3, 0, 4]
    torch.testing.assert_close(more.method.gram, more.program.gram())
    torch.testing.assert_close(more.state.blocks[:2], some.state.blocks)
    fewer = more.restricted(torch.tensor([2, 1]))
    assert fewer.index.tolist() == [4, 0]
    torch.testing.assert_close(fewer.method.gram, fewer.program.gram())
    torch.testing.assert_close(fewer.state.blocks[1], some.state.blocks[1])
    assert fewer.certificate().objective == pytest.approx(
        float(program.restricted(fewer.index).objective(fewer.state.blocks)))


def test_more_weights_than_a_newton_matrix_may_have_are_refused():
    little = SolverSettings(working_set=WorkingSetSettings(most_weights=6))
    program = random_program()
    with pytest.raises(WorkingSetTooLargeError, match="3 blocks of 3 weights"):
        HeldBlocks.of(program, torch.arange(3), program.X.new_zeros(3, 3), little)
    few = HeldBlocks.of(program, torch.arange(2), program.X.new_zeros(2, 3), little)
    with pytest.raises(WorkingSetTooLargeError):
        few.joined(program, torch.tensor([5]), few.state.jitter, little)


def test_at_a_solution_the_unused_blocks_are_those_that_are_zero():
    program = random_program()
    solution = solve(program, tol=1e-9)
    every = held(program, list(range(program.n_blocks)))
    for _ in range(25):
        every = HeldBlocks(every.index, every.program, every.method, every.method.step(every.state))
    assert torch.equal(every.unused(), ~solution.used)
