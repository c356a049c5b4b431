from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.arrangements import ActivationPatterns, enumerate_patterns
from relu_forecast.patterns.cells import adjacent_gates
from relu_forecast.training.pricing.exact import can_price_exactly, price_exactly


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def on_sphere(n, d, seed=0):
    return torch.nn.functional.normalize(gaussian(n, d, seed=seed))


def attained(rows, values, directions):
    return (directions @ rows.T).relu() @ values


def maximum_by_cells(rows, values):
    """Maximise in every cell: s g'u over a cone is the norm of the projection of s g on it."""
    best = 0.0
    for mask in enumerate_patterns(rows).masks.numpy():
        gradient = rows.numpy().T @ (mask * values.numpy())
        cone = rows.numpy().T * (2.0 * mask - 1)
        best = max(best, *(nnls(cone, -sign * gradient)[1] for sign in (1, -1)))
    return best


def small_case(seed):
    """Return rows and values: general position, whole numbers, parallel rows, or embedded."""
    generator = np.random.default_rng(seed)
    n, rank = int(generator.integers(1, 12)), int(generator.integers(1, 4))
    rows = generator.standard_normal((n, rank))
    if seed % 4 == 1:
        rows = generator.integers(-2, 3, (n, rank)).astype(float)
    if seed % 4 == 2:
        rows = rows[generator.integers(0, n, n)] * generator.choice([-3.0, -1, 1, 2], (n, 1))
    if seed % 4 == 3:
        rows = rows @ generator.standard_normal((rank, 6))
    values = generator.standard_normal(n) + generator.choice([-1.5, 0.0, 0.0])
    return torch.as_tensor(rows), torch.as_tensor(values)


def test_the_value_is_the_maximum_over_all_cells():
    for seed in range(80):
        rows, values = small_case(seed)
        price = price_exactly(rows, values)
        assert price.value == pytest.approx(maximum_by_cells(rows, values), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("n", "rank"), [(300, 2), (40, 3)])
def test_the_value_is_the_maximum_over_all_cells_of_many_rows(n, rank):
    rows, values = gaussian(n, rank), gaussian(n, seed=1)
    assert price_exactly(rows, values).value == pytest.approx(maximum_by_cells(rows, values))


@settings(max_examples=15)
@given(n=st.integers(1, 120), rank=st.integers(1, 3), seed=st.integers(0, 99))
def test_directions_are_unit_and_attain_their_values(n, rank, seed):
    rows, values = gaussian(n, rank, seed=seed), gaussian(n, seed=seed + 1)
    price = price_exactly(rows, values)
    outputs = attained(rows, values, price.directions)
    assert torch.allclose(price.directions.norm(dim=1), torch.ones(len(outputs)).double())
    assert torch.allclose(outputs, price.signs * price.values)
    assert bool((price.values.diff() <= 0).all())
    assert price.value == pytest.approx(float(price.values[0]))


