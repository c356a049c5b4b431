from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.arrangements import ActivationPatterns, first_occurrences, sample_patterns
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError


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
