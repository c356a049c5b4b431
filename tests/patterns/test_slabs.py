from __future__ import annotations

import pytest
import torch

from relu_forecast.patterns.slabs import FEWEST_ROWS, PerDevice, rows_per_slab, slices


def test_processors_and_accelerators_have_numbers_of_their_own():
    number = PerDevice(3, 40)
    assert number.on(torch.device("cpu")) == 3
    assert number.on(torch.device("cuda:1")) == number.on(torch.device("meta")) == 40


@pytest.mark.parametrize(("n_rows", "size"), [(0, 3), (1, 3), (6, 3), (7, 3), (7, 100)])
def test_slices_make_up_all_rows_in_order(n_rows, size):
    rows = list(range(n_rows))
    parts = [rows[part] for part in slices(n_rows, size)]
    assert [row for part in parts for row in part] == rows
    assert all(0 < len(part) <= size for part in parts)


def test_a_slab_has_as_many_rows_as_its_entries_allow_but_not_too_few():
    assert rows_per_slab(100_000, 10) == 10_000
    assert rows_per_slab(100_000, 99_999) == FEWEST_ROWS
    assert rows_per_slab(100_000, 99_999, fewest=1) == 1
    assert rows_per_slab(1_000, 0, fewest=1) == 1_000
