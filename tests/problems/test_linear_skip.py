from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.problems.linear_skip import LinearSkip, times_columns
from relu_forecast.windows.sliding import hankel

TARGET = np.random.default_rng(7).standard_normal(60)


def designs():
    """Return matrices of 60 rows, of full and of deficient rank with the constant appended."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((60, 4))
    sinusoid, _ = hankel(np.sin(0.3 * np.arange(75)), 15)
    return {
        "full": (X, 5), "constant column": (np.hstack([X, np.ones((60, 1))]), 5),
        "duplicated columns": (np.hstack([X, X]), 5), "sinusoid": (sinusoid, 3),
        "wide": (generator.standard_normal((60, 80)), 60), "zero": (np.zeros((60, 2)), 1)}


def ridge_rows(d, skip_penalty):
    """Return the square root of the ridge's matrix, which spares the constant."""
    return np.sqrt(skip_penalty) * np.eye(d, d + 1)


@pytest.mark.parametrize("name", list(designs()))
def test_without_a_ridge_it_is_the_projector_and_the_fit_of_lstsq(name):
    # Of centred columns of unit length: where the fit is not unique, units do not choose it.
    X, rank = designs()[name]
    skip = LinearSkip.of(torch.tensor(X.copy()))
    B = np.hstack([X - X.mean(axis=0), np.ones((60, 1))])
    sizes = np.where((B != 0).any(axis=0), np.linalg.norm(B, axis=0), 1.0)
    solution = np.linalg.lstsq(B / sizes, TARGET, rcond=60 * 2**-50)[0] / sizes
    target = torch.tensor(TARGET)
    assert skip.basis.shape == (60, rank)
    np.testing.assert_allclose(skip.annihilate(target), TARGET - B @ solution, atol=1e-11)
    weight, bias = skip.fit(target)
    solution[-1] -= X.mean(axis=0) @ solution[:-1]
    np.testing.assert_allclose([*weight.tolist(), float(bias)], solution, atol=1e-9)


@pytest.mark.parametrize("name", list(designs()))
@pytest.mark.parametrize("skip_penalty", [1e-3, 1.0, 50.0])
def test_with_a_ridge_it_is_the_smoother_and_the_fit_in_closed_form(name, skip_penalty):
    X, _ = designs()[name]
    d = X.shape[1]
    skip = LinearSkip.of(torch.tensor(X.copy()), skip_penalty)
    B = np.hstack([X, np.ones((60, 1))])
    penalty = ridge_rows(d, skip_penalty).T @ ridge_rows(d, skip_penalty)
    closed = np.linalg.solve(B.T @ B + penalty, B.T)
    np.testing.assert_allclose(
        skip.annihilate(torch.eye(60, dtype=torch.float64)), np.eye(60) - B @ closed, atol=1e-10)
    weight, bias = skip.fit(torch.tensor(TARGET))
    np.testing.assert_allclose([*weight.tolist(), float(bias)], closed @ TARGET, atol=1e-9)


@settings(max_examples=20)
@given(skip_penalty=st.floats(0.0, 100.0), seed=st.integers(0, 99))
def test_the_quadratic_form_is_the_least_cost_of_a_linear_fit(skip_penalty, seed):
    generator = np.random.default_rng(seed)
    X, target = generator.standard_normal((15, 3)), torch.tensor(generator.standard_normal(15))
    skip = LinearSkip.of(torch.tensor(X), skip_penalty)
    weight, bias = skip.fit(target)
    error = target - torch.tensor(X) @ weight - bias
    attained = 0.5 * error.square().sum() + skip_penalty / 2 * weight.square().sum()
    torch.testing.assert_close(0.5 * target.dot(skip.annihilate(target)), attained)


def test_matrices_are_annihilated_column_by_column():
    skip = LinearSkip.of(torch.tensor(designs()["full"][0]), 0.5)
    columns = torch.tensor(np.random.default_rng(1).standard_normal((60, 3)))
    expected = torch.stack([skip.annihilate(column) for column in columns.T], dim=1)
    torch.testing.assert_close(skip.annihilate(columns), expected)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_projector_does_not_depend_on_the_scale_of_the_samples(scale):
    X = torch.tensor(designs()["full"][0])
    target = torch.tensor(TARGET)
    torch.testing.assert_close(
        LinearSkip.of(scale * X).annihilate(target), LinearSkip.of(X).annihilate(target))


