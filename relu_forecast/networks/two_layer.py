"""What all two-layer networks share: output layer, gates, linear skip and objective (1).

A network with gates is the gated ReLU network of Mishkin, Sahiner & Pilanci (2022), arXiv
2202.01331: fixed gates switch its neurons instead of their own weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.layers import Layers
from relu_forecast.storage import stored


@stored()
@dataclass(frozen=True)
class SkipWeights:
    """The linear skip connection ``a'x + a0`` of a network.

    Attributes
    ----------
    weight : Tensor, shape (d,), or (d, C)
        a; one column per output where the network has an axis of outputs.
    bias : Tensor, shape (), or (C,)
        a0.
    """

    weight: Float[Tensor, "d *C"]
    bias: Float[Tensor, "*C"]


class TwoLayerNetwork(nn.Module, ABC):
    """What the architectures share: output layer, gates, skip connection, objective (1).

    ``f(x) = sum_j h_j(x) w2_j + a'x + a0`` with the hidden layer h of the architecture; f, w2_j
    and a0 are numbers, or vectors of C outputs.

    Attributes
    ----------
    output_weight : Tensor, shape (m,), or (m, C)
        w2. A convolution that tells S sites apart has an axis of sites after the first.
    gate : Tensor, shape (m, h), or None
        Gates g_j of a gated ReLU network, in the space of the neurons' inputs.
    gate_bias : Tensor, shape (m,), or None
        c_j: the gate is open where ``g_j'x + c_j >= 0``.
    skip_weight : Tensor, shape (d,) or (d, C), or None
        a; None without a skip connection.
    skip_bias : Tensor, shape () or (C,), or None
        a0.
    target_scale : Tensor, shape (C,), or None
        What the outputs are multiplied by at the end; weights, and the objective, are in units of
        it. None stands for ones.
    """

    output_weight: Tensor
    gate: Tensor | None
    gate_bias: Tensor | None
    skip_weight: Tensor | None
    skip_bias: Tensor | None
    target_scale: Tensor | None

    def __init__(
        self, output_weight: Float[Tensor, "m *outputs"], gate: Float[Tensor, "m h"] | None,
        gate_bias: Float[Tensor, " m"] | None, skip: SkipWeights | None,
        target_scale: Float[Tensor, " C"] | None = None
    ) -> None:
        super().__init__()
        self.output_weight = nn.Parameter(output_weight)
        self.register_buffer("target_scale", target_scale)
        self.register_buffer("gate", gate)
        self.register_buffer("gate_bias", gate_bias)
        self.skip_weight = None if skip is None else nn.Parameter(skip.weight)
        self.skip_bias = None if skip is None else nn.Parameter(skip.bias)

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons, m."""
        return self.output_weight.shape[0]

    @property
    def n_outputs(self) -> int | None:
        """Number of outputs, C; None where `forward` returns a vector, one number a sample."""
        axes = self.output_axes
        return axes[0] if axes else None

    @property
    def output_axes(self) -> tuple[int, ...]:
        """Axes of what `forward` returns after the first: (C,), or none."""
        return tuple(self.output_weight.shape[1:])

    @property
    def skip(self) -> SkipWeights | None:
        """The linear skip connection."""
        if self.skip_weight is None or self.skip_bias is None:
            return None
        return SkipWeights(self.skip_weight, self.skip_bias)

    def check_stored(self) -> None:
        """Refuse weights of different dtypes, or of other numbers of neurons, inputs or outputs."""
        rows = next(iter(self.hidden_weights()))
        m, width, axes = len(rows), rows.shape[-1], self.output_axes
        gates = [each for each in (self.gate, self.gate_bias) if each is not None]
        own = {tuple(each.shape) for each in (*self.hidden_weights(), *gates)}
        if width == 0 or not own <= {(m,), (m, width), (m, 1, width)}:
            raise ValueError("it has weights of shapes that do not fit together")
        if len(self.output_weight) != m or len(axes) > 1 or 0 in self.output_weight.shape[1:]:
            raise ValueError("it has output weights that do not fit its neurons")
        of_outputs = [each for each in (self.skip_bias, self.target_scale) if each is not None]
        if self.skip_weight is not None:
            of_outputs.extend(self.skip_weight[:1])
        if any(tuple(each.shape) != axes for each in of_outputs):
            raise ValueError("it has a skip or scales of other outputs")
        if self.target_scale is not None and not bool((self.target_scale > 0).all()):
            raise ValueError("it has scales that are not above 0")
        if len({each.dtype for each in (*self.parameters(), *self.buffers())}) > 1:
            raise ValueError("it has weights of different dtypes")

    @abstractmethod
    def hidden(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "n *S m"]:
        """Return the hidden layer's outputs, (n, m), or (n, S, m) where there are sites."""

    @abstractmethod
    def hidden_weights(self) -> Iterable[Tensor]:
        """Yield the weights of the hidden layer that objective (1) penalises."""

    def _switch(
        self, linear: Float[Tensor, "*b m"], inputs: Float[Tensor, "*b h"]
    ) -> Float[Tensor, "*b m"]:
        """Return ``(linear)_+``, or ``linear`` where the gates are open for ``inputs``."""
        if self.gate is None:
            return linear.relu()
        opening = inputs @ self.gate.T
        if self.gate_bias is not None:
            opening = opening + self.gate_bias
        return linear.where(opening >= 0, 0.0)

    def forward(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "n *C"]:
        """Return the network's outputs for the samples ``X``: a vector, or a row a sample."""
        outputs = self._in_training_units(X)
        return outputs if self.target_scale is None else outputs * self.target_scale

    def _in_training_units(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "n *C"]:
        """Return the outputs before they are multiplied by the scales of the targets."""
        hidden, weight = self.hidden(X), self.output_weight
        if hidden.ndim == 3:  # site by site
            hidden, weight = hidden.flatten(1), weight.transpose(0, 1).flatten(0, 1)
        outputs = hidden @ weight
        if self.skip_weight is None or self.skip_bias is None:
            return outputs
        return outputs + X.flatten(1) @ self.skip_weight + self.skip_bias

    @torch.no_grad()
    def contributions(self, X: Float[Tensor, "n *d"]) -> Float[Tensor, "n m *C"]:
        """Return what each neuron adds to the outputs; these less their sum are the skip's.

        A neuron of a convolution adds what its patches do, at all sites.
        """
        hidden, weight = self.hidden(X), self.output_weight
        sites = "s" if hidden.ndim == 3 else ""
        parts = torch.einsum(f"n{sites}m,m{sites}...->nm...", hidden, weight)
        return parts if self.target_scale is None else parts * self.target_scale

    def local_weights(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d *C"]:
        """Return the weights of the linear function that the network is around each sample.

        The gradients of the outputs: these are exactly linear as long as no neuron, or patch of
        one, is switched on or off. Cost: a gradient for each output.
        """
        X = X.detach().clone().requires_grad_()
        with torch.enable_grad():
            outputs = self(X)
            each = [torch.autograd.grad(output.sum(), X, retain_graph=True)[0]
                    for output in outputs.reshape(len(X), -1).T]
        return torch.stack(each, dim=2).reshape(*X.shape, *self.output_axes)

    @abstractmethod
    def _unrolled(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return matrices for windows of ``width`` samples, a column a neuron and patch.

        What a window is multiplied by before the switch, (d, M); what it is multiplied by for the
        gates, (d, M), the same where there are none; and the output weights, (M,) or (M, C).
        """

    @torch.no_grad()
    def layers(self, width: int) -> Layers:
        """Return the network as plain matrices, for windows of ``width`` samples."""
        hidden, gate, output = self._unrolled(width)
        m, count = self.n_neurons, output.shape[0]
        n_outputs = self.n_outputs or 1
        bias, gate_bias = (
            hidden.new_zeros(count) if one is None else one.repeat(count // m)
            for one in (self._hidden_bias, self.gate_bias))
        output = output.reshape(count, n_outputs)
        linear, constant = hidden.new_zeros(width, n_outputs), hidden.new_zeros(n_outputs)
        if self.skip_weight is not None and self.skip_bias is not None:
            linear = self.skip_weight.reshape(width, n_outputs)
            constant = self.skip_bias.reshape(n_outputs)
        scale = 1.0 if self.target_scale is None else self.target_scale
        weights = (hidden, bias, output * scale, linear * scale, constant * scale)
        gates = () if self.gate is None else (gate, gate_bias)
        return Layers(*(one.cpu().numpy().astype(float) for one in (*weights, *gates)))

    @property
    @abstractmethod
    def _hidden_bias(self) -> Tensor | None:
        """Biases of the neurons before their switch, (m,)."""

    @property
    @abstractmethod
    def effective_filters(self) -> Float[Tensor, "m h"]:
        """What each neuron correlates a window, or a patch of it, with before its switch."""

    @torch.no_grad()
    def objective(
        self, X: Float[Tensor, "n *d"], y: Float[Tensor, "n *C"], beta: float,
        skip_penalty: float = 0.0, sample_weight: Float[Tensor, " n"] | None = None
    ) -> float:
        """Return the nonconvex objective (1), computed from the weights alone.

        ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + ||w2_j||^2) + skip_penalty/2 ||a||^2``,
        where w1_j are the hidden weights (with their bias) of neuron j; of a circular network
        its pooling weights, its filters having unit length. Errors of each target are divided by
        its `target_scale`, where there is one, and squared ones of each sample multiplied by its
        weight.

        Parameters
        ----------
        X : Tensor, shape (n, d)
            Samples.
        y : Tensor, shape (n,), or (n, C)
            Targets, in their own units.
        beta : float
            Weight of the penalty.
        skip_penalty : float, default 0
            Ridge on the skip connection.
        sample_weight : Tensor, shape (n,), optional
            Weights of the samples, which their squared errors are multiplied by; None: ones.

        Returns
        -------
        float
            The objective, with no 1/n.

        Raises
        ------
        InvalidArgumentError
            ``y`` does not have the shape of the outputs.
        """
        outputs = self._in_training_units(X)
        if y.shape != outputs.shape:  # a column less a vector would be a matrix
            raise InvalidArgumentError("y", f"of the shape of the outputs, {tuple(outputs.shape)}",
                                       f"shape {tuple(y.shape)}", "Pass one column per output.")
        targets = y if self.target_scale is None else y / self.target_scale
        squares = (outputs - targets).square()
        if sample_weight is not None:
            squares = squares.reshape(len(squares), -1).sum(1) * sample_weight
        loss = 0.5 * squares.sum()
        penalty = self.output_weight.square().sum()
        for weight in self.hidden_weights():
            penalty = penalty + weight.square().sum()
        ridge = 0.0 if self.skip_weight is None else self.skip_weight.square().sum()
        return float(loss + beta / 2 * penalty + skip_penalty / 2 * ridge)
