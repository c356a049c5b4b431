"""Gradient training of the networks of `benchmarks.horizons`, gradients written out.

Settings: shape (the fields of `Shape`), neurons, steps, seed (0), method: "lbfgs", L-BFGS-B of
scipy with a memory of twenty steps; or "adam" (rate), full-batch, with cosine decay.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import minimize

from benchmarks.horizons import Horizon, Shape, build
from benchmarks.instances import Floats
from benchmarks.jobs import Answer, Settings, Trace


def prepare(threads: int) -> None:
    """Do nothing: the environment has set the threads of NumPy's libraries."""


def answer(instance: None, settings: Settings, threads: int) -> Answer:
    """Train from one random start."""
    horizon = build(Shape(**settings["shape"]))
    descent = _Descent(horizon, settings["neurons"], settings.get("seed", 0))
    if settings["method"] == "lbfgs":
        minimize(descent.value, descent.first, jac=True, method="L-BFGS-B", options={
            "maxiter": settings["steps"], "maxfun": 10 * settings["steps"], "maxcor": 20,
            "ftol": 1e-12})
    else:
        descent.adam(settings["steps"], settings["rate"])
    return Answer(objective=horizon.objective(*descent.parts(descent.best)), trace=descent.trace,
                  notes={"evaluations": len(descent.trace)})


class _Descent:
    """The objective and its gradient in all weights, and the best weights seen."""

    def __init__(self, horizon: Horizon, neurons: int, seed: int) -> None:
        self.horizon, self.neurons, self.beta = horizon, neurons, horizon.beta
        generator = np.random.default_rng(seed)
        d, c = horizon.inputs.shape[1], horizon.targets.shape[1]
        self.first = np.concatenate([
            generator.standard_normal(neurons * d) / d**0.5,
            0.1 * generator.standard_normal(neurons * c) / c**0.5])
        self.goal = horizon.leave(horizon.targets)
        self.best, self.lowest = self.first, np.inf
        self.trace, self.began = Trace(), time.perf_counter()

    def parts(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return hidden and output weights."""
        cut = self.neurons * self.horizon.inputs.shape[1]
        return (weights[:cut].reshape(self.neurons, -1), weights[cut:].reshape(self.neurons, -1))

    def value(self, weights: Floats) -> tuple[float, Floats]:
        """Return the objective and its gradient; note where training is."""
        hidden, output = self.parts(weights)
        linear = self.horizon.inputs @ hidden.T
        active = np.maximum(linear, 0)
        error = self.goal - self.horizon.leave(active @ output)
        pushed = (error @ output.T) * (linear > 0)
        objective = 0.5 * float((error**2).sum()) + self.beta / 2 * float((weights**2).sum())
        gradient = self.beta * weights - np.concatenate([
            (pushed.T @ self.horizon.inputs).ravel(), (active.T @ error).ravel()])
        if objective < self.lowest:
            self.best, self.lowest = weights.copy(), objective
        self.trace.append((time.perf_counter() - self.began, self.lowest))
        return objective, gradient

    def adam(self, steps: int, rate: float) -> None:
        """Take steps of Adam, their size falling to zero along a cosine."""
        weights, mean, square = self.first.copy(), 0.0 * self.first, 0.0 * self.first
        for step in range(steps):
            _, gradient = self.value(weights)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            size = rate * (1 + np.cos(np.pi * step / steps)) / 2
            corrected = (square / (1 - 0.999 ** (step + 1))) ** 0.5 + 1e-8
            weights -= size * mean / (1 - 0.9 ** (step + 1)) / corrected
        self.value(weights)
