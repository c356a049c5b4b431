"""Systems of Newton's method: both factors give the solution of the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.training.newton_systems import InSamples, InWeights, newton_system


@pytest.mark.parametrize("n", [6, 40])
def test_the_newton_matrix_is_solved_by_weights_and_by_samples_alike(n: int) -> None:
    generator = np.random.default_rng(0)
    roots = torch.as_tensor(generator.standard_normal((4, 3, 3)))
    blocks, columns = roots @ roots.mT, torch.as_tensor(generator.standard_normal((n, 12)))
    right = torch.as_tensor(generator.standard_normal((4, 3)))
    dense = torch.block_diag(*blocks) + columns.T @ columns
    expected = torch.linalg.solve(dense, right.flatten()).view(4, 3)
    for solver in (InWeights(blocks, [columns[:2], columns[2:]]),
                   InSamples(blocks, [columns[:2], columns[2:]])):
        assert solver.factorise(1e-14)
        torch.testing.assert_close(solver.solve(right), expected, rtol=1e-4, atol=1e-5)


def test_the_smaller_factor_is_taken() -> None:
    blocks = torch.eye(3, dtype=torch.float64).repeat(4, 1, 1)
    parts = [torch.ones(20, 12, dtype=torch.float64)]
    assert isinstance(newton_system(blocks, parts, 20), InWeights)
    assert isinstance(newton_system(blocks, parts, 11), InSamples)


def test_a_matrix_without_a_factor_says_so() -> None:
    blocks = -torch.eye(2, dtype=torch.float64).repeat(3, 1, 1)
    assert not InWeights(blocks, [torch.zeros(1, 6).double()]).factorise(1e-12)
