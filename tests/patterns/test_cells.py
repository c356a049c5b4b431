from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.patterns.cells import (
    adjacent_gates,
    cell_gates,
    distinct_rows,
    normalise,
    parallel_groups,
    row_space,
    unit_rows,
)


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def test_rows_of_any_size_become_unit_rows_and_zero_rows_stay():
    rows = torch.tensor([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(
        unit_rows(rows), torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]]).double())
    assert unit_rows(gaussian(3, 4, 2).float()).shape == (12, 2)
    assert not bool(normalise(torch.zeros(2, 3)).any())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_row_space_is_that_of_the_rank_up_to_rounding(dtype):
    rows = (gaussian(20, 3) @ gaussian(3, 7, seed=1)).to(dtype).double()
    basis = row_space(rows, dtype)
    assert basis.shape == (7, 3)
    torch.testing.assert_close(basis.T @ basis, torch.eye(3).double())
    assert float((rows - rows @ basis @ basis.T).norm()) < 1e-5 * float(rows.norm())


def test_parallel_rows_are_one_group_whatever_their_sign():
    rows = normalise(gaussian(5, 3))
    many = torch.cat([rows, -rows[[3, 1]], rows[[0]]])
    group = parallel_groups(many, many.new_full((8,), 1e-15))
    assert [int(group[5]), int(group[6]), int(group[7])] == [
        int(group[3]), int(group[1]), int(group[0])]
    assert len(group.unique()) == 5
    assert distinct_rows(many, many.new_full((8,), 1e-15)).sort().values.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("n", "rank", "cells"), [(1, 1, 2), (6, 2, 12), (6, 3, 32), (5, 4, 30)])
def test_one_gate_of_each_two_opposite_cells_is_found(n, rank, cells):
    gates = cell_gates(normalise(gaussian(n, rank)))
    signs = gates @ gaussian(n, rank).T > 0
    both = {tuple(side) for side in torch.cat([signs, ~signs]).tolist()}
    assert len(both) == 2 * len(gates) == cells


def test_a_vertex_of_many_boundaries_has_all_its_sectors():
    angles = torch.arange(5).double() * torch.pi / 5
    fan = torch.stack([angles.cos(), angles.sin(), torch.zeros(5).double()], dim=1)
    rows = torch.cat([fan, -2 * fan[:1], torch.tensor([[0.0, 0.1, 1.0]]).double()])
    gates, owners = adjacent_gates(rows, torch.tensor([[0.0, 0.0, 1.0], [0.6, 0.0, 0.8]]).double())
    assert owners.tolist() == [0] * 10 + [1]
    assert len({tuple(mask) for mask in (gates[:10] @ rows.T > 0).tolist()}) == 10
    assert bool((gates @ rows[-1] > 0).all())
    assert len(adjacent_gates(rows, torch.zeros(0, 3).double())[0]) == 0


def test_where_more_cells_meet_than_allowed_the_direction_stands_for_them():
    rows, direction = gaussian(9, 3), torch.tensor([[0.0, 0.0, 1.0]]).double()
    rows[:, 2] = 0.0
    few, every = (adjacent_gates(rows, direction, most=most)[0] for most in (4, 64))
    assert len(few) == 0  # it lies on boundaries
    assert len(every) == 18
