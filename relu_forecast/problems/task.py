"""What is to be trained on what: data, architecture and linear skip, before patterns are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Architecture, default_architecture
from relu_forecast.networks.features import Features
from relu_forecast.networks.modules import SkipWeights, TwoLayerNetwork
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.validation import as_samples, as_targets, check_choice, check_non_negative

Activation = Literal["relu", "gated_relu"]


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """Windows and targets, and the kind of network that is to be trained on them."""

    X: Float[Tensor, "n *d"]
    """Samples."""
    targets: Float[Tensor, "n C"]
    """One column per output; C = 1."""
    architecture: Architecture
    """Of the hidden layer."""
    activation: Activation = "relu"
    """Of the hidden layer."""
    linear_skip: bool = False
    """Whether a linear part stands beside the network."""
    skip_penalty: float = 0.0
    """Its ridge."""

    @classmethod
    def checked(
        cls, X: Any, y: Any, architecture: Any, activation: Any, linear_skip: bool,
        skip_penalty: Any
    ) -> TrainingTask:
        """Check all parts and return the task; an `InvalidArgumentError` names what cannot be used.

        Tensors keep their device and floating dtype, anything else becomes float64 on the CPU.
        Without an architecture the shape of X decides, see `default_architecture`.
        """
        samples = as_samples(X)
        targets = as_targets(y, samples)[:, None]
        check_choice(activation, "activation", ("relu", "gated_relu"))
        ridge = check_non_negative(skip_penalty, "skip_penalty")
        if ridge and not linear_skip:
            raise InvalidArgumentError("skip_penalty", "0 without a linear skip",
                                       repr(skip_penalty), "Pass linear_skip=True.")
        if architecture is None:
            architecture = default_architecture(samples)
        if isinstance(architecture, type) or not isinstance(architecture, Architecture):
            raise InvalidTypeError("architecture", "of type Architecture",
                                   repr(architecture)[:80], "Pass for example Dense().")
        architecture.check_input(samples)
        return cls(samples, targets, architecture, activation, bool(linear_skip), ridge)

    @cached_property
    def features(self) -> Features:
        """What blocks multiply, and their norm."""
        return self.architecture.features(self.X)

    @cached_property
    def gate_inputs(self) -> Float[Tensor, "N h"]:
        """The rows whose products with a gate make an activation pattern."""
        return self.architecture.gate_inputs(self.X)

    @cached_property
    def skip(self) -> LinearSkip | None:
        """The eliminated linear skip on all samples, or None. Cost O(n d^2)."""
        return LinearSkip.of(self.X.flatten(1), self.skip_penalty) if self.linear_skip else None

    def problem(self, beta: float) -> Problem:
        """Return the optimisation problem at a penalty."""
        return Problem(self.features, self.targets, beta, self.skip)

    def to(self, X: Float[Tensor, "n *d"]) -> TrainingTask:
        """Return the task on samples of another device or dtype, the targets going along."""
        return TrainingTask(X, self.targets.to(X), self.architecture, self.activation,
                            self.linear_skip, self.skip_penalty)

    @cached_property
    def _linear_left(self) -> Float[Tensor, "nd C"]:
        """What the best linear part leaves, see `LinearSkip.leave`; the targets without one."""
        return self.targets if self.skip is None else self.skip.leave(self.targets)

    @property
    def linear_objective(self) -> float:
        """Objective of the best linear part without a network."""
        return 0.5 * float(self._linear_left.square().sum())

    @property
    def linear_residual(self) -> Float[Tensor, "n C"]:
        """What the best linear part leaves of the targets."""
        return self._linear_left[: len(self.targets)]

    def network(self, neurons: Neurons) -> TwoLayerNetwork:
        """Return the ReLU network of these neurons, beside the best skip."""
        return self.network_of(
            self.architecture.factors(self.X, neurons.blocks, neurons.heads[:, 0]))

    @torch.no_grad()
    def network_of(
        self, factors: list[Tensor], gates: Float[Tensor, "m h"] | None = None
    ) -> TwoLayerNetwork:
        """Return the network with these factors (and gates) beside the best skip.

        Factors are weights as `Architecture.factors` returns them.
        """
        network = self.architecture.network(factors, gates, None)
        if self.skip is None:
            return network
        weight, bias = self.skip.fit(self.targets[:, 0] - network(self.X))
        return self.architecture.network(factors, gates, SkipWeights(weight, bias))

    def objective(self, network: TwoLayerNetwork, beta: float) -> float:
        """Return objective (1) of a network, from its weights alone."""
        return network.objective(self.X, self.targets[:, 0], beta, self.skip_penalty)
