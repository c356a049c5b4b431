"""The objective (1) before patterns are chosen, and the pricing of its neurons.

With v the residual, a network is a global optimum of (1) exactly when no neuron u with N(u) = 1
has ``|v'P(Ru)_+| > beta``; THEORY section 5. Where the rows span three dimensions or fewer all
neurons are priced exactly, elsewhere a multi-start search prices what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.architectures import Architecture
from relu_forecast.networks.features import Features
from relu_forecast.networks.modules import SkipWeights, TwoLayerNetwork
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.program import Activation, ConvexProgram
from relu_forecast.training.pricing.exact import can_price_exactly, price_exactly
from relu_forecast.training.pricing.search import PricedNeurons, price
from relu_forecast.training.pricing.starts import random_starts

PRICING_STARTS = 100
"""Starts of a multi-start search over neurons."""
_FEW_ROWS = 1500


@dataclass(frozen=True)
class Objective:
    """What is minimised: the data and the weights of (1), before patterns are chosen.

    Attributes
    ----------
    X : Tensor, shape (n, d) or (n, K, h)
        Windows, or patches.
    y : Tensor, shape (n,)
        Targets.
    architecture : Architecture
        Of the hidden layer.
    activation : {"relu", "gated_relu"}
        Of the hidden layer.
    linear_skip : bool
        Whether a linear part stands beside the network.
    skip_penalty : float
        Its ridge.
    """

    X: Float[Tensor, "n *d"]
    y: Float[Tensor, " n"]
    architecture: Architecture
    activation: Activation = "relu"
    linear_skip: bool = False
    skip_penalty: float = 0.0

    @cached_property
    def features(self) -> Features:
        """What blocks multiply."""
        return self.architecture.features(self.X)

    @cached_property
    def gate_inputs(self) -> Float[Tensor, "N h"]:
        """What gates multiply."""
        return self.architecture.gate_inputs(self.X)

    @cached_property
    def skip(self) -> LinearSkip | None:
        """The eliminated skip on all samples."""
        return self.restricted_skip(slice(None), 1.0)

    def restricted_skip(self, kept: slice | Tensor, share: float) -> LinearSkip | None:
        """Return the skip of some samples, its ridge multiplied by their share."""
        if not self.linear_skip:
            return None
        return LinearSkip.of(self.X[kept].flatten(1), share * self.skip_penalty)

    def program(
        self, patterns: ActivationPatterns, beta: float, signs: Tensor | None = None
    ) -> ConvexProgram:
        """Return the convex program on ``patterns``."""
        return ConvexProgram(
            self.X, self.y, patterns, beta, activation=self.activation,
            linear_skip=self.linear_skip, skip_penalty=self.skip_penalty, signs=signs,
            architecture=self.architecture)

    def network(self, neurons: Neurons) -> TwoLayerNetwork:
        """Return the ReLU network of these neurons beside the best skip."""
        return self.network_of(
            self.architecture.factors(self.X, neurons.blocks, neurons.signs))

    @torch.no_grad()
    def network_of(self, factors: list[Tensor]) -> TwoLayerNetwork:
        """Return the ReLU network with these weights beside the best skip."""
        network = self.architecture.network(factors, None, None)
        if self.skip is None:
            return network
        skip = SkipWeights(*self.skip.fit(self.y - network(self.X)))
        return self.architecture.network(factors, None, skip)

    def value(self, network: TwoLayerNetwork, beta: float) -> float:
        """Return objective (1) of a network."""
        return network.objective(self.X, self.y, beta, self.skip_penalty)

    @cached_property
    def _linear_left(self) -> Float[Tensor, " nd"]:
        """What the best linear part leaves, see `LinearSkip.leave`; the targets without one."""
        return self.y if self.skip is None else self.skip.leave(self.y)

    @property
    def linear_value(self) -> float:
        """Objective of the best linear part without a network."""
        return 0.5 * float(self._linear_left.square().sum())

    @property
    def linear_residual(self) -> Float[Tensor, " n"]:
        """What the best linear part leaves of the targets."""
        return self._linear_left[: len(self.y)]

    @property
    def prices_cheaply(self) -> bool:
        """Whether pricing all neurons costs no more than a search."""
        rows = self.features.rows
        return self.prices_exactly and (rows.shape[1] <= 2 or len(rows) <= _FEW_ROWS)

    @cached_property
    def prices_exactly(self) -> bool:
        """Whether all neurons can be priced exactly: few dimensions, Euclidean norm, float64."""
        rows, norm = self.features.rows, self.features.norm
        return norm.n_groups == 1 and rows.dtype == torch.float64 and can_price_exactly(rows)


@dataclass(frozen=True)
class Pricing:
    """Neurons that pricing found, and how far it saw.

    Attributes
    ----------
    neurons : PricedNeurons
        Best first.
    scope : {"network", "network-estimated"}
        ``"network"`` when no neuron can be better than the first.
    """

    neurons: PricedNeurons
    scope: Literal["network", "network-estimated"]

    @property
    def worst(self) -> float:
        """The largest ``|v'P(Ru)_+|`` over unit neurons, or the largest found."""
        return float(self.neurons.values[0])


def price_all(objective: Objective, residual: Float[Tensor, " n"]) -> Pricing:
    """Price all neurons; the value of the first one is the exact bound."""
    features = objective.features
    exact = price_exactly(features.rows, features.spread(residual))
    values = exact.values.clone()
    values[0] = exact.value
    return Pricing(PricedNeurons(exact.directions, exact.signs, values), "network")


def price_linear(objective: Objective, seed: int) -> Pricing:
    """Price the network without neurons, whose residual is that of the linear part."""
    if objective.prices_exactly:
        return price_all(objective, objective.linear_residual)
    starts = random_starts(objective.features, PRICING_STARTS, np.random.default_rng(seed))
    found = price(objective.features, objective.linear_residual, starts)
    return Pricing(found, "network-estimated")


def estimate_beta_max(objective: Objective, linear: Pricing) -> float:
    """Return the smallest beta at which the network has no neuron, from its pricing.

    ``max_{N(u) <= 1} |r'P(Ru)_+|`` with r the residual of the linear part (or the target):
    exact when the pricing was, else a lower bound that a longer search could raise. For gated
    ReLU, the largest dual norm of ``R'D P'r`` over random patterns D and those that pricing
    ended on. It is 0 where the linear part fits the target to rounding.
    """
    features = objective.features
    rounding = 100 * torch.finfo(objective.y.dtype).eps * objective.y.norm()
    outputs = features.outputs(linear.neurons.directions).norm(dim=0)
    worth = linear.neurons.values.where(linear.neurons.values > rounding * outputs, 0.0)
    value = float(worth.amax())
    if objective.activation == "gated_relu":
        drawn = random_starts(features, PRICING_STARTS, np.random.default_rng(0))
        gates = torch.cat([linear.neurons.directions, drawn])
        switched = (gates @ features.rows.T >= 0).to(features.rows)
        gated = (switched * features.spread(objective.linear_residual)) @ features.rows
        value = float(features.norm.dual_norms(gated).amax())
    return value if bool((worth > 0).any()) else 0.0
