from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    first_occurrences,
    low_rank_patterns,
    pattern_bound,
    sample_patterns,
)
from relu_forecast.windows.sliding import hankel


def gaussian(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


@settings(max_examples=20)
@given(n=st.integers(1, 30), d=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_gate_makes_its_mask_and_no_mask_comes_twice(n, d, seed):
    X = gaussian(n, d, seed=seed)
    patterns = sample_patterns(X, 40, seed)
    assert torch.equal(patterns.masks, patterns.gates @ X.T >= 0)
    assert len({tuple(mask) for mask in patterns.masks.tolist()}) == len(patterns)


def test_sampling_sees_all_cells_of_the_plane_and_no_more():
    X = gaussian(6, 2)
    edges = torch.atan2(X[:, 1], X[:, 0])
    edges = torch.cat([edges + torch.pi / 2, edges - torch.pi / 2]).remainder(2 * torch.pi)
    edges = edges.sort().values
    middles = (edges + torch.cat([edges[1:], edges[:1] + 2 * torch.pi])) / 2
    cells = torch.stack([middles.cos(), middles.sin()], dim=1) @ X.T >= 0
    sampled = sample_patterns(X, 3000, 0).masks
    assert {tuple(mask) for mask in sampled.tolist()} == {tuple(mask) for mask in cells.tolist()}
    assert len(sampled) == 2 * 6


def test_duplicate_gates_keep_the_first_appearance_and_its_order():
    X = torch.eye(3, dtype=torch.float64)
    gates = torch.tensor([[1.0, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]], dtype=torch.float64)
    patterns = ActivationPatterns.from_gates(X, gates[[2, 0, 2, 1, 0, 3]])
    assert torch.equal(patterns.gates, gates[[2, 0, 1, 3]])


def test_a_row_whose_product_with_the_gate_is_zero_is_on():
    X = torch.tensor([[1.0, 0], [0, 1], [0, 0], [2, 2]], dtype=torch.float64)
    gates = torch.tensor([[1.0, -1], [-1, 1], [-1, -1], [0, 0]], dtype=torch.float64)
    assert ActivationPatterns.from_gates(X, gates).masks.tolist() == [
        [True, False, True, True], [False, True, True, True], [False, False, True, False],
        [True, True, True, True]]


@settings(max_examples=20)
@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=12))
def test_first_occurrences_equal_a_python_search(rows):
    expected = [i for i, row in enumerate(rows) if row not in rows[:i]]
    assert first_occurrences(torch.tensor(rows)).tolist() == expected


def test_the_seed_fixes_the_draw_in_every_dtype():
    X = gaussian(20, 3)
    again = sample_patterns(X, 10, 3)
    assert torch.equal(sample_patterns(X, 10, 3).gates, again.gates)
    assert torch.equal(sample_patterns(X.float(), 10, 3).gates, again.gates.float())
    assert not torch.equal(sample_patterns(X, 10, 4).gates, again.gates)


def test_a_generator_draws_on_and_none_draws_fresh_entropy():
    X = gaussian(20, 3)
    generator = np.random.default_rng(3)
    first = sample_patterns(X, 10, generator).gates
    assert torch.equal(first, sample_patterns(X, 10, 3).gates)
    assert not torch.equal(sample_patterns(X, 10, generator).gates, first)
    assert not torch.equal(sample_patterns(X, 10).gates, sample_patterns(X, 10).gates)


def test_to_changes_the_dtype_of_the_gates_only():
    patterns = sample_patterns(gaussian(20, 3), 10, 0)
    moved = patterns.to(torch.device("cpu"), torch.float32)
    assert moved.gates.dtype == torch.float32
    assert torch.equal(moved.masks, patterns.masks)


@pytest.mark.parametrize(("n_patterns", "error"), [
    (0, InvalidArgumentError), (-1, InvalidArgumentError), (2.5, InvalidTypeError)])
def test_the_number_of_patterns_is_checked(n_patterns, error):
    with pytest.raises(error, match="^n_patterns must be an integer >= 1"):
        sample_patterns(gaussian(5, 2), n_patterns)


@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_an_empty_matrix_is_refused(shape):
    with pytest.raises(InvalidArgumentError, match="^X must be a matrix"):
        sample_patterns(torch.zeros(shape), 3)


def small_case(seed):
    """Return a random small matrix: general position, whole numbers, repeats, zeros, low rank."""
    generator = np.random.default_rng(seed)
    n, d = int(generator.integers(1, 13)), int(generator.integers(1, 5))
    X = generator.standard_normal((n, d))
    if seed % 4 == 1:
        X = generator.integers(-2, 3, (n, d)).astype(float)
    if seed % 4 == 2:
        X = X[generator.integers(0, n, n)] * generator.choice([-3.0, -1.0, 1.0, 2.0], (n, 1))
    if seed % 4 == 3:
        X = X[:, :1] * generator.standard_normal(d) + X[:, -1:] * generator.standard_normal(d)
    return X


