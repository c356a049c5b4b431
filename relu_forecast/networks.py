"""Recovered networks: torch modules whose weights come from the blocks of a convex program."""

from __future__ import annotations

from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn


class _SkipWeights(TypedDict):
    """Keyword arguments of the skip connection."""

    skip_weight: Tensor | None
    skip_bias: Tensor | None


class ReLUNetwork(nn.Module):
    """Two-layer ReLU network with an optional linear skip connection.

    ``f(x) = sum_j (w1_j'x + b_j)_+ w2_j + a'x + a0``.

    Parameters
    ----------
    hidden_weight : Tensor, shape (m, d)
        Rows w1_j.
    output_weight : Tensor, shape (m,)
        w2_j.
    hidden_bias : Tensor, shape (m,), optional
        b_j; zero when left out.
    skip_weight : Tensor, shape (d,), optional
        a; zero when left out.
    skip_bias : Tensor, shape (), optional
        a0; zero when left out.
    """

    hidden_weight: Tensor
    output_weight: Tensor
    hidden_bias: Tensor | None
    skip_weight: Tensor | None
    skip_bias: Tensor | None

    def __init__(
        self,
        hidden_weight: Float[Tensor, "m d"],
        output_weight: Float[Tensor, " m"],
        *,
        hidden_bias: Float[Tensor, " m"] | None = None,
        skip_weight: Float[Tensor, " d"] | None = None,
        skip_bias: Float[Tensor, ""] | None = None,
    ) -> None:
        super().__init__()
        self.hidden_weight = nn.Parameter(hidden_weight)
        self.output_weight = nn.Parameter(output_weight)
        for name, value in (("hidden_bias", hidden_bias), ("skip_weight", skip_weight),
                            ("skip_bias", skip_bias)):
            self.register_parameter(name, None if value is None else nn.Parameter(value))

    @torch.no_grad()
    def fold_constant_input(self) -> ReLUNetwork:
        """Return the network on X for a network on ``[X 1]``: the last input becomes biases."""
        return ReLUNetwork(
            self.hidden_weight[:, :-1], self.output_weight,
            hidden_bias=self.hidden_weight[:, -1], **self._folded_skip())

    def _folded_skip(self) -> _SkipWeights:
        """Return the skip's weights with the constant input's weight added to its bias."""
        if self.skip_weight is None or self.skip_bias is None:
            return {"skip_weight": None, "skip_bias": None}
        return {"skip_weight": self.skip_weight[:-1],
                "skip_bias": self.skip_bias + self.skip_weight[-1]}

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons, m."""
        return self.output_weight.shape[0]

    def hidden(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """Return the hidden layer's outputs."""
        return self._preactivation(X).relu()

    def _preactivation(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """Return ``X w1_j + b_j``."""
        outputs = X @ self.hidden_weight.T
        return outputs if self.hidden_bias is None else outputs + self.hidden_bias

    def forward(self, X: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the network's outputs for the rows of ``X``."""
        outputs = self.hidden(X) @ self.output_weight
        if self.skip_weight is not None:
            outputs = outputs + X @ self.skip_weight
        return outputs if self.skip_bias is None else outputs + self.skip_bias

    @torch.no_grad()
    def objective(
        self,
        X: Float[Tensor, "n d"],
        y: Float[Tensor, " n"],
        beta: float,
        skip_penalty: float = 0.0,
    ) -> float:
        """Return the nonconvex objective (1), computed from the weights alone.

        ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + b_j^2 + w2_j^2)
        + skip_penalty/2 ||a||^2``.

        Parameters
        ----------
        X : Tensor, shape (n, d)
            Samples.
        y : Tensor, shape (n,)
            Targets.
        beta : float
            Weight of the penalty.
        skip_penalty : float, default 0
            Ridge on the skip connection.

        Returns
        -------
        float
            The objective, with no 1/n.
        """
        loss = 0.5 * (self(X) - y).square().sum()
        weights = [self.hidden_weight, self.output_weight, self.hidden_bias]
        penalty = sum(w.square().sum() for w in weights if w is not None)
        ridge = 0.0 if self.skip_weight is None else self.skip_weight.square().sum()
        return float(loss + beta / 2 * penalty + skip_penalty / 2 * ridge)


class GatedReLUNetwork(ReLUNetwork):
    """Two-layer network whose neurons are switched by fixed gates instead of their own weights.

    ``f(x) = sum_j 1[g_j'x + c_j >= 0] (w1_j'x + b_j) w2_j + a'x + a0``.

    Parameters
    ----------
    gate : Tensor, shape (m, d)
        Rows g_j.
    hidden_weight, output_weight, hidden_bias, skip_weight, skip_bias : Tensor
        As in `ReLUNetwork`.
    gate_bias : Tensor, shape (m,), optional
        c_j; zero when left out.

    Notes
    -----
    Mishkin, Sahiner & Pilanci (2022), arXiv 2202.01331.
    """

    gate: Tensor
    gate_bias: Tensor | None

    def __init__(
        self,
        gate: Float[Tensor, "m d"],
        hidden_weight: Float[Tensor, "m d"],
        output_weight: Float[Tensor, " m"],
        *,
        gate_bias: Float[Tensor, " m"] | None = None,
        hidden_bias: Float[Tensor, " m"] | None = None,
        skip_weight: Float[Tensor, " d"] | None = None,
        skip_bias: Float[Tensor, ""] | None = None,
    ) -> None:
        super().__init__(hidden_weight, output_weight, hidden_bias=hidden_bias,
                         skip_weight=skip_weight, skip_bias=skip_bias)
        self.register_buffer("gate", gate)
        self.register_buffer("gate_bias", gate_bias)

    @torch.no_grad()
    def fold_constant_input(self) -> GatedReLUNetwork:
        """Return the network on X for a network on ``[X 1]``: the last input becomes biases."""
        return GatedReLUNetwork(
            self.gate[:, :-1], self.hidden_weight[:, :-1], self.output_weight,
            gate_bias=self.gate[:, -1], hidden_bias=self.hidden_weight[:, -1],
            **self._folded_skip())

    def hidden(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """Return the hidden layer's outputs: linear where the gate is open, else zero."""
        opening = X @ self.gate.T
        if self.gate_bias is not None:
            opening = opening + self.gate_bias
        return self._preactivation(X).where(opening >= 0, 0.0)