@pytest.mark.parametrize("scale", [1e-20, 1e-11, 1e14])
def test_the_rank_does_not_depend_on_the_units_of_the_samples(scale):
    X, rank = designs()["full"]
    plain, scaled = LinearSkip.of(torch.tensor(X)), LinearSkip.of(torch.tensor(scale * X))
    assert scaled.basis.shape == plain.basis.shape == (60, rank)
    target = torch.tensor(TARGET)
    torch.testing.assert_close(scaled.annihilate(target), plain.annihilate(target))
    torch.testing.assert_close(scaled.fit(target)[0] * scale, plain.fit(target)[0])
    torch.testing.assert_close(scaled.fit(target)[1], plain.fit(target)[1])


@pytest.mark.parametrize("skip_penalty", [0.0, 3.0])
@pytest.mark.parametrize("level", [0.0, 1e6, 1e9])
def test_levels_of_samples_and_targets_leave_the_fit_as_it_is(skip_penalty, level):
    X, _ = designs()["full"]
    plain = LinearSkip.of(torch.tensor(X), skip_penalty)
    raised = LinearSkip.of(torch.tensor(X + level), skip_penalty)
    first, second = plain.leave(torch.tensor(TARGET)), raised.leave(torch.tensor(TARGET + level))
    torch.testing.assert_close(second, first, atol=1e-15 * level + 1e-12, rtol=1e-15 * level)
    torch.testing.assert_close(
        raised.fit(torch.tensor(TARGET))[0], plain.fit(torch.tensor(TARGET))[0], rtol=1e-5,
        atol=1e-7)


@pytest.mark.parametrize("skip_penalty", [0.0, 3.0])
def test_inner_products_of_what_is_left_are_those_of_the_quadratic_form(skip_penalty):
    X, _ = designs()["full"]
    skip = LinearSkip.of(torch.tensor(X), skip_penalty)
    r, s = torch.tensor(TARGET), torch.tensor(np.random.default_rng(5).standard_normal(60))
    torch.testing.assert_close(skip.leave(r).dot(skip.leave(s)), r.dot(skip.annihilate(s)))
    assert skip.leave(r).shape == (64,)


@pytest.mark.parametrize("skip_penalty", [0.0, 3.0])
@pytest.mark.parametrize("columns", [1, 2])
def test_columns_are_left_one_by_one_as_vectors_are(columns, skip_penalty):
    skip = LinearSkip.of(torch.tensor(designs()["full"][0]), skip_penalty)
    targets = torch.tensor(np.random.default_rng(2).standard_normal((60, columns)))
    left = skip.leave(targets)
    assert left.shape == (64, columns)
    for c in range(columns):
        torch.testing.assert_close(left[:, c], skip.leave(targets[:, c]))
    torch.testing.assert_close(skip.annihilate(targets), left[:60])


def test_a_column_that_is_fitted_exactly_is_left_as_zero_beside_one_that_is_not():
    X = torch.tensor(designs()["full"][0])
    targets = torch.stack([X[:, 0] - 2 * X[:, 3] + 5, torch.tensor(TARGET)], dim=1)
    left = LinearSkip.of(X).leave(targets)
    assert bool((left[:, 0] == 0).all())
    assert bool((left[:, 1] != 0).any())


def test_the_skip_of_some_samples_has_its_ridge_in_proportion():
    X, kept = torch.tensor(designs()["full"][0]), torch.tensor([40, 2, 7, 31, 9, 13, 55])
    some, target = LinearSkip.of(X, 3.0).restricted(kept), torch.tensor(TARGET)[kept]
    expected = LinearSkip.of(X[kept], 3.0 * 7 / 60)
    assert some.penalty == pytest.approx(0.35)
    assert torch.equal(some.inputs, X[kept])
    torch.testing.assert_close(some.annihilate(target), expected.annihilate(target))
    free = LinearSkip.of(X).restricted(kept)
    assert free.penalty == 0.0
    torch.testing.assert_close(free.fit(target)[0], LinearSkip.of(X[kept]).fit(target)[0])


@pytest.mark.parametrize("columns", [None, 1, 3])
def test_a_product_with_columns_is_the_product(columns):
    generator = np.random.default_rng(3)
    shape = (4,) if columns is None else (4, columns)
    matrix, right = (torch.tensor(generator.standard_normal(size)) for size in ((6, 4), shape))
    torch.testing.assert_close(times_columns(matrix, right), torch.as_tensor(
        matrix.numpy() @ right.numpy()))
