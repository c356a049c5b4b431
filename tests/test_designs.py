from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast import designs
from relu_forecast.designs import DenseDesign, row_products, weighted_grams
from relu_forecast.skip import LinearSkip

sizes = {"n": st.integers(1, 12), "d": st.integers(1, 4), "k": st.integers(1, 5),
         "seed": st.integers(0, 999)}


def instance(n, d, k, seed):
    """Return a random design and its matrix, built entry by entry."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, d))
    masks = generator.random((k, n)) < 0.5
    signs = generator.choice([-1.0, 1.0], k)
    design = DenseDesign(torch.tensor(X), torch.tensor(masks), torch.tensor(signs))
    columns = [signs[i] * np.diag(masks[i].astype(float)) @ X for i in range(k)]
    return design, torch.tensor(np.hstack(columns)), generator


@settings(max_examples=10)
@given(**sizes)
def test_forward_and_adjoint_equal_the_dense_matrix(n, d, k, seed):
    design, dense, generator = instance(n, d, k, seed)
    blocks = torch.tensor(generator.standard_normal((k, d)))
    values = torch.tensor(generator.standard_normal(n))
    torch.testing.assert_close(design.forward(blocks), dense @ blocks.flatten())
    torch.testing.assert_close(design.adjoint(values).flatten(), dense.T @ values)
    torch.testing.assert_close(
        design.forward(blocks).dot(values), (blocks * design.adjoint(values)).sum())
    assert design.n_blocks == k


@settings(max_examples=10)
@given(**sizes)
def test_margins_equal_the_cone_rows_and_have_their_adjoint(n, d, k, seed):
    design, _, generator = instance(n, d, k, seed)
    blocks = torch.tensor(generator.standard_normal((k, d)))
    multipliers = torch.tensor(generator.random((k, n)))
    rows = [(2 * mask.double() - 1).diag() @ design.X for mask in design.masks]
    margins = torch.stack([row @ block for row, block in zip(rows, blocks, strict=True)])
    torch.testing.assert_close(design.margins(blocks), margins)
    torch.testing.assert_close(
        (margins * multipliers).sum(), (blocks * design.margins_adjoint(multipliers)).sum())


def bases(X):
    """Return no basis, an orthonormal one, and the shrunken one of a ridge, with its shrinkage."""
    plain, ridge = LinearSkip.of(X), LinearSkip.of(X, 0.7)
    return {"none": (None, None), "projector": (plain.basis, plain.shrinkage),
            "ridge": (ridge.basis, ridge.shrinkage)}


@pytest.mark.parametrize("kind", ["none", "projector", "ridge"])
@pytest.mark.parametrize("chunk_entries", [1, 40, 2**23])
@settings(max_examples=10)
@given(**sizes)
def test_gram_equals_the_dense_matrix_in_chunks_of_any_size(kind, chunk_entries, n, d, k, seed):
    design, dense, _ = instance(n, d, k, seed)
    basis, shrinkage = bases(design.X)[kind]
    middle = torch.eye(n).double() if basis is None else torch.eye(n) - basis @ basis.T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(designs, "_CHUNK_ENTRIES", chunk_entries)
        gram = design.gram(basis, shrinkage)
    torch.testing.assert_close(gram, dense.T @ middle @ dense, atol=1e-12, rtol=1e-10)


def test_the_ridge_basis_of_these_tests_is_not_orthonormal():
    design, _, _ = instance(12, 3, 2, 0)
    basis, shrinkage = bases(design.X)["ridge"]
    defect = torch.eye(basis.shape[1]) - basis.T @ basis
    assert defect.norm() > 0.01
    torch.testing.assert_close(shrinkage.T @ shrinkage, defect)


def test_gram_keeps_the_small_remainder_of_almost_annihilated_columns():
    t = torch.linspace(0, 1, 200, dtype=torch.float64)
    smooth = torch.stack([1e4 + t, 1e4 + 2 * t + 1e-4 * t**2], dim=1)
    design = DenseDesign(smooth, torch.ones(1, 200, dtype=torch.bool), torch.ones(1).double())
    basis = torch.linalg.qr(torch.stack([torch.ones_like(t), t], dim=1)).Q
    remainder = 1e-4 * (t**2 - basis @ (basis.T @ t**2))
    gram = design.gram(basis)
    torch.testing.assert_close(gram[1, 1], remainder.square().sum(), rtol=1e-4, atol=0.0)


@settings(max_examples=10)
@given(**sizes)
def test_weighted_grams_equal_einsum(n, d, k, seed):
    generator = np.random.default_rng(seed)
    X = torch.tensor(generator.standard_normal((n, d)))
    weights = torch.tensor(generator.random((k, n)))
    torch.testing.assert_close(
        weighted_grams(weights, row_products(X), d), torch.einsum("kt,ti,tj->kij", weights, X, X))
