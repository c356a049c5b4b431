"""Layers: how the parameters that gradients train make the hidden weights of a network.

The network is ``f = sum_j sum_s P_s (R w_j)_+ w2_js'`` whatever the architecture
(`features.Features`); a layer says how ``w_j`` comes from what is trained, and which parameters
are penalised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.fourier import fourier_coordinates, signals_of


@runtime_checkable
class Layer(Protocol):
    """What is trained: a list of tensors for m neurons, the last one the output weights (m, S C).

    An output weight is an array over S sites and C targets; its entries are by site, then target.
    """

    @property
    def n_free(self) -> int:
        """How many parameters, the first ones, bear no penalty; the others beta/2 ||.||^2."""

    def initial(self, n_neurons: int, seed: int, n_head_entries: int = 1) -> list[Tensor]:
        """Return random parameters in float64, the same for every device and dtype.

        ``n_head_entries`` is that of an output weight, S C.
        """

    def hidden(self, parameters: list[Tensor]) -> Float[Tensor, "m c"]:
        """Return the hidden weights in the coordinates of the features."""

    def pull_back(
        self, parameters: list[Tensor], hidden_gradient: Float[Tensor, "m c"]
    ) -> list[Tensor]:
        """Return the gradients of all parameters but the last, given that of the hidden weights."""

    def finished(self, parameters: list[Tensor]) -> list[Tensor]:
        """Return the parameters of the trained network as the lecture states them."""


@dataclass(frozen=True)
class DirectLayer:
    """Hidden weights that are trained themselves: parameters (hidden, output), all penalised.

    Dense and convolutional networks; the objective is (1) of THEORY section 1.
    """

    d: int
    """Weights of a neuron."""
    n_free: ClassVar[int] = 0

    def initial(self, n_neurons: int, seed: int, n_head_entries: int = 1) -> list[Tensor]:
        """Return Gaussian weights of the usual size."""
        generator = np.random.default_rng(seed)
        hidden = generator.standard_normal((n_neurons, self.d)) / self.d**0.5
        output = generator.standard_normal((n_neurons, n_head_entries)) / n_neurons**0.5
        return [torch.as_tensor(hidden), torch.as_tensor(output)]

    def hidden(self, parameters: list[Tensor]) -> Float[Tensor, "m d"]:
        """Return the hidden weights."""
        return parameters[0]

    def pull_back(
        self, parameters: list[Tensor], hidden_gradient: Float[Tensor, "m d"]
    ) -> list[Tensor]:
        """Return the gradient of the hidden weights, unchanged."""
        return [hidden_gradient]

    def finished(self, parameters: list[Tensor]) -> list[Tensor]:
        """Return (hidden, output)."""
        return parameters


@dataclass(frozen=True)
class CircularLayer:
    """The three factors of a circular convolution: parameters (filters, pooling, output).

    ``z_j = U_j w1_j`` with U_j the circulant matrix whose first column is the filter at unit
    length, ``U[a, i] = u[(a - i) mod d]``; hidden weights are the `fourier_coordinates` of z_j.
    Pooling and output weights are penalised, filters are not, as only their direction counts;
    THEORY section 3. Products are taken by FFT, O(m d log d).
    """

    d: int
    """Samples of a window, of a filter, and pooling weights of a neuron."""
    n_free: ClassVar[int] = 1

    def initial(self, n_neurons: int, seed: int, n_head_entries: int = 1) -> list[Tensor]:
        """Return Gaussian weights of the usual size, filters of unit length."""
        generator = np.random.default_rng(seed)
        filters = _unit(torch.as_tensor(generator.standard_normal((n_neurons, self.d))))
        pooling = generator.standard_normal((n_neurons, self.d)) / self.d**0.5
        output = generator.standard_normal((n_neurons, n_head_entries)) / n_neurons**0.5
        return [filters, torch.as_tensor(pooling), torch.as_tensor(output)]

    def hidden(self, parameters: list[Tensor]) -> Float[Tensor, "m c"]:
        """Return the coordinates of ``z_j``, the circular convolution of u_j and w1_j."""
        spectra = torch.fft.rfft(_unit(parameters[0])) * torch.fft.rfft(parameters[1])
        return fourier_coordinates(torch.fft.irfft(spectra, n=self.d))

    def pull_back(
        self, parameters: list[Tensor], hidden_gradient: Float[Tensor, "m c"]
    ) -> list[Tensor]:
        """Return the gradients of raw filters and pooling weights: circular correlations."""
        filters, pooling = parameters[0], parameters[1]
        unit = _unit(filters)
        gradient = torch.fft.rfft(signals_of(hidden_gradient, self.d))
        of_unit = torch.fft.irfft(gradient * torch.fft.rfft(pooling).conj(), n=self.d)
        of_pooling = torch.fft.irfft(gradient * torch.fft.rfft(unit).conj(), n=self.d)
        across = of_unit - unit * (unit * of_unit).sum(1, keepdim=True)
        return [across / filters.norm(dim=1, keepdim=True), of_pooling]

    def finished(self, parameters: list[Tensor]) -> list[Tensor]:
        """Return (unit filters, pooling weights, output weights)."""
        return [_unit(parameters[0]), *parameters[1:]]


def _unit(filters: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
    """Return the filters at unit length."""
    length: Tensor = filters.norm(dim=1, keepdim=True)
    return filters / length
