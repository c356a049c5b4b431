"""Gradient training of the two-layer network: the nonconvex objective (1), as people train it.

Here because pattern discovery starts from it, and because it is the baseline to beat. The
linear skip, where there is one, is refitted by least squares at every epoch (variable
projection), so that the gradient methods minimise exactly the objective of the convex program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.hidden_layers import Layer
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.storage import Number, stored

Optimizer = Literal["adam", "sgd", "lbfgs"]


@dataclass(frozen=True)
class Descent:
    """How to train by gradients.

    Attributes
    ----------
    optimizer : {"adam", "sgd", "lbfgs"}
        Full-batch Adam, mini-batch SGD with momentum 0.9 (both with cosine decay to zero), or
        full-batch L-BFGS with a strong Wolfe line search.
    n_neurons : int
        Hidden neurons, m.
    n_steps : int
        Full-batch steps (Adam, L-BFGS iterations), or epochs (SGD).
    learning_rate : float
        First step size; L-BFGS finds its own and starts from this.
    batch_size : int or None
        Samples of a mini-batch; None is the full batch. L-BFGS takes no mini-batches.
    """

    optimizer: Optimizer
    n_neurons: int
    n_steps: int
    learning_rate: float
    batch_size: int | None = None


@stored(objective=Number(finite=False))
@dataclass(frozen=True)
class TracePoint:
    """Objective (1) after some training.

    Attributes
    ----------
    step : int
        Steps or epochs done.
    seconds : float
        Wall time since training began.
    objective : float
        Objective (1).
    """

    step: int
    seconds: float
    objective: float


Report = Callable[[TracePoint], None]


@dataclass(frozen=True, eq=False)
class DescentProblem:
    """Data of objective (1), for a network ``f = sum_j w2_j P (R w_j)_+`` beside a skip.

    Attributes
    ----------
    features : Features
        R, P, and the norm of a block.
    y : Tensor, shape (n,)
        Targets.
    beta : float
        Weight of the penalty.
    skip : LinearSkip or None
        The linear part beside the network, on the samples of the features.
    """

    features: Features
    y: Float[Tensor, " n"]
    beta: float
    skip: LinearSkip | None = None

    @cached_property
    def gram(self) -> Float[Tensor, "d d"]:
        """``R'R``."""
        return self.features.rows.T @ self.features.rows

    def annihilate(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "n *m"]:
        """Return what the best linear skip leaves of a vector, or of the columns of a matrix."""
        return values if self.skip is None else self.skip.annihilate(values)

    def leave(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "nd *m"]:
        """Return vectors whose inner products are those of M; see `LinearSkip.leave`."""
        return values if self.skip is None else self.skip.leave(values)

    def loss_and_gradients(
        self, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "m d"], Float[Tensor, " m"]]:
        """Return ``1/2 (y - f)'M(y - f)``, the skip at its best, and its gradients.

        There is no penalty in it. Cost O(N m d).

        Parameters
        ----------
        hidden : Tensor, shape (m, d)
            w_j, in the coordinates of the features.
        output : Tensor, shape (m,)
            w2_j.

        Returns
        -------
        loss : Tensor, shape ()
        hidden_gradient : Tensor, shape (m, d)
        output_gradient : Tensor, shape (m,)
        """
        rows = self.features.rows
        active = (rows @ hidden.T).relu_()
        error = self.y - self.features.pool(active @ output)
        left = self.leave(error)
        loss, residual = 0.5 * left.dot(left), left[: len(error)]
        spread = self.features.spread(residual)
        output_gradient = (active.T @ spread).neg_()
        switched = (active > 0).to(spread).mul_(spread[:, None])
        hidden_gradient = (switched.T @ rows).mul_(-output[:, None])
        return loss, hidden_gradient, output_gradient

    def batch(self, target: Float[Tensor, " n"], kept: Tensor) -> DescentProblem:
        """Return the problem of some samples, given by their indices: no skip, beta in proportion.

        ``target`` takes the place of y; with `skip_target` for it, the batches' gradients add
        up to those of the whole.
        """
        share = len(kept) / len(self.y)
        return DescentProblem(self.features.restricted(kept), target[kept], self.beta * share)

    def skip_target(
        self, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]
    ) -> Float[Tensor, " n"]:
        """Return what the network has to fit once the skip is at its best for these weights."""
        if self.skip is None:
            return self.y
        outputs = self.features.pool((self.features.rows @ hidden.T).relu_() @ output)
        return outputs + self.skip.annihilate(self.y - outputs)


