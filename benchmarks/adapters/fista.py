"""A plain FISTA for gated programs, as one writes it by hand in torch: no metric, no screening.

Beck & Teboulle (2009) with the restart of O'Donoghue & Candes (2015); the step is one over the
largest eigenvalue of A'A, by power iteration. The wide matrix is never formed.

Settings: tol, max_iterations, check_every.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from benchmarks.adapters.wide import require_group_lasso
from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings, Trace


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


class _GroupLasso:
    """``1/2 ||A z - y||^2 + beta sum_k ||z_k||`` with ``A z = sum_k D_k X z_k``."""

    def __init__(self, instance: Instance) -> None:
        self.X, self.y = torch.from_numpy(instance.X), torch.from_numpy(instance.y)
        self.masks = torch.from_numpy(instance.masks).T.to(self.X)
        self.beta = instance.beta

    def forward(self, blocks: Tensor) -> Tensor:
        """Return ``A z``."""
        return (self.X @ blocks.T).mul_(self.masks).sum(dim=1)

    def adjoint(self, values: Tensor) -> Tensor:
        """Return ``A'v``."""
        return (self.masks * values[:, None]).T @ self.X

    def lipschitz(self) -> float:
        """Return the largest eigenvalue of A'A, a little above what power iteration finds."""
        blocks = torch.ones(self.masks.shape[1], self.X.shape[1]).to(self.X)
        for _ in range(50):
            blocks = self.adjoint(self.forward(blocks / blocks.norm()))
        return 1.01 * float(blocks.norm())

    def gap(self, blocks: Tensor) -> float:
        """Return the relative duality gap."""
        residual = self.y - self.forward(blocks)
        objective = 0.5 * residual.square().sum() + self.beta * blocks.norm(dim=1).sum()
        violation = self.adjoint(residual).norm(dim=1).amax() / self.beta
        linear, quadratic = self.y.dot(residual), residual.square().sum()
        scale = torch.minimum((linear / quadratic).clamp_min(0.0), 1 / violation)
        bound = scale * linear - 0.5 * scale**2 * quadratic
        return float((objective - bound) / objective)


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Iterate until the relative gap is ``tol``."""
    require_group_lasso(instance)
    began, trace = time.perf_counter(), Trace()
    problem = _GroupLasso(instance)
    step = 1.0 / problem.lipschitz()
    blocks = ahead = torch.zeros(len(instance.masks), instance.X.shape[1], dtype=torch.float64)
    momentum, iteration = 1.0, 0
    for iteration in range(1, settings["max_iterations"] + 1):
        gradient = problem.adjoint(problem.forward(ahead) - problem.y)
        moved = _shrink(ahead - step * gradient, step * problem.beta)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        if float(((ahead - moved) * (moved - blocks)).sum()) > 0:
            momentum, following = 1.0, 1.0
        ahead = moved + (momentum - 1) / following * (moved - blocks)
        blocks, momentum = moved, following
        if iteration % settings["check_every"] == 0:
            trace.append((time.perf_counter() - began, problem.gap(blocks)))
            if trace[-1][1] <= settings["tol"]:
                break
    return Answer(blocks=np.asarray(blocks.numpy()), trace=trace,
                  notes={"iterations": iteration})


def _shrink(blocks: Tensor, threshold: float) -> Tensor:
    """Return the prox of ``threshold * sum_k ||z_k||``."""
    norms: Tensor = blocks.norm(dim=1, keepdim=True)
    return blocks * (1 - threshold / norms.clamp_min(threshold))
