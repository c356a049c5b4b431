"""What is to be trained on what: data, architecture and linear skip, before patterns are chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Architecture, default_architecture
from relu_forecast.networks.features import Features
from relu_forecast.networks.two_layer import SkipWeights, TwoLayerNetwork
from relu_forecast.problems.grouped_skip import GroupedSkip
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.memory import check_copies, check_training
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.validation import (
    as_samples,
    as_targets,
    as_weights,
    check_choice,
    check_non_negative,
)

Activation = Literal["relu", "gated_relu"]
"""What neurons do: ReLU, or a fixed gate times a linear function."""


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """Windows and targets, and the kind of network that is to be trained on them."""

    X: Float[Tensor, "n *d"]
    """Samples."""
    targets: Float[Tensor, "n C"]
    """One column per output, divided by its scale; times the roots of the samples' weights."""
    architecture: Architecture
    """Of the hidden layer."""
    activation: Activation = "relu"
    """Of the hidden layer."""
    linear_skip: bool = False
    """Whether a linear part stands beside the network."""
    skip_penalty: float = 0.0
    """Its ridge."""
    is_vector: bool = True
    """Whether the targets came as a vector, and the network returns one; else C = 1 is a column."""
    target_scale: Float[Tensor, " C"] | None = None
    """What the targets were divided by, and the network's outputs are multiplied by."""
    roots: Float[Tensor, " n"] | None = None
    """Square roots of the weights of the samples, above 0. None stands for ones.

    A weight multiplies the squared error of its sample. That is the error itself times the root, as
    it is left of rows, targets and the linear part's inputs times the root. See `weighted`.
    """
    groups: Int[Tensor, " n"] | None = None
    """Group of each sample, each of which has a deviation from the linear part, see `GroupedSkip`;
    not together with weights. None: there are none."""
    group_penalty: float = 1.0
    """Ridge on deviations, above 0."""

    @classmethod
    def checked(
        cls, X: Any, y: Any, architecture: Any, activation: Any, linear_skip: bool,
        skip_penalty: Any, sample_weight: Any = None
    ) -> TrainingTask:
        """Check all parts and return the task; an `InvalidArgumentError` names what cannot be used.

        Tensors keep their device and floating dtype, anything else becomes float64 on the CPU.
        Without an architecture the shape of X decides, see `default_architecture`.
        """
        check_copies(X, y)
        samples = as_samples(X)
        targets = as_targets(y, samples)
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
        check_training(samples.shape, targets.shape, architecture.gate_inputs(samples[:1]).shape,
                       bool(linear_skip), samples)
        is_vector = targets.ndim == 1
        task = cls(samples, targets[:, None] if is_vector else targets, architecture, activation,
                   bool(linear_skip), ridge, is_vector)
        return task if sample_weight is None else task._weighing(sample_weight)

    def _weighing(self, sample_weight: Any) -> TrainingTask:
        """Return the task with weights; itself where all are 1."""
        weights = as_weights(sample_weight, self.X)
        if bool((weights == 1).all()):
            return self
        task = replace(self, roots=weights.sqrt())
        as_samples(task.weighted(self.X), "X times the roots of sample_weight")
        return replace(task, targets=as_targets(
            task.weighted(self.targets), self.X, "y times the roots of sample_weight"))

    def weighted(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "n *m"]:
        """Return values of the samples, each times the root of its weight."""
        return values if self.roots is None else values * _column(self.roots, values.ndim)

    def _unweighted(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "n *m"]:
        """Return what `weighted` was given."""
        return values if self.roots is None else values / _column(self.roots, values.ndim)

    def scaled(self) -> TrainingTask:
        """Return the task with each target divided by what the linear part leaves of it.

        That is the root mean square of the residual, or of the target without a skip; targets that
        the linear part fits, constant ones among them, stay as they are, but for what is left of
        levels so high that it would outweigh the others. So far and hard steps of a horizon are
        not all that the objective sees. A single target stays as it is too.
        """
        if self.n_targets == 1:
            return self
        left = self.linear_residual.square().mean(0)
        if self.roots is not None:
            left = left / self.roots.square().mean()
        left = left.sqrt()
        level = torch.finfo(left.dtype).eps ** 0.5 * self._unweighted(self.targets).abs().amax(0)
        scale = left.where(left > level, left.clamp_min(1.0))
        task = replace(self, targets=self.targets / scale, target_scale=scale)
        if "skip" in vars(self):  # the same windows: O(n d^2) saved
            vars(task)["skip"] = self.skip
        return task

    @cached_property
    def features(self) -> Features:
        """What blocks multiply, times the roots of the weights, and their norm."""
        features = self.architecture.features(self.X)
        return features if self.roots is None else features.weighted(self.roots)

    @cached_property
    def gate_inputs(self) -> Float[Tensor, "N h"]:
        """The rows whose products with a gate make an activation pattern."""
        return self.architecture.gate_inputs(self.X)

    @cached_property
    def skip(self) -> LinearSkip | None:
        """The eliminated linear skip on all samples, or None. Cost O(n d^2)."""
        if not self.linear_skip:
            return None
        if self.groups is not None:
            return GroupedSkip.grouped(self.X.flatten(1), self.skip_penalty, self.groups,
                                       int(self.groups.max()) + 1, self.group_penalty)
        return LinearSkip.of(self.weighted(self.X.flatten(1)), self.skip_penalty, self.roots)

    def problem(self, beta: float) -> Problem:
        """Return the optimisation problem at a penalty."""
        return Problem(self.features, self.targets, beta, self.skip)

    def to(self, X: Float[Tensor, "n *d"]) -> TrainingTask:
        """Return the task on samples of another device or dtype, the targets going along."""
        scale = None if self.target_scale is None else self.target_scale.to(X)
        roots = None if self.roots is None else self.roots.to(X)
        groups = None if self.groups is None else self.groups.to(X.device)
        return replace(self, X=X, targets=self.targets.to(X), target_scale=scale, roots=roots,
                       groups=groups)

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
            self.architecture.factors(self.X, neurons.blocks, neurons.heads))

    @torch.no_grad()
    def network_of(
        self, factors: list[Tensor], gates: Float[Tensor, "m h"] | None = None
    ) -> TwoLayerNetwork:
        """Return the network with these factors (and gates) beside the best skip.

        Factors are weights as `Architecture.factors` returns them.
        """
        pooling = self.features.pooling
        axes = (*(() if pooling is None else (len(pooling),)),
                *(() if self.is_vector else (self.n_targets,)))
        factors = [*factors[:-1], factors[-1].reshape(-1, *axes)]
        network = self.architecture.network(factors, gates, None)
        if self.skip is not None:
            targets = self.targets[:, 0] if self.is_vector else self.targets
            weight, bias = self.skip.fit(targets - self.weighted(network(self.X)))
            network = self.architecture.network(factors, gates, SkipWeights(weight, bias))
        network.target_scale = self.target_scale
        return network

    @property
    def n_targets(self) -> int:
        """Number of outputs, C."""
        return self.targets.shape[1]

    @property
    def has_signs(self) -> bool:
        """Whether a head is a sign: there are one target and one site."""
        return self.n_targets * self.features.n_sites == 1

    @cached_property
    def raw_targets(self) -> Float[Tensor, "n *C"]:
        """The targets as they came: in their own units, a vector or a matrix."""
        return self.in_raw_units(self._unweighted(self.targets))

    def in_raw_units(self, values: Float[Tensor, "k C"]) -> Float[Tensor, "k *C"]:
        """Return values of scaled targets in the units and the form of those that came."""
        raw = values if self.target_scale is None else values * self.target_scale
        return raw[:, 0] if self.is_vector else raw

    @torch.no_grad()
    def deviations_of(self, network: TwoLayerNetwork) -> Float[Tensor, "G q C"]:
        """Return the deviations of all groups that are best beside a network and its skip.

        For inputs ``[x 1]``, and in units of the scaled targets.
        """
        assert isinstance(self.skip, GroupedSkip)
        outputs = network(self.X).reshape(self.targets.shape)
        scaled = outputs if self.target_scale is None else outputs / self.target_scale
        return self.skip.deviations(self.targets - scaled)

    def objective(self, network: TwoLayerNetwork, beta: float) -> float:
        """Return objective (1) of a network, from its weights (and deviations of groups) alone."""
        targets, ridge = self.raw_targets, 0.0
        if isinstance(self.skip, GroupedSkip):
            deviations = self.deviations_of(network)
            targets = targets - self.in_raw_units(self.skip.outputs(deviations))
            ridge = self.group_penalty / 2 * float(deviations.square().sum())
        return ridge + network.objective(
            self.X, targets, beta, self.skip_penalty,
            None if self.roots is None else self.roots.square())


def _column(numbers: Float[Tensor, " n"], n_axes: int) -> Float[Tensor, "n *ones"]:
    """Return a number per sample with so many axes, to multiply values of samples with."""
    return numbers.reshape(-1, *[1] * (n_axes - 1))
