"""Exact pricing with heads of several entries: never exceeded, attained, the scalar one's kin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.arrangements import enumerate_patterns
from relu_forecast.training.pricing.exact import price_exactly
from relu_forecast.training.pricing.joint_exact import (
    _largest_in_plane,
    _largest_in_space,
    affordable_rows,
    can_price_jointly,
    price_jointly,
)


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def attained(rows, weights, directions):
    return ((directions @ rows.T).relu() @ weights).norm(dim=1)


def small_case(seed):
    """Return rows and weights: general position, whole numbers, parallel rows, or embedded."""
    generator = np.random.default_rng(seed)
    n, rank, entries = (int(generator.integers(1, most)) for most in (8, 4, 5))
    rows = generator.standard_normal((n, rank))
    if seed % 4 == 1:
        rows = generator.integers(-2, 3, (n, rank)).astype(float)
    if seed % 4 == 2:
        rows = rows[generator.integers(0, n, n)] * generator.choice([-3.0, -1, 1, 2], (n, 1))
    if seed % 4 == 3:
        rows = rows @ generator.standard_normal((rank, 5))
    weights = generator.standard_normal((n, entries)) + generator.choice([-1.5, 0.0, 0.0])
    return torch.as_tensor(rows), torch.as_tensor(weights)


def maximum_by_cells(rows, weights):
    """Try the first eigenvector of every cell in every intersection of hyperplanes of rows.

    On a cone a quadratic form is largest there, on the sphere, in one of its faces.
    """
    n, d = rows.shape
    best = 0.0
    for mask in enumerate_patterns(rows).masks.double():
        gradient = (rows.T * mask) @ weights
        for size in range(min(d, 3)):
            for held in itertools.combinations(range(n), size):
                free = torch.linalg.svd(rows[list(held)], full_matrices=True)[2] if held else (
                    torch.eye(d).double())
                free = free[torch.linalg.matrix_rank(rows[list(held)]) if held else 0:]
                if len(free):
                    tops = torch.linalg.svd(free @ gradient)[0][:, :1].T @ free
                    best = max(best, float(attained(rows, weights, torch.cat([tops, -tops])).max()))
    return best


@pytest.mark.parametrize("kind", range(4))
def test_the_value_is_the_maximum_over_all_cells_and_is_attained(kind):
    for seed in range(kind, 48, 4):
        rows, weights = small_case(seed)
        price = price_jointly(rows, weights)
        expected = maximum_by_cells(rows, weights)
        assert price.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
        first = attained(rows, weights, price.directions[:1])
        assert price.value == pytest.approx(float(first), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("n", "rank"), [(200, 2), (40, 3)])
def test_the_value_is_never_exceeded_on_a_dense_grid(n, rank):
    rows, weights = gaussian(n, rank), gaussian(n, 3, seed=1)
    if rank == 2:
        angles = torch.linspace(0, 2 * torch.pi, 20_001).double()
        grid = torch.stack([angles.cos(), angles.sin()], 1)
    else:
        grid = torch.nn.functional.normalize(gaussian(200_000, 3, seed=2))
    best = float(attained(rows, weights, grid).max())
    assert best <= price_jointly(rows, weights).value <= best * (1 + 1e-3)


@settings(max_examples=10)
@given(n=st.integers(1, 60), rank=st.integers(1, 3), seed=st.integers(0, 99))
def test_one_entry_is_the_scalar_case_and_turned_columns_change_nothing(n, rank, seed):
    rows, weights = gaussian(n, rank, seed=seed), gaussian(n, 3, seed=seed + 1)
    scalar = price_exactly(rows, weights[:, 0])
    assert price_jointly(rows, weights[:, :1]).value == pytest.approx(scalar.value, rel=1e-9)
    turn = torch.linalg.qr(gaussian(3, 3, seed=seed + 2))[0]
    joint = price_jointly(rows, weights)
    assert price_jointly(rows, weights @ turn).value == pytest.approx(joint.value, rel=1e-9)
    padded = torch.cat([weights[:, :1], torch.zeros(n, 2).double()], 1)
    assert price_jointly(rows, padded).value == pytest.approx(scalar.value, rel=1e-9)


@settings(max_examples=10)
@given(n=st.integers(1, 60), rank=st.integers(1, 3), seed=st.integers(0, 99))
def test_directions_are_unit_and_attain_their_values_with_their_heads(n, rank, seed):
    rows, weights = gaussian(n, rank, seed=seed), gaussian(n, 3, seed=seed + 1)
    price = price_jointly(rows, weights, most=20)
    ones = torch.ones(len(price.values)).double()
    torch.testing.assert_close(price.directions.norm(dim=1), ones)
    torch.testing.assert_close(price.heads.norm(dim=1), ones)
    sums = (price.directions @ rows.T).relu() @ weights
    torch.testing.assert_close((sums * price.heads).sum(1), price.values)
    assert bool((price.values.diff() <= 0).all())
    assert len(ones) <= 20


@pytest.mark.parametrize("rank", [2, 3])
def test_hills_that_a_walk_climbs_are_among_the_local_maxima(rank):
    rows, weights = gaussian(12, rank), gaussian(12, 2, seed=1)
    tops, generator = gaussian(25, rank, seed=2), np.random.default_rng(3)
    for radius in 0.3 * 0.8 ** np.arange(60):
        noise = torch.as_tensor(radius * generator.standard_normal((30, 25, rank)))
        tried = torch.nn.functional.normalize(torch.cat([tops[None], tops + noise]), dim=2)
        values = attained(rows, weights, tried.flatten(0, 1)).view(31, 25)
        tops = tried[values.argmax(0), torch.arange(25)]
    ends = attained(rows, weights, tops)
    values = price_jointly(rows, weights).values
    apart = (ends[:, None] - values).abs().amin(1)
    assert float(apart.max()) < 1e-4 * float(values[0])


def test_nothing_to_price_is_worth_nothing():
    rows, weights = gaussian(6, 3), gaussian(6, 2, seed=1)
    assert price_jointly(rows, 0 * weights).value == 0.0
    assert price_jointly(0 * rows, weights).value == 0.0
    zero = torch.zeros(1, 3).double()
    held = price_jointly(torch.cat([rows, zero]), torch.cat([weights, weights[:1]]))
    assert held.value == pytest.approx(price_jointly(rows, weights).value, rel=1e-12)


def test_what_is_dropped_from_the_row_space_is_in_the_bound():
    rows = gaussian(40, 2) @ gaussian(2, 3, seed=1) + 1e-15 * gaussian(40, 3, seed=2)
    weights = gaussian(40, 2, seed=3)
    price = price_jointly(rows, weights)
    assert price.value > float(price.values[0])
    assert price.value == pytest.approx(float(price.values[0]), rel=1e-12)


def test_rows_that_cannot_be_afforded_are_refused():
    assert affordable_rows(1, 100) == 100
    assert affordable_rows(4, 100) == 50
    rows = gaussian(60, 3)
    assert can_price_jointly(rows, 2, 100)
    assert not can_price_jointly(rows, 4, 100)
    assert can_price_jointly(gaussian(60, 2), 100, 10)
    assert not can_price_jointly(gaussian(60, 4), 1)
    with pytest.raises(InvalidArgumentError, match="at most 50 at rank 3"):
        price_jointly(rows, gaussian(60, 4), most_rows=100)


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-7, 1e-12, 0.0])
def test_first_eigenvectors_are_right_even_if_the_two_largest_values_are_close(spread):
    axes = torch.linalg.qr(gaussian(50, 3, 3))[0]
    matrices = axes @ torch.diag(torch.tensor([2.0, 2.0 + spread, 0.5])).double() @ axes.mT
    entries = [matrices[:, i, j] for i, j in ((0, 0), (1, 1), (0, 1))]
    flat, height, squares = _largest_in_space(
        entries, torch.stack([matrices[:, 0, 2], matrices[:, 1, 2]]), matrices[:, 2, 2])
    vectors = torch.nn.functional.normalize(torch.cat([flat, height[None]]).T)
    top = torch.full((50,), 2.0 + spread).double()
    torch.testing.assert_close(squares, top, rtol=1e-12, atol=0)
    reached = torch.einsum("ki,kij,kj->k", vectors, matrices, vectors)
    torch.testing.assert_close(reached, top, rtol=1e-11, atol=0)


def test_first_eigenvectors_in_the_plane_are_those_of_the_library():
    matrices = gaussian(50, 2, 3) @ gaussian(50, 3, 2, seed=1)
    matrices = matrices + matrices.mT
    vectors, values = _largest_in_plane(
        matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 1])
    torch.testing.assert_close(values, torch.linalg.eigvalsh(matrices)[:, 1])
    torch.testing.assert_close(
        torch.einsum("ik,kij,jk->k", vectors, matrices, vectors), values)
