"""Training by gradients: the nonconvex objective (1), minimised as people do it.

It is the baseline to beat. The linear skip, where there is one, is refitted by least squares at
every epoch (variable projection), so that the gradient methods minimise exactly the objective of
the convex program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.hidden_layers import Layer
from relu_forecast.problems.problem import Problem
from relu_forecast.storage import Number, stored

Optimizer = Literal["adam", "sgd", "lbfgs"]


@dataclass(frozen=True)
class GradientSettings:
    """How to train by gradients."""

    optimizer: Optimizer
    """Full-batch Adam, mini-batch SGD with momentum 0.9 (both with cosine decay to zero), or full-
    batch L-BFGS with a strong Wolfe line search."""
    n_neurons: int
    """Hidden neurons, m."""
    n_steps: int
    """Full-batch steps (Adam, L-BFGS iterations), or epochs (SGD)."""
    learning_rate: float
    """First step size; L-BFGS finds its own and starts from this."""
    batch_size: int | None = None
    """Samples of a mini-batch; None is the full batch. L-BFGS takes no mini-batches."""


@stored(objective=Number(finite=False))
@dataclass(frozen=True)
class TracePoint:
    """Objective (1) after some training."""

    step: int
    """Steps or epochs done."""
    seconds: float
    """Wall time since training began."""
    objective: float
    """Objective (1)."""


Report = Callable[[TracePoint], None]


def loss_and_gradients(
    problem: Problem, hidden: Float[Tensor, "m d"], output: Float[Tensor, "m SC"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "m d"], Float[Tensor, "m SC"]]:
    """Return ``1/2 sum_c (y_c - f_c)'M(y_c - f_c)`` and its gradients in both layers' weights.

    The skip is at its best, and there is no penalty in it. Hidden weights w_j, shape (m, d), are in
    the coordinates of the features; output weights, shape (m, S C), are by site, then by target.
    Cost O(N m d + n m S C).
    """
    features = problem.features
    active = (features.rows @ hidden.T).relu_()
    pooled = features.pool(active)
    left = problem.leave(problem.targets - features.combine(pooled, output))
    loss, residual = 0.5 * left.square().sum(), left[: len(problem.targets)]
    output_gradient = features.correlations(pooled, residual).contiguous().neg_()
    seen = features.spread(features.seen(residual, output))
    switched = torch.ops.aten.threshold_backward(seen, active, 0)  # ten times as fast as `where`
    hidden_gradient = (switched.T @ features.rows).neg_()
    return loss, hidden_gradient, output_gradient


def skip_targets(
    problem: Problem, hidden: Float[Tensor, "m d"], output: Float[Tensor, "m SC"]
) -> Float[Tensor, "n C"]:
    """Return what the network has to fit once the skip is at its best for these weights.

    The gradients of batches of the problem without a skip, with these targets, add up to those of
    the whole.
    """
    if problem.skip is None:
        return problem.targets
    features = problem.features
    outputs = features.combine(features.outputs(hidden), output)
    return outputs + problem.annihilate(problem.targets - outputs)


def objective_and_gradients(
    problem: Problem, layer: Layer, parameters: list[Tensor]
) -> tuple[Float[Tensor, ""], list[Tensor]]:
    """Return objective (1) of a layer's parameters, and its gradients, as many as parameters.

    To the loss ``beta/2 ||.||^2`` of the penalised parameters is added; for a circular layer this
    is the three-factor form of the objective. Cost O(N m d).
    """
    loss, hidden_gradient, output_gradient = loss_and_gradients(
        problem, layer.hidden(parameters), parameters[-1])
    gradients = [*layer.pull_back(parameters, hidden_gradient), output_gradient]
    penalty = loss.new_zeros(())
    for parameter, gradient in zip(
            parameters[layer.n_free:], gradients[layer.n_free:], strict=True):
        penalty += parameter.square().sum()
        gradient.add_(parameter, alpha=problem.beta)
    return loss + problem.beta / 2 * penalty, gradients


def train_by_gradients(
    problem: Problem, layer: Layer, settings: GradientSettings, seed: int,
    report: Report | None = None
) -> list[Tensor]:
    """Train a network by gradients from a random start; return the layer's parameters.

    These are (hidden, output), or (unit filters, pooling, output) of a circular layer; output
    weights are of shape (m, S C). The seed draws the initial weights and the mini-batches.
    ``report`` is called with a `TracePoint` after each step or epoch; asking for it costs a host
    synchronisation.
    """
    start = layer.initial(settings.n_neurons, seed, problem.n_head_entries)
    parameters = [torch.nn.Parameter(part.to(problem.features.rows)) for part in start]
    training = _GradientTraining(problem, layer, settings, parameters, report, time.perf_counter())
    if settings.optimizer == "lbfgs":
        training.run_lbfgs()
    elif settings.batch_size is None:
        training.run_full_batch()
    else:
        training.run_mini_batches(settings.batch_size, np.random.default_rng(seed))
    return layer.finished([parameter.detach() for parameter in parameters])


@dataclass(frozen=True)
class _GradientTraining:
    """The parameters while they are trained."""

    problem: Problem
    layer: Layer
    settings: GradientSettings
    parameters: list[torch.nn.Parameter]
    report: Report | None
    began: float

    @property
    def values(self) -> list[Tensor]:
        """The parameters' values, outside autograd."""
        return [parameter.data for parameter in self.parameters]

    def set_gradients(self, problem: Problem, divisor: int) -> Tensor:
        """Set the gradients of ``problem``'s objective over ``divisor``; return the objective."""
        value, gradients = objective_and_gradients(problem, self.layer, self.values)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient / divisor
        return value

    def tell(self, step: int, objective: Tensor | float) -> None:
        """Report where training is, if someone asked."""
        if self.report is not None:
            self.report(TracePoint(step, time.perf_counter() - self.began, float(objective)))

    def scheduled(
        self, n_steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """Return Adam or SGD with cosine decay over ``n_steps``."""
        optimizer: torch.optim.Optimizer
        if self.settings.optimizer == "adam":
            optimizer = torch.optim.Adam(self.parameters, lr=self.settings.learning_rate)
        else:
            optimizer = torch.optim.SGD(
                self.parameters, lr=self.settings.learning_rate, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)

    def run_full_batch(self) -> None:
        """Full-batch steps: Adam on the objective (it does not feel scale), SGD on its mean."""
        divisor = 1 if self.settings.optimizer == "adam" else len(self.problem.targets)
        optimizer, schedule = self.scheduled(self.settings.n_steps)
        for step in range(self.settings.n_steps):
            self.tell(step, self.set_gradients(self.problem, divisor))
            optimizer.step()
            schedule.step()

    def run_mini_batches(self, batch_size: int, generator: np.random.Generator) -> None:
        """Epochs of mini-batch steps, the skip refitted before each epoch."""
        problem, n = self.problem, len(self.problem.targets)
        size = min(batch_size, n)
        optimizer, schedule = self.scheduled(self.settings.n_steps * -(-n // size))
        for epoch in range(self.settings.n_steps):
            if self.report is not None:
                value, _ = objective_and_gradients(problem, self.layer, self.values)
                self.tell(epoch, value)
            targets = skip_targets(problem, self.layer.hidden(self.values), self.values[-1])
            whole = Problem(problem.features, targets, problem.beta)
            for kept in _shuffled_batches(n, size, generator):
                part = whole.subsampled(kept.to(targets.device))
                self.set_gradients(part, len(kept))
                optimizer.step()
                schedule.step()

    def run_lbfgs(self) -> None:
        """Full-batch L-BFGS; reports the best objective of all evaluations so far."""
        evaluations, best = 0, float("inf")
        optimizer = torch.optim.LBFGS(
            self.parameters, lr=self.settings.learning_rate, max_iter=self.settings.n_steps,
            tolerance_grad=1e-9, tolerance_change=1e-12, history_size=50,
            line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            nonlocal evaluations, best
            value = self.set_gradients(self.problem, 1)
            if self.report is not None:
                best = min(best, float(value))
                self.tell(evaluations, best)
                evaluations += 1
            return value

        optimizer.step(closure)  # type: ignore[no-untyped-call]


def _shuffled_batches(n: int, size: int, generator: np.random.Generator) -> Iterator[Tensor]:
    """Yield the indices of one epoch's mini-batches."""
    order = torch.as_tensor(generator.permutation(n))
    yield from torch.split(order, size)
