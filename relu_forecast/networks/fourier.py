"""Real coordinates of the DFT: the basis in which circular convolutions are products.

The unitary DFT of a real signal of d samples is known from its ``G = d // 2 + 1`` frequencies
of `rfft`. Each is a pair of real coordinates here; the frequencies that come with their
conjugates count twice, so their pairs are sqrt(2) times as long and the map is an isometry. The
zero frequency, and the highest one of an even d, are real: their second coordinate is zero.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm


def fourier_coordinates(signals: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
    """Return the coordinates of real signals, ``c = 2 (d // 2 + 1)``: real, imaginary, ...

    An isometry: inner products of signals are those of their coordinates. Cost O(n d log d).
    """
    if len(signals) == 0:  # the FFT library takes no empty batch
        return signals.new_zeros(0, 2 * (signals.shape[1] // 2 + 1))
    spectra = torch.fft.rfft(signals, norm="ortho")
    return torch.view_as_real(spectra * _root_multiplicities(signals)).flatten(1)


def signals_of(coordinates: Float[Tensor, "n c"], d: int) -> Float[Tensor, "n d"]:
    """Return the real signals of d samples that have these coordinates.

    What stands in the second coordinate of a real frequency belongs to no signal and is left.
    """
    if len(coordinates) == 0:
        return coordinates.new_zeros(0, d)
    spectra = torch.view_as_complex(coordinates.reshape(len(coordinates), -1, 2).contiguous())
    roots = _root_multiplicities(coordinates.new_empty(0, d))
    signals: Tensor = torch.fft.irfft(spectra / roots, n=d, norm="ortho")
    return signals


def fourier_norm(signals: Float[Tensor, "n d"]) -> GroupNorm:
    """Return the norm ``||F z||_1 / sqrt(d)`` as a norm of the coordinates of z.

    F is the unitary DFT. Weights are ``sqrt(multiplicity / d)`` per frequency; THEORY section 3.
    """
    return GroupNorm(_root_multiplicities(signals) / signals.shape[1] ** 0.5)


def _root_multiplicities(signals: Float[Tensor, "n d"]) -> Float[Tensor, " G"]:
    """Return sqrt(2) for frequencies with a conjugate, 1 for real ones."""
    d = signals.shape[1]
    roots = signals.new_full((d // 2 + 1,), 2**0.5)
    roots[0] = 1.0
    if d % 2 == 0:
        roots[-1] = 1.0
    return roots
