"""Grids: whole numbers for samples, whatever their unit and level."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast.windows.grids import Grid

NOISE = np.random.default_rng(5).normal(size=400)


@pytest.mark.parametrize("unit", [1.0, 1e-150, 0.7e150, 3e-300])
def test_rounding_is_far_finer_than_noise_in_any_unit(unit):
    grid = Grid.of(unit * NOISE)
    steps = grid.steps(unit * NOISE)
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert np.abs(grid.origin / unit + grid.step / unit * steps - NOISE).max() < 1e-4


@pytest.mark.parametrize("unit", [1e6, 0.3e-6, 7.0])
@pytest.mark.parametrize("level", [0.0, 1e6])
def test_unit_and_level_change_no_number(unit, level):
    plain, moved = Grid.of(NOISE), Grid.of(unit * (NOISE + level))
    np.testing.assert_array_equal(
        plain.steps(NOISE), moved.steps(unit * (NOISE + level)))


def test_zero_stays_where_it_is_unless_numbers_are_relative():
    grid = Grid.of(NOISE, relative=False)
    assert grid.origin == 0
    assert grid.steps(np.zeros(1))[0] == 0
    assert Grid.of(NOISE).steps(NOISE)[0] == 0


def test_one_sample_far_out_does_not_blur_the_others():
    samples = np.r_[NOISE, 1e6]
    grid = Grid.of(samples)
    assert grid.step < 1e-3
    assert np.ptp(grid.steps(samples)) < 2.0**52  # differences are exact


def test_a_few_samples_that_move_among_many_that_do_not_are_what_counts():
    samples = np.zeros(500)
    samples[::50] = NOISE[:10]
    samples[7] = 1e6
    assert Grid.of(samples).step < 1e-3


def test_missing_samples_do_not_count():
    holes = NOISE.copy()
    holes[[0, 5, 9]] = np.nan
    assert Grid.of(holes) == Grid.of(holes[~np.isnan(holes)])
    assert Grid.of(np.full(3, np.nan)) == Grid(0.0, 1.0)


@pytest.mark.parametrize("value", [0.0, -3.5, 1e300])
def test_a_constant_is_at_its_origin(value):
    np.testing.assert_array_equal(Grid.of(np.full(9, value)).steps(np.full(9, value)), 0)


def test_the_smallest_numbers_have_a_step():
    samples = np.array([0.0, 5e-324, 1e-323])
    assert np.isfinite(Grid.of(samples).steps(samples)).all()