def whitney_count(X):
    """Count the cells of a central arrangement by the ranks of all subsets of its rows."""
    X = X[(X != 0).any(1)]
    subsets = (np.arange(2 ** len(X))[:, None] >> np.arange(len(X)) & 1).astype(bool)
    ranks = np.linalg.matrix_rank(subsets[:, :, None] * X, tol=1e-9) if len(X) else np.zeros(1)
    return int(((-1.0) ** (subsets.sum(1) - ranks)).sum())


def assert_sound(patterns, X):
    """Check that masks are distinct and made by their gates, away from the boundaries."""
    rows = X.flatten(0, -2).double()
    outputs = patterns.gates.double() @ rows.T
    masks = patterns.masks.flatten(1)
    assert torch.equal(outputs >= 0, masks)
    sizes = patterns.gates.double().norm(dim=1)[:, None] * rows.norm(dim=1)
    rounding = X.shape[-1] * torch.finfo(X.dtype).eps
    assert bool((outputs.abs() > rounding * sizes)[:, (rows != 0).any(1)].all())
    assert len(first_occurrences(masks)) == len(patterns)


def as_set(masks):
    return {tuple(mask) for mask in masks.flatten(1).tolist()}


def test_200_random_small_cases_have_every_cell_and_no_other():
    for seed in range(200):
        X = torch.as_tensor(small_case(seed))
        patterns = enumerate_patterns(X)
        assert_sound(patterns, X)
        assert len(patterns) == whitney_count(X.numpy())
        if seed % 4 != 1:  # a Gaussian gate never lies on a boundary of these
            assert as_set(sample_patterns(X, 300, seed).masks) <= as_set(patterns.masks)


@pytest.mark.parametrize(("n", "rank"), [(1, 1), (7, 1), (200, 2), (60, 3), (13, 4), (9, 5)])
def test_general_position_reaches_the_bound_of_cover(n, rank):
    X = gaussian(n, rank) @ gaussian(rank, rank + 2, seed=1)
    patterns = enumerate_patterns(X)
    assert_sound(patterns, X)
    assert len(patterns) == pattern_bound(n, min(n, rank))


def test_the_bound_counts_all_sign_vectors_below_full_rank():
    assert [pattern_bound(5, rank) for rank in range(8)] == [1, 2, 10, 22, 30, 32, 32, 32]


def test_the_worked_example_has_four_cells():
    X = [[2, 2], [3, 3], [1, 0]]
    patterns = enumerate_patterns(X)
    assert patterns.gates.dtype == torch.float64
    assert as_set(patterns.masks.int()) == {(1, 1, 1), (1, 1, 0), (0, 0, 1), (0, 0, 0)}


@pytest.mark.parametrize("d", [1, 3, 4])
def test_orthogonal_rows_have_all_orthants_and_central_gates(d):
    patterns = enumerate_patterns(torch.eye(d, dtype=torch.float64))
    assert len(patterns) == 2**d
    assert torch.allclose(patterns.gates.abs(), torch.full((), d**-0.5, dtype=torch.float64))


