from __future__ import annotations

import pytest
import torch

from relu_forecast.problems.design import Design
from relu_forecast.solvers.proximal.products import BlockProducts
from tests.solvers.programs import (
    ARCHITECTURES,
    MANY,
    SKIPS,
    gaussian,
    pairs_program,
    random_program,
)


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


@pytest.mark.parametrize("name", list(MANY))
def test_products_of_many_targets_are_those_of_the_design(name):
    program = pairs_program(name=name)
    for index in (torch.tensor([4, 0, 7]), torch.tensor([], dtype=torch.long)):
        blocks = gaussian(len(index), program.features.width)
        part = Design(
            program.features, program.design.masks[index], program.design.heads[index])
        for entries in (1, 17, 2**18):
            own = BlockProducts(program, index, entries)
            torch.testing.assert_close(own.forward(blocks), part.forward(blocks))
            torch.testing.assert_close(
                own.adjoint(program.targets), part.adjoint(program.targets))
