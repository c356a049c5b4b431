from __future__ import annotations

import pytest
import torch

from relu_forecast.solvers.pricing.candidates import largest, outside, priced, screened_values
from relu_forecast.solvers.settings import BlockPricingSettings
from tests.solvers.programs import ACTIVATIONS, ARCHITECTURES, random_program

SETTINGS = BlockPricingSettings()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_screening_bounds_from_below_what_pricing_says(name, activation):
    program = random_program(name=name, activation=activation)
    targets = program.correlations(program.targets, None)
    every = torch.arange(program.n_blocks)
    pricing = priced(program, every, targets, None, SETTINGS)
    first = screened_values(program, targets, None)
    again = screened_values(program, targets, pricing)
    assert bool((first <= again).all())
    assert bool((again <= pricing.values * (1 + 1e-9) + 1e-9).all())
    assert bool((again >= pricing.reached * (1 - 1e-9)).all())
    some = torch.tensor([2, 0])
    part = priced(program, some, targets[some], None, SETTINGS)
    assert torch.equal(part.violating, pricing.violating[some])
    torch.testing.assert_close(part.values, pricing.values[some], rtol=1e-2, atol=1e-6)


def test_the_largest_of_the_wanted_come_first_and_no_more_than_asked_for():
    values = torch.tensor([1.0, 5.0, 3.0, 5.0, 4.0])
    wanted = torch.tensor([True, True, True, True, False])
    assert largest(values, wanted, 3).tolist() == [1, 3, 2]
    assert largest(values, wanted, 9).tolist() == [1, 3, 2, 0]
    assert outside(torch.tensor([3, 0]), 5).tolist() == [False, True, True, False, True]
