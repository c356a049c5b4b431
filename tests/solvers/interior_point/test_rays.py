from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.solvers.interior_point.rays import solve_on_rays
from tests.fakes import FAKE, fake
from tests.solvers.programs import (
    WINDOWED,
    checked,
    faked_program,
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


def test_fake_cuda_guess_on_rays_stays_on_the_device():
    program = checked(random_program(linear_skip=True))
    with FakeTensorMode():
        blocks = solve_on_rays(faked_program(program), fake(4, dtype=torch.long), 3)
    assert blocks.device.type == FAKE
    assert blocks.shape == (4, 3)