def test_a_zero_matrix_has_one_pattern_and_a_zero_row_is_always_on():
    assert enumerate_patterns(torch.zeros(3, 2)).masks.tolist() == [[True] * 3]
    patterns = enumerate_patterns([[1.0, 2.0], [0.0, 0.0], [-1.0, 1.0]])
    assert len(patterns) == 4
    assert bool(patterns.masks[:, 1].all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_windows_of_a_sinusoid_have_rank_two(dtype):
    X, _ = hankel(np.sin(0.37 * np.arange(400) + 0.2), lags=12)
    X = torch.as_tensor(X.copy()).to(dtype)
    patterns = enumerate_patterns(X)
    assert_sound(patterns, X)
    # In float32 some of the 2n arcs are thinner than a gate is exact.
    assert len(patterns) == 2 * len(X) if dtype == torch.float64 else len(patterns) > 700
    periodic, _ = hankel(np.tile(np.sin(2 * np.pi * np.arange(8) / 8), 50), lags=12)
    assert len(enumerate_patterns(periodic)) == 8


def test_scaling_a_row_changes_no_pattern():
    X = gaussian(9, 3)
    scales = torch.as_tensor(10.0 ** np.linspace(-180, 180, 9))[:, None]
    assert as_set(enumerate_patterns(X * scales).masks) == as_set(enumerate_patterns(X).masks)


def test_rows_that_nearly_repeat_keep_the_thin_cells_between_them():
    X = torch.cat([gaussian(8, 3), gaussian(8, 3) + 1e-9 * gaussian(8, 3, seed=1)])
    patterns = enumerate_patterns(X)
    assert_sound(patterns, X)
    assert len(patterns) == pattern_bound(16, 3)


def test_patches_have_the_patterns_of_their_stack():
    X = gaussian(6, 4, 3)
    patterns = enumerate_patterns(X)
    assert patterns.masks.shape == (pattern_bound(24, 3), 6, 4)
    assert torch.equal(patterns.masks, torch.einsum("nkh,ph->pnk", X, patterns.gates) >= 0)
    sampled = sample_patterns(X, 50, 0)
    assert sampled.masks.shape[1:] == (6, 4)
    assert as_set(sampled.masks) <= as_set(patterns.masks)
    assert as_set(low_rank_patterns(X, 1).masks) <= as_set(patterns.masks)


@settings(max_examples=25)
@given(n=st.integers(2, 15), d=st.integers(2, 5), rank=st.integers(1, 3), seed=st.integers(0, 99))
def test_low_rank_patterns_are_those_of_the_best_approximation(n, d, rank, seed):
    X = gaussian(n, d, seed=seed)
    patterns = low_rank_patterns(X, rank)
    assert_sound(patterns, X)
    assert patterns.are_all_of(X) == (rank >= min(n, d))
    left, sizes, right = torch.linalg.svd(X, full_matrices=False)
    nearest = (left[:, :rank] * sizes[:rank]) @ right[:rank]
    assert as_set(patterns.masks) == as_set(enumerate_patterns(nearest).masks)
    span = right[:rank].T
    assert torch.allclose(span @ (span.T @ patterns.gates.T), patterns.gates.T)


def test_low_rank_gates_give_a_side_to_rows_orthogonal_to_their_span():
    X = torch.diag(torch.tensor([5.0, 4.0, 1.0, 1.0], dtype=torch.float64))
    X[3, 2] = -1.0
    patterns = low_rank_patterns(X, 2)
    assert_sound(patterns, X)
    assert len({tuple(mask[:2]) for mask in patterns.masks.tolist()}) == len(patterns) == 4


def test_only_all_patterns_are_complete_and_moving_keeps_that():
    X = gaussian(10, 3)
    assert not sample_patterns(X, 500, 0).are_all_of(X)
    assert not low_rank_patterns(X, 2).are_all_of(X)
    for patterns in (enumerate_patterns(X), low_rank_patterns(X, 3)):
        assert patterns.are_all_of(X)
        assert not patterns.are_all_of(X + 1e-9)
        assert patterns.to(torch.device("cpu"), torch.float32).are_all_of(X)
        assert not patterns.are_all_of(X.float().double())
        assert not patterns.are_all_of(X.float())


@pytest.mark.parametrize("X", [gaussian(40, 15), gaussian(1100, 3), gaussian(120, 5)])
def test_too_many_patterns_are_refused_with_the_bound_before_any_work(X):
    with pytest.raises(InvalidArgumentError, match=r"up to [\d^]+ patterns.*low_rank_patterns"):
        enumerate_patterns(X)


@pytest.mark.parametrize("list_patterns", [
    enumerate_patterns, lambda X: low_rank_patterns(X, 1), lambda X: sample_patterns(X, 1)])
@pytest.mark.parametrize(("X", "message"), [
    (torch.zeros(0, 2), "X must be a matrix"), (torch.ones(3), "X must be a matrix"),
    (np.array([[1.0, np.nan]]), "X must be finite")])
def test_bad_samples_are_refused_by_all(list_patterns, X, message):
    with pytest.raises(InvalidArgumentError, match=message):
        list_patterns(X)


def test_bad_ranks_are_refused():
    with pytest.raises(InvalidArgumentError, match="^rank must be an integer >= 1"):
        low_rank_patterns(gaussian(3, 2), 0)
    with pytest.raises(InvalidArgumentError, match="^rank must be an integer >= 0"):
        pattern_bound(3, -1)
    with pytest.raises(InvalidArgumentError, match="^n must be an integer >= 1"):
        pattern_bound(0, 2)


@pytest.mark.cuda
def test_the_device_of_the_samples_is_kept():
    patterns = enumerate_patterns(gaussian(10, 2).cuda())
    assert patterns.masks.is_cuda
    assert patterns.gates.is_cuda


def test_some_of_all_patterns_are_not_all():
    X = gaussian(6, 2)
    every = enumerate_patterns(X)
    some = dataclasses.replace(every, masks=every.masks[:3], gates=every.gates[:3])
    assert every.are_all_of(X)
    assert not some.are_all_of(X)


@pytest.mark.parametrize("seed", ["a", -1])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(InvalidArgumentError, match="^random_state must be"):
        sample_patterns(gaussian(5, 2), 3, seed)
