"""Two-layer networks as torch modules: dense, convolutional and circular.

Their weights come from the blocks of a convex program or from gradient training; THEORY
sections 1, 3 and 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.sites import Sites, check_sites, has_plain_sum, site_pooling
from relu_forecast.networks.two_layer import SkipWeights, TwoLayerNetwork
from relu_forecast.storage import VALUE, Added, Maybe, Whole, stored
from relu_forecast.storage import Tensor as Kept

_SCALE = Added(Maybe(Kept((1,))))


@stored(target_scale=_SCALE, partial=Added(VALUE, False))
class ReLUNetwork(TwoLayerNetwork):
    """Dense network, ``f(x) = sum_j (w1_j'x + b_j)_+ w2_j + a'x + a0``.

    Parameters
    ----------
    hidden_weight : Tensor, shape (m, d)
        Rows w1_j.
    output_weight : Tensor, shape (m,), or (m, C)
        w2_j.
    hidden_bias : Tensor, shape (m,), optional
        b_j; zero when left out.
    gate, gate_bias : Tensor of shape (m, d) and (m,), optional
        Fixed gates, for a gated ReLU network; see `TwoLayerNetwork`.
    skip : SkipWeights, optional
        The linear skip connection.
    target_scale : Tensor, shape (C,), optional
        What the outputs are multiplied by, see `TwoLayerNetwork`.
    partial : bool, default False
        Whether neurons see the first d columns of X only, which may have more for the skip.
    """

    hidden_weight: Tensor
    hidden_bias: Tensor | None

    def __init__(
        self, hidden_weight: Float[Tensor, "m d"], output_weight: Float[Tensor, "m *C"], *,
        hidden_bias: Float[Tensor, " m"] | None = None, gate: Float[Tensor, "m d"] | None = None,
        gate_bias: Float[Tensor, " m"] | None = None, skip: SkipWeights | None = None,
        target_scale: Float[Tensor, " C"] | None = None, partial: bool = False
    ) -> None:
        super().__init__(output_weight, gate, gate_bias, skip, target_scale)
        self.partial = partial
        self.hidden_weight = nn.Parameter(hidden_weight)
        self.hidden_bias = None if hidden_bias is None else nn.Parameter(hidden_bias)

    def hidden(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """Return ``(X w1_j + b_j)_+``."""
        seen = X[:, : self.hidden_weight.shape[1]] if self.partial else X
        return self._switch(nn.functional.linear(seen, self.hidden_weight, self.hidden_bias), seen)

    def _unrolled(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows w1_j and gates as columns; they are 0 at inputs that are not seen."""
        unseen = width - self.hidden_weight.shape[1]
        hidden, gate = (nn.functional.pad(rows.T, (0, 0, 0, unseen)) for rows in (
            self.hidden_weight, self.hidden_weight if self.gate is None else self.gate))
        return hidden, gate, self.output_weight

    @property
    def _hidden_bias(self) -> Tensor | None:
        return self.hidden_bias

    @property
    def effective_filters(self) -> Float[Tensor, "m d"]:
        """The rows w1_j."""
        return self.hidden_weight

    def hidden_weights(self) -> Iterable[Tensor]:
        """Yield w1 and b."""
        yield self.hidden_weight
        if self.hidden_bias is not None:
            yield self.hidden_bias


def _bare_convolution(filters: Float[Tensor, "m h"], **options: Any) -> nn.Conv1d:
    """Return a convolution of one channel with these filters, of which there may be none."""
    m, h = filters.shape
    convolution = nn.Conv1d(1, max(1, m), h, device="meta", **options)
    convolution.out_channels = m
    convolution.weight = nn.Parameter(filters[:, None, :])
    return convolution


@stored(stride=Maybe(Whole(1, 2**31 - 1)), sites=Added(VALUE, "global"),
        target_scale=_SCALE)
class ConvReLUNetwork(TwoLayerNetwork):
    """Convolution, ReLU, sum over the patches: ``f(x) = sum_j sum_k (u_j'x_k + b_j)_+ w_j``.

    The sum stands for average pooling: an average over K patches is the same network with
    ``w_j / K``, penalised accordingly. With ``sites`` the patches of each site have their own
    (weighted) sum and output weights w_js, see `Convolution`. Beside it ``a'x + a0``.

    Parameters
    ----------
    filters : Tensor, shape (m, h)
        u_j.
    output_weight : Tensor, shape (m,), or (m, C); with sites (m, S), or (m, S, C)
        w_j.
    stride : int or None, default 1
        Samples from one patch to the next. None: not known, and `forward` takes patches only.
    filter_bias : Tensor, shape (m,), optional
        b_j; zero when left out.
    gate, gate_bias : Tensor of shape (m, h) and (m,), optional
        Fixed gates, for a gated ReLU network; see `TwoLayerNetwork`.
    skip : SkipWeights, optional
        The linear skip connection, on all that `forward` is given.
    sites : "global", "flatten" or int, default "global"
        Places of a window that the output weights tell apart, see `Convolution`.
    target_scale : Tensor, shape (C,), optional
        What the outputs are multiplied by, see `TwoLayerNetwork`.

    Attributes
    ----------
    convolution : torch.nn.Conv1d
        The first layer.
    """

    def __init__(
        self, filters: Float[Tensor, "m h"], output_weight: Float[Tensor, "m *outputs"], *,
        stride: int | None = 1, filter_bias: Float[Tensor, " m"] | None = None,
        gate: Float[Tensor, "m h"] | None = None, gate_bias: Float[Tensor, " m"] | None = None,
        skip: SkipWeights | None = None, sites: Sites = "global",
        target_scale: Float[Tensor, " C"] | None = None
    ) -> None:
        super().__init__(output_weight, gate, gate_bias, skip, target_scale)
        self.sites = check_sites(sites)
        self.convolution = _bare_convolution(
            filters, stride=stride or 1, bias=filter_bias is not None)
        self.takes_windows = stride is not None
        if filter_bias is not None:
            self.convolution.bias = nn.Parameter(filter_bias)

    @property
    def filters(self) -> Float[Tensor, "m h"]:
        """The filters u_j."""
        return self.convolution.weight[:, 0, :]

    def _unrolled(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return filters and gates at every patch, and what the neuron adds there."""
        h, stride = self.convolution.kernel_size[0], self.convolution.stride[0]
        starts = range(0, width - h + 1, stride)
        hidden, gate = (torch.cat([
            nn.functional.pad(rows.T, (0, 0, start, width - h - start)) for start in starts], 1)
            for rows in (self.filters, self.filters if self.gate is None else self.gate))
        pooling = site_pooling(self.sites, len(starts), self.output_weight)
        if pooling is None:
            repeats = (len(starts), *(1 for _ in self.output_axes))
            return hidden, gate, self.output_weight.repeat(repeats)
        output = torch.einsum("sp,ms...->pm...", pooling, self.output_weight)
        return hidden, gate, output.flatten(0, 1)

    @property
    def _hidden_bias(self) -> Tensor | None:
        return self.filter_bias

    @property
    def effective_filters(self) -> Float[Tensor, "m h"]:
        """The filters u_j, for a patch."""
        return self.filters

    @property
    def filter_bias(self) -> Float[Tensor, " m"] | None:
        """The biases b_j of the filters."""
        return self.convolution.bias

    @property
    def stride(self) -> int | None:
        """Samples from one patch to the next; None if only patches can be given."""
        return self.convolution.stride[0] if self.takes_windows else None

    @property
    def output_axes(self) -> tuple[int, ...]:
        """Axes of what `forward` returns after the first: (C,), or none."""
        return tuple(self.output_weight.shape[1 if has_plain_sum(self.sites) else 2 :])

    def hidden(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "n *S m"]:
        """Return ``sum_k (X_k u_j + b_j)_+`` for windows (n, d) or their patches (n, K, h)."""
        h, stride = self.convolution.kernel_size[0], self.convolution.stride[0]
        if X.ndim == 2 and not self.takes_windows:
            raise InvalidArgumentError(
                "X", "patches (n, K, h), as the network was trained on", f"shape {tuple(X.shape)}",
                "Cut the windows as before, see patches.")
        patches = X if X.ndim == 3 else X.unfold(1, h, stride)
        if X.ndim == 3 or self.n_neurons == 0:  # a convolution without filters is an error
            linear = nn.functional.linear(patches, self.filters, self.convolution.bias)
        else:
            linear = self.convolution(X[:, None, :]).transpose(1, 2)
        active = self._switch(linear, patches)
        pooling = site_pooling(self.sites, active.shape[1], active)
        return active.sum(1) if pooling is None else pooling @ active

    def check_stored(self) -> None:
        """Refuse weights that do not fit together, or output weights of other sites."""
        super().check_stored()
        n_sites = self.output_weight.shape[1:2]
        if not has_plain_sum(self.sites) and self.sites != "flatten" and n_sites != (self.sites,):
            raise ValueError("it has output weights of other sites")

    def hidden_weights(self) -> Iterable[Tensor]:
        """Yield u and b."""
        yield from self.convolution.parameters()


@stored(target_scale=_SCALE)
class CircularReLUNetwork(TwoLayerNetwork):
    """Circular convolution, linear pooling, ReLU, output: ``sum_j (X U_j w1_j)_+ w2_j``.

    U_j is the circulant matrix whose first column is the unit filter u_j, so that X U_j are the
    circular correlations of the windows with it. Beside it ``a'x + a0``.

    Parameters
    ----------
    filters : Tensor, shape (m, d)
        u_j, of unit length.
    pooling_weight : Tensor, shape (m, d)
        w1_j.
    output_weight : Tensor, shape (m,), or (m, C)
        w2_j.
    gate : Tensor, shape (m, d), optional
        Fixed gates on the windows, for a gated ReLU network; see `TwoLayerNetwork`.
    skip : SkipWeights, optional
        The linear skip connection.
    target_scale : Tensor, shape (C,), optional
        What the outputs are multiplied by, see `TwoLayerNetwork`.

    Attributes
    ----------
    convolution : torch.nn.Conv1d
        The first layer, with circular padding; it stores the filters rotated by its left
        padding, see `filters`.
    """

    pooling_weight: Tensor

    def __init__(
        self, filters: Float[Tensor, "m d"], pooling_weight: Float[Tensor, "m d"],
        output_weight: Float[Tensor, "m *C"], *, gate: Float[Tensor, "m d"] | None = None,
        skip: SkipWeights | None = None, target_scale: Float[Tensor, " C"] | None = None
    ) -> None:
        super().__init__(output_weight, gate, None, skip, target_scale)
        d = filters.shape[1]
        self.convolution = _bare_convolution(
            filters.roll((d - 1) // 2, 1), padding="same", padding_mode="circular", bias=False)
        self.pooling_weight = nn.Parameter(pooling_weight)

    @property
    def filters(self) -> Float[Tensor, "m d"]:
        """The unit filters u_j, first columns of U_j."""
        weight = self.convolution.weight[:, 0, :]
        return weight.roll(-((weight.shape[1] - 1) // 2), 1)

    def _unrolled(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the signals ``U_j w1_j`` and the gates as columns."""
        hidden = self.effective_filters.T
        return hidden, hidden if self.gate is None else self.gate.T, self.output_weight

    @property
    def _hidden_bias(self) -> Tensor | None:
        return None

    @property
    def effective_filters(self) -> Float[Tensor, "m d"]:
        """The signals ``U_j w1_j``: circular convolutions of filters and pooling weights."""
        if self.n_neurons == 0:  # a transform of nothing is an error
            return self.filters
        spectra = torch.fft.rfft(self.filters) * torch.fft.rfft(self.pooling_weight)
        signals: Tensor = torch.fft.irfft(spectra, n=self.filters.shape[1])
        return signals

    def hidden(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """Return ``(X U_j w1_j)_+``."""
        if self.n_neurons == 0:  # a convolution without filters is an error
            return X.new_zeros(len(X), 0)
        correlations = self.convolution(X[:, None, :])
        return self._switch((correlations * self.pooling_weight).sum(2), X)

    def hidden_weights(self) -> Iterable[Tensor]:
        """Yield the pooling weights; the filters are held at unit length, not penalised."""
        yield self.pooling_weight
