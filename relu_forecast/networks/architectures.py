"""The three architectures: how windows become features, and blocks become a network.

Everything between, the convex program and its solvers, pricing and discovery, sees features,
blocks and norms only; THEORY section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.features import Features
from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm, signals_of
from relu_forecast.networks.hidden_layers import CircularLayer, DirectLayer, Layer
from relu_forecast.networks.modules import (
    CircularReLUNetwork,
    ConvReLUNetwork,
    ReLUNetwork,
)
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.networks.sites import Sites, check_sites, site_pooling
from relu_forecast.networks.two_layer import SkipWeights, TwoLayerNetwork
from relu_forecast.storage import VALUE, Added, stored
from relu_forecast.validation import check_choice, check_positive_int
from relu_forecast.windows.sliding import patches

_FILTER_SIZE = 5
"""Samples of a filter where nobody says how many."""


@runtime_checkable
class Architecture(Protocol):
    """What a network does between its input and its output weights.

    A neuron's *factors* are the weights that its penalty is made of: they come out of a block
    by `factors`, out of gradient training, and go into `network`.
    """

    def check_input(self, X: Float[Tensor, "n *d"]) -> None:
        """Refuse patches where windows are needed, and the other way round."""

    def gate_inputs(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "N h"]:
        """Return the rows whose products with a gate make an activation pattern."""

    def features(self, X: Float[Tensor, "n *d"]) -> Features:
        """Return the rows that blocks multiply and the norm of a block."""

    def coordinates(self, gates: Float[Tensor, "m h"]) -> Float[Tensor, "m c"]:
        """Return gates in the coordinates of blocks."""

    def gates(self, X: Float[Tensor, "n *d"], blocks: Float[Tensor, "m c"]) -> Tensor:
        """Return the gates (m, h) that switch as neurons with these blocks do."""

    def layer(self, X: Float[Tensor, "n *d"]) -> Layer:
        """Return how gradients train the factors."""

    def factors(
        self, X: Float[Tensor, "n *d"], blocks: Float[Tensor, "m c"], heads: Float[Tensor, "m SC"]
    ) -> list[Tensor]:
        """Return balanced weights of the non-zero blocks, the output weights (m, SC) last."""

    def network(
        self, factors: list[Tensor], gates: Float[Tensor, "m h"] | None, skip: SkipWeights | None
    ) -> TwoLayerNetwork:
        """Return the network with these weights.

        The output weights come as (m,) for a single output, (m, C) for several, with an axis of
        S sites after the first where there are sites.
        """


def _check_shape(X: Float[Tensor, "n *d"], n_axes: int) -> None:
    """Refuse windows for patches, and patches for windows."""
    if X.ndim != n_axes:
        required = "windows (n, d)" if n_axes == 2 else "patches (n, K, h)"
        raise InvalidArgumentError("X", f"{required} for this architecture",
                                   f"shape {tuple(X.shape)}", "See windows.patches.")


def _balanced(
    blocks: Float[Tensor, "m c"], heads: Float[Tensor, "m SC"], norms: Float[Tensor, " m"]
) -> tuple[Float[Tensor, "m c"], Float[Tensor, "m SC"]]:
    """Return ``z / sqrt(N(z))`` and ``h sqrt(N(z))``, whose squares are equal and sum to 2 N."""
    roots = norms.sqrt()[:, None]
    return blocks / roots, heads * roots


def _with_constant(rows: Float[Tensor, "N d"]) -> Float[Tensor, "N d1"]:
    """Append a column of ones."""
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


def _split_constant(
    weights: Float[Tensor, "m h"] | None, constant_input: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return weights and biases of inputs whose last one is the constant, where there is one."""
    if weights is None or not constant_input:
        return weights, None
    return weights[:, :-1], weights[:, -1]


class WholeBlocks:
    """What dense and convolutional layers share: a block is a neuron's weights, one group.

    An architecture of one's own, whose neurons are ``(r'w)_+`` of some rows r with the penalty
    ``||w||``, derives from it and says what the rows are, `gate_inputs`, which inputs it takes,
    `check_input`, and what its `network` is: see docs/architectures.md.
    """

    def gate_inputs(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "N h"]:
        """Return the rows whose products with a gate make an activation pattern."""
        raise NotImplementedError

    def features(self, X: Float[Tensor, "n *d"]) -> Features:
        """Return the gates' inputs as rows, and the Euclidean norm."""
        return Features(self.gate_inputs(X), len(X), GroupNorm.euclidean(X))

    def coordinates(self, gates: Float[Tensor, "m h"]) -> Float[Tensor, "m h"]:
        """Return the gates."""
        return gates

    def gates(self, X: Float[Tensor, "n *d"], blocks: Float[Tensor, "m h"]) -> Tensor:
        """Return the blocks."""
        return blocks

    def layer(self, X: Float[Tensor, "n *d"]) -> Layer:
        """Return the layer whose hidden weights are trained themselves."""
        return DirectLayer(self.gate_inputs(X[:1]).shape[1])

    def factors(
        self, X: Float[Tensor, "n *d"], blocks: Float[Tensor, "m h"], heads: Float[Tensor, "m SC"]
    ) -> list[Tensor]:
        """Return ``w1 = z / sqrt||z||`` and ``w2 = h sqrt||z||``; THEORY sections 1 and 8."""
        return list(_balanced(blocks, heads, blocks.norm(dim=1)))


