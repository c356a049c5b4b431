"""The network trained by gradients, as people train it, on objective (1), in torch.

As most people do, with automatic differentiation; or with the gradients written out, which is
faster where n is small, and so a better peer.

Settings: stages, a list of (optimizer, steps, learning rate) one after the other, optimizer one of
"adam" and "sgd" (both with cosine decay to zero over their steps; SGD in epochs of mini-batches,
momentum 0.9, on the mean) and "lbfgs" (strong Wolfe); neurons; batch (64); seed; written_out
(True).
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings, Trace


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


class _Network:
    """``(X W1')_+ w2`` with its objective, gradients, and clock."""

    def __init__(self, instance: Instance, settings: Settings) -> None:
        self.X, self.y = torch.from_numpy(instance.X), torch.from_numpy(instance.y)
        self.beta, self.batch = instance.beta, settings.get("batch", 64)
        self.value = self.written_out if settings.get("written_out", True) else self.automatic
        d, m = self.X.shape[1], settings["neurons"]
        self.generator = torch.Generator().manual_seed(settings["seed"])
        drawn = [torch.randn(*shape, generator=self.generator, dtype=torch.float64)
                 for shape in ((d, m), (m,))]
        self.hidden = torch.nn.Parameter((drawn[0] / d**0.5).T.contiguous())
        self.output = torch.nn.Parameter(drawn[1] / m**0.5)
        self.trace, self.paused, self.began = Trace(), 0.0, time.perf_counter()

    @torch.no_grad()
    def written_out(self, X: Tensor, y: Tensor, beta: float) -> Tensor:
        """Set the gradients of the objective on some rows; return the objective."""
        active = (X @ self.hidden.T).relu_()
        error = active @ self.output - y
        self.output.grad = active.T @ error + beta * self.output
        switched = (active > 0).to(X).mul_(error[:, None])
        self.hidden.grad = (switched.T @ X) * self.output[:, None] + beta * self.hidden
        weights = self.hidden.square().sum() + self.output.square().sum()
        return 0.5 * error.square().sum() + beta / 2 * weights

    def automatic(self, X: Tensor, y: Tensor, beta: float) -> Tensor:
        """Do the same by automatic differentiation."""
        self.hidden.grad = self.output.grad = None
        loss = 0.5 * ((X @ self.hidden.T).relu() @ self.output - y).square().sum()
        weights = self.hidden.square().sum() + self.output.square().sum()
        objective = loss + beta / 2 * weights
        objective.backward()  # type: ignore[no-untyped-call]
        return objective.detach()

    def tell(self, objective: Tensor) -> None:
        """Note where training is."""
        elapsed = time.perf_counter() - self.began - self.paused
        self.trace.append((elapsed, float(objective)))

    def adam(self, steps: int, rate: float) -> None:
        """Full-batch Adam with cosine decay."""
        optimizer = torch.optim.Adam([self.hidden, self.output], lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            self.tell(self.value(self.X, self.y, self.beta))
            optimizer.step()
            schedule.step()

    def sgd(self, epochs: int, rate: float) -> None:
        """Mini-batch SGD with momentum and cosine decay; the objective of epochs is not timed."""
        n = len(self.y)
        optimizer = torch.optim.SGD([self.hidden, self.output], lr=rate, momentum=0.9)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, epochs * -(-n // self.batch))
        for _ in range(epochs):
            order = torch.randperm(n, generator=self.generator)
            for kept in torch.split(order, self.batch):
                self.value(self.X[kept], self.y[kept], self.beta * len(kept) / n)
                for parameter in (self.hidden, self.output):
                    assert parameter.grad is not None
                    parameter.grad /= len(kept)
                optimizer.step()
                schedule.step()
            self.tell_untimed()

    def tell_untimed(self) -> None:
        """Note where training is, the objective's own evaluation not being counted."""
        before = time.perf_counter()
        objective = self.value(self.X, self.y, self.beta)
        self.tell_at(before, objective)

    def tell_at(self, moment: float, objective: Tensor) -> None:
        """Note an objective as of a moment, and take the time since off the clock."""
        self.trace.append((moment - self.began - self.paused, float(objective)))
        self.paused += time.perf_counter() - moment

    def lbfgs(self, steps: int, rate: float) -> None:
        """Full-batch L-BFGS; every evaluation counts, also those within a line search."""
        optimizer = torch.optim.LBFGS(
            [self.hidden, self.output], lr=rate, max_iter=steps, max_eval=2 * steps,
            tolerance_grad=1e-9, tolerance_change=1e-12, history_size=50,
            line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            value = self.value(self.X, self.y, self.beta)
            self.tell(value)
            return value

        optimizer.step(closure)  # type: ignore[no-untyped-call]


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Train through all stages from one random start."""
    network = _Network(instance, settings)
    for optimizer, steps, rate in settings["stages"]:
        getattr(network, optimizer)(steps, rate)
    network.tell_untimed()
    hidden, output = network.hidden.detach().numpy(), network.output.detach().numpy()
    return Answer(network=(np.asarray(hidden), np.asarray(output)), trace=network.trace,
                  notes={"evaluations": len(network.trace)})
