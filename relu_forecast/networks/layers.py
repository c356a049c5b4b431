"""A two-layer network as plain matrices: what is left of it once it only has to be evaluated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from relu_forecast.validation import Array


@dataclass(frozen=True)
class Layers:
    """``f(x) = (x A + b)_+ B + x S + s`` for a row x of d inputs; C outputs.

    Networks of all architectures have this form: each patch that a filter sees is a neuron here. A
    network with gates has ``x A + b`` where the gate ``x G + g >= 0`` is open, and 0 elsewhere.

    Attributes
    ----------
    hidden, hidden_bias : ndarray, shape (d, m) and (m,)
        A and b.
    output : ndarray, shape (m, C)
        B.
    linear, constant : ndarray, shape (d, C) and (C,)
        S and s.
    gate, gate_bias : ndarray, shape (d, m) and (m,), or None
        G and g.
    """

    hidden: Array
    hidden_bias: Array
    output: Array
    linear: Array
    constant: Array
    gate: Array | None = None
    gate_bias: Array | None = None

    @classmethod
    def of_linear(cls, linear: Array, constant: Array) -> Layers:
        """Return a linear map, ``x S + s``: no neurons."""
        width, n_outputs = linear.shape
        return cls(np.zeros((width, 0)), np.zeros(0), np.zeros((0, n_outputs)), linear, constant)

    @property
    def n_inputs(self) -> int:
        """D."""
        return len(self.linear)

    @property
    def n_outputs(self) -> int:
        """C."""
        return len(self.constant)

    @property
    def n_neurons(self) -> int:
        """M."""
        return len(self.hidden_bias)

    def __call__(self, X: Array) -> Array:
        """Return the outputs, (n, C), for inputs (n, d)."""
        return self.activations(X) @ self.output + X @ self.linear + self.constant

    def activations(self, X: Array) -> Array:
        """Return what the neurons put out, (n, m)."""
        linear = X @ self.hidden + self.hidden_bias
        if self.gate is None or self.gate_bias is None:
            return np.maximum(linear, 0.0)
        return np.where(X @ self.gate + self.gate_bias >= 0, linear, 0.0)

    def plus_linear(self, linear: Array, constant: Array) -> Layers:
        """Return the layers with a linear map added to the outputs."""
        return replace(self, linear=self.linear + linear, constant=self.constant + constant)

    def after(self, matrix: Array) -> Layers:
        """Return the layers of other inputs v, of which ``x = v F``; ``matrix`` is F, (q, d)."""
        gate = None if self.gate is None else matrix @ self.gate
        return replace(self, hidden=matrix @ self.hidden, linear=matrix @ self.linear, gate=gate)

    def scaled(self, factor: float) -> Layers:
        """Return the layers with outputs that are multiplied by a factor."""
        return replace(self, output=self.output * factor, linear=self.linear * factor,
                       constant=self.constant * factor)

    @classmethod
    def side_by_side(cls, parts: list[Layers]) -> Layers:
        """Return the outputs of several layers of the same inputs, one after the other."""
        if len(parts) == 1:
            return parts[0]
        n_outputs = sum(one.n_outputs for one in parts)
        output = np.zeros((sum(one.n_neurons for one in parts), n_outputs))
        row = column = 0
        for one in parts:
            output[row : row + one.n_neurons, column : column + one.n_outputs] = one.output
            row, column = row + one.n_neurons, column + one.n_outputs
        gated = any(one.gate is not None for one in parts)
        return cls(
            np.hstack([one.hidden for one in parts]),
            np.concatenate([one.hidden_bias for one in parts]), output,
            np.hstack([one.linear for one in parts]),
            np.concatenate([one.constant for one in parts]),
            np.hstack([one._gates()[0] for one in parts]) if gated else None,
            np.concatenate([one._gates()[1] for one in parts]) if gated else None)

    def _gates(self) -> tuple[Array, Array]:
        """Return the gates; of a ReLU network these are the neurons themselves."""
        if self.gate is None or self.gate_bias is None:
            return self.hidden, self.hidden_bias
        return self.gate, self.gate_bias
