from __future__ import annotations

import pytest
import torch

from relu_forecast.problems.design import Design
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers.proximal.products import BlockProducts
from tests.solvers.programs import ARCHITECTURES, SKIPS, random_program


@pytest.mark.parametrize("skip", SKIPS[:2])
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_products_in_slabs_are_those_of_the_design(name, skip):
    program = random_program(name=name, **skip)
    design, index = program.design, torch.tensor([4, 0, 7])
    generator = torch.Generator().manual_seed(1)
    blocks = torch.randn(3, program.features.width, dtype=torch.float64, generator=generator)
    values = torch.randn(len(program.y), 1, dtype=torch.float64, generator=generator)
    part = Design(program.features, design.masks[index], design.heads[index])
    for entries in (1, 17, 2**18):
        own = BlockProducts(program, index, entries)
        torch.testing.assert_close(own.forward(blocks), part.forward(blocks))
        torch.testing.assert_close(own.adjoint(values), part.adjoint(values))
        torch.testing.assert_close(own.row_gram(), program.features.rows.T @ program.features.rows)


def test_products_of_two_targets_are_those_of_the_design():
    base, generator = random_program(name="patches"), torch.Generator().manual_seed(2)
    heads = torch.randn(base.n_blocks, 2, dtype=torch.float64, generator=generator)
    design = Design(base.features, base.design.masks, heads / heads.norm(dim=1, keepdim=True))
    task = TrainingTask(base.X, base.targets.repeat(1, 2), base.task.architecture)
    program = ConvexProgram.__new__(ConvexProgram)
    program._assemble(task, base.patterns, design, 0.3, has_all_signs=False)
    index = torch.tensor([4, 0, 7])
    blocks = torch.randn(3, base.features.width, dtype=torch.float64, generator=generator)
    part = Design(base.features, design.masks[index], design.heads[index])
    own = BlockProducts(program, index, 17)
    torch.testing.assert_close(own.forward(blocks), part.forward(blocks))
    torch.testing.assert_close(own.adjoint(task.targets), part.adjoint(task.targets))
