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

from relu_forecast.networks import ReLUNetwork
from relu_forecast.skip import LinearSkip

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
        Rows of a mini-batch; None is the full batch. L-BFGS takes no mini-batches.
    """

    optimizer: Optimizer
    n_neurons: int
    n_steps: int
    learning_rate: float
    batch_size: int | None = None


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


class DescentProblem:
    """Objective (1) and its gradients, written out.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Samples.
    y : Tensor, shape (n,)
        Targets.
    beta : float
        Weight of the penalty.
    skip : LinearSkip, optional
        The linear part beside the network.
    """

    def __init__(
        self,
        X: Float[Tensor, "n d"],
        y: Float[Tensor, " n"],
        beta: float,
        skip: LinearSkip | None,
    ) -> None:
        self.X, self.y, self.beta, self.skip = X, y, beta, skip

    @cached_property
    def gram(self) -> Float[Tensor, "d d"]:
        """``X'X``."""
        return self.X.T @ self.X

    def annihilate(self, values: Float[Tensor, "n *m"]) -> Float[Tensor, "n *m"]:
        """Return what the best linear skip leaves of a vector, or of the columns of a matrix."""
        return values if self.skip is None else self.skip.annihilate(values)

    def initial(self, n_neurons: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return Gaussian weights of the usual size, the same on every device."""
        generator = np.random.default_rng(seed)
        d = self.X.shape[1]
        hidden = generator.standard_normal((n_neurons, d)) / d**0.5
        output = generator.standard_normal(n_neurons) / n_neurons**0.5
        return torch.as_tensor(hidden).to(self.X), torch.as_tensor(output).to(self.X)

    def objective_and_gradients(
        self, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "m d"], Float[Tensor, " m"]]:
        """Return objective (1), the skip at its best, and its gradients. Cost O(n m d)."""
        active = (self.X @ hidden.T).relu_()
        error = self.y - active @ output
        residual = self.annihilate(error)
        penalty = hidden.square().sum() + output.square().sum()
        value = 0.5 * error.dot(residual) + self.beta / 2 * penalty
        output_gradient = (active.T @ residual).neg_().add_(output, alpha=self.beta)
        switched = (active > 0).to(residual).mul_(residual[:, None])
        hidden_gradient = (switched.T @ self.X) * -output[:, None] + self.beta * hidden
        return value, hidden_gradient, output_gradient

    def batch_gradients(
        self,
        hidden: Float[Tensor, "m d"],
        output: Float[Tensor, " m"],
        target: Float[Tensor, " n"],
        rows: Tensor,
    ) -> tuple[Float[Tensor, "m d"], Float[Tensor, " m"]]:
        """Return gradients of the mean objective, (1)/n, estimated on ``rows``."""
        batch = DescentProblem(self.X[rows], target[rows], self.beta * len(rows) / len(self.X),
                               None)
        _, hidden_gradient, output_gradient = batch.objective_and_gradients(hidden, output)
        return hidden_gradient / len(rows), output_gradient / len(rows)

    def skip_target(
        self, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]
    ) -> Float[Tensor, " n"]:
        """Return what the network has to fit once the skip is at its best for these weights."""
        if self.skip is None:
            return self.y
        outputs = (self.X @ hidden.T).relu() @ output
        return outputs + self.skip.annihilate(self.y - outputs)

    def network(self, hidden: Float[Tensor, "m d"], output: Float[Tensor, " m"]) -> ReLUNetwork:
        """Return the network with these weights and the best skip."""
        if self.skip is None:
            return ReLUNetwork(hidden, output)
        weight, bias = self.skip.fit(self.y - (self.X @ hidden.T).relu() @ output)
        return ReLUNetwork(hidden, output, skip_weight=weight, skip_bias=bias)


def descend(
    problem: DescentProblem, descent: Descent, seed: int, report: Report | None = None
) -> tuple[Float[Tensor, "m d"], Float[Tensor, " m"]]:
    """Train a network by gradients from a random start.

    Parameters
    ----------
    problem : DescentProblem
        Objective (1).
    descent : Descent
        Optimizer and its settings.
    seed : int
        Of the initial weights and the mini-batches.
    report : callable, optional
        Called with a `TracePoint` after each step or epoch; asking for it costs a host
        synchronisation.

    Returns
    -------
    hidden : Tensor, shape (m, d)
        Hidden weights.
    output : Tensor, shape (m,)
        Output weights.
    """
    hidden, output = (torch.nn.Parameter(w) for w in problem.initial(descent.n_neurons, seed))
    if descent.optimizer == "lbfgs":
        _run_lbfgs(problem, descent, hidden, output, report)
    elif descent.batch_size is None:
        _run_full_batch(problem, descent, hidden, output, report)
    else:
        _run_mini_batches(problem, descent, hidden, output, seed, report)
    return hidden.detach(), output.detach()


def _scheduled(
    descent: Descent, parameters: list[torch.nn.Parameter], n_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return Adam or SGD with cosine decay over ``n_steps``."""
    optimizer: torch.optim.Optimizer
    if descent.optimizer == "adam":
        optimizer = torch.optim.Adam(parameters, lr=descent.learning_rate)
    else:
        optimizer = torch.optim.SGD(parameters, lr=descent.learning_rate, momentum=0.9)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)