@stored(inputs=Added(VALUE, None))
@dataclass(frozen=True)
class Dense(WholeBlocks):
    """A dense hidden layer, ``(X w1_j)_+``, on windows (n, d).

    Attributes
    ----------
    constant_input : bool
        Append a column of ones to X: neurons have a bias, penalised like their weights.
    inputs : int or None
        Columns of X, the first, that neurons see; a linear part sees all. None: all.
    """

    constant_input: bool = False
    inputs: int | None = None

    def __post_init__(self) -> None:
        if self.inputs is not None:
            check_positive_int(self.inputs, "inputs")

    def check_input(self, X: Float[Tensor, "n *d"]) -> None:
        """Take windows only, of enough columns."""
        _check_shape(X, 2)
        if self.inputs is not None and X.shape[1] < self.inputs:
            raise InvalidArgumentError("inputs", f"at most the {X.shape[1]} columns of X",
                                       str(self.inputs), "Pass None for all columns.")

    def gate_inputs(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n h"]:
        """Return what neurons see of X, followed by ones for their biases."""
        seen = X if self.inputs is None else X[:, : self.inputs]
        return _with_constant(seen) if self.constant_input else seen.contiguous()

    def network(
        self, factors: list[Tensor], gates: Float[Tensor, "m h"] | None, skip: SkipWeights | None
    ) -> ReLUNetwork:
        """Return the dense network."""
        hidden, bias = _split_constant(factors[0], self.constant_input)
        gate, gate_bias = _split_constant(gates, self.constant_input)
        assert hidden is not None
        return ReLUNetwork(hidden, factors[1], hidden_bias=bias, gate=gate, gate_bias=gate_bias,
                           skip=skip, partial=self.inputs is not None)


@stored(sites=Added(VALUE, "global"))
@dataclass(frozen=True)
class Convolution(WholeBlocks):
    """Filters over patches, ReLU and sums over the patches, ``sum_k (X_k u_j)_+``.

    Attributes
    ----------
    filter_size : int or None
        Samples that a filter sees, h. None: X is given as patches (n, K, h), see
        `windows.patches`.
    stride : int
        Samples from one patch to the next.
    constant_input : bool
        Append a one to every patch: filters have a bias, penalised like their weights.
    sites : "global", "flatten" or int
        Places of the window that output weights tell apart. ``"global"``: none, a filter has one
        output, the sum over all patches. A number: so many runs of neighbouring patches, each with
        its own sum and output weight. ``"flatten"``: every patch. See `networks.sites`.
    """

    filter_size: int | None
    stride: int = 1
    constant_input: bool = False
    sites: Sites = "global"

    def __post_init__(self) -> None:
        check_sites(self.sites)

    def check_input(self, X: Float[Tensor, "n *d"]) -> None:
        """Take patches if there is no filter size, else windows; at least one patch a site."""
        _check_shape(X, 3 if self.filter_size is None else 2)
        check_sites(self.sites, self._cut(X[:1]).shape[1])

    def _cut(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "n K h"]:
        """Return the patches of each sample."""
        if self.filter_size is None:
            return X
        cut: Tensor = patches(X, self.filter_size, self.stride)
        return cut

    def gate_inputs(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "N h"]:
        """Return the stacked patches, those of a sample after one another."""
        rows = self._cut(X).flatten(0, 1)
        return _with_constant(rows) if self.constant_input else rows.contiguous()

    def features(self, X: Float[Tensor, "n *d"]) -> Features:
        """Return the patches as rows, the Euclidean norm, and which patches make a site."""
        plain = super().features(X)
        return replace(plain, pooling=site_pooling(self.sites, plain.n_patches, plain.rows))

    def network(
        self, factors: list[Tensor], gates: Float[Tensor, "m h"] | None, skip: SkipWeights | None
    ) -> ConvReLUNetwork:
        """Return the convolutional network."""
        filters, bias = _split_constant(factors[0], self.constant_input)
        gate, gate_bias = _split_constant(gates, self.constant_input)
        assert filters is not None
        stride = None if self.filter_size is None else self.stride
        return ConvReLUNetwork(filters, factors[1], stride=stride, filter_bias=bias,
                               gate=gate, gate_bias=gate_bias, skip=skip, sites=self.sites)


@stored()
@dataclass(frozen=True)
class Circular:
    """Circular convolution, pooling, ReLU: ``(X U_j w1_j)_+`` on windows (n, d).

    Blocks are the Fourier coordinates of ``z = U_j w1_j``; see `fourier`. There is no bias
    inside the ReLU.
    """

    def check_input(self, X: Float[Tensor, "n *d"]) -> None:
        """Take windows only."""
        _check_shape(X, 2)

    def gate_inputs(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return X: gates are signals."""
        return X

    def features(self, X: Float[Tensor, "n d"]) -> Features:
        """Return the windows' Fourier coordinates as rows, and ``||F z||_1 / sqrt(d)``."""
        return Features(fourier_coordinates(X), len(X), fourier_norm(X))

    def coordinates(self, gates: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Return the Fourier coordinates of the gates."""
        return fourier_coordinates(gates)

    def gates(self, X: Float[Tensor, "n d"], blocks: Float[Tensor, "m c"]) -> Tensor:
        """Return the signals with these Fourier coordinates."""
        return signals_of(blocks, X.shape[1])

    def layer(self, X: Float[Tensor, "n d"]) -> Layer:
        """Return the layer of three factors."""
        return CircularLayer(X.shape[1])

    def factors(
        self, X: Float[Tensor, "n d"], blocks: Float[Tensor, "m c"], heads: Float[Tensor, "m C"]
    ) -> list[Tensor]:
        """Return unit filters u, pooling weights w1 and output weights w2; THEORY section 3.

        ``U w1 = z / w2`` with ``|F u| = sqrt(|F z| / ||F z||_1)``, real, and the phases of Fz
        in ``F w1``; then w1 and w2 share the penalty ``2 N(z)`` evenly.
        """
        d = X.shape[1]
        if len(blocks) == 0:  # the FFT library takes no empty batch
            return [X.new_zeros(0, d), X.new_zeros(0, d), heads]
        spectra = torch.fft.rfft(signals_of(blocks, d), norm="ortho")
        norms = fourier_norm(X).norms(blocks)
        gains = (spectra.abs() / (norms[:, None] * d**0.5)).sqrt()
        tiny = torch.finfo(gains.dtype).tiny
        filters = torch.fft.irfft(gains.to(spectra.dtype), n=d, norm="ortho")
        pooled = torch.fft.irfft(spectra / (gains.clamp_min(tiny) * d**0.5), n=d, norm="ortho")
        return [filters, *_balanced(pooled, heads, norms)]

    def network(
        self, factors: list[Tensor], gates: Float[Tensor, "m d"] | None, skip: SkipWeights | None
    ) -> CircularReLUNetwork:
        """Return the circular network."""
        filters, pooling, output = factors
        return CircularReLUNetwork(filters, pooling, output, gate=gates, skip=skip)


def named_architecture(
    name: str, width: int, filter_size: int | None, stride: int, fit_intercept: bool | None,
    sites: Sites = "global"
) -> Architecture:
    """Return the architecture that a person names, for windows of ``width`` samples.

    Parameters
    ----------
    name : {"dense", "conv", "circular"}
    width : int
        Samples of a window, d.
    filter_size : int or None
        Samples that a filter sees; None is 5, or all of a shorter window. Of "conv" only.
    stride : int
        Samples from one patch to the next. Of "conv" only.
    fit_intercept : bool or None
        Give neurons or filters a bias. None: yes, but for a circular network, which has none.
    sites : "global", "flatten" or int
        Places of a window that output weights tell apart, see `Convolution`. Of "conv" only.
    """
    check_choice(name, "architecture", ("dense", "conv", "circular"))
    if name != "conv" and (filter_size is not None or stride != 1 or sites != "global"):
        raise InvalidArgumentError(
            "filter_size, stride and sites", "left out without a convolution",
            repr((filter_size, stride, sites)), "Pass architecture='conv', or leave them out.")
    constant_input = name != "circular" if fit_intercept is None else bool(fit_intercept)
    if name == "dense":
        return Dense(constant_input)
    if name == "conv":
        size = min(_FILTER_SIZE, width) if filter_size is None else filter_size
        return Convolution(size, stride, constant_input, sites)
    if constant_input:
        raise InvalidArgumentError(
            "fit_intercept", "False for a circular network", "True",
            "It has no bias inside the ReLU; linear_skip gives it a constant.")
    return Circular()


def default_architecture(X: Float[Tensor, "n *d"]) -> Architecture:
    """Return what the shape of X stands for: windows (n, d), or patches (n, K, h)."""
    return Dense() if X.ndim == 2 else Convolution(filter_size=None)
