from __future__ import annotations

import pytest
import torch

from relu_forecast.solvers.interior_point.grouped_columns import GroupedColumns
from tests.solvers.programs import gaussian, random_program


def some_columns(*, activation="relu", full=()):
    """Return columns of random groups of all blocks, and of all groups of some."""
    program = random_program(name="circular, even", activation=activation)
    held = gaussian(program.n_blocks, program.norm.n_groups) > 0
    held[list(full)] = True
    return GroupedColumns(program, held, program.gates)


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_blocks_have_the_norm_of_their_pairs(activation):
    columns = some_columns(activation=activation)
    pairs = gaussian(len(columns.places), columns.size)
    rays = columns.groups == columns.program.norm.n_groups
    pairs[rays, 1:] = 0.0
    sums = torch.zeros(columns.program.n_blocks, dtype=pairs.dtype)
    sums.index_add_(0, columns.owners, pairs.norm(dim=1))
    torch.testing.assert_close(columns.program.norm.norms(columns.blocks(pairs)), sums)
    assert bool(rays.any()) == columns.program.has_cones


def test_pairs_make_the_blocks_that_they_were_taken_from():
    columns = some_columns(full=[0])
    pairs = gaussian(len(columns.places), columns.size)
    pairs[columns.groups == columns.program.norm.n_groups, 1:] = 0.0
    blocks = columns.blocks(pairs)
    torch.testing.assert_close(columns.blocks(columns.pairs(blocks)), blocks)
    inner = columns.pairs(columns.inner)
    torch.testing.assert_close(columns.blocks(inner), columns.inner)


def test_the_adjoint_of_blocks():
    columns = some_columns(full=[1])
    pairs = gaussian(len(columns.places), columns.size)
    values = gaussian(columns.program.n_blocks, columns.program.features.width, seed=1)
    left = (columns.blocks(pairs) * values).sum()
    torch.testing.assert_close(left, (columns.adjoint(values) * pairs).sum())


def test_live_columns_are_all_that_are_not_zero():
    columns = some_columns(full=[0])
    rows = columns.program.features.rows
    for number in range(len(columns.places) * columns.size):
        pairs = torch.zeros(len(columns.places), columns.size, dtype=rows.dtype)
        pairs.view(-1)[number] = 1.0
        outputs = columns.blocks(pairs) @ rows.T
        place = (columns.live == number).nonzero()[:, 0]
        assert bool(outputs.any()) == (len(place) == 1)
        if len(place):
            owner = int(columns.live_owners[place])
            torch.testing.assert_close(columns.rows_of(place)[0], outputs[owner])
            assert columns.parts[owner].start <= int(place) < columns.parts[owner].stop


def test_sources_name_the_columns_that_stay_and_those_that_are_new():
    before = some_columns()
    kept = torch.tensor([4, 0, 1])
    held = before.held[kept]
    held[0] = True
    after = GroupedColumns(before.program.restricted(kept), held, before.inner[kept])
    source, new = after.sources(before, kept)
    every = torch.cat([before.rows_of(torch.arange(len(before.live))), after.rows_of(new)])
    torch.testing.assert_close(every[source], after.rows_of(torch.arange(len(after.live))))
    assert len(new) < len(source)
