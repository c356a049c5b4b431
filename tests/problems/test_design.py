from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.networks.fourier import signals_of
from relu_forecast.patterns.slabs import rows_per_slab
from relu_forecast.problems import design as designs
from relu_forecast.problems.design import Design, TriangularProducts
from relu_forecast.problems.linear_skip import LinearSkip
from tests.fakes import FAKE, fake, faked, faked_features

KINDS = {"dense": (Dense(), 3), "constant input": (Dense(True), 3), "patches": (Convolution(2), 4),
         "patches, stride, constant": (Convolution(2, 2, True), 5),
         "two sites": (Convolution(2, sites=2), 4), "flatten": (Convolution(2, sites="flatten"), 4),
         "circular, odd": (Circular(), 5), "circular, even": (Circular(), 4),
         "circular, one sample": (Circular(), 1)}
every_kind = pytest.mark.parametrize("kind", list(KINDS))
sizes = {"n": st.integers(1, 9), "k": st.integers(1, 4), "c": st.integers(1, 3),
         "seed": st.integers(0, 999)}


class Instance:
    """A random design and its matrices, written out from the windows, not from the features."""

    def __init__(self, kind, n, k, seed, c=1, dtype=torch.float64):
        self.architecture, d = KINDS[kind]
        self.generator = np.random.default_rng(seed)
        self.X = torch.tensor(self.generator.standard_normal((n, d)), dtype=dtype)
        features = self.architecture.features(self.X)
        masks = torch.tensor(self.generator.random((k, len(features.rows))) < 0.5)
        heads = torch.tensor(self.generator.standard_normal((k, c * features.n_sites))).to(dtype)
        self.design = Design(features, masks, heads / heads.norm(dim=1, keepdim=True))

    def gaussian(self, *shape):
        return torch.tensor(self.generator.standard_normal(shape), dtype=self.X.dtype)

    def rows(self):
        """Return what a block is multiplied with, (n, patches, width), entry by entry."""
        d = self.X.shape[1]
        if isinstance(self.architecture, Circular):
            width = 2 * (d // 2 + 1)
            synthesis = signals_of(torch.eye(width, dtype=self.X.dtype), d)
            return torch.stack([torch.stack([x @ z for z in synthesis]) for x in self.X])[:, None]
        h = getattr(self.architecture, "filter_size", d)
        stride = getattr(self.architecture, "stride", 1)
        constant = [1.0] if self.architecture.constant_input else []
        return torch.tensor([[x[s : s + h] + constant for s in range(0, d - h + 1, stride)]
                             for x in self.X.tolist()], dtype=self.X.dtype)

    def matrix(self):
        """Return A, (n C, K width), entry by entry."""
        rows, design = self.rows(), self.design
        n, patches, width = rows.shape
        weights = self.site_weights(patches)
        heads = design.heads.view(len(design.heads), len(weights), -1)
        n_targets = heads.shape[2]
        matrix = torch.zeros(n, n_targets, design.n_blocks, width, dtype=self.X.dtype)
        for t in range(n):
            for c in range(n_targets):
                for i, head in enumerate(heads):
                    for p in range(patches):
                        if design.masks[i, t * patches + p]:
                            matrix[t, c, i] += (weights[:, p] @ head[:, c]) * rows[t, p]
        return matrix.flatten(0, 1).flatten(1)

    def site_weights(self, patches):
        """Return the weight of each patch at each site, written out."""
        sites = getattr(self.architecture, "sites", "global")
        if sites == 2:  # of three patches
            root = 0.5**0.5
            return torch.tensor([[root, root, 0.0], [0.0, 0.0, 1.0]], dtype=self.X.dtype)
        return torch.eye(patches).to(self.X) if sites == "flatten" else torch.ones(
            1, patches).to(self.X)

    def margin_matrices(self):
        """Return ``(2 D_k - I) R`` for every block."""
        rows = self.rows().flatten(0, 1)
        return [(2 * mask.to(rows) - 1).diag() @ rows for mask in self.design.masks]


@every_kind
@settings(max_examples=6)
@given(**sizes)
def test_forward_and_adjoint_equal_the_dense_matrix(kind, n, k, c, seed):
    instance = Instance(kind, n, k, seed, c)
    design, dense = instance.design, instance.matrix()
    blocks = instance.gaussian(k, design.features.width)
    values = instance.gaussian(n, c)
    torch.testing.assert_close(design.forward(blocks).flatten(), dense @ blocks.flatten())
    torch.testing.assert_close(design.adjoint(values).flatten(), dense.T @ values.flatten())
    torch.testing.assert_close(
        (design.forward(blocks) * values).sum(), (blocks * design.adjoint(values)).sum())
    assert design.n_blocks == k


@every_kind
@settings(max_examples=6)
@given(**sizes)
def test_margins_equal_the_cone_rows_and_have_their_adjoint(kind, n, k, c, seed):
    instance = Instance(kind, n, k, seed, c)
    design = instance.design
    blocks = instance.gaussian(k, design.features.width)
    multipliers = instance.gaussian(k, len(design.rows))
    margins = torch.stack([rows @ block for rows, block in zip(
        instance.margin_matrices(), blocks, strict=True)])
    torch.testing.assert_close(design.margins(blocks), margins)
    torch.testing.assert_close(
        (margins * multipliers).sum(), (blocks * design.margins_adjoint(multipliers)).sum())


def bases(X):
    """Return no basis, an orthonormal one, and the shrunken one of a ridge, with its shrinkage."""
    plain, ridge = LinearSkip.of(X), LinearSkip.of(X, 0.7)
    return {"none": (None, None), "projector": (plain.basis, plain.shrinkage),
            "ridge": (ridge.basis, ridge.shrinkage)}


@pytest.mark.parametrize("skip", ["none", "projector", "ridge"])
@pytest.mark.parametrize("chunk_entries", [1, 40, 2**23])
@every_kind
@settings(max_examples=3)
@given(**sizes)
def test_gram_equals_the_dense_matrix_in_chunks_of_any_size(
    skip, chunk_entries, kind, n, k, c, seed
):
    instance = Instance(kind, n, k, seed, c)
    dense, (basis, shrinkage) = instance.matrix(), bases(instance.X)[skip]
    middle = torch.eye(n).double() if basis is None else torch.eye(n) - basis @ basis.T
    middle = torch.kron(middle, torch.eye(c).double())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(designs, "rows_per_slab", lambda _, per_row: rows_per_slab(
            chunk_entries, per_row, fewest=1))
        gram = instance.design.gram(basis, shrinkage)
    torch.testing.assert_close(gram, dense.T @ middle @ dense, atol=1e-11, rtol=1e-10)


@pytest.mark.parametrize("skip", ["none", "projector", "ridge"])
@pytest.mark.parametrize("m", [1, 3])
@every_kind
def test_a_known_part_of_the_gram_matrix_is_taken_over(kind, m, skip):
    instance = Instance(kind, 7, 4, 3, c=2)
    design, (basis, shrinkage) = instance.design, bases(instance.X)[skip]
    first = Design(design.features, design.masks[:m], design.heads[:m])
    known = first.gram(basis, shrinkage)
    whole = design.gram(basis, shrinkage, known)
    torch.testing.assert_close(whole, design.gram(basis, shrinkage))
    assert torch.equal(whole[: len(known), : len(known)], known)


@every_kind
def test_float32_stays_float32_and_is_the_same_map(kind):
    single, double = Instance(kind, 8, 3, 0, 2, torch.float32), Instance(kind, 8, 3, 0, 2)
    blocks = double.gaussian(3, double.design.features.width)
    values, multipliers = double.gaussian(8, 2), double.gaussian(*double.design.masks.shape)
    for name, argument in (("forward", blocks), ("adjoint", values), ("margins", blocks),
                           ("margins_adjoint", multipliers)):
        result = getattr(single.design, name)(argument.float())
        assert result.dtype == torch.float32
        expected = getattr(double.design, name)(argument)
        torch.testing.assert_close(result, expected.float(), rtol=1e-4, atol=1e-4)
    gram = single.design.gram()
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, double.design.gram().float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("c", [1, 2])
@every_kind
def test_all_products_stay_on_the_device_of_the_features(kind, c):
    design = Instance(kind, 6, 2, 0, c).design
    features = design.features
    with FakeTensorMode():
        moved = Design(
            faked_features(features), faked(design.masks), faked(design.heads))
        blocks, multipliers = fake(2, features.width), fake(*design.masks.shape)
        results = [moved.forward(blocks), moved.adjoint(moved.forward(blocks)), moved.gram(),
                   moved.margins(blocks), moved.margins_adjoint(multipliers),
                   moved.features.outputs(blocks), moved.features.norm.normalised(blocks)]
    assert {result.device.type for result in results} == {FAKE}
    assert {result.dtype for result in results} == {torch.float64}


def test_the_ridge_basis_of_these_tests_is_not_orthonormal():
    basis, shrinkage = bases(Instance("dense", 12, 2, 0).X)["ridge"]
    defect = torch.eye(basis.shape[1]) - basis.T @ basis
    assert defect.norm() > 0.01
    torch.testing.assert_close(shrinkage.T @ shrinkage, defect)


def test_gram_keeps_the_small_remainder_of_almost_annihilated_columns():
    t = torch.linspace(0, 1, 200, dtype=torch.float64)
    smooth = torch.stack([1e4 + t, 1e4 + 2 * t + 1e-4 * t**2], dim=1)
    design = Design(Dense().features(smooth), torch.ones(1, 200, dtype=torch.bool),
                    torch.ones(1, 1).double())
    basis = torch.linalg.qr(torch.stack([torch.ones_like(t), t], dim=1)).Q
    remainder = 1e-4 * (t**2 - basis @ (basis.T @ t**2))
    gram = design.gram(basis)
    torch.testing.assert_close(gram[1, 1], remainder.square().sum(), rtol=1e-4, atol=0.0)


@settings(max_examples=10)
@given(n=sizes["n"], d=st.integers(1, 4), k=sizes["k"], seed=sizes["seed"])
def test_weighted_grams_equal_einsum(n, d, k, seed):
    generator = np.random.default_rng(seed)
    X = torch.tensor(generator.standard_normal((n, d)))
    weights = torch.tensor(generator.random((k, n)))
    torch.testing.assert_close(
        TriangularProducts.of(X).weighted_grams(weights),
        torch.einsum("kt,ti,tj->kij", weights, X, X))
