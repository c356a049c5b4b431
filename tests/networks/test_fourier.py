from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import dft

from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm, signals_of

lengths = pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6, 9, 16])


def signals(d, n=5, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal((n, d)))


def orthonormal_basis(d):
    """Return the real Fourier basis as columns: constant, cosines and sines, alternating."""
    t = np.arange(d)
    columns = [np.full(d, d**-0.5), np.zeros(d)]
    for f in range(1, d // 2 + 1):
        if 2 * f == d:
            columns += [(-1.0) ** t / d**0.5, np.zeros(d)]
        else:
            angle = 2 * np.pi * f * t / d
            columns += [(2 / d) ** 0.5 * np.cos(angle), -((2 / d) ** 0.5) * np.sin(angle)]
    return torch.tensor(np.stack(columns, axis=1))


@lengths
def test_coordinates_are_products_with_the_real_orthonormal_basis(d):
    z, basis = signals(d), orthonormal_basis(d)
    torch.testing.assert_close(fourier_coordinates(z), z @ basis)
    torch.testing.assert_close(basis @ basis.T, torch.eye(d).double(), atol=1e-13, rtol=0)


@lengths
def test_the_map_is_an_isometry_and_signals_of_is_its_inverse_and_its_adjoint(d):
    z, other = signals(d), signals(d, seed=1)
    coordinates = fourier_coordinates(z)
    torch.testing.assert_close(coordinates @ fourier_coordinates(other).T, z @ other.T)
    torch.testing.assert_close(signals_of(coordinates, d), z)
    anything = torch.tensor(np.random.default_rng(2).standard_normal(coordinates.shape))
    torch.testing.assert_close((anything * coordinates).sum(), (signals_of(anything, d) * z).sum())


@lengths
def test_the_second_coordinate_of_a_real_frequency_is_exactly_zero(d):
    imaginary = fourier_coordinates(signals(d))[:, 1::2]
    assert not imaginary[:, 0].any()
    assert d % 2 == 1 or not imaginary[:, -1].any()
    assert d < 3 or imaginary[:, 1].all()


@lengths
def test_the_norm_is_the_l1_norm_of_the_complex_transform_over_the_root_of_d(d):
    z = signals(d)
    expected = np.abs(np.fft.fft(z.numpy(), norm="ortho")).sum(1) / d**0.5
    np.testing.assert_allclose(fourier_norm(z).norms(fourier_coordinates(z)), expected)
    by_matrix = np.abs(z.numpy() @ dft(d, "sqrtn")).sum(1) / d**0.5
    np.testing.assert_allclose(fourier_norm(z).norms(fourier_coordinates(z)), by_matrix)


@lengths
def test_the_dual_norm_is_the_largest_complex_entry_times_the_root_of_d(d):
    c = signals(d)
    expected = np.abs(np.fft.fft(c.numpy(), norm="ortho")).max(1) * d**0.5
    np.testing.assert_allclose(fourier_norm(c).dual_norms(fourier_coordinates(c)), expected)


@lengths
def test_the_norm_is_at_most_euclidean_and_at_least_its_share(d):
    z = signals(d, 200)
    norms = fourier_norm(z).norms(fourier_coordinates(z))
    length = z.norm(dim=1)
    assert bool((norms <= length * (1 + 1e-12)).all())
    assert bool((norms >= length / d**0.5 * (1 - 1e-12)).all())


@pytest.mark.parametrize("d", [4, 5])
def test_float32_stays_float32(d):
    z = signals(d).float()
    assert fourier_coordinates(z).dtype == fourier_norm(z).weights.dtype == torch.float32
    torch.testing.assert_close(signals_of(fourier_coordinates(z), d), z)


@lengths
def test_no_signals_have_no_coordinates(d):
    nothing = fourier_coordinates(signals(d, 0))
    assert nothing.shape == (0, 2 * (d // 2 + 1))
    assert signals_of(nothing, d).shape == (0, d)
