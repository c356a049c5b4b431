from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.solvers.second_order_cone import Boundary, ConePoint, NesterovTodd

seeds = st.integers(0, 9999)
dimensions = st.integers(1, 5)


def direction(seed, d):
    values = torch.tensor(np.random.default_rng(seed).standard_normal((3, d + 1)))
    return ConePoint(values[:, 0], values[:, 1:])


def interior(seed, d):
    """Return three points at different distances from the boundary of the cone."""
    point = direction(seed, d)
    distance = torch.tensor([1.0, 1e-1, 1e-3], dtype=torch.float64)
    return ConePoint(point.tail.norm(dim=1) + distance, point.tail)


def stacked(point):
    return torch.cat([point.head[:, None], point.tail], dim=1)


def dense(function, d):
    """Return the matrices (3, d + 1, d + 1) of a linear map of cone points."""
    columns = []
    for unit in torch.eye(d + 1, dtype=torch.float64):
        columns.append(stacked(function(ConePoint(unit[0].expand(3), unit[1:].expand(3, d)))))
    return torch.stack(columns, dim=2)


def close(left, right):
    torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-8)


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_the_scaling_meets_primal_and_dual_in_one_point(seed, d):
    primal, dual = interior(seed, d), interior(seed + 1, d)
    scaling = NesterovTodd.of(primal, dual)
    close(stacked(scaling.apply(dual)), stacked(scaling.point))
    close(stacked(scaling.apply_inverse(primal)), stacked(scaling.point))


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_the_scaling_is_symmetric_and_its_inverse_inverts_it(seed, d):
    scaling = NesterovTodd.of(interior(seed, d), interior(seed + 1, d))
    matrix = dense(scaling.apply, d)
    torch.testing.assert_close(matrix, matrix.mT)
    identity = torch.eye(d + 1, dtype=torch.float64).expand(3, -1, -1)
    torch.testing.assert_close(
        dense(scaling.apply_inverse, d) @ matrix, identity, rtol=1e-6, atol=1e-6)


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_the_eliminated_hessian_is_the_schur_complement_of_the_squared_inverse(seed, d):
    scaling = NesterovTodd.of(interior(seed, d), interior(seed + 1, d))
    inverse = dense(scaling.apply_inverse, d)
    square = inverse @ inverse
    head, side, rest = square[:, :1, :1], square[:, 1:, :1], square[:, 1:, 1:]
    expected = rest - side @ side.mT / head
    scale = rest.flatten(1).norm(dim=1)[:, None, None]
    assert float(((scaling.eliminated_hessian() - expected) / scale).abs().amax()) < 1e-9


@settings(max_examples=20)
@given(seed=seeds, d=dimensions, mehrotra=st.booleans())
def test_the_force_solves_the_linearised_complementarity_equations(seed, d, mehrotra):
    primal, dual = interior(seed, d), interior(seed + 1, d)
    scaling = NesterovTodd.of(primal, dual)
    target = torch.tensor(0.3 if mehrotra else 0.0, dtype=torch.float64)
    tail = direction(seed + 3, d).tail
    predictor = direction(seed + 2, d), ConePoint(torch.zeros(3, dtype=torch.float64), tail)
    force = scaling.complementarity_force(target, predictor if mehrotra else None)
    blocks = direction(seed + 4, d).tail
    heads, duals = scaling.recover(force, blocks)
    moved = ConePoint(
        scaling.apply_inverse(ConePoint(heads, blocks)).head
        + scaling.apply(ConePoint(torch.zeros_like(heads), duals)).head,
        scaling.apply_inverse(ConePoint(heads, blocks)).tail
        + scaling.apply(ConePoint(torch.zeros_like(heads), duals)).tail)
    expected = -stacked(scaling.point.product(scaling.point))
    expected[:, 0] += target
    if mehrotra:
        second = scaling.apply_inverse(predictor[0]).product(scaling.apply(predictor[1]))
        expected = expected - stacked(second)
    reached = stacked(scaling.point.product(moved))
    scale = 1 + stacked(scaling.point).abs().amax() * stacked(moved).abs().amax()
    assert float((reached - expected).abs().amax() / scale) < 1e-8


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_the_force_towards_products_of_zero_undoes_the_dual_point(seed, d):
    dual = interior(seed + 1, d)
    scaling = NesterovTodd.of(interior(seed, d), dual)
    force = scaling.complementarity_force(torch.zeros(3, dtype=torch.float64), None)
    torch.testing.assert_close(stacked(force), -stacked(dual), rtol=1e-6, atol=1e-6)


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_division_undoes_the_jordan_product(seed, d):
    point, other = interior(seed, d), direction(seed + 1, d)
    quotient = stacked(point.divide(point.product(other)))
    torch.testing.assert_close(quotient, stacked(other), rtol=1e-7, atol=1e-7)


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_the_root_determinant_squares_to_the_product_of_the_eigenvalues(seed, d):
    point = interior(seed, d)
    size = point.tail.norm(dim=1)
    torch.testing.assert_close(
        point.root_determinant() ** 2, (point.head - size) * (point.head + size))


@settings(max_examples=20)
@given(seed=seeds, d=dimensions)
def test_max_step_is_where_bisection_finds_the_boundary(seed, d):
    point, move = interior(seed, d), direction(seed + 1, d)

    def inside(step):
        tail = point.tail + step * move.tail
        return bool((point.head + step * move.head >= tail.norm(dim=1)).all())

    low, high = 0.0, 1e3
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) else (low, middle)
    assert np.isclose(float(Boundary.around(point).max_step(move)), high, rtol=1e-6)


def test_a_move_along_the_axis_is_never_stopped():
    point = ConePoint(torch.ones(1), torch.zeros(1, 2))
    up = ConePoint(torch.ones(1), torch.zeros(1, 2))
    assert float(Boundary.around(point).max_step(up)) >= 999.0
