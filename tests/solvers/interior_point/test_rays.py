from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.solvers.interior_point.rays import _products, solve_on_rays
from tests.fakes import FAKE, fake
from tests.solvers.programs import (
    MANY,
    SKIPS,
    WINDOWED,
    checked,
    faked_program,
    pairs_program,
    random_program,
    window_program,
)


@pytest.mark.parametrize("name", list(WINDOWED))
def test_the_guess_on_rays_is_a_lasso_on_the_gates_outputs(name):
    program = window_program(name, n=60, lags=8, n_patterns=8, ratio=0.02)
    blocks = solve_on_rays(program, torch.arange(program.n_blocks), 200)
    assert program.cone_violation(blocks) == 0.0
    rays = program.norm.normalised(program.gates)
    columns = (program.features.outputs(rays) * program.design.heads[:, 0]).numpy()
    # Completing the square makes the penalty a shift of the target.
    root = np.linalg.cholesky(columns.T @ columns + 1e-10 * np.eye(columns.shape[1]))
    target = np.linalg.solve(root, columns.T @ program.y.numpy() - program.beta)
    lengths = torch.tensor(nnls(root.T, target)[0])
    best = float(program.objective(lengths[:, None] * rays))
    assert best * (1 - 1e-6) <= float(program.objective(blocks)) <= best * 1.01


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", list(MANY))
def test_products_of_rays_are_those_of_their_columns_of_all_targets(name, skip):
    program = pairs_program(name=name, **skip)
    rays = program.norm.normalised(program.gates)
    gram, linear = _products(program, rays)
    units = torch.eye(program.n_blocks).double()[:, :, None] * rays
    left = torch.stack([program.leave(program.design.forward(unit)).flatten() for unit in units])
    torch.testing.assert_close(gram, left @ left.T)
    torch.testing.assert_close(linear, left @ program.left_targets.flatten())


@pytest.mark.parametrize("program", [
    random_program(linear_skip=True), pairs_program(linear_skip=True),
    pairs_program(name="two sites", linear_skip=True)], ids=["one target", "many", "sites"])
def test_fake_cuda_guess_on_rays_stays_on_the_device(program):
    checked(program)
    with FakeTensorMode():
        blocks = solve_on_rays(faked_program(program), fake(4, dtype=torch.long), 3)
    assert blocks.device.type == FAKE
    assert blocks.shape == (4, program.features.width)