def test_in_the_plane_it_equals_a_fine_sweep():
    rows, values = gaussian(300, 2), gaussian(300, seed=1)
    angles = torch.linspace(0, 2 * torch.pi, 20_001).double()
    swept = attained(rows, values, torch.stack([angles.cos(), angles.sin()], 1)).abs().amax()
    value = price_exactly(rows, values).value
    assert float(swept) <= value + 1e-9
    assert value == pytest.approx(float(swept), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_in_space_it_equals_a_fine_sampling_refined(seed):
    rows, values = gaussian(150, 3, seed=seed), gaussian(150, seed=seed + 50)
    points = on_sphere(4000, 3)
    for width in (0.1, 0.02, 0.004, 0.0008, 0.0002):
        best = points[attained(rows, values, points).abs().topk(40).indices]
        near = best[:, None] + width * gaussian(40, 80, 3)
        points = torch.cat([best, torch.nn.functional.normalize(near.flatten(0, 1))])
    sampled = float(attained(rows, values, points).abs().amax())
    value = price_exactly(rows, values).value
    assert sampled <= value + 1e-9
    assert value == pytest.approx(sampled, rel=1e-4)


@pytest.mark.parametrize("rank", [2, 3])
def test_an_embedded_problem_has_the_same_maximum(rank):
    rows, values = gaussian(200, rank), gaussian(200, seed=1)
    embedding = torch.linalg.qr(gaussian(6, rank, seed=2)).Q
    small, large = price_exactly(rows, values), price_exactly(rows @ embedding.T, values)
    assert large.value == pytest.approx(small.value, rel=1e-10)
    assert torch.allclose(large.directions[0], embedding @ small.directions[0])


def test_more_than_one_local_maximum_is_listed_and_no_direction_twice():
    rows, values = gaussian(200, 3), gaussian(200, seed=1)
    price = price_exactly(rows, values)
    assert len(price.values) > 5
    gaps = torch.cdist(price.directions, price.directions) + torch.eye(len(price.values))
    assert float(gaps.min()) > 1e-9
    nearby = price.directions[:, None] + 1e-6 * gaussian(len(gaps), 200, 3)
    nearby = torch.nn.functional.normalize(nearby.flatten(0, 1))
    around = attained(rows, values, nearby).reshape(-1, 200) * price.signs[:, None]
    assert bool((around.amax(1) <= price.values + 1e-12).all())
    assert len(price_exactly(rows, values, most=3).values) == 3


def test_a_lower_maximum_on_the_boundary_of_a_cell_is_listed():
    """Near (1, 0, 0) it is ``u_1 - |u_3| / 2``; three is reached on the other side."""
    rows = torch.tensor([[1.0, 0, 0.5], [0, 0, 1], [-1, 0, 0], [-1, 0.2, 0]]).double()
    values = torch.tensor([1.0, -1, 3, 0.1]).double()
    top = torch.tensor([1.0, 0, 0]).double()
    near = torch.nn.functional.normalize(top + 0.01 * gaussian(500, 3))
    assert float(attained(rows, values, near).abs().amax()) < 1.0
    price = price_exactly(rows, values)
    assert price.value > 3
    at = (price.directions - top).norm(dim=1).argmin()
    torch.testing.assert_close(price.directions[at], top)
    assert float(price.values[at]) == pytest.approx(1.0)


def test_values_of_zero_and_rows_of_zero_are_worth_nothing():
    assert price_exactly(gaussian(9, 3), torch.zeros(9).double()).value == 0
    price = price_exactly(torch.zeros(4, 3).double(), gaussian(4))
    assert price.value == 0
    assert float(price.directions[0].norm()) == pytest.approx(1)


def test_what_is_dropped_from_the_row_space_is_added_to_the_bound():
    rows, values = gaussian(50, 3), gaussian(50, seed=1)
    rows[:, 2] *= 1e-14
    price = price_exactly(rows, values)
    dropped = float(torch.linalg.svdvals(rows)[2] * values.norm())
    assert 0 < dropped <= price.value - float(price.values[0]) + 1e-14
    assert price.value == pytest.approx(price_exactly(rows[:, :2], values).value, abs=1e-11)


def test_float32_rows_are_priced_in_float64_and_answered_in_float32():
    rows, values = gaussian(60, 3).float(), gaussian(60, seed=1).float()
    price = price_exactly(rows, values)
    assert price.directions.dtype == price.values.dtype == price.signs.dtype == torch.float32
    exact = price_exactly(rows.double(), values.double())
    assert price.value == pytest.approx(exact.value, rel=1e-6)


def test_the_gates_around_a_maximiser_are_all_cells_that_touch_it():
    for seed in range(12):
        rows, values = gaussian(20, 3, seed=seed), gaussian(20, seed=seed + 1)
        directions = price_exactly(rows, values).directions
        gates, owners = adjacent_gates(rows, directions)
        vanishing = ((directions @ rows.T).abs() < 1e-9).sum(1)
        assert torch.equal(torch.bincount(owners), 2**vanishing)
        outputs = gates @ rows.T
        assert float(outputs.abs().min()) > 1e-7
        at = (directions @ rows.T)[owners]
        assert bool(((outputs * at > 0) | (at.abs() < 1e-9)).all())
        assert len(ActivationPatterns.from_gates(rows, gates).masks) >= int(2**vanishing.max())


def test_gates_around_float32_directions_are_clear_in_float32():
    rows, values = gaussian(20, 3).float(), gaussian(20, seed=1).float()
    directions = price_exactly(rows, values).directions
    gates, owners = adjacent_gates(rows, directions)
    assert gates.dtype == torch.float32
    assert torch.equal(torch.bincount(owners), 2 ** ((directions @ rows.T).abs() < 1e-5).sum(1))
    assert float((gates @ rows.T).abs().min()) > 1e-6


def test_what_can_be_priced_depends_on_the_rank_and_on_distinct_rows():
    assert can_price_exactly(gaussian(20_000, 2))
    assert can_price_exactly(gaussian(200, 3) @ gaussian(3, 7))
    assert not can_price_exactly(gaussian(200, 4))
    assert not can_price_exactly(gaussian(9000, 3))
    assert can_price_exactly(gaussian(3000, 3).repeat(3, 1))


@pytest.mark.parametrize("shape", [(30, 4), (8001, 3)])
def test_what_cannot_be_priced_is_refused(shape):
    with pytest.raises(InvalidArgumentError, match=r"^rows must be of rank <= 3.*pricing"):
        price_exactly(gaussian(*shape), gaussian(shape[0]))