def _run_full_batch(
    problem: DescentProblem,
    descent: Descent,
    hidden: torch.nn.Parameter,
    output: torch.nn.Parameter,
    report: Report | None,
) -> None:
    """Full-batch steps: Adam on the objective, whose scale it does not feel, SGD on its mean."""
    began, n = time.perf_counter(), 1 if descent.optimizer == "adam" else len(problem.X)
    optimizer, schedule = _scheduled(descent, [hidden, output], descent.n_steps)
    for step in range(descent.n_steps):
        value, hidden_gradient, output_gradient = problem.objective_and_gradients(
            hidden.data, output.data)
        hidden.grad, output.grad = hidden_gradient / n, output_gradient / n
        if report is not None:
            report(TracePoint(step, time.perf_counter() - began, float(value)))
        optimizer.step()
        schedule.step()


def _run_mini_batches(
    problem: DescentProblem,
    descent: Descent,
    hidden: torch.nn.Parameter,
    output: torch.nn.Parameter,
    seed: int,
    report: Report | None,
) -> None:
    """Epochs of mini-batch steps, the skip refitted before each epoch."""
    began, n = time.perf_counter(), len(problem.X)
    batch = min(descent.batch_size or n, n)
    per_epoch = -(-n // batch)
    optimizer, schedule = _scheduled(descent, [hidden, output], descent.n_steps * per_epoch)
    generator = np.random.default_rng(seed)
    for epoch in range(descent.n_steps):
        if report is not None:
            value, _, _ = problem.objective_and_gradients(hidden.data, output.data)
            report(TracePoint(epoch, time.perf_counter() - began, float(value)))
        target = problem.skip_target(hidden.data, output.data)
        for rows in _shuffled_batches(n, batch, generator):
            hidden.grad, output.grad = problem.batch_gradients(
                hidden.data, output.data, target, rows.to(problem.X.device))
            optimizer.step()
            schedule.step()


def _shuffled_batches(n: int, batch: int, generator: np.random.Generator) -> Iterator[Tensor]:
    """Yield the row indices of one epoch's mini-batches."""
    order = torch.as_tensor(generator.permutation(n))
    yield from torch.split(order, batch)


def _run_lbfgs(
    problem: DescentProblem,
    descent: Descent,
    hidden: torch.nn.Parameter,
    output: torch.nn.Parameter,
    report: Report | None,
) -> None:
    """Full-batch L-BFGS; reports the best objective of all evaluations so far."""
    began, evaluations, best = time.perf_counter(), 0, float("inf")
    optimizer = torch.optim.LBFGS(
        [hidden, output], lr=descent.learning_rate, max_iter=descent.n_steps,
        tolerance_grad=1e-9, tolerance_change=1e-12, history_size=50,
        line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        nonlocal evaluations, best
        value, hidden.grad, output.grad = problem.objective_and_gradients(
            hidden.data, output.data)
        if report is not None:
            best = min(best, float(value))
            report(TracePoint(evaluations, time.perf_counter() - began, best))
            evaluations += 1
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]

