from __future__ import annotations

from functools import partial

import pytest
import torch

from relu_forecast.solvers.cones import OwnRows, SharedRows, cones_of
from tests.solvers import programs
from tests.solvers.programs import random_program

gaussian = partial(programs.gaussian, seed=3)


@pytest.fixture(params=["shared", "own"])
def cones(request):
    """Return cones of three blocks of three weights with five rows."""
    rows = gaussian(5, 3)
    if request.param == "own":
        return OwnRows(gaussian(3, 5, 3), torch.ones(3, 5, dtype=torch.bool))
    program = random_program(n=5, n_patterns=3, activation="relu")
    assert program.features.rows.shape == rows.shape
    return cones_of(program.restricted(torch.arange(3)), None)


def test_all_products_are_those_of_the_rows_of_each_block(cones):
    blocks, values, weights = gaussian(3, 3), gaussian(3, 5), gaussian(3, 5).abs()
    outputs, adjoint, grams = (
        cones.outputs(blocks), cones.adjoint(values), cones.weighted_grams(weights))
    assert cones.n_rows == 5
    for k in range(3):
        own = cones.rows[k] if isinstance(cones, OwnRows) else cones.rows
        torch.testing.assert_close(outputs[k], own @ blocks[k])
        torch.testing.assert_close(adjoint[k], own.T @ values[k])
        torch.testing.assert_close(grams[k], own.T @ weights[k].diag() @ own)


def test_restricted_cones_are_those_of_the_blocks_kept(cones):
    blocks, kept = gaussian(3, 3), torch.tensor([2, 0])
    torch.testing.assert_close(
        cones.restricted(kept).outputs(blocks[kept]), cones.outputs(blocks)[kept])


def test_inside_no_output_is_zero_and_zero_rows_count_as_one():
    program = random_program(n=5, n_patterns=3)
    cones = cones_of(program, None)
    assert isinstance(cones, SharedRows)
    torch.testing.assert_close(
        cones.interior_outputs(program.gates), cones.outputs(program.gates))
    wrong = SharedRows(cones.rows, ~cones.masks, cones.cutting, cones.products)
    flipped = wrong.interior_outputs(program.gates)
    assert bool(((flipped > 0) == wrong.masks).all())
    zero = SharedRows(cones.rows, cones.masks, torch.zeros_like(cones.cutting), cones.products)
    assert bool((zero.interior_outputs(program.gates) == 1).all())
    absent = OwnRows(gaussian(3, 5, 3), torch.zeros(3, 5, dtype=torch.bool))
    assert bool((absent.interior_outputs(gaussian(3, 3)) == 1).all())


def test_products_of_the_rows_are_made_once_and_free_blocks_have_no_rows():
    program = random_program()
    first = cones_of(program, None)
    assert cones_of(program.restricted(torch.arange(2)), first.products).products is first.products
    assert cones_of(random_program(activation="gated_relu"), None).n_rows == 0