def objective_and_gradients(
    problem: DescentProblem, layer: Layer, parameters: list[Tensor]
) -> tuple[Float[Tensor, ""], list[Tensor]]:
    """Return the loss plus ``beta/2 ||.||^2`` of the penalised parameters, and the gradients.

    Parameters
    ----------
    problem : DescentProblem
        Loss and beta.
    layer : Layer
        How the parameters make hidden weights.
    parameters : list of Tensor
        As the layer has them.

    Returns
    -------
    value : Tensor, shape ()
        Objective (1); for a circular layer its three-factor form.
    gradients : list of Tensor
        As the parameters. Cost O(N m d).
    """
    loss, hidden_gradient, output_gradient = problem.loss_and_gradients(
        layer.hidden(parameters), parameters[-1])
    gradients = [*layer.pull_back(parameters, hidden_gradient), output_gradient]
    penalty = loss.new_zeros(())
    for parameter, gradient in zip(
            parameters[layer.n_free:], gradients[layer.n_free:], strict=True):
        penalty += parameter.square().sum()
        gradient.add_(parameter, alpha=problem.beta)
    return loss + problem.beta / 2 * penalty, gradients


def descend(
    problem: DescentProblem,
    layer: Layer,
    descent: Descent,
    seed: int,
    report: Report | None = None,
) -> list[Tensor]:
    """Train a network by gradients from a random start.

    Parameters
    ----------
    problem : DescentProblem
        Loss and beta.
    layer : Layer
        What is trained: `DirectLayer` for dense and convolutional networks, `CircularLayer`.
    descent : Descent
        Optimizer and its settings.
    seed : int
        Of the initial weights and the mini-batches.
    report : callable, optional
        Called with a `TracePoint` after each step or epoch; asking for it costs a host
        synchronisation.

    Returns
    -------
    list of Tensor
        The layer's parameters: (hidden, output), or (unit filters, pooling, output).
    """
    start = layer.initial(descent.n_neurons, seed)
    parameters = [torch.nn.Parameter(part.to(problem.features.rows)) for part in start]
    training = _Training(problem, layer, descent, parameters, report, time.perf_counter())
    if descent.optimizer == "lbfgs":
        training.run_lbfgs()
    elif descent.batch_size is None:
        training.run_full_batch()
    else:
        training.run_mini_batches(descent.batch_size, np.random.default_rng(seed))
    return layer.finished([parameter.detach() for parameter in parameters])


@dataclass(frozen=True)
class _Training:
    """Parameters under way."""

    problem: DescentProblem
    layer: Layer
    descent: Descent
    parameters: list[torch.nn.Parameter]
    report: Report | None
    began: float

    @property
    def values(self) -> list[Tensor]:
        """The parameters' values, outside autograd."""
        return [parameter.data for parameter in self.parameters]

    def set_gradients(self, problem: DescentProblem, divisor: int) -> Tensor:
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
        if self.descent.optimizer == "adam":
            optimizer = torch.optim.Adam(self.parameters, lr=self.descent.learning_rate)
        else:
            optimizer = torch.optim.SGD(
                self.parameters, lr=self.descent.learning_rate, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)

    def run_full_batch(self) -> None:
        """Full-batch steps: Adam on the objective (it does not feel scale), SGD on its mean."""
        divisor = 1 if self.descent.optimizer == "adam" else len(self.problem.y)
        optimizer, schedule = self.scheduled(self.descent.n_steps)
        for step in range(self.descent.n_steps):
            self.tell(step, self.set_gradients(self.problem, divisor))
            optimizer.step()
            schedule.step()

    def run_mini_batches(self, batch_size: int, generator: np.random.Generator) -> None:
        """Epochs of mini-batch steps, the skip refitted before each epoch."""
        problem, n = self.problem, len(self.problem.y)
        batch = min(batch_size, n)
        optimizer, schedule = self.scheduled(self.descent.n_steps * -(-n // batch))
        for epoch in range(self.descent.n_steps):
            if self.report is not None:
                value, _ = objective_and_gradients(problem, self.layer, self.values)
                self.tell(epoch, value)
            target = problem.skip_target(self.layer.hidden(self.values), self.values[-1])
            for kept in _shuffled_batches(n, batch, generator):
                self.set_gradients(problem.batch(target, kept.to(target.device)), len(kept))
                optimizer.step()
                schedule.step()

    def run_lbfgs(self) -> None:
        """Full-batch L-BFGS; reports the best objective of all evaluations so far."""
        evaluations, best = 0, float("inf")
        optimizer = torch.optim.LBFGS(
            self.parameters, lr=self.descent.learning_rate, max_iter=self.descent.n_steps,
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


def _shuffled_batches(n: int, batch: int, generator: np.random.Generator) -> Iterator[Tensor]:
    """Yield the indices of one epoch's mini-batches."""
    order = torch.as_tensor(generator.permutation(n))
    yield from torch.split(order, batch)
